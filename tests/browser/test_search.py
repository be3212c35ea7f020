"""The search: it finds what a newcomer types, and quotes the text of the pages."""

import pytest

# What a newcomer types, and a page that must be among the answers.
SEARCHES = [("csv", "how-to-read"), ("new shop", "how-to-read"), ("own data", "book/")]
FURNITURE = ("Contents", "Print to PDF", "Toggle", "Skip to main", "Back to top")


@pytest.fixture(scope="module")
def search(browser, address):
    context = browser.new_context()
    tab = context.new_page()

    def search(words):
        """Return for each result its address and the text quoted below it."""
        tab.goto(f"{address}search.html?q={words.replace(' ', '+')}")
        tab.locator("#search-results ul.search li").first.wait_for()
        tab.wait_for_function(
            "/found|matching/.test(document.querySelector('.search-summary').innerText)"
        )
        tab.locator("#search-results p.context").first.wait_for()
        rows = tab.locator("#search-results ul.search li").all()
        return [
            (
                row.locator("a").first.get_attribute("href"),
                " ".join(row.locator("p.context").all_text_contents()),
            )
            for row in rows
        ]

    yield search
    context.close()


@pytest.mark.parametrize(("words", "page"), SEARCHES)
def test_a_newcomer_finds(search, words, page):
    assert any(page in address for address, _ in search(words))


@pytest.mark.parametrize("words", [words for words, _ in SEARCHES])
def test_results_quote_text_and_not_the_page_around_it(search, words):
    quotes = [quote for _, quote in search(words) if quote]
    assert quotes
    for quote in quotes:
        assert not any(part in quote for part in FURNITURE), quote
        assert "  " not in quote
