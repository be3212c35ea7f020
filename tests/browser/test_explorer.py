"""The shrinkage explorer: its arithmetic against numpy, its keyboard, its words."""

import re

import numpy as np
import pytest

from tests.built_book import SITE, toc_pages

TRUE_TAU, SEED, YEARS = 0.15, 16, 1000
SIZES = np.array([3, 4, 6, 8, 12, 18, 25, 35, 55, 80, 130, 200])
BITS = 0xFFFFFFFF


def pages_with_explorer():
    files = {name: SITE / f"{name}.html" for name in toc_pages()}
    return [
        name
        for name, path in files.items()
        if path.exists() and "<shrinkage-explorer" in path.read_text(encoding="utf-8")
    ]


# The same arithmetic in numpy ----------------------------------------------------


def mulberry32(state):
    while True:
        state = (state + 0x6D2B79F5) & BITS
        t = ((state ^ (state >> 15)) * (1 | state)) & BITS
        t = (t + ((t ^ (t >> 7)) * (61 | t) & BITS) & BITS) ^ t
        yield (t ^ (t >> 14)) / 2**32


def normals(seed):
    uniform = mulberry32(seed)
    draws = np.array([next(uniform) for _ in range(24)]).reshape(12, 2)
    return np.sqrt(-2 * np.log(1 - draws[:, 0])) * np.cos(2 * np.pi * draws[:, 1])


def truth():
    z = normals(SEED)
    return np.log(28000) + TRUE_TAU * (z - z.mean()) / z.std()


def estimate(year, sizes, sigma, tau):
    none = truth() + sigma * normals(SEED * 1000 + year) / np.sqrt(sizes)
    weight = sizes / (sizes + sigma**2 / tau**2)
    precision = 1 / (tau**2 + sigma**2 / sizes)
    centre = np.average(none, weights=precision)
    return {
        "none": none,
        "complete": np.average(none, weights=sizes),
        "weight": weight,
        "centre": centre,
        "partial": weight * none + (1 - weight) * centre,
    }


def errors(found):
    return {
        key: np.abs(np.exp(found[key]) - np.exp(truth())).mean()
        for key in ("none", "partial", "complete")
    }


# Fixtures ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tab(browser, address):
    names = pages_with_explorer()
    if not names:
        pytest.fail("no page holds <shrinkage-explorer>")
    context = browser.new_context(reduced_motion="reduce")
    tab = context.new_page()
    tab.goto(f"{address}{names[-1]}.html")
    tab.locator("shrinkage-explorer .errors").first.wait_for()
    yield tab
    context.close()


@pytest.fixture
def explorer(tab):
    explorer = tab.locator("shrinkage-explorer").first
    explorer.locator("[name=reset]").click()
    return explorer


def call(tab, function, *arguments):
    script = "([f, a]) => customElements.get('shrinkage-explorer')[f](...a)"
    return tab.evaluate(script, [function, arguments])


# Tests ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "year, sigma, tau", [(1, 0.5, 0.15), (2, 0.1, 0.4), (77, 0.8, 0.02)]
)
def test_estimates_match_numpy(tab, year, sigma, tau):
    found = call(tab, "estimate", year, SIZES.tolist(), sigma, tau)
    for key, value in estimate(year, SIZES, sigma, tau).items():
        np.testing.assert_allclose(found[key], value, rtol=1e-12, err_msg=key)


@pytest.mark.parametrize("tau", [0.02, 0.15, 0.4])
def test_errors_over_the_years_match_numpy(tab, tau):
    years = [errors(estimate(k, SIZES, 0.5, tau)) for k in range(1, YEARS + 1)]
    found = call(tab, "averageErrors", SIZES.tolist(), 0.5, tau)
    for key in found:
        expected = np.mean([year[key] for year in years])
        np.testing.assert_allclose(found[key], expected, rtol=1e-10, err_msg=key)


def test_the_truths_spread_as_the_mark_says(tab):
    found = tab.evaluate("customElements.get('shrinkage-explorer').truth")
    assert np.std(found) == pytest.approx(TRUE_TAU)
    assert (
        "true: 0.15" in tab.locator("shrinkage-explorer .true-tau").first.inner_text()
    )


def test_both_wrong_beliefs_cost_accuracy(tab):
    error = [
        call(tab, "averageErrors", SIZES.tolist(), 0.5, t)["partial"]
        for t in (0.02, 0.15, 0.4)
    ]
    assert error[1] < error[0]
    assert error[1] < error[2]


def test_weights_are_printed_at_the_rows(explorer):
    shown = explorer.locator(".row .weight").all_text_contents()
    expected = estimate(1, SIZES, 0.45, TRUE_TAU)["weight"]
    assert [int(re.sub(r"\D", "", text)) for text in shown] == np.round(
        100 * expected
    ).tolist()


def test_errors_are_printed_in_the_table(explorer):
    row = explorer.locator(".errors tbody tr").first.locator("td").all_text_contents()
    expected = errors(estimate(1, SIZES, 0.45, TRUE_TAU)).values()
    assert [int(re.sub(r"\D", "", text)) for text in row] == [
        round(e, -1) for e in expected
    ]


def test_the_keyboard_moves_the_belief(tab, explorer):
    explorer.locator("[name=tau]").focus()
    tab.keyboard.press("Home")
    assert explorer.locator("[name=tau]").input_value() == "0.02"
    sentence = explorer.locator(".sentence")
    assert "differ less than they do" in sentence.inner_text()
    tab.keyboard.press("End")
    assert "differ more than they do" in sentence.inner_text()


def test_the_keyboard_picks_and_sizes_a_course(tab, explorer):
    explorer.locator("[name=course]").focus()
    tab.keyboard.press("ArrowDown")
    assert "Course B has 4 graduates" in explorer.locator(".sentence").inner_text()
    explorer.locator("[name=size]").focus()
    tab.keyboard.press("Home")
    assert "Course B has 1 graduate:" in explorer.locator(".sentence").inner_text()
    own = round(100 / (1 + 0.45**2 / TRUE_TAU**2))
    assert (
        f"its own mean counts {own}\u00a0%"
        in explorer.locator(".sentence").inner_text()
    )


def test_the_keyboard_reaches_it_in_a_few_steps(browser, address):
    context = browser.new_context()
    tab = context.new_page()
    for name in pages_with_explorer():
        tab.goto(f"{address}{name}.html")
        tab.locator("shrinkage-explorer .errors").first.wait_for()
        for key in ("Tab", "Tab", "Enter", "Tab"):
            tab.keyboard.press(key)
        inside = "document.activeElement.closest('shrinkage-explorer') !== null"
        assert tab.evaluate(inside), name
        assert tab.locator("shrinkage-explorer :focus").get_attribute("name")
    context.close()


def test_a_new_year_moves_the_data_not_the_truth(tab, explorer):
    def positions(kind):
        return explorer.locator(f".row {kind}").evaluate_all(
            "marks => marks.map((m) => m.getAttribute('cx') ?? m.getAttribute('d'))"
        )

    before = {kind: positions(kind) for kind in ("circle.none", "path.truth")}
    explorer.locator("[name=year]").focus()
    tab.keyboard.press("Enter")
    assert explorer.get_attribute("data-year") == "2"
    assert positions("circle.none") != before["circle.none"]
    assert positions("path.truth") == before["path.truth"]


def test_a_change_is_announced_once_the_reader_pauses(tab, explorer):
    explorer.locator("[name=tau]").focus()
    for _ in range(3):
        tab.keyboard.press("ArrowRight")
    status = explorer.locator("[role=status]")
    before = status.text_content()
    assert "0.18" not in before
    tab.wait_for_timeout(800)
    assert status.text_content() == explorer.locator(".sentence").inner_text()


def test_it_works_from_a_file(browser):
    context = browser.new_context()
    tab = context.new_page()
    tab.goto((SITE / f"{pages_with_explorer()[-1]}.html").resolve().as_uri())
    assert tab.locator("shrinkage-explorer .row").count() == len(SIZES)
    context.close()


def test_only_pages_that_embed_it_load_it(address):
    for name in toc_pages():
        html = (SITE / f"{name}.html").read_text(encoding="utf-8")
        assert ("explorer.js" in html) == ("<shrinkage-explorer" in html), name
