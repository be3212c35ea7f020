"""What scrolls sideways: the marking of boxes comes to rest, whatever their width."""

import pytest

from tests.browser.visits import PHONE, settle

# Boxes of code with a text of every width about that of the screen.
ADD = """() => {
  const article = document.querySelector(".bd-article");
  for (let width = 280; width <= 380; width += 1) {
    const box = document.createElement("pre");
    box.className = "trial";
    box.innerHTML = `<span style="display: inline-block; width: ${width}px">x</span>`;
    article.append(box);
  }
}"""
MARKS = """() => [...document.querySelectorAll("pre.trial")].map(
  (box) => [box.scrollWidth > box.clientWidth + 1, "scrolls" in box.dataset])"""


@pytest.fixture
def tab(browser, address):
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(f"{address}book/how-to-read.html")
    yield tab
    context.close()


def test_boxes_of_every_width_are_marked_and_the_page_still_answers(tab):
    tab.evaluate(ADD)
    tab.set_viewport_size(PHONE)
    settle(tab)
    marks = tab.evaluate(MARKS)
    assert {(True, True), (False, False)} <= {tuple(mark) for mark in marks}
    assert [True, False] not in marks
