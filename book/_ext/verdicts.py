"""The ``verdicts`` directive: every claim with all that its chapters recorded.

The front page shows the claims in one table, one sentence each.  This directive makes
the last chapter: first a tally, then a section for each claim, with the figure that
decides, the conditions, the strongest opponent, and how the verdict could be wrong.
It takes nothing but ``book/claims.yml`` and the verdicts of :mod:`book._ext.claims`.
A claim that no chapter has decided stops the build.

Sections are made while the page is read, so that the table of contents has them;
what they say is filled in while it is written, when all chapters have run.
"""

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

from book._ext import claims

# What a verdict says, in the order of the page, and the words that lead in.
PARTS = {
    "figure": "What decides.",
    "conditions": "Conditions.",
    "opponent": "Strongest opponent.",
    "doubt": "How it could be wrong.",
}


class verdicts_tally(nodes.General, nodes.Element):
    """Placeholder of the tally."""


class claim_verdicts(nodes.General, nodes.Element):
    """Placeholder of all that is said of one claim."""


class VerdictsDirective(SphinxDirective):
    """``{verdicts}``: the tally, and a section for each claim."""

    def run(self):
        self.env.note_dependency(str(claims.claims_path(self.config)))
        claims.remember_page(self.env)
        listed = claims.read_claims(self.config)
        return [verdicts_tally(), *[self._section(claim) for claim in listed]]

    def _section(self, claim):
        section = nodes.section(ids=[_anchor(claim["id"])])
        section += nodes.title(text=f"{claim['id']}: {claim['title']}")
        section += claim_verdicts(claim=claim["id"])
        return section


class FillVerdicts(SphinxPostTransform):
    """Put in what the chapters say, before Sphinx resolves the links inside it."""

    default_priority = 5

    def run(self, **kwargs):
        tallies = list(self.document.findall(verdicts_tally))
        if not tallies:
            return
        listed = claims.read_claims(self.config)
        verdicts = claims.read_verdicts(self.config)
        of_claim = {
            claim["id"]: [v for v in verdicts if v["claim"] == claim["id"]]
            for claim in listed
        }
        check_decided(of_claim)
        for placeholder in tallies:
            placeholder.replace_self(tally(verdicts))
        by_id = {claim["id"]: claim for claim in listed}
        for placeholder in list(self.document.findall(claim_verdicts)):
            claim = by_id[placeholder["claim"]]
            mine = of_claim[claim["id"]]
            placeholder.replace_self(describe(claim, mine, self.env.docname))


def check_decided(of_claim):
    """Stop where a claim has no verdict."""
    open_claims = [name for name, verdicts in of_claim.items() if not verdicts]
    if open_claims:
        raise ExtensionError(
            f"no chapter has a verdict on {', '.join(open_claims)}: the page of the "
            "verdicts needs one on every claim of book/claims.yml"
        )


def tally(verdicts):
    """Return a list: each outcome, how many verdicts have it, and links to them."""
    found = nodes.bullet_list(classes=["verdicts-tally"])
    for outcome, (_, _, name) in claims.OUTCOMES.items():
        mine = [v["claim"] for v in verdicts if v["outcome"] == outcome]
        line = nodes.paragraph("", "", claims.outcome_words(outcome))
        line += nodes.Text(f": {len(mine)} of {len(verdicts)} verdicts")
        for place, claim in enumerate(mine):
            line += nodes.Text(", " if place else " — ")
            line += nodes.reference("", claim, internal=True, refid=_anchor(claim))
        found += nodes.list_item("", line, classes=[f"claim-{name}"])
    return found


def describe(claim, verdicts, docname):
    """Return the claim in full, its verdicts, and the chapters still to come."""
    quote = nodes.paragraph("", "", nodes.emphasis(text=claim["claim"]))
    return [quote, *claims.blocks_of(claim, verdicts, docname, verdict_block)]


def verdict_block(verdict, claim, docname):
    """Return one verdict: the outcome, its chapter, and a line for each part."""
    block = claims.headed_block(verdict, claim, docname)
    said = nodes.bullet_list()
    for part, lead in PARTS.items():
        line = nodes.paragraph("", "", nodes.strong(text=lead))
        line += nodes.Text(" " + _sentence(verdict[part]))
        said += nodes.list_item("", line)
    block += said
    return block


def _sentence(text):
    """Begin with a capital and end with a full stop, as an opponent's name does not."""
    return text[0].upper() + text[1:].rstrip(".") + "."


def _anchor(claim):
    return f"claim-{claim.lower()}"


def setup(app):
    app.setup_extension("book._ext.claims")
    app.add_node(verdicts_tally)
    app.add_node(claim_verdicts)
    app.add_directive("verdicts", VerdictsDirective)
    app.add_post_transform(FillVerdicts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
