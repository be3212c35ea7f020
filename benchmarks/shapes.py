"""The data sets on which the exact posterior is compared with row-level NUTS.

Each shape is a formula, simulated rows with a known truth, and what else the
model needs. One shape has one reason to be here: its ``why``. All outcomes are
normal around the linear predictor, as the models assume (`large` all but so).

Examples
--------
>>> SHAPES["few_groups"].make()["g"].nunique()
4
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Shape:
    """One data set and its model.

    Parameters
    ----------
    name : str
        Key in `SHAPES` and name of the reference file.
    formula : str
        In Bambi's notation.
    make : callable
        Makes the rows, a `pandas.DataFrame`, the same on every call.
    why : str
        What only this shape puts to the test.
    priors : callable, optional
        Makes the priors, a dict as Bambi takes it; Bambi's defaults without.
    weights : str, optional
        Column of row weights, for those who cannot read it from the formula.
    correlated : bool
        Whether the effects of one group correlate, with an LKJ(2) prior. Bambi
        has no such model: its ``(x|g)`` keeps intercepts and slopes independent.
    """

    name: str
    formula: str
    make: Callable[[], pd.DataFrame]
    why: str
    priors: Callable[[], dict] | None = None
    weights: str | None = None
    correlated: bool = False


def _labels(letter, count):
    """Name the levels of a column so that they sort as they are numbered."""
    width = len(str(count))
    return np.array([f"{letter}{i:0{width}}" for i in range(1, count + 1)])


def _effects(rng, letter, count, sd):
    """Draw one normal effect for each level of a group column."""
    return pd.Series(rng.normal(0, sd, count), index=_labels(letter, count))


def _skewed(rng, effects, rows):
    """Spread rows over groups, a few large and many small, none empty."""
    share = rng.lognormal(0, 1, len(effects))
    rest = rng.choice(len(effects), rows - len(effects), p=share / share.sum())
    places = np.concatenate([np.arange(len(effects)), rest])
    return effects.index.to_numpy()[rng.permutation(places)]


def _choose(rng, levels, rows):
    """Draw a category for each row, all equally likely."""
    return rng.choice(np.array(levels), rows)


def _at(effects, column):
    """Look up the effect that belongs to each row."""
    return effects.loc[column].to_numpy()


def one_group():
    """Make 20 groups: mean 10, between sd 0.3, within sd 0.5."""
    rng = np.random.default_rng(1)
    effects = _effects(rng, "g", 20, 0.3)
    g = _skewed(rng, effects, 1_000)
    return pd.DataFrame({"y": rng.normal(10 + _at(effects, g), 0.5), "g": g})


def crossed(rows=10_000, seed=2, within_sd=0.5):
    """Cross 35 subjects (sd 0.15) with 150 providers (sd 0.10).

    Mean 10; men earn 0.08 more; each fifth of `prior` attainment adds 0.05.
    """
    rng = np.random.default_rng(seed)
    subjects, providers = _effects(rng, "s", 35, 0.15), _effects(rng, "p", 150, 0.10)
    table = pd.DataFrame(
        {
            "subject": _skewed(rng, subjects, rows),
            "provider": _skewed(rng, providers, rows),
            "sex": _choose(rng, ["female", "male"], rows),
            "prior": _choose(rng, _labels("q", 5), rows),
        }
    )
    mean = 10 + 0.08 * (table["sex"] == "male")
    mean += 0.05 * (table["prior"].str[1:].astype(int) - 1)
    mean += _at(subjects, table["subject"]) + _at(providers, table["provider"])
    return table.assign(y=rng.normal(mean, within_sd))


def nested():
    """Put 6 subjects (sd 0.2) inside each of 25 providers (sd 0.3).

    The same subject names return in every provider. Mean 10, men 0.08 more,
    within sd 0.6.
    """
    rng = np.random.default_rng(3)
    providers = _effects(rng, "p", 25, 0.3)
    rows = 5_000
    provider = _skewed(rng, providers, rows)
    subject = _choose(rng, _labels("s", 6), rows)
    pairs = pd.MultiIndex.from_product([providers.index, _labels("s", 6)])
    courses = pd.Series(rng.normal(0, 0.2, len(pairs)), index=pairs)
    sex = _choose(rng, ["female", "male"], rows)
    mean = 10 + 0.08 * (sex == "male") + _at(providers, provider)
    mean += courses.loc[pd.MultiIndex.from_arrays([provider, subject])].to_numpy()
    y = rng.normal(mean, 0.6)
    return pd.DataFrame({"y": y, "provider": provider, "subject": subject, "sex": sex})


def slopes():
    """Let a slope differ by group: sds 0.3 and 0.2, correlation 0.5.

    Mean 10 at x = 0, mean slope 0.4, within sd 0.7; x is normal around 1, so
    that it matters whether a model centres it.
    """
    rng = np.random.default_rng(4)
    covariance = [[0.3**2, 0.5 * 0.3 * 0.2], [0.5 * 0.3 * 0.2, 0.2**2]]
    effects = rng.multivariate_normal([10, 0.4], covariance, 30)
    effects = pd.DataFrame(effects, index=_labels("g", 30), columns=["base", "slope"])
    g = _skewed(rng, effects, 2_000)
    x = rng.normal(1, 1, len(g))
    mean = _at(effects["base"], g) + _at(effects["slope"], g) * x
    return pd.DataFrame({"y": rng.normal(mean, 0.7), "x": x, "g": g})


def three_terms():
    """Cross 35 subjects (sd 0.15), 100 providers (0.10) and 8 years (0.08).

    Mean 10, men 0.08 more, within sd 0.5.
    """
    rng = np.random.default_rng(5)
    rows = 10_000
    subjects, providers = _effects(rng, "s", 35, 0.15), _effects(rng, "p", 100, 0.10)
    years = _effects(rng, "y", 8, 0.08)
    table = pd.DataFrame(
        {
            "subject": _skewed(rng, subjects, rows),
            "provider": _skewed(rng, providers, rows),
            "year": _choose(rng, years.index, rows),
            "sex": _choose(rng, ["female", "male"], rows),
        }
    )
    mean = 10 + 0.08 * (table["sex"] == "male") + _at(years, table["year"])
    mean += _at(subjects, table["subject"]) + _at(providers, table["provider"])
    return table.assign(y=rng.normal(mean, 0.5))


def few_groups():
    """Make 4 groups: mean 10, between sd 0.3, slope 0.4, within sd 0.8."""
    rng = np.random.default_rng(6)
    effects = _effects(rng, "g", 4, 0.3)
    g = _choose(rng, effects.index, 1_000)
    x = rng.normal(0, 1, len(g))
    y = rng.normal(10 + _at(effects, g) + 0.4 * x, 0.8)
    return pd.DataFrame({"y": y, "x": x, "g": g})


def one_tiny_group():
    """Make 15 groups of 100 to 300 rows and a last one of a single row.

    Mean 10, between sd 0.3, within sd 1.
    """
    rng = np.random.default_rng(7)
    effects = _effects(rng, "g", 16, 0.3)
    sizes = [*rng.integers(100, 301, 15), 1]
    g = effects.index.repeat(sizes)
    return pd.DataFrame({"y": rng.normal(10 + _at(effects, g), 1), "g": g})


def near_zero():
    """Make 30 groups that do not differ: mean 10, between sd 0, within sd 1."""
    rng = np.random.default_rng(8)
    g = _skewed(rng, _effects(rng, "g", 30, 0), 1_000)
    return pd.DataFrame({"y": rng.normal(10, 1, len(g)), "g": g})


def continuous():
    """Give x1 a slope of 0.4, and x2 one of 0.2 for women and -0.1 for men.

    40 groups, mean 10, men 0.3 more, between sd 0.3, within sd 0.8; x1 is
    normal around 3, x2 even between 0 and 2.
    """
    rng = np.random.default_rng(9)
    effects = _effects(rng, "g", 40, 0.3)
    g = _skewed(rng, effects, 2_000)
    x1, x2 = rng.normal(3, 1.5, len(g)), rng.uniform(0, 2, len(g))
    sex = _choose(rng, ["female", "male"], len(g))
    slope = np.where(sex == "male", -0.1, 0.2)
    mean = 10 + _at(effects, g) + 0.4 * x1 + slope * x2 + 0.3 * (sex == "male")
    y = rng.normal(mean, 0.8)
    return pd.DataFrame({"y": y, "x1": x1, "x2": x2, "sex": sex, "g": g})


def weights():
    """Weigh rows: mean 10, slope 0.4, between sd 0.3, within sd 0.8 at weight 1.

    A row of weight w has variance 0.8² / w. Weights are gamma with mean 1.5, so
    that they do not add up to the number of rows.
    """
    rng = np.random.default_rng(10)
    effects = _effects(rng, "g", 25, 0.3)
    g = _skewed(rng, effects, 1_500)
    x, w = rng.normal(1, 1, len(g)), rng.gamma(3, 0.5, len(g))
    y = rng.normal(10 + _at(effects, g) + 0.4 * x, 0.8 / np.sqrt(w))
    return pd.DataFrame({"y": y, "x": x, "w": w, "g": g})


def unbalanced():
    """Make 12 groups of 2, 5, 11, … 20,000 rows.

    Mean 10, men 0.08 more, between sd 0.2, within sd 1.
    """
    rng = np.random.default_rng(11)
    effects = _effects(rng, "g", 12, 0.2)
    g = effects.index.repeat(np.rint(np.geomspace(2, 20_000, 12)).astype(int))
    sex = _choose(rng, ["female", "male"], len(g))
    y = rng.normal(10 + _at(effects, g) + 0.08 * (sex == "male"), 1)
    return pd.DataFrame({"y": y, "sex": sex, "g": g})


def large():
    """Make `crossed` again with 100,000 rows and within sd 1.

    The model leaves `prior` out, so that few cells hold all rows.
    """
    return crossed(100_000, seed=12, within_sd=1.0)


def category_slopes():
    """Give women and men separate group effects: sds 0.4 and 0.2.

    25 groups, mean 10, men 0.1 more, within sd 0.8.
    """
    rng = np.random.default_rng(13)
    women, men = _effects(rng, "g", 25, 0.4), _effects(rng, "g", 25, 0.2)
    g = _skewed(rng, women, 1_500)
    sex = _choose(rng, ["female", "male"], len(g))
    mean = 10 + np.where(sex == "male", 0.1 + _at(men, g), _at(women, g))
    return pd.DataFrame({"y": rng.normal(mean, 0.8), "sex": sex, "g": g})


def no_intercept():
    """Give each sex a mean of its own: 10.0 and 10.1.

    25 groups, slope 0.4 of x around 2, between sd 0.3, within sd 0.8.
    """
    rng = np.random.default_rng(14)
    effects = _effects(rng, "g", 25, 0.3)
    g = _skewed(rng, effects, 1_500)
    sex, x = _choose(rng, ["female", "male"], len(g)), rng.normal(2, 1, len(g))
    mean = 10 + 0.1 * (sex == "male") + 0.4 * x + _at(effects, g)
    return pd.DataFrame({"y": rng.normal(mean, 0.8), "sex": sex, "x": x, "g": g})


def own_priors():
    """Cross 6 subjects (sd 0.3) with 20 providers (sd 0.1) in 400 rows.

    Few rows, so that the priors are felt. Mean 10, slope 0.4 of x around 1,
    within sd 1.
    """
    rng = np.random.default_rng(15)
    rows = 400
    subjects, providers = _effects(rng, "s", 6, 0.3), _effects(rng, "p", 20, 0.1)
    subject, provider = _skewed(rng, subjects, rows), _skewed(rng, providers, rows)
    x = rng.normal(1, 1, rows)
    mean = 10 + 0.4 * x + _at(subjects, subject) + _at(providers, provider)
    y = rng.normal(mean, 1)
    return pd.DataFrame({"y": y, "x": x, "subject": subject, "provider": provider})


def _narrow_priors():
    """Make priors that pull: on the mean of all rows, the slope and each sd."""
    from bambi import Prior

    def around_zero(between_sd):
        return Prior("Normal", mu=0, sigma=between_sd)

    return {
        "Intercept": Prior("Normal", mu=10, sigma=0.2),
        "x": Prior("Normal", mu=0.2, sigma=0.05),
        "1|subject": around_zero(Prior("HalfNormal", sigma=0.2)),
        "1|provider": around_zero(Prior("Exponential", lam=5)),
        "sigma": Prior("HalfNormal", sigma=0.5),
    }


_ALL = [
    Shape("one_group", "y ~ 1 + (1|g)", one_group, "the simplest model"),
    Shape("few_groups", "y ~ x + (1|g)", few_groups, "a prior that is felt: 4 groups"),
    Shape("near_zero", "y ~ 1 + (1|g)", near_zero, "a between sd at its lower end"),
    Shape("one_tiny_group", "y ~ 1 + (1|g)", one_tiny_group, "a group of one row"),
    Shape("slopes", "y ~ x + (x|g)", slopes, "slopes that vary, as Bambi has them"),
    Shape(
        "correlated_slopes",
        "y ~ x + (x|g)",
        slopes,
        "slopes that vary along with the intercepts",
        correlated=True,
    ),
    Shape(
        "weights",
        "weighted(y, w) ~ x + (1|g)",
        weights,
        "weights that do not add up to the rows",
        weights="w",
    ),
    Shape(
        "continuous",
        "y ~ x1 + x2 * sex + (1|g)",
        continuous,
        "predictors that cells cannot hold, and an interaction",
    ),
    Shape(
        "category_slopes",
        "y ~ sex + (0 + sex|g)",
        category_slopes,
        "a group term of several columns",
    ),
    Shape(
        "no_intercept",
        "y ~ 0 + sex + x + (1|g)",
        no_intercept,
        "predictors that are not centred",
    ),
    Shape(
        "own_priors",
        "y ~ x + (1|subject) + (1|provider)",
        own_priors,
        "priors other than the default",
        priors=_narrow_priors,
    ),
    Shape(
        "nested",
        "y ~ sex + (1|provider) + (1|provider:subject)",
        nested,
        "groups inside groups",
    ),
    Shape(
        "crossed",
        "y ~ sex + prior + (1|subject) + (1|provider)",
        crossed,
        "the model of the book, skewed sizes",
    ),
    Shape(
        "three_terms",
        "y ~ sex + (1|subject) + (1|provider) + (1|year)",
        three_terms,
        "three group terms",
    ),
    Shape("unbalanced", "y ~ sex + (1|g)", unbalanced, "groups of 2 to 20,000 rows"),
    Shape(
        "large",
        "y ~ sex + (1|subject) + (1|provider)",
        large,
        "many rows for few cells",
    ),
]

SHAPES = {shape.name: shape for shape in _ALL}
