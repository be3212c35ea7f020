"""Sub-groups: graduates of known truth, every sub-group of them, and the rule of C10.

The rule, written before any figure. One model (one formula, one spread of graduates)
is held against ways that have no such model, or several: separate means, GLMs, ridge,
and a model a subject. REML of the same formula is the same model, and no opponent; it
is on the axis of inference. *Everywhere* means: in every size band of sub-groups
(a course's women or men, three graduates or more), in each sub-group of interest, and
for the courses of the next cohort.

``predicts``
    Everywhere its error is at most 5% above the smallest of any opponent.
``honest``
    Everywhere its 90% intervals for the mean hold 85% to 95% of the truths.
``single``
    In every subject its 90% intervals for one graduate of the next cohort hold 85% to
    95% of them.
``needed``
    No plain way (separate means, or a GLM) has errors at most 5% above its own
    everywhere.
``employment``
    A multilevel model of employment has, in every size band, an error at most 5% above
    the smallest of any opponent, and intervals that hold 85% to 95%.

The claim holds if all five are true. It does not hold if some plain way will do
(``needed`` is false), or if another way predicts better in a size band. Otherwise it
holds with conditions, which are the parts that are false. The figures are those of all
worlds together; Monte Carlo errors stand beside them.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from partialpool.graduates import simulate_graduates

# Errors up to this much above the best count as equal; coverage of 90% intervals.
EQUAL, HELD = 1.05, (0.85, 0.95)
PROB = 0.9

# By size: graduates with pay in the four cohorts that the models see.
BANDS = {
    "3 to 5": (3, 5),
    "6 to 10": (6, 10),
    "11 to 20": (11, 20),
    "21 on": (21, None),
}
# Finer, for the picture; no part of the rule.
STEPS = {
    "3": (3, 3),
    "4": (4, 4),
    "5–6": (5, 6),
    "7–9": (7, 9),
    "10–14": (10, 14),
    "15–24": (15, 24),
    "25–39": (25, 39),
    "40 on": (40, None),
}
# Chosen before any figure. Courses are exceptional if their true effect is more than
# two of their subject's standard deviations from zero: only a simulation knows that.
INTEREST = (
    "exactly three graduates",
    "women in engineering, by region",
    "men in nursing, by provider",
    "medicine, by provider and sex",
    "BTEC entrants in business, by region",
    "exceptional courses",
)
NEXT = ("next cohort, known course", "next cohort, new course")
COHORTS = 5  # the last one is the next, which no model sees
BUSINESS = "Business and management"
LABELS = ["subject", "provider", "sex", "prior_attainment", "region"]


@dataclass(frozen=True)
class World:
    """Graduates of one truth, and all that is asked about them.

    Attributes
    ----------
    rows : pandas.DataFrame
        One row a graduate with pay: ``subject``, ``provider``, ``sex``,
        ``prior_attainment``, ``region``, ``course`` (text), ``male`` (0 or 1),
        ``cohort``, ``log_pay``, ``expected`` (true mean of it) and ``seen`` (whether
        a model sees the row: all cohorts but the last).
    groups : pandas.DataFrame
        One row a sub-group: ``label``, ``n`` (graduates seen), ``truth`` (mean of
        ``expected`` over its members), and a column of true and false for each part
        of the rule.
    over, own : scipy.sparse.csr_array
        Weights of the rows in each sub-group's average, shape (m, N): of its members,
        and of the seen rows that have its label.
    cells : pandas.DataFrame
        One row for the women or men of a course in the cohorts seen: ``trials``,
        ``successes`` (in work or study) and ``truth``, the true share.
    """

    rows: pd.DataFrame
    groups: pd.DataFrame
    over: sparse.csr_array
    own: sparse.csr_array
    cells: pd.DataFrame

    @property
    def seen(self):
        """The rows that models see."""
        return self.rows[self.rows["seen"]]

    @property
    def singles(self):
        """The rows of the next cohort."""
        return self.rows[~self.rows["seen"]]


def draw_world(graduates=7_000, *, providers=20, seed):
    """Draw five cohorts of graduates, five years on, and list their sub-groups.

    Parameters
    ----------
    graduates, providers : int
        How many; seven graduates in ten have pay.
    seed : int or sequence of int

    Returns
    -------
    World

    Examples
    --------
    >>> world = draw_world(4_000, seed=1)
    >>> bool(world.groups.loc[world.groups["exactly three graduates"], "n"].eq(3).all())
    True
    """
    table, truth = simulate_graduates(
        graduates,
        years=5,
        n_providers=providers,
        n_cohorts=COHORTS,
        seed=np.random.default_rng(seed),
    )
    table["truth"] = truth.employed_share(table)
    paid = table.dropna(subset="earnings").reset_index(drop=True)
    rows = paid[LABELS].astype(str)
    rows["course"] = rows["subject"] + ", " + rows["provider"]
    rows = rows.assign(
        male=(rows["sex"] == "male").astype(float),
        cohort=paid["cohort"],
        log_pay=np.log(paid["earnings"].astype(float)),
        expected=truth.log_mean(paid),
        seen=paid["cohort"] < COHORTS,
    )
    far = truth.provider_subject["effect"].abs().reset_index()
    sd = far["subject"].map(truth.subjects["between_sd"]).astype(float)
    far = far[far["effect"] > 2 * sd]
    far = set(far["subject"].astype(str) + ", " + far["provider"].astype(str))
    groups, over, own = _list_groups(rows, far)
    cells = _count(table[table["cohort"] < COHORTS])
    return World(rows, groups, over, own, cells)


def _count(table):
    by = table.groupby(["subject", "provider", "sex"], observed=True)
    cells = by.agg(
        trials=("employed", "size"),
        successes=("employed", "sum"),
        truth=("truth", "first"),
    ).reset_index()
    cells = cells.astype({name: str for name in ("subject", "provider", "sex")})
    cells["course"] = cells["subject"] + ", " + cells["provider"]
    return cells.assign(male=(cells["sex"] == "male").astype(float))


def _list_groups(rows, far):
    seen, engineering = rows["seen"], rows["subject"] == "Engineering"
    small = rows["course"] + ", " + rows["sex"]
    region = rows["region"]
    women = seen & engineering & (rows["sex"] == "female")
    btec = rows["prior_attainment"] == "BTEC or other"
    asked = {
        "sub-group": (small, seen, seen),
        INTEREST[1]: (region, women, women),
        INTEREST[4]: (region, *2 * (seen & btec & (rows["subject"] == BUSINESS),)),
        "next": (rows["course"], ~seen, seen),
    }
    parts = [_average(rows, name, *what) for name, what in asked.items()]
    over, own = (sparse.vstack([p[k] for p in parts], format="csr") for k in (1, 2))
    groups = pd.concat([p[0] for p in parts], ignore_index=True)
    keep = (groups["n"] >= 3) | (groups["kind"] == "next")
    groups, over, own = groups[keep], over[keep.to_numpy()], own[keep.to_numpy()]
    groups = _mark(groups.reset_index(drop=True), far)
    return groups.assign(truth=over @ rows["expected"].to_numpy()), over, own


def _average(rows, kind, label, members, alike):
    """Sub-groups of the rows in `members`; their own rows are those in `alike`."""
    names = pd.Index(label[members].unique()).sort_values()
    first = rows.loc[members].groupby(label[members])[["course", "subject", "sex"]]
    about = first.first().reindex(names).rename_axis("label").reset_index()
    weights = []
    for some in (members, alike):
        code = names.get_indexer(label[some])
        at = np.flatnonzero(some.to_numpy())[code >= 0]
        code = code[code >= 0]
        size = np.bincount(code, minlength=len(names))
        shape = (len(names), len(rows))
        weights.append(sparse.csr_array((1 / size[code], (code, at)), shape))
    return about.assign(kind=kind, n=size), *weights


def _mark(groups, far):
    """Add a column of true and false for each part of the rule."""
    small, n = groups["kind"] == "sub-group", groups["n"]
    for name, (least, most) in (BANDS | STEPS).items():
        groups[name] = small & n.between(least, most or np.inf)
    groups[INTEREST[0]] = small & (n == 3)
    groups[INTEREST[1]] = groups["kind"] == INTEREST[1]
    nursing = groups["subject"] == "Nursing and midwifery"
    groups[INTEREST[2]] = small & nursing & (groups["sex"] == "male")
    groups[INTEREST[3]] = small & (groups["subject"] == "Medicine and dentistry")
    groups[INTEREST[4]] = groups["kind"] == INTEREST[4]
    groups[INTEREST[5]] = small & groups["course"].isin(far)
    groups[NEXT[0]] = (groups["kind"] == "next") & (n > 0)
    groups[NEXT[1]] = (groups["kind"] == "next") & (n == 0)
    return groups
