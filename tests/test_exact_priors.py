"""Tests of the priors: Bambi's own defaults, and what a user puts in their place."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.shapes import SHAPES
from partialpool.exact.priors import SD_DENSITIES, Prior, choose_priors
from tests.dense_models import design_of, table

FORMULAS = [
    "y ~ x",
    "y ~ (1|g)",
    "y ~ 0 + (1|g)",
    "y ~ 0 + x + (1|g)",
    "y ~ sex * prior + (1|g)",
    "y ~ x:sex + (sex|g)",
    "y ~ x * sex + (x * sex|g) + (1|g:h)",
    "y ~ scale(x) + (0 + x|g)",
    "y ~ C(year) + (1|year)",
    "y ~ band + flag + (band|g)",
    "y ~ np.log(w) + (np.log(w)|h)",
    "y ~ bs(x, df=4) + poly(z, 2) + (1|g)",
]
# Bambi 0.21 scales its defaults by the mean and standard deviation of the whole
# response: an offset is left in it, and weights are thrown together with the outcome.
# Here the defaults are those that Bambi has for the outcome without the one and
# without the other.
FOR_THE_OUTCOME_ITSELF = {
    "y ~ x + offset(z) + (1|g)": "left ~ x + (1|g)",
    "y ~ x + offset(z) + offset(np.log(w)) + (x|g)": "rest ~ x + (x|g)",
    "weighted(y, w) ~ x + (1|g)": "y ~ x + (1|g)",
    "weighted(y, w) ~ sex + offset(z) + (sex|g)": "left ~ sex + (sex|g)",
}


@pytest.fixture(scope="module")
def bambi():
    import bambi

    return bambi


def ours(formula, rows, wanted):
    """Name and arguments of each prior, as Bambi would write them."""
    design = design_of(formula, rows)
    chosen = choose_priors(design, wanted)
    found, start = {}, 0
    for term in design.common:
        mine = slice(start, start + term.columns)
        start += term.columns
        shift = design.shift if term.is_intercept else 0
        args = {"mu": chosen.mean[mine] + shift}
        found[term.name] = ("Normal", args | {"sigma": chosen.precision[mine] ** -0.5})
    for factor, densities in zip(design.factors, chosen.group_sds, strict=True):
        densities = iter(densities)
        for term in factor.terms:
            parts = [next(densities) for _ in range(term.columns)]
            found[f"{term.name}_sigma"] = spread(parts)
    return found | {"sigma": spread([chosen.sigma])}


def spread(densities):
    names = [next(n for n, f in SD_DENSITIES.items() if f is d.func) for d in densities]
    args = {key: [d.keywords[key] for d in densities] for key in densities[0].keywords}
    return names[0], args


def theirs(bambi, formula, rows, wanted):
    model = bambi.Model(formula, rows, priors=wanted)
    model.build()
    mean = model.parameters["mu"]
    found = {name: term.prior for name, term in mean.common_terms.items()}
    if mean.intercept_term is not None:
        found["Intercept"] = mean.intercept_term.prior
    for name, term in mean.group_specific_terms.items():
        found[f"{name}_sigma"] = term.prior.args["sigma"]
    found["sigma"] = model.parameters["sigma"].prior
    return {name: (prior.name, prior.args) for name, prior in found.items()}


def assert_same(mine, others):
    assert set(mine) == set(others)
    for name, (family, args) in others.items():
        assert mine[name][0] == family
        assert set(mine[name][1]) == set(args)
        for key, value in args.items():
            np.testing.assert_allclose(
                np.ravel(mine[name][1][key]), np.ravel(value), rtol=1e-7, atol=1e-12
            )


# Bambi builds a model of many rows in PyMC in seconds; what is large is left out.
@pytest.mark.parametrize("name", [name for name in SHAPES if name != "large"])
@pytest.mark.filterwarnings("ignore")
def test_the_priors_of_each_shape_are_those_of_bambi(bambi, name):
    shape = SHAPES[name]
    rows, wanted = shape.make(), shape.priors and shape.priors()
    alike = FOR_THE_OUTCOME_ITSELF.get(shape.formula, shape.formula)
    assert_same(ours(shape.formula, rows, wanted), theirs(bambi, alike, rows, wanted))


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.filterwarnings("ignore")
def test_default_priors_are_those_of_bambi(bambi, formula):
    assert_same(ours(formula, table(), None), theirs(bambi, formula, table(), None))


@pytest.mark.parametrize(("formula", "alike"), FOR_THE_OUTCOME_ITSELF.items())
@pytest.mark.filterwarnings("ignore")
def test_default_priors_look_at_the_outcome_itself(bambi, formula, alike):
    rows = table()
    rows["left"] = rows["y"] - rows["z"]
    rows["rest"] = rows["left"] - np.log(rows["w"])
    assert_same(ours(formula, rows, None), theirs(bambi, alike, rows, None))


def test_a_constant_offset_moves_the_intercept_and_nothing_else():
    rows = table().assign(far=1e4)
    plain, moved = (
        choose_priors(design_of(f"y ~ x{offset} + (1|g)", rows), None)
        for offset in ("", " + offset(far)")
    )
    np.testing.assert_allclose(moved.precision, plain.precision)
    # Measured from the shift, both intercepts are expected where they were.
    np.testing.assert_allclose(moved.mean, plain.mean, atol=1e-9)


@pytest.mark.parametrize(
    "chosen",
    [
        {"x": 0.5},
        {"Intercept": 3.0},
        {"common": 2.0},
        {"group_specific": 2.0},
        {"1|g": 1.0, "sigma": 4.0, "sex": 0.1},
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_priors_of_ones_own_leave_the_others_as_bambi_does(bambi, chosen):
    def make(kind):
        return {
            name: kind("HalfNormal", sigma=size)
            if name == "sigma"
            else kind("Normal", mu=0, sigma=kind("HalfNormal", sigma=size))
            if name in ("1|g", "group_specific")
            else kind("Normal", mu=1, sigma=size)
            for name, size in chosen.items()
        }

    formula = "y ~ x + sex + (x|g) + (1|h)"
    others = theirs(bambi, formula, table(), make(bambi.Prior))
    assert_same(ours(formula, table(), make(Prior)), others)
    assert_same(ours(formula, table(), make(bambi.Prior)), others)


KNOWN = {
    "HalfNormal": (stats.halfnorm(scale=0.7), {"sigma": 0.7}),
    "HalfStudentT": (stats.t(5, scale=0.7), {"nu": 5, "sigma": 0.7}),
    "HalfCauchy": (stats.cauchy(scale=0.7), {"beta": 0.7}),
    "Exponential": (stats.expon(scale=1 / 3), {"lam": 3}),
    "Gamma": (stats.gamma(2.5, scale=1 / 3), {"alpha": 2.5, "beta": 3}),
    "InverseGamma": (stats.invgamma(2.5, scale=3), {"alpha": 2.5, "beta": 3}),
    "LogNormal": (stats.lognorm(0.6, scale=np.exp(0.3)), {"mu": 0.3, "sigma": 0.6}),
}


@pytest.mark.parametrize("name", SD_DENSITIES)
def test_the_density_of_an_sd_is_that_of_its_name(name):
    known, args = KNOWN[name]
    s = np.linspace(0.05, 4, 20)
    np.testing.assert_allclose(
        np.diff(SD_DENSITIES[name](s, **args)), np.diff(known.logpdf(s)), atol=1e-10
    )


@pytest.mark.parametrize("name", SD_DENSITIES)
def test_defaults_of_arguments_are_those_of_pymc(name):
    import pymc

    needed = {"HalfStudentT": {"nu": 3}, "Gamma": {"alpha": 2, "beta": 0.1}}
    needed |= {"HalfCauchy": {"beta": 1}, "InverseGamma": {"alpha": 3, "beta": 2}}
    theirs = getattr(pymc, name).dist(**needed.get(name, {}))
    s = np.array([0.3, 1.7])
    densities = pymc.logp(theirs, s).eval()
    mine = SD_DENSITIES[name](s, **({"nu": 3} if name == "HalfStudentT" else {}))
    np.testing.assert_allclose(np.diff(mine), np.diff(densities))


def test_a_flat_prior_says_nothing():
    design = design_of("y ~ x + (1|g)", table())
    chosen = choose_priors(design, {"x": Prior("Flat"), "Intercept": Prior("Flat")})
    assert chosen.precision.tolist() == [0, 0]


def test_each_column_of_a_term_can_have_its_own_prior():
    design = design_of("y ~ prior + (1|g)", table())
    wide = {"prior": Prior("Normal", mu=[0, 1], sigma=[2, 4])}
    chosen = choose_priors(design, wide)
    assert chosen.mean.tolist()[1:] == [0, 1]
    assert chosen.precision.tolist()[1:] == [1 / 4, 1 / 16]


def half(size):
    return Prior("HalfNormal", sigma=size)


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"sexx": half(1)}, "priors names 'sexx', which is no term of this model: "),
        ({"x": half(1)}, "The prior of x is HalfNormal, and only a Normal or Flat"),
        ({"x": Prior("Normal", mu=0, sigma=half(1))}, "The prior of x has a prior as"),
        ({"1|g": Prior("Normal", mu=0, sigma=2)}, "1|g fixes its standard deviation"),
        ({"1|g": Prior("Normal", mu=1, sigma=half(1))}, "is Normal around a mean, and"),
        ({"1|g": Prior("StudentT", sigma=half(1))}, "The prior of 1|g is StudentT,"),
        ({"1|g": half(1)}, "The prior of 1|g is HalfNormal,"),
        (
            {"sigma": Prior("Normal")},
            "The prior of sigma is 'Normal': choose from",
        ),
        ({"sigma": 3}, "The prior of sigma is 3, which is no prior: give a"),
        ({"x": 3}, "The prior of x is 3, which is no prior: give a pool.Pri"),
        ({"1|g": 3}, "The prior of 1|g is 3, which is no prior: give a"),
        ({"sigma": Prior("HalfNormal", sd=1)}, "The prior of sigma has no argument sd"),
        ({"sigma": half(-1)}, "The prior of sigma is Prior('HalfNormal', sigma=-1)"),
        ({"x": Prior("Normal", mu=0, sigma=0)}, "The prior of x is Prior('Normal',"),
        ({"x": Prior("Normal", sd=1)}, "The prior of x has no argument sd"),
        ({"x": Prior("Normal", mu=[0, 1])}, "The prior of x has [0, 1] as its mu: giv"),
        ({"x": Prior("Normal", mu="0")}, "The prior of x has '0' as its mu: give a n"),
        ({"x": Prior("Normal", mu=np.nan)}, "The prior of x has nan as its mu: give"),
        ({"sigma": half([1, 2])}, "The prior of sigma has [1, 2] as its sigma: give"),
        (
            {"1|g": Prior("Normal", sigma=half(None))},
            "1|g_sigma is Prior('HalfNormal', sigma=None)",
        ),
    ],
)
def test_priors_that_do_not_fit_are_refused(wanted, says):
    design = design_of("y ~ x + (1|g)", table())
    with pytest.raises(ValueError) as caught:
        choose_priors(design, wanted)
    assert says in str(caught.value)
    assert caught.value.__cause__ is None
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_columns_that_are_constant_are_refused_unless_they_have_a_prior():
    rows = table().assign(x=3.0)
    design = design_of("y ~ x + (1|g)", rows)
    with pytest.raises(ValueError, match="The term x is constant in this table"):
        choose_priors(design, None)
    choose_priors(design, {"x": Prior("Normal", sigma=1)})


def test_a_combination_that_no_row_has_is_refused_unless_it_has_a_prior():
    rows = table()
    rows = rows[(rows["sex"] != "male") | (rows["prior"] != "q3")]
    design = design_of("y ~ sex * prior + (1|g)", rows)
    with pytest.raises(ValueError, match=r"The term sex:prior has a column that is c"):
        choose_priors(design, None)
    choose_priors(design, {"sex:prior": Prior("Normal", sigma=1)})


def test_a_prior_shows_how_it_was_made():
    prior = Prior("Normal", mu=0, sigma=Prior("HalfNormal", sigma=0.5))
    assert repr(prior) == "Prior('Normal', mu=0, sigma=Prior('HalfNormal', sigma=0.5))"
