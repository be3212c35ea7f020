// Let the keyboard reach whatever scrolls sideways, and the eye see that it does.
//
// The theme gives long code and tables a tab stop when they overflow; equations,
// which MathJax draws later, get none, and nothing gets a name. Only boxes that
// do overflow become stops: a stop on every table would be a burden. On a phone
// book.css writes above them that there is more.
(function () {
  "use strict";

  const NAMES = [
    ["mjx-container[display='true']", "Equation, scrolls sideways"],
    [".bd-article .figure-scroll", "Figure, scrolls sideways"],
    [".bd-article pre", "Code or output, scrolls sideways"],
    [
      ".bd-article .cell_output > .output, .bd-article .pst-scrollable-table-container, shrinkage-explorer .numbers",
      "Table, scrolls sideways",
    ],
  ];

  // The words above a box that scrolls are a block, and beside a block the padding
  // at the end of a line no longer counts: a box that is too wide by less than that
  // would fit once it is marked, and not once it is unmarked, for ever.
  function overflows(box) {
    const marked = box.hasAttribute("data-scrolls");
    const slack = marked ? parseFloat(getComputedStyle(box).paddingRight) : 0;
    return box.scrollWidth + slack > box.clientWidth + 1;
  }

  function label(box, name) {
    if (overflows(box)) {
      // Only where it is not so: setting it would wake the second observer again.
      if (box.tabIndex !== 0) box.tabIndex = 0;
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", name);
      box.setAttribute("data-scrolls", "");
    } else if (box.getAttribute("aria-label") === name) {
      box.removeAttribute("tabindex");
      box.removeAttribute("role");
      box.removeAttribute("aria-label");
      box.removeAttribute("data-scrolls");
    }
  }

  // A box in a folded part has no size until it is unfolded, however late.
  const names = new WeakMap();
  const sizes = new ResizeObserver((changes) => {
    for (const { target } of changes) label(target, names.get(target));
  });

  function labelAll() {
    for (const [selector, name] of NAMES) {
      document.querySelectorAll(selector).forEach((box) => {
        label(box, name);
        names.set(box, name);
        sizes.observe(box);
      });
    }
  }

  let waiting = 0;
  function later() {
    clearTimeout(waiting);
    waiting = setTimeout(labelAll, 350); // after the theme's own pass, at 300 ms
  }

  labelAll();
  addEventListener("load", later);
  addEventListener("resize", later);
  document.addEventListener("toggle", later, true);
  document.addEventListener("click", later);
  const main = document.getElementById("main-content");
  if (!main) return;
  new MutationObserver(later).observe(main, { childList: true, subtree: true });
  // On a slow machine the theme's pass may come after ours, and take tab stops away.
  // It only gives them back: one that also took some away could wake itself for ever.
  function giveBack() {
    document.querySelectorAll("[data-scrolls]").forEach((box) => {
      if (box.tabIndex !== 0) box.tabIndex = 0;
    });
  }
  new MutationObserver(giveBack).observe(main, { subtree: true, attributeFilter: ["tabindex"] });
})();

// Let a search result quote the text of a page.
//
// Sphinx quotes all of <main>, which in this theme begins with the buttons and the
// page's contents, and it quotes what is hidden.
(function () {
  "use strict";

  if (typeof Search === "undefined") return; // not the page that searches
  const FURNITURE = ".headerlink, .prev-next-footer, .visually-hidden, script, style, title, desc";

  const whole = Search.htmlToText;
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    const article = page.querySelector("article");
    if (!article) return whole(html, anchor);
    article.querySelectorAll(FURNITURE).forEach((part) => part.remove());
    const section = anchor ? article.querySelector(anchor) : null;
    return (section ?? article).textContent.replace(/\s+/g, " ");
  };
})();
