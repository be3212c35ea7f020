"""The book's small Sphinx extensions, each on a page of its own."""

from io import StringIO

import pytest
from bs4 import BeautifulSoup
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import docutils_namespace

from book._ext import claims
from book._ext.accessibility import mend_page

# accessibility -------------------------------------------------------------------

PANDAS = """<!DOCTYPE html>
<html><body><pre>  two  spaces
kept</pre><style scoped>.dataframe {}</style>
<table border="1" class="dataframe"><thead>
<tr style="text-align: right;"><th></th><th colspan="2">pay</th></tr>
<tr><th>course</th><th></th><th>sd</th></tr></thead>
<tbody><tr><th rowspan="2">A</th><td>1</td><td>2</td></tr></tbody></table>
</body></html>"""


def mended(html):
    return BeautifulSoup(mend_page(html), "html.parser")


def test_empty_headers_become_cells():
    page = mended(PANDAS)
    assert all(header.get_text(strip=True) for header in page.select("th"))
    assert len(page.select("thead td")) == 2


def test_headers_say_what_they_head():
    scopes = {th.get_text(): th["scope"] for th in mended(PANDAS).select("th")}
    assert scopes == {
        "pay": "colgroup",
        "course": "col",
        "sd": "col",
        "A": "rowgroup",
    }


def test_mending_keeps_the_rest_and_may_be_repeated():
    once = mend_page(PANDAS)
    assert once.startswith("<!DOCTYPE html>")
    assert "  two  spaces\nkept" in once
    assert mend_page(once) == once


def test_cells_of_many_words_may_break_and_numbers_may_not():
    html = PANDAS.replace("<td>1</td>", "<td>a course with three graduates</td>")
    html = html.replace("<td>2</td>", "<td>-0.09 (-0.19 to 0.01)</td>")
    cells = mended(html).select("tbody td")
    assert [cell.get("class") for cell in cells] == [["words"], None]


def test_pictures_can_scroll_alone():
    page = mended(
        "<article><figure><img/><figcaption>x</figcaption></figure></article>"
    )
    assert page.img.parent["class"] == ["figure-scroll"]
    assert page.figcaption.parent.name == "figure"
    assert str(mended(str(page))) == str(page)


def test_the_explorer_is_linked_to_from_the_top():
    links = '<div id="pst-skip-link"><a href="#main-content">Skip</a></div>'
    html = f"<body>{links}<shrinkage-explorer></shrinkage-explorer></body>"
    page = mended(html)
    assert [a["href"] for a in page.select("a")] == ["#main-content", "#explorer"]
    assert page.select_one("shrinkage-explorer")["id"] == "explorer"
    assert str(mended(str(page))) == str(page)
    assert len(mended(f"<body>{links}</body>").select("a")) == 1


def test_spoken_names_match_the_words_seen():
    page = mended(
        '<button class="search-button-field" title="Search" aria-label="Find">'
        "Search</button>"
        '<summary aria-label="Toggle hidden content">Show the source</summary>'
        '<button title="Fullscreen mode"><i class="fa-expand" title="x"></i></button>'
    )
    assert page.button.attrs.keys() == {"class"}
    assert not page.summary.attrs
    assert page.select("button")[1]["aria-label"] == "Fullscreen mode"
    assert page.i["aria-hidden"] == "true"
    assert "title" not in page.i.attrs


# claims --------------------------------------------------------------------------

PAGE = "# Claims\n\n```{claims}\n```\n\n(verdict-no-pooling)=\n## Verdict\n\nText.\n"
VERDICT = {
    "chapter": "no-pooling",
    "claim": "C2",
    "outcome": "does not hold",
    "figure": "Error 0.20 against 0.12.",
    "conditions": "With groups under ten.",
    "opponent": "a GLM with predictors",
    "doubt": "It rests on one census.",
    "short": "Its error is 0.20, that of partial pooling 0.12.",
}


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Build one page with the claims, from verdicts given as a list or an error."""
    (tmp_path / "source").mkdir()

    def build(verdicts, page=PAGE, read=rows_of):
        source = tmp_path / "source" / "index.md"
        if not source.exists():  # else Sphinx would read an unchanged page again
            source.write_text(page, encoding="utf-8")

        def verified_verdicts(cache_path):
            if isinstance(verdicts, Exception):
                raise verdicts
            return verdicts

        monkeypatch.setattr(claims, "verified_verdicts", verified_verdicts)
        build_page(tmp_path)
        html = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
        return read(BeautifulSoup(html, "html.parser"))

    return build


def build_page(folder):
    settings = {
        "extensions": ["myst_nb", "book._ext.claims", "book._ext.verdicts"],
        "nb_execution_mode": "off",
        "language": "en_GB",
    }
    with docutils_namespace():
        app = Sphinx(
            folder / "source",
            None,
            folder / "site",
            folder / "trees",
            "html",
            confoverrides=settings,
            status=None,
            warning=StringIO(),
            warningiserror=True,
        )
        app.build()


def rows_of(page):
    rows = page.select("table.claims tbody tr")
    return {row.td.get_text(strip=True): row.select("td")[2] for row in rows}


sphinx_warns = pytest.mark.filterwarnings("ignore::DeprecationWarning")
sphinx_warns_later = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


@sphinx_warns
@sphinx_warns_later
def test_untested_claims_name_their_chapter(build):
    rows = build([])
    assert list(rows) == [f"C{k}" for k in range(1, 13)]
    waiting = rows["C1"].get_text(" ", strip=True)
    assert waiting == "Not yet tested: planned for “Complete pooling”."
    assert not rows["C1"].find("a")


@sphinx_warns
@sphinx_warns_later
def test_a_new_verdict_rewrites_a_page_that_did_not_change(build):
    build([])
    row = build([VERDICT])["C2"]
    text = row.get_text(" ", strip=True)
    assert "✗ Does not hold" in text
    assert VERDICT["short"] in text
    assert VERDICT["figure"] not in text
    assert VERDICT["conditions"] not in text
    assert "To be tested again in “Crossed, nested and interacting groups”." in text
    assert row.a["href"].endswith("#verdict-no-pooling")


@sphinx_warns
@sphinx_warns_later
def test_a_verdict_without_a_short_sentence_shows_its_figure(build):
    row = build([VERDICT | {"short": ""}])["C2"]
    assert VERDICT["figure"] in row.get_text(" ", strip=True)


@sphinx_warns
@sphinx_warns_later
def test_an_unverifiable_verdict_stops_the_build(build):
    build([VERDICT])
    with pytest.raises(ExtensionError, match="not what its chapter computed"):
        build(ExtensionError("not what its chapter computed"))


@sphinx_warns
@sphinx_warns_later
@pytest.mark.parametrize("wrong", [{"outcome": "wins"}, {"claim": "C13"}])
def test_a_verdict_that_means_nothing_stops_the_build(build, wrong):
    with pytest.raises(ExtensionError, match="no-pooling"):
        build([VERDICT | wrong])


@sphinx_warns
@sphinx_warns_later
def test_a_verdict_without_section_stops_the_build(build):
    with pytest.raises(Exception, match="verdict-small-groups"):
        build([VERDICT | {"chapter": "small-groups", "claim": "C11"}])


# verdicts ------------------------------------------------------------------------

VERDICTS = "# Verdicts\n\n(verdict-no-pooling)=\n## All\n\n```{verdicts}\n```\n"
EVERY = [VERDICT | {"claim": f"C{k}", "figure": f"Error 0.{k}."} for k in range(1, 13)]


def sections_of(page):
    sections = page.select("section[id^=claim-c]")
    return page.select_one(".verdicts-tally"), {s["id"]: s for s in sections}


@sphinx_warns
@sphinx_warns_later
def test_each_claim_has_a_section_with_all_that_was_recorded(build):
    tally, sections = build(EVERY, VERDICTS, sections_of)
    assert list(sections) == [f"claim-c{k}" for k in range(1, 13)]
    text = sections["claim-c2"].get_text(" ", strip=True)
    for part in ("figure", "conditions", "doubt"):
        assert EVERY[1][part] in text
    assert "Strongest opponent. A GLM with predictors." in text
    assert "To be tested again in “Crossed, nested and interacting groups”." in text
    links = [a["href"] for a in sections["claim-c2"].select(".claim-verdict a")]
    assert links == ["#verdict-no-pooling"]
    assert "✗ Does not hold : 12 of 12 verdicts" in tally.get_text(" ", strip=True)
    assert {a["href"] for a in tally.select("a")} == {f"#{name}" for name in sections}


@sphinx_warns
@sphinx_warns_later
def test_a_claim_without_a_verdict_stops_the_page_of_verdicts(build):
    with pytest.raises(ExtensionError, match="no chapter has a verdict on C5, C7"):
        build([v for v in EVERY if v["claim"] not in ("C5", "C7")], VERDICTS)


@sphinx_warns
@sphinx_warns_later
def test_a_new_figure_rewrites_the_page_of_verdicts(build):
    build(EVERY, VERDICTS, sections_of)
    newer = [EVERY[0] | {"figure": "Error 0.77."}, *EVERY[1:]]
    _, sections = build(newer, VERDICTS, sections_of)
    assert "Error 0.77." in sections["claim-c1"].get_text()
