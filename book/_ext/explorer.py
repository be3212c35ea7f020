"""Load the shrinkage explorer's script and style on the pages that embed it.

It exists so that the other pages stay light: the book has more than twenty
pages, and two of them hold ``<shrinkage-explorer>``.  An element that was left
empty gets a sentence for readers without scripts, which the script replaces.
"""

import re

EMPTY = re.compile(r"(<shrinkage-explorer[^>]*>)\s*(</shrinkage-explorer>)")
FALLBACK = (
    "<p>Here a picture answers to sliders: it needs JavaScript, which is switched "
    "off. It shows how the mean of a small course is drawn to the mean of all "
    "courses, and the mean of a large one hardly moves.</p>"
)


def add_explorer(app, pagename, templatename, context, doctree):
    """Add the two files, and the sentence, to a page that holds the element."""
    body = context.get("body", "")
    if "<shrinkage-explorer" in body:
        context["body"] = EMPTY.sub(rf"\1{FALLBACK}\2", body)
        app.add_css_file("explorer.css")
        app.add_js_file("explorer.js", loading_method="defer")


def setup(app):
    app.connect("html-page-context", add_explorer)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
