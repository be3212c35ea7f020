"""Every page in a real browser: offline, accessible, whole on a phone."""

import pytest

from tests.browser.visits import SCHEMES
from tests.built_book import toc_pages

PAGES = [*toc_pages(), "genindex", "py-modindex", "search"]

pytestmark = pytest.mark.parametrize("name", PAGES)
in_both = pytest.mark.parametrize("scheme", SCHEMES)


@in_both
def test_no_request_to_another_host(visits, name, scheme):
    assert not visits(name, scheme).foreign


@in_both
def test_no_error_in_the_console(visits, name, scheme):
    assert not visits(name, scheme).errors


@in_both
def test_axe_has_nothing_to_object(visits, name, scheme):
    violations = visits(name, scheme).violations
    assert not violations, "\n".join(violations)


def test_nothing_overflows_on_a_phone(visits, name):
    visit = visits(name, "light")
    assert visit.phone_width <= 375, "too wide: " + "\n".join(visit.overflowing)


def test_on_a_phone_one_sees_what_scrolls_sideways(visits, name):
    unmarked = visits(name, "light").unmarked
    assert not unmarked, "nothing says that it scrolls: " + "\n".join(unmarked)


def test_every_formula_is_drawn(visits, name):
    visit = visits(name, "light")
    assert visit.drawn >= visit.math, f"{visit.math - visit.drawn} formulae not drawn"
