"""The results of the race: their file, the machine they come from, and their ratios."""

import json
import operator
import os
import platform
import shutil
import subprocess
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from benchmarks.race.entrants import ENTRANTS

PACKAGES = [
    "arviz",
    "bambi",
    "duckdb",
    "glmm",
    "mixedlm",
    "numba",
    "numpy",
    "nutpie",
    "pandas",
    "pyarrow",
    "pymc",
    "scipy",
    "statsmodels",
]
COMPARE = {"<": operator.lt, "<=": operator.le, ">=": operator.ge}


class Results:
    """The results of this run and of earlier ones, written when they are there."""

    def __init__(self, path):
        self.path = path
        self.content = {"rows_are": "shuffled", "records": []}
        if path.exists():
            self.content |= json.loads(path.read_text(encoding="utf-8"))
            if "machine" not in self.content:
                raise SystemExit(f"{path.name} holds no results: move it away first.")
        self.content |= _describe_machine()

    def find(self, name, rows):
        """Look a record up; an empty one if it is not there."""
        return _find(self.content, name, rows)

    def add(self, entrant, rows, report):
        """Put one result into the file, and on the screen."""
        record = _round(_head(entrant, rows, report) | {"failed": ""} | report)
        records, old = self.content["records"], self.find(entrant.name, rows)
        self.content["records"] = [each for each in records if each is not old]
        self.content["records"].append(record)
        self._save()
        print(_say(record), flush=True)

    def note(self, name, number):
        """Put a number into the file that belongs to no entrant."""
        self.content[name] = _round(number)
        self._save()

    def _save(self):
        places = [entrant.name for entrant in ENTRANTS]
        self.content["records"].sort(
            key=lambda record: (record["rows"], places.index(record["entrant"]))
        )
        draft = self.path.with_suffix(".draft")
        draft.write_text(_as_json(self.content), encoding="utf-8")
        draft.replace(self.path)


def _find(content, name, rows):
    for record in content["records"]:
        if record["entrant"] == name and record["rows"] == rows:
            return record
    return {}


def _head(entrant, rows, report):
    times = report.get("repetitions", [])
    return {
        "entrant": entrant.name,
        "does": entrant.does,
        "kind": entrant.kind,
        "rows": rows,
        "seconds": median(times) if times and not report.get("failed") else None,
    }


def _round(value):
    """Keep five digits of each number, also in lists and dicts."""
    if isinstance(value, dict):
        return {key: _round(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_round(each) for each in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _as_json(content):
    """Write a record in each line."""
    head = {key: content[key] for key in content if key != "records"}
    lines = [json.dumps(each, ensure_ascii=False) for each in content["records"]]
    text = json.dumps(head, indent=1, ensure_ascii=False)[:-2]
    return text + ',\n "records": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n"


def _say(record):
    parts = [f"{record['entrant']}, {record['rows']:,} rows: "]
    if record["seconds"] is not None:
        parts.append(f"{record['seconds']:.4g} s")
        each = [f"{key} {s:.3g}" for key, s in record.get("parts", {}).items()]
        parts.append(f" ({', '.join(each)})" if each else "")
    keys = ["peak_mb", "min_ess_bulk", "r_hat", "male", "setting"]
    parts += [f"; {key} {record[key]}" for key in keys if key in record]
    return "".join(parts) + (f"; FAILED: {record['failed']}" * bool(record["failed"]))


def _describe_machine():
    """Say what this machine and its software are, but not whose."""
    return {
        "machine": {
            "cores": os.cpu_count(),
            "memory_gb": round(_memory() / 2**30),
            "processor": _processor(),
            "system": platform.system(),
        },
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES if find_spec(name)},
            **_r_versions(),
        },
        "date": date.today().isoformat(),
    }


def _memory():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _processor():
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    models = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return models[0] if models else platform.machine()


def _r_versions():
    if not shutil.which("Rscript"):
        return {}
    code = (
        "cat(as.character(getRversion()), as.character(packageVersion('lme4')), "
        "basename(extSoftVersion()[['BLAS']]))"
    )
    command = ["Rscript", "--vanilla", "-e", code]
    done = subprocess.run(command, capture_output=True, text=True)
    names = ["R", "lme4", "R's BLAS"]
    return {} if done.returncode else dict(zip(names, done.stdout.split(), strict=True))


def print_ratios(content):
    """Print the figures that the race is about, each beside its target."""
    for what, figure, sign, target in _list_figures(content):
        if figure is not None:
            met = "yes" if COMPARE[sign](figure, target) else "NO"
            goal = f"{sign} {target:,g}"
            print(f"{what:55} {figure:>9.4g}   {goal:>8}   {met}")


def _list_figures(content):
    def ratio(over, under, rows):
        over, under = seconds(over, rows), seconds(under, rows)
        return over / under if over and under else None

    def seconds(name, rows):
        return _find(content, name, rows).get("seconds")

    million, most = 1_000_000, 100_000_000
    by_dummies = ratio("exact", "gram_glm_no_pooling", million)
    by_counting = ratio("exact", "group_by", most)
    own, points = "gram_glm_own_cells", "gram_reml"
    peak = _find(content, "exact", most).get("peak_mb")
    return [
        ("exact / sm_ols, 1e6", ratio("exact", "sm_ols", million), "<=", 0.4),
        ("exact / gram_glm, 1e6", ratio("exact", "gram_glm", million), "<=", 4),
        ("exact / gram_glm_no_pooling, 1e6", by_dummies, "<=", 4),
        (f"exact / {own}, 1e6", ratio("exact", own, million), "<=", 10),
        (f"exact / {own}, 1e8", ratio("exact", own, most), "<=", 10),
        (f"exact / {points}, 1e6", ratio("exact", points, million), "<=", 2),
        ("r_lme4 / exact, 1e6", ratio("r_lme4", "exact", million), ">=", 100),
        ("exact, seconds, 1,000 rows", seconds("exact", 1_000), "<", 0.15),
        ("exact, seconds, 10,000 rows", seconds("exact", 10_000), "<", 0.15),
        ("collapse and fit / group_by, 1e8", by_counting, "<=", 1.15),
        ("exact, peak MB, 1e8", peak, "<", 2_000),
        ("import partialpool, seconds", content.get("import_seconds"), "<", 1),
    ]
