"""Mend, in the finished HTML, what the theme and pandas leave unusable.

It exists because nothing upstream can be configured to do it: pandas writes an
empty header into the corner of every table and names no header's scope, the
theme leaves its sidebar outside every landmark and gives buttons names that
differ from the words on them, and docutils writes roles that ARIA withdrew.
Each mend is one function that takes the parsed page and changes it; none minds
being run twice.
"""

import time
from pathlib import Path

from bs4 import BeautifulSoup

MENDS = []
MANY_LETTERS = 24  # longer than a number with its interval


def mend(function):
    """Register one mend; they run in the order of this file."""
    MENDS.append(function)
    return function


@mend
def empty_headers(page):
    """An empty header announces nothing: make it a data cell."""
    for header in page.select("table th"):
        if not header.get_text(strip=True) and not header.find("img"):
            header.name = "td"
            header.attrs.pop("scope", None)


@mend
def header_scopes(page):
    """Say of each header whether it heads its column or its row."""
    for header in page.select("table th:not([scope])"):
        in_head = header.find_parent("thead") is not None
        span = int(header.get("colspan" if in_head else "rowspan", 1))
        direction = "col" if in_head else "row"
        header["scope"] = direction + ("group" if span > 1 else "")


@mend
def pandas_style(page):
    """Drop the style block pandas repeats per table; book.css has one for all."""
    for style in page.select("style[scoped]"):
        style.decompose()
    for table in page.select("table.dataframe"):
        table.attrs.pop("border", None)
        for row in table.select("tr[style]"):
            del row["style"]


@mend
def long_words_wrap(page):
    """Let a cell of many words break into lines; numbers stay whole: see book.css."""
    for cell in page.select("table.dataframe tbody td"):
        text = cell.get_text(strip=True)
        if len(text) > MANY_LETTERS and " " in text:
            cell["class"] = ["words"]


@mend
def figures_scroll(page):
    """Give each picture a box, so that on a phone it keeps a size fit to read."""
    for image in page.select("article figure > img"):
        image.wrap(page.new_tag("div", attrs={"class": "figure-scroll"}))


@mend
def sidebar_landmark(page):
    """Put the sidebar, with the book's title and search, inside a landmark."""
    sidebar = page.select_one("#pst-primary-sidebar")
    if sidebar:
        sidebar["role"] = "region"
        sidebar["aria-label"] = "Book"


@mend
def link_to_explorer(page):
    """With a keyboard the explorer is more than twenty stops away: link to it."""
    explorer = page.select_one("shrinkage-explorer")
    links = page.select_one("#pst-skip-link")
    if explorer and links and not explorer.get("id"):
        explorer["id"], explorer["tabindex"] = "explorer", "-1"
        link = page.new_tag("a", href="#explorer")
        link.string = "Skip to the explorer"
        links.append(link)


@mend
def names_match_words(page):
    """Remove names that hide the visible words from those who speak commands."""
    for button in page.select(".search-button-field"):
        for attribute in ("aria-label", "title"):
            button.attrs.pop(attribute, None)
    for summary in page.select("summary[aria-label]"):
        del summary["aria-label"]


@mend
def icon_buttons(page):
    """A title shows only under a mouse: name the buttons that are pictures."""
    for button in page.select("button[title]:not([aria-label])"):
        if not button.get_text(strip=True):
            button["aria-label"] = button["title"]


@mend
def decorative_icons(page):
    """Icons are not words: keep them, and their titles, from being read out."""
    for icon in page.select("i[class*='fa-'], span[class*='fa-']"):
        icon["aria-hidden"] = "true"
        icon.attrs.pop("title", None)


@mend
def bibliography_roles(page):
    """Withdrawn or incomplete list roles are worse than none."""
    for element in page.select(
        "[role=doc-biblioentry], [role=doc-endnote], .citation-list[role]"
    ):
        del element["role"]


@mend
def repeated_ids(page):
    """sphinx-exercise gives every exercise the same inner id: only outer ids link."""
    for section in page.select("section#exercise-content, section#solution-content"):
        section.name = "div"
        del section["id"]


def mend_page(html):
    """Return the HTML of one page with every mend applied."""
    page = BeautifulSoup(html, "html.parser")
    for function in MENDS:
        function(page)
    return str(page)


def note_start(app):
    """Remember when the build began: pages older than that are mended already."""
    app.mending_started = time.time()


def mend_written_pages(app, exception):
    """Mend every page that this build wrote, also when the build then failed."""
    if app.builder.format != "html":
        return
    for path in sorted(Path(app.outdir).rglob("*.html")):
        outside = "_static" in path.relative_to(app.outdir).parts
        # One second of slack: some file systems keep whole seconds only.
        if not outside and path.stat().st_mtime >= app.mending_started - 1:
            html = path.read_text(encoding="utf-8")
            path.write_text(mend_page(html), encoding="utf-8")


def setup(app):
    app.connect("builder-inited", note_start)
    app.connect("build-finished", mend_written_pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
