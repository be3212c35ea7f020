"""Where the results of the chapters are kept, and a check of their verdicts.

As a Sphinx extension it points MyST-NB at the results that ``book/build.py``
stored, and keeps MyST-NB from ever running a chapter itself.
"""

import hashlib
import json
import sys
from contextlib import contextmanager
from pathlib import Path

import nbformat
import yaml
from jupyter_cache import get_cache

ROOT = Path(__file__).resolve().parents[2]
VERDICT = "application/vnd.partialpool.verdict+json"

# What every kernel is started with. One thread for linear algebra: sums taken in
# another order differ in their last digits, and chapters run side by side anyway.
# On Linux, memory of large arrays is kept for the next one: chapters of simulations
# spend up to a third of their time in giving it back and getting it cleared again.
KERNEL_SETTINGS = {
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
}


class ChapterError(Exception):
    """A chapter has no stored result, or a verdict that it did not compute."""


def page_names(root=ROOT):
    """List the pages that ``_toc.yml`` names, in its order, without ending."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    return list(_files_in(toc))


def chapters(root=ROOT):
    """List the notebooks among the pages, in the order of ``_toc.yml``."""
    paths = (root / f"{name}.ipynb" for name in page_names(root))
    return [path for path in paths if path.exists()]


def _files_in(toc):
    """Yield every page name of a table of contents, in reading order."""
    if isinstance(toc, list):
        for entry in toc:
            yield from _files_in(entry)
    elif isinstance(toc, dict):
        for key, value in toc.items():
            if key in ("root", "file"):
                yield value.removesuffix(".ipynb")
            else:
                yield from _files_in(value)


def fingerprint(root=ROOT):
    """Hash everything that the chapters' results depend on, but the chapters."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(repr((python, sorted(KERNEL_SETTINGS.items()))).encode())
    for path in [*_package_files(root), *_measured(root), root / "requirements.txt"]:
        content = path.read_bytes()
        name = path.relative_to(root).as_posix()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _package_files(root):
    """List the files of the package: modules, style and data, not bytecode."""
    inside = (root / "partialpool").rglob("*")
    files = (path for path in inside if path.is_file() and path.suffix != ".pyc")
    return sorted(path for path in files if not path.name.startswith("."))


def _measured(root):
    """List the results of the benchmarks, which two chapters read."""
    return sorted((root / "benchmarks" / "results").glob("*.json"))


def cache_path(root=ROOT):
    """Give the folder of the results that fit the package as it is now.

    MyST-NB's own cache looks at the cells only: after an edit of the package it
    would go on serving the old results.
    """
    return root / "_build" / "cache" / fingerprint(root)


@contextmanager
def opened(path):
    """Open a folder of results, and close its database again."""
    cache = get_cache(path)
    try:
        yield cache
    finally:
        cache.db.dispose()


def executed(chapter, cache):
    """Read a chapter with its stored outputs; KeyError where there are none."""
    _, notebook = cache.merge_match_into_notebook(nbformat.read(chapter, as_version=4))
    return notebook


def verified_verdicts(cache_path, root=ROOT):
    """Return the verdicts of all chapters, each checked against its outputs.

    Every verdict of ``verdicts/<slug>.json`` must be among the outputs that the
    chapter's cells displayed in the stored run, in the same order, and the other
    way round. Each verdict gains the key ``chapter``, the slug.
    """
    folder = Path(cache_path) / "verdicts"
    verdicts = []
    with opened(cache_path) as cache:
        for chapter in chapters(root):
            path = folder / f"{chapter.stem}.json"
            for verdict in _verdicts_of(chapter, cache, path):
                verdicts.append({"chapter": chapter.stem, **verdict})
    _refuse_strays(folder, {chapter.stem for chapter in chapters(root)})
    return verdicts


def _verdicts_of(chapter, cache, path):
    try:
        shown = shown_verdicts(executed(chapter, cache))
    except KeyError:
        raise ChapterError(_not_run([chapter.stem])) from None
    try:
        stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    except ValueError:
        stored = None
    # Compared as text, in which a missing number equals itself.
    if json.dumps(shown, sort_keys=True) != json.dumps(stored, sort_keys=True):
        raise ChapterError(
            f"chapter {chapter.stem}: the verdicts in {path} are not the ones that "
            "its cells displayed; delete that cache folder and run make book."
        )
    return shown


def shown_verdicts(notebook):
    """List the verdicts among the outputs of an executed notebook."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    bundles = (output.get("data", {}) for output in outputs)
    return [bundle[VERDICT] for bundle in bundles if VERDICT in bundle]


def _refuse_strays(folder, slugs):
    for path in sorted(folder.glob("*")):
        if path.suffix != ".json" or path.stem not in slugs:
            raise ChapterError(
                f"{path} is a verdict file of no chapter of _toc.yml; delete it."
            )


def _not_run(slugs):
    return f"not run yet with the package as it is: {', '.join(slugs)}; run make book."


def unrun_chapters(cache, root=ROOT):
    """List the chapters without a stored result."""
    return [chapter for chapter in chapters(root) if not _matches(chapter, cache)]


def _matches(chapter, cache):
    try:
        cache.match_cache_notebook(nbformat.read(chapter, as_version=4))
    except KeyError:
        return False
    return True


# The Sphinx extension ---------------------------------------------------------


def use_results(app, config):
    """Point MyST-NB at the stored results."""
    config.nb_execution_cache_path = str(cache_path())


def check_results(app):
    """Stop before the first page when a result or a verdict is not in order."""
    from sphinx.errors import ExtensionError

    with opened(cache_path()) as cache:
        missing = [chapter.stem for chapter in unrun_chapters(cache)]
    if missing:
        raise ExtensionError(_not_run(missing))
    try:
        verified_verdicts(cache_path())
    except ChapterError as error:
        raise ExtensionError(str(error)) from None


def rerun_pages(app, env, added, changed, removed):
    """Name the pages that are older than the stored result of their chapter.

    A chapter can be run again while its file stays as it was.
    """
    with opened(cache_path()) as cache:
        for chapter in chapters():
            name = chapter.relative_to(ROOT).with_suffix("").as_posix()
            record = cache.match_cache_notebook(nbformat.read(chapter, as_version=4))
            result = cache.path / "executed" / record.hashkey / "base.ipynb"
            read = env.all_docs.get(name)  # in microseconds
            if read is not None and result.stat().st_mtime_ns > read * 1000:
                yield name


def refuse_to_run(*args, **kwargs):
    """Stand in for MyST-NB's own way to run a notebook."""
    from sphinx.errors import ExtensionError

    raise ExtensionError(
        "only book/build.py runs notebooks, and only those of _toc.yml"
    )


def setup(app):
    """Register the extension with Sphinx."""
    from myst_nb.core.execute import cache

    cache.single_nb_execution = refuse_to_run
    app.connect("config-inited", use_results)
    app.connect("builder-inited", check_results)
    app.connect("env-get-outdated", rerun_pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
