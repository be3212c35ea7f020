"""The built site, for the tests that read it: where it is, and its pages."""

import os
from pathlib import Path

import pytest

from book._ext.execution import page_names

ROOT = Path(__file__).resolve().parents[1]
SITE = Path(os.environ.get("BOOK_SITE", ROOT / "_build" / "html"))

# Pages that Sphinx and its table of contents write beside those of _toc.yml.
SPHINX_PAGES = {"genindex", "index", "py-modindex", "search"}


def toc_pages():
    """List the pages that ``_toc.yml`` names, in reading order."""
    return [name.removesuffix(".md") for name in page_names()]


def site_pages():
    """List every page of the site, by its name without ``.html``."""
    pages = (path.relative_to(SITE) for path in SITE.rglob("*.html"))
    return sorted(
        page.with_suffix("").as_posix() for page in pages if "_static" not in page.parts
    )


def require_site():
    """Skip without a site; fail where one was promised."""
    if not (SITE / "index.html").exists():
        stop = pytest.fail if os.environ.get("BOOK_BUILT") == "1" else pytest.skip
        stop(f"no site in {SITE}: build it with `make book`")
