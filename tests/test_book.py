"""The built site, read as files: pictures, links, leftovers, no other host."""

import re
from functools import cache
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

from book._ext.verdicts import PARTS
from tests.built_book import SITE, SPHINX_PAGES, require_site, site_pages, toc_pages

PAGES = toc_pages()
CHAPTERS = [name for name in PAGES if name.startswith("notebooks/")]

# Markup that a page shows as text when its directive or role was mistyped.
LEFTOVERS = re.compile(
    r"\{(glue|ref|numref|eq|cite|doc|term|exercise|claims|verdicts)\b|:::|```"
)
FOREIGN = re.compile(r"^(https?:)?//")
IN_STYLES = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s]+)""")
# What looks like a file or a hash, not like a description.
NOT_WORDS = re.compile(r"_images/|\.(png|svg|jpe?g|gif)\b|[0-9a-f]{16}")


@pytest.fixture(autouse=True)
def site():
    require_site()


@cache
def page(name):
    html = (SITE / f"{name}.html").read_text(encoding="utf-8")
    return BeautifulSoup(html, "html.parser")


@cache
def ids(name):
    """Return every anchor of a page."""
    named = page(name).select("[id], a[name]")
    return {element.get("id") or element.get("name") for element in named}


def article(name):
    return page(name).select_one("article") or page(name)


def sources(images):
    return [image.get("src", "")[-60:] for image in images]


# Pages -------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_every_page_of_the_toc_is_built(name):
    assert (SITE / f"{name}.html").exists(), (
        f"{name} is in _toc.yml but not in the site"
    )


def test_no_stale_pages():
    stale = set(site_pages()) - set(PAGES) - SPHINX_PAGES
    assert not stale, f"not in _toc.yml; delete _build/html and build again: {stale}"


@pytest.mark.parametrize("name", PAGES)
def test_language_is_declared(name):
    assert page(name).html.get("lang") == "en-GB"


@pytest.mark.parametrize("name", PAGES)
def test_ids_are_unique(name):
    found = [element["id"] for element in page(name).select("[id]")]
    twice = {one for one in found if found.count(one) > 1}
    assert not twice, f"links to these ids are ambiguous: {twice}"


# Pictures ----------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_images_say_what_they_show(name):
    images = article(name).select("img:not([role=presentation])")
    mute = [image for image in images if not image.get("alt", "").strip()]
    assert not mute, f"no alt text: {sources(mute)}"
    named = [image["alt"] for image in images if NOT_WORDS.search(image["alt"])]
    assert not named, f"alt text is a file name, not a description: {named}"


@pytest.mark.parametrize("name", CHAPTERS)
def test_figures_are_described_at_length(name):
    images = article(name).select("figure img, .cell_output img")
    short = [image["alt"] for image in images if len(image.get("alt", "")) < 40]
    assert not short, f"alt text under 40 characters: {short}"


@pytest.mark.parametrize("name", CHAPTERS)
def test_figures_have_caption_and_label(name):
    bare = [
        image
        for image in article(name).select(".cell_output img, img.bare")
        # Captions inside a solution would number figures that readers may not see.
        if not image.find_parent("figure") and not image.find_parent(class_="solution")
    ]
    assert not bare, f"no mystnb figure metadata on the cell: {sources(bare)}"
    for figure in article(name).select("figure"):
        assert caption_of(figure), f"figure without caption: {figure.get('id')}"
        assert figure.get("id"), f"figure without label: {caption_of(figure)}"


@pytest.mark.parametrize("name", PAGES)
def test_alt_text_is_not_the_caption(name):
    for figure in article(name).select("figure"):
        for image in figure.select("img"):
            assert image.get("alt", "").strip() != caption_of(figure), (
                f"alt text of {figure.get('id')} repeats the caption: say what is seen"
            )


def caption_of(figure):
    text = figure.select_one("figcaption .caption-text") or figure.select_one(
        "figcaption"
    )
    return text.get_text(" ", strip=True) if text else ""


# Other hosts -------------------------------------------------------------------


def resources(name):
    """Yield the addresses a browser fetches to show a page."""
    for element in page(name).select("[src]"):
        yield element["src"]
    for element in page(name).select("[srcset]"):
        yield from (part.split()[0] for part in element["srcset"].split(","))
    for link in page(name).select("link[href]"):
        if not {"canonical", "next", "prev", "author"} & set(link.get("rel", [])):
            yield link["href"]


@pytest.mark.parametrize("name", [*PAGES, "genindex", "search"])
def test_pages_fetch_nothing_from_other_hosts(name):
    foreign = [address for address in resources(name) if FOREIGN.match(address)]
    foreign += IN_STYLES.findall(str(page(name)))
    assert not foreign, f"{name} needs the network: {foreign}"


def test_styles_fetch_nothing_from_other_hosts():
    foreign = {
        path.name: found
        for path in [*SITE.rglob("*.css"), *SITE.rglob("_images/*.svg")]
        if (found := IN_STYLES.findall(path.read_text(encoding="utf-8")))
    }
    assert not foreign, f"styles need the network: {foreign}"


# Links -------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*PAGES, "genindex", "search"])
def test_internal_links_resolve(name):
    links = [element["href"] for element in page(name).select("[href]")]
    links += [element["src"] for element in page(name).select("[src]")]
    broken = [link for link in sorted(set(links)) if not resolves(name, link)]
    assert not broken, f"{name} links to what is not there: {broken}"


def resolves(name, link):
    address = urlsplit(link)
    if address.scheme or address.netloc:
        return True  # other hosts: only a reader's click goes there
    here = (SITE / f"{name}.html").resolve()
    target = (here.parent / unquote(address.path)).resolve() if address.path else here
    if not target.is_file():
        return False
    if not address.fragment or target.suffix != ".html":
        return True
    there = target.relative_to(SITE.resolve()).with_suffix("").as_posix()
    return unquote(address.fragment) in ids(there)


# Leftovers ---------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_no_errors_or_raw_markup(name):
    text = BeautifulSoup(str(article(name)), "html.parser")
    errors = text.select(".system-message, .problematic")
    assert not errors, f"docutils errors: {[error.get_text() for error in errors]}"
    for shown_on_purpose in text.select(".tag_raises-exception"):
        shown_on_purpose.decompose()
    # Docstrings on the package page show errors as examples: look at outputs only.
    outputs = [output.get_text() for output in text.select(".cell_output")]
    raised = [output for output in outputs if "Traceback (most recent" in output]
    assert not raised, f"a cell of {name} raised: {raised}"
    for code in text.select("pre, code, script, style"):
        code.decompose()
    raw = [match.group(0) for match in LEFTOVERS.finditer(text.get_text())]
    assert not raw, f"markup shown as text: {raw}"


@pytest.mark.parametrize("name", PAGES)
def test_no_table_shows_what_is_not_there_in_words_of_pandas(name):
    shown = {
        cell.get_text(strip=True) for cell in article(name).select("table.dataframe td")
    }
    assert not shown & {"None", "NaN", "nan", "NaT", "<NA>"}, "write a dash, or fill it"


# Claims ------------------------------------------------------------------------


def test_the_landing_page_shows_all_claims():
    rows = article("book/index").select("table.claims tbody tr")
    shown = [row.select_one("td, th").get_text(strip=True) for row in rows]
    assert shown == [f"C{k}" for k in range(1, 13)]
    for row in rows:
        verdict = row.select("td")[-1].get_text(" ", strip=True)
        assert re.search(r"[Hh]old|tested", verdict), f"no verdict in words: {row}"


@pytest.mark.skipif(
    "book/verdicts" not in PAGES, reason="not all claims are decided yet"
)
@pytest.mark.parametrize("number", range(1, 13))
def test_the_last_chapter_says_all_of_each_claim(number):
    section = article("book/verdicts").select_one(f"section#claim-c{number}")
    blocks = section.select(".claim-verdict:not(.claim-waiting)")
    assert blocks
    for block in blocks:
        assert "#verdict-" in block.a["href"]
        said = [item.strong.get_text() for item in block.select("li")]
        assert said == list(PARTS.values())
