#!/bin/sh
# Puts what the book needs into .venv; make calls it before everything else.
# Says nothing and touches no network when the environment is up to date.
# PYTHON may name the Python to use; one that does not fit is refused.
set -eu
cd "$(dirname "$0")/.."

needs='Python 3.12 or 3.13'
# .unfinished stands while an install runs: what an interrupted one leaves is thrown away.
unfinished=.venv/.unfinished
stamp=.venv/.installed

# The content, not the date, of the two files says whether to install again: git
# gives new dates. Of pyproject.toml the settings of ruff and pytest, at its end, do
# not count. The folder does: an environment cannot be moved.
wanted=$(
    pwd -P
    cksum <requirements.txt
    sed '/^\[tool\.ruff\]/,$d' pyproject.toml | cksum
)

version() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

fits() {
    case $(version "$1") in 3.12 | 3.13) return 0 ;; *) return 1 ;; esac
}

# A version manager may put a uv or a python3.13 on the path that only prints an
# error, so each is tried before it counts.
has_uv() {
    uv --version >/dev/null 2>&1
}

find_python() {
    found=
    python=${PYTHON:-}
    if [ -n "$python" ]; then return 0; fi # refused already if it did not fit
    for python in python3.13 python3.12 python3 python; do
        if fits "$python"; then return 0; fi
        found=${found:-$(version "$python" || true)}
    done
    return 1
}

# An environment keeps the Python that it was made with. Without PYTHON any will do.
asked_for() {
    [ -z "${PYTHON:-}" ] || [ "$(home "$PYTHON")" = "$(home .venv/bin/python)" ]
}

home() {
    "$1" -c 'import sys; print(sys.version_info, sys.base_prefix)' 2>/dev/null
}

refuse_asked() {
    found=$(version "$PYTHON" || true)
    echo "PYTHON=$PYTHON is ${found:+Python }${found:-no Python that runs}, but this book" \
        "needs $needs: name one of these, or leave PYTHON out." >&2
    exit 1
}

refuse() {
    echo "Found ${found:+Python }${found:-no Python}, but this book needs $needs:" \
        "install it from https://www.python.org/downloads/ (or install uv," \
        "https://docs.astral.sh/uv/), then run make again." >&2
    exit 1
}

make_venv() {
    rm -rf .venv
    if has_uv && find_python; then
        uv venv --quiet --python "$python" .venv
    elif has_uv; then
        # uv can fetch a Python; without a network it says so at length.
        uv venv --quiet --python '>=3.12,<3.14' .venv 2>/dev/null || refuse
    elif find_python; then
        "$python" -m venv .venv >/dev/null || {
            echo "$python cannot make a virtual environment: install its venv module" \
                "(on Debian and Ubuntu: apt install python3-venv), then run make again." >&2
            exit 1
        }
    fi
}

install() {
    if has_uv; then
        uv pip sync --quiet --compile-bytecode --python .venv/bin/python requirements.txt
    else
        .venv/bin/python -m pip install --quiet -r requirements.txt
        # pip leaves the bytecode out where PYTHONDONTWRITEBYTECODE is set, and
        # imports then take twice as long. A few packages carry files that are not
        # meant to compile: they are no reason to stop.
        .venv/bin/python -m compileall -qq -j 0 .venv/lib || true
    fi
}

usable() {
    [ ! -e "$unfinished" ] && fits .venv/bin/python && asked_for || return 1
    [ ! -e "$stamp" ] || [ "$(head -n 1 "$stamp")" = "$(pwd -P)" ] || return 1
    has_uv || .venv/bin/python -m pip --version >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ] && ! fits "$PYTHON"; then
    refuse_asked
fi

if fits .venv/bin/python && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && asked_for; then
    exit 0
fi

started=$(date +%s)
has_uv || find_python || refuse
echo "installing $(grep -c == requirements.txt) packages into .venv (once; 1.1 GB; some minutes)"
usable || make_venv
rm -f "$stamp"
touch "$unfinished"
install
rm "$unfinished"
echo "$wanted" >"$stamp"
echo "installed in $(($(date +%s) - started)) s"
