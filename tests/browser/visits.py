"""Visit a page as a reader would, and write down what happened."""

from dataclasses import dataclass, field
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe

# Every rule that axe runs by default, WCAG and best practice, and these two that it
# leaves off: speech users say the words they see, and fingers need room.
RULES = {
    "resultTypes": ["violations"],  # not every element that passed
    # Else axe fetches the style sheets again, some from wrong addresses.
    "preload": False,
    "rules": {
        "label-content-name-mismatch": {"enabled": True},
        "target-size": {"enabled": True},
    },
}
SCROLLING = {
    "preload": False,
    "runOnly": {"type": "rule", "values": ["scrollable-region-focusable"]},
}
SCHEMES = ("light", "dark")
DESK = {"width": 1280, "height": 900}
PHONE = {"width": 375, "height": 800}

# Folded parts are part of the page: open them before looking.
UNFOLD = """() => {
  document.querySelectorAll("details").forEach((part) => { part.open = true; });
  document.querySelectorAll("button.toggle-button-hidden").forEach((b) => b.click());
}"""
# Axe weighs the colour of every word of code, thousands on a page: leave it one word
# of each kind, inside and outside cells, which are all the colours there are.
THIN = """() => {
  const seen = new Set();
  document.querySelectorAll("pre span[class]").forEach((word) => {
    const box = word.closest(".cell_input, .cell_output")?.className;
    const kind = `${box} ${word.className}`;
    if (seen.has(kind)) word.replaceWith(...word.childNodes);
    seen.add(kind);
  });
}"""
TYPESET = "() => window.MathJax?.startup?.promise?.then(() => true)"
# Whatever reaches past the right edge, unless a box around it scrolls or hides it, or
# it waits beside the screen as the side bars do.
OVERFLOWING = """() => {
  const past = (e) => e.getBoundingClientRect().right > innerWidth + 1;
  const held = (e) => e && e !== document.body &&
    (held(e.parentElement) || getComputedStyle(e).position === "fixed" ||
     (getComputedStyle(e).overflowX !== "visible" && !past(e)));
  return [...document.querySelectorAll("body *")]
    .filter((e) => past(e) && !held(e.parentElement) && !held(e))
    .slice(0, 5).map((e) => e.outerHTML.slice(0, 120));
}"""
# Code and tables that scroll sideways, and no words above them that say so.
UNMARKED = """() => [...document.querySelectorAll("article *")]
  .filter((e) => e.matches(
    "pre, .output, .pst-scrollable-table-container, .numbers, div.math mjx-container"))
  .filter((e) => e.scrollWidth > e.clientWidth + 1 && e.checkVisibility())
  .map((e) => e.matches("mjx-container") ? e.closest("div.math") : e)
  .filter((e) => !getComputedStyle(e, "::before").content.includes("Swipe"))
  .map((e) => e.outerHTML.slice(0, 120))"""
# The theme marks what scrolls after 300 ms, book.js after 350. The page's own clock:
# on a busy machine ours may be done before its timers have run.
SETTLE = "() => new Promise((done) => setTimeout(() => done(true), 450))"
# Milliseconds after which a page that no longer answers fails its test: a script in an
# endless loop would hold up all that follow.
PATIENCE = 60_000


def settle(tab):
    """Wait until a page has done what it does after a change of size."""
    tab.wait_for_function(SETTLE, timeout=PATIENCE)


@dataclass
class Visit:
    """What one page did in one colour scheme."""

    foreign: list = field(default_factory=list)
    errors: list = field(default_factory=list)
    violations: list = field(default_factory=list)
    phone_width: int = 0
    overflowing: list = field(default_factory=list)
    unmarked: list = field(default_factory=list)
    math: int = 0
    drawn: int = 0


class Visits:
    """Visits by page and colour scheme, each made once, when first asked for."""

    def __init__(self, browser, address, folder):
        self.browser, self.address = browser, address
        self.folder = Path(folder) if folder else None
        self.axe = Axe()
        self.tabs, self.made, self.current = {}, {}, None

    def __enter__(self):
        if self.folder:
            self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *reason):
        for tab in self.tabs.values():
            tab.context.close()

    def __call__(self, name, scheme):
        if (name, scheme) not in self.made:
            self.made[name, scheme] = self.visit(name, scheme)
        return self.made[name, scheme]

    def tab(self, scheme):
        """Give the one tab of a colour scheme, which reports to the current visit."""
        if scheme not in self.tabs:
            context = self.browser.new_context(color_scheme=scheme)
            context.route(self.is_foreign, lambda route: route.abort())
            tab = context.new_page()
            tab.on("request", lambda request: self.note_request(request.url))
            tab.on("console", self.note_message)
            tab.on("pageerror", lambda error: self.current.errors.append(str(error)))
            self.tabs[scheme] = tab
        return self.tabs[scheme]

    def is_foreign(self, url):
        return not url.startswith((self.address, "data:", "blob:"))

    def note_request(self, url):
        if self.is_foreign(url):
            self.current.foreign.append(url)

    def note_message(self, message):
        if message.type == "error":
            where = message.location.get("url", "")
            self.current.errors.append(f"{message.text} {where}")

    def visit(self, name, scheme):
        tab = self.tab(scheme)
        self.current = visit = Visit()
        tab.set_viewport_size(DESK)
        tab.goto(f"{self.address}{name}.html")
        tab.evaluate(TYPESET)
        self.picture(tab, name, scheme)
        tab.evaluate(UNFOLD)
        visit.math = tab.locator("span.math, div.math").count()
        visit.drawn = tab.locator(
            "span.math mjx-container, div.math mjx-container"
        ).count()
        if scheme == "light":
            self.visit_on_phone(tab, name, visit)
            tab.set_viewport_size(DESK)
        tab.evaluate(THIN)
        settle(tab)
        visit.violations += self.violations(tab, RULES)
        return visit

    def visit_on_phone(self, tab, name, visit):
        tab.set_viewport_size(PHONE)
        settle(tab)
        visit.phone_width = tab.evaluate("document.documentElement.scrollWidth")
        visit.overflowing = tab.evaluate(OVERFLOWING)
        visit.unmarked = tab.evaluate(UNMARKED)
        visit.violations += self.violations(tab, SCROLLING)
        self.picture(tab, name, "phone")

    def violations(self, tab, options):
        """Run axe; one line for each element it objects to."""
        found = self.axe.run(tab, options=options).response["violations"]
        return [
            f"{rule['id']}: {' '.join(map(str, node['target']))} {node['html'][:100]}"
            for rule in found
            for node in rule["nodes"]
        ]

    def picture(self, tab, name, kind):
        if self.folder:
            path = self.folder / f"{name.replace('/', '-')}-{kind}.png"
            tab.screenshot(path=path, full_page=True)
