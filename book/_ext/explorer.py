"""Load the shrinkage explorer's script and style on the pages that embed it.

It exists so that the other pages stay light: the book has more than twenty
pages, and two of them hold ``<shrinkage-explorer>``.
"""


def add_explorer(app, pagename, templatename, context, doctree):
    """Add the two files to a page whose body contains the element."""
    if "<shrinkage-explorer" in context.get("body", ""):
        app.add_css_file("explorer.css")
        app.add_js_file("explorer.js", loading_method="defer")


def setup(app):
    app.connect("html-page-context", add_explorer)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
