"""The ``claims`` directive: the twelve claims and the verdicts reached so far.

It exists so that no verdict in the book is typed by hand.  The claims are read
from ``book/claims.yml``; the verdicts are those that the chapters recorded
while they ran, and the ``execution`` extension vouches that each belongs to the
chapter as it stands.  A verdict it cannot vouch for stops the build.

The table is filled in while pages are written, not while they are read: only
then have all chapters run.  Pages with the table are written again whenever a
verdict changed, although their own source did not.
"""

import json
from pathlib import Path

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

from book._ext.execution import verified_verdicts

# Each outcome has its own sign and words, so that colour is never needed.
OUTCOMES = {
    "holds": ("✓", "Holds", "holds"),
    "holds with conditions": ("◐", "Holds with conditions", "conditions"),
    "does not hold": ("✗", "Does not hold", "fails"),
}


class claims_table(nodes.General, nodes.Element):
    """Placeholder that :class:`FillClaims` replaces by the table."""


class ClaimsDirective(SphinxDirective):
    """``{claims}``: leave a placeholder, and remember the page."""

    def run(self):
        self.env.note_dependency(str(claims_path(self.config)))
        remember_page(self.env)
        return [claims_table()]


class FillClaims(SphinxPostTransform):
    """Put the table in place before Sphinx resolves the links inside it."""

    default_priority = 5

    def run(self, **kwargs):
        for placeholder in list(self.document.findall(claims_table)):
            claims, verdicts = read_claims(self.config), read_verdicts(self.config)
            table = build_table(claims, verdicts, self.env.docname)
            placeholder.replace_self(table)


def remember_page(env):
    """Note that the page being read shows verdicts."""
    env.claims_pages = getattr(env, "claims_pages", set()) | {env.docname}


def claims_path(config):
    """Return where the claims are written down."""
    return Path(config.claims_file)


def read_claims(config):
    """Return the claims: id, claim, chapters (slug and title of each)."""
    return yaml.safe_load(claims_path(config).read_text(encoding="utf-8"))


def read_verdicts(config):
    """Return the verdicts that belong to the chapters as they stand."""
    verdicts = verified_verdicts(config.nb_execution_cache_path)
    known = {claim["id"] for claim in read_claims(config)}
    for verdict in verdicts:
        check_verdict(verdict, known)
    return verdicts


def check_verdict(verdict, known):
    """Refuse a verdict on no claim of ours, or with an outcome of its own."""
    chapter = f"chapter {verdict['chapter']!r}"
    if verdict["claim"] not in known:
        raise ExtensionError(
            f"{chapter} has a verdict on {verdict['claim']!r}, "
            "which book/claims.yml does not list"
        )
    if verdict["outcome"] not in OUTCOMES:
        raise ExtensionError(
            f"{chapter} says {verdict['outcome']!r}, which is not an outcome; "
            f"use one of: {', '.join(OUTCOMES)}"
        )


def build_table(claims, verdicts, docname):
    """Return a docutils table: one row a claim."""
    group = nodes.tgroup(cols=3)
    for width in (1, 5, 6):
        group += nodes.colspec(colwidth=width)
    group += nodes.thead("", header_row("No.", "Claim", "Verdict"))
    body = nodes.tbody()
    for claim in claims:
        mine = [verdict for verdict in verdicts if verdict["claim"] == claim["id"]]
        body += claim_row(claim, mine, docname)
    group += body
    return nodes.table("", group, classes=["claims"])


def header_row(*titles):
    return nodes.row("", *[cell(nodes.paragraph(text=title)) for title in titles])


def cell(*children):
    return nodes.entry("", *children)


def claim_row(claim, verdicts, docname):
    """Return the row of one claim."""
    blocks = blocks_of(claim, verdicts, docname, verdict_block)
    return nodes.row(
        "",
        cell(nodes.paragraph("", "", nodes.strong(text=claim["id"]))),
        cell(nodes.paragraph(text=claim["claim"])),
        cell(*blocks),
    )


def blocks_of(claim, verdicts, docname, block):
    """Return what is said of a claim: its verdicts, then the chapters still to come.

    `block` makes the node of one verdict.
    """
    tested = {verdict["chapter"] for verdict in verdicts}
    blocks = [block(verdict, claim, docname) for verdict in verdicts]
    waiting = [
        chapter for chapter in claim["chapters"] if chapter["slug"] not in tested
    ]
    if waiting:
        blocks.append(waiting_block(waiting, some_tested=bool(tested)))
    return blocks


def verdict_block(verdict, claim, docname):
    """Return sign, outcome, link to the chapter, and one sentence.

    The conditions are the chapter's: a table of twelve claims is for the eye. A
    chapter that gives no short sentence is quoted with the figure that decides.
    """
    block = headed_block(verdict, claim, docname)
    block += nodes.paragraph(text=verdict.get("short") or verdict["figure"])
    return block


def headed_block(verdict, claim, docname):
    """Return the block of a verdict with its first line: the outcome, the chapter."""
    titles = {chapter["slug"]: chapter["title"] for chapter in claim["chapters"]}
    title = titles.get(verdict["chapter"], verdict["chapter"].replace("-", " "))
    name = OUTCOMES[verdict["outcome"]][2]
    block = nodes.container(classes=["claim-verdict", f"claim-{name}"])
    block += nodes.paragraph(
        "",
        "",
        outcome_words(verdict["outcome"]),
        nodes.Text(" — "),
        verdict_link(verdict["chapter"], title, docname),
    )
    return block


def outcome_words(outcome):
    """Return sign and words of an outcome."""
    sign, words, _ = OUTCOMES[outcome]
    return nodes.inline(text=f"{sign} {words}", classes=["claim-outcome"])


def verdict_link(slug, title, docname):
    """Return a link to the label ``verdict-<slug>``; without that label, it warns."""
    return addnodes.pending_xref(
        "",
        nodes.inline(text=title),
        refdomain="std",
        reftype="ref",
        reftarget=f"verdict-{slug}",
        refexplicit=True,
        refwarn=True,
        refdoc=docname,
    )


def waiting_block(chapters, some_tested):
    """Return the plain words for chapters that have not put the claim to the test."""
    titles = " and ".join(f"“{chapter['title']}”" for chapter in chapters)
    lead = "To be tested again in" if some_tested else "Not yet tested: planned for"
    block = nodes.container(classes=["claim-verdict", "claim-waiting"])
    block += nodes.paragraph("", "", nodes.emphasis(text=f"{lead} {titles}."))
    return block


def pages_to_rewrite(app, env):
    """Return the pages with a table if any verdict is not what they last showed.

    Asking for the verdicts here, in every build, also means that an
    unverifiable one stops the build even if no page needs writing.
    """
    seen = json.dumps(read_verdicts(app.config), sort_keys=True)
    if seen == getattr(env, "claims_seen", None):
        return []
    env.claims_seen = seen
    return sorted(getattr(env, "claims_pages", set()))


def forget_page(app, env, docname):
    """Drop a page that is about to be read again or was removed."""
    env.claims_pages = getattr(env, "claims_pages", set()) - {docname}


def merge_pages(app, env, docnames, other):
    """Collect what parallel readers found."""
    env.claims_pages = getattr(env, "claims_pages", set()) | getattr(
        other, "claims_pages", set()
    )


def setup(app):
    here = Path(__file__).resolve().parent
    app.add_config_value("claims_file", str(here.parent / "claims.yml"), "env")
    app.add_node(claims_table)
    app.add_directive("claims", ClaimsDirective)
    app.add_post_transform(FillClaims)
    app.connect("env-updated", pages_to_rewrite)
    app.connect("env-purge-doc", forget_page)
    app.connect("env-merge-info", merge_pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
