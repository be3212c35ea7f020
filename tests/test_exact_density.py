"""Tests of the marginal posterior, against the covariance of all rows in full."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from partialpool.exact import density as marginals
from partialpool.exact import elimination, remainders, sparse_remainders
from partialpool.exact import gram as grams
from partialpool.exact.density import Marginal
from partialpool.exact.gram import gram
from partialpool.exact.priors import Prior, choose_priors
from tests.dense_models import dense_model, design_of, table

PRIORS = {
    "Intercept": Prior("Normal", mu=9, sigma=2),
    "common": Prior("Normal", mu=0.3, sigma=0.7),
    "group_specific": Prior("Normal", sigma=Prior("Gamma", alpha=3, beta=2)),
    "sigma": Prior("LogNormal", mu=0.5, sigma=0.4),
}

MODELS = [
    ("y ~ 1", None),
    ("y ~ x + sex", None),
    ("y ~ (1|g)", None),
    ("y ~ 0 + (1|g)", None),
    ("y ~ 0 + sex + (1|g) + (1|h)", None),
    ("y ~ x * sex + (1|g) + (1|h) + (1|year)", None),
    ("y ~ x + (x|g) + (x|h)", None),
    ("y ~ prior + (prior|h) + (1|g:h)", None),
    ("y ~ sex + (0 + sex|g) + offset(z)", None),
    ("y ~ x + (x|g)", 2.0),
    ("y ~ x + (x|g) + (x|h)", 1.0),
    ("y ~ prior + (x * sex|g) + (1|h)", 2.0),
    ("y ~ prior + (1|g) + (prior + x|h)", 0.5),
]

# Factors that the largest is nested in, one or two of them, with and without others.
NESTED = [
    ("y ~ x + (1|g) + (1|g:h)", None),
    ("y ~ (1|g) + (1|g:h) + (1|g:h:sex)", None),
    ("y ~ 0 + (1|g:h) + (1|g)", None),
    ("y ~ sex + (1|year) + (1|g) + (1|g:h)", None),
    ("y ~ x + (x|g) + (1|h) + (1|g:h)", None),
    ("y ~ (x * z|h) + (1|g:h)", None),
    ("y ~ x + (x|g) + (x|g:h) + (x|g:h:sex) + (x|year)", 2.0),
    ("y ~ prior + (x + z|g) + (1|g:h) + (x|g:h:sex)", 0.7),
]
# Constants that send a model down a path that its size would not.
SPARSELY = [
    (remainders, {"SMALL": -1, "SPARSE_SHARE": 9}),
    (sparse_remainders, {"SPARSE_COST": 0}),
]
APART = {"LARGEST_TABLE": 0, "LARGEST_SIDE": 0}


def marginal_of(formula, rows, lkj=None, priors=PRIORS):
    design = design_of(formula, rows)
    chosen = choose_priors(design, priors)
    return design, Marginal(gram(design), chosen, design.sizes, lkj)


def points(marginal, count=7, seed=2):
    rng = np.random.default_rng(seed)
    return rng.normal(-0.2, 0.8, (count, marginal.size))


def covariance_of(marginal, theta, scale):
    """Build a factor's covariance from partial correlations, in the textbook's way."""
    sds = np.exp(theta[scale.sds])
    if scale.correlations.start == scale.correlations.stop:
        return np.diag(sds**2)
    partial = np.zeros((scale.effects, scale.effects))
    below = np.tril_indices(scale.effects, -1)
    partial[below] = np.tanh(theta[scale.correlations])
    factor = np.zeros_like(partial)
    for i in range(scale.effects):
        for j in range(i + 1):
            left = np.prod(1 - partial[i, :j] ** 2) ** 0.5
            factor[i, j] = left * (partial[i, j] if j < i else 1)
    return sds[:, None] * (factor @ factor.T) * sds


def full_normal(design, dense, marginal, theta):
    """Mean and covariance of all coefficients and effects, and of the outcome."""
    priors = marginal.priors
    columns = [dense.common]
    mean, blocks = [priors.mean], [np.diag(1 / priors.precision)]
    for z, scale in zip(dense.factors, marginal.scales, strict=True):
        groups = z.shape[1]
        columns.append(z.reshape(len(z), -1))
        mean.append(np.zeros(groups * scale.effects))
        blocks.append(np.kron(np.eye(groups), covariance_of(marginal, theta, scale)))
    size = sum(map(len, mean))
    prior, start = np.zeros((size, size)), 0
    for block in blocks:
        prior[start : start + len(block), start : start + len(block)] = block
        start += len(block)
    return np.hstack(columns), np.concatenate(mean), prior


def log_prior(marginal, theta, lkj):
    """Density of sds and correlations, on the scale of the vector."""
    total = marginal.priors.sigma(np.exp(theta[0])) + theta[0]
    for scale, densities in zip(
        marginal.scales, marginal.priors.group_sds, strict=True
    ):
        for at, density in zip(theta[scale.sds], densities, strict=True):
            total += density(np.exp(at)) + at
        total += log_lkj(marginal, theta, scale, lkj)
    return total


def log_lkj(marginal, theta, scale, lkj):
    """LKJ density of the correlation matrix, with the Jacobian by differences."""
    if scale.correlations.start == scale.correlations.stop:
        return 0.0
    below = np.tril_indices(scale.effects, -1)

    def correlations(z):
        full = theta.copy()
        full[scale.correlations] = z
        full[scale.sds] = 0
        return covariance_of(marginal, full, scale)

    z = theta[scale.correlations]
    step = 1e-6 * np.eye(len(z))
    jacobian = [
        (correlations(z + s)[below] - correlations(z - s)[below]) / 2e-6 for s in step
    ]
    determinant = np.linalg.det(correlations(z))
    return (lkj - 1) * np.log(determinant) + np.log(abs(np.linalg.det(jacobian)))


def dense_log_density(design, dense, marginal, theta, lkj):
    columns, mean, prior = full_normal(design, dense, marginal, theta)
    noise = np.exp(2 * theta[0]) * np.eye(len(dense.y))
    outcome = multivariate_normal(columns @ mean, columns @ prior @ columns.T + noise)
    return outcome.logpdf(dense.y - design.shift) + log_prior(marginal, theta, lkj)


@pytest.mark.parametrize(("formula", "lkj"), [*MODELS, *NESTED])
def test_the_density_is_that_of_the_full_covariance(formula, lkj):
    rows = table(60)
    design, marginal = marginal_of(formula, rows, lkj)
    dense = dense_model(formula, rows)
    theta = points(marginal)
    ours = marginal.log_density(theta)
    full = [dense_log_density(design, dense, marginal, t, lkj) for t in theta]
    np.testing.assert_allclose(
        ours - ours[0], np.array(full) - full[0], atol=1e-7 if lkj else 1e-8
    )


WAYS = {
    "made anew": {"LARGEST_PAIRS": 0},
    "sparse": {"SPARSE": 2},
    "dense": {"SPARSE": -1},
    "in chunks": {"CHUNK": 1},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("formula", "lkj"), MODELS[4:])
def test_products_kept_in_any_way_give_the_same_density(monkeypatch, formula, lkj, way):
    rows = table(60)
    _, marginal = marginal_of(formula, rows, lkj)
    for name, value in WAYS[way].items():
        assert hasattr(elimination, name)
        monkeypatch.setattr(elimination, name, value)
    _, other = marginal_of(formula, rows, lkj)
    theta = points(marginal)
    np.testing.assert_allclose(
        other.log_density(theta), marginal.log_density(theta), rtol=1e-10
    )


def set_all(monkeypatch, module, constants):
    for name, value in constants.items():
        assert hasattr(module, name)
        monkeypatch.setattr(module, name, value)


PATHS = {
    "sparse factor": SPARSELY,
    "sparse products": [(grams, APART)],
    "sparse products made anew": [(grams, APART), (elimination, WAYS["made anew"])],
    "sparse factor and products": [*SPARSELY, (grams, APART)],
    "threads": [(marginals, {"THREADED": 0})],
    "threads, sparse": [(marginals, {"THREADED": 0}), *SPARSELY],
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("formula", "lkj"), [*MODELS[4:], *NESTED])
def test_every_path_gives_the_same_density(monkeypatch, formula, lkj, path):
    rows = table(60)
    _, marginal = marginal_of(formula, rows, lkj)
    for module, constants in PATHS[path]:
        set_all(monkeypatch, module, constants)
    _, other = marginal_of(formula, rows, lkj)
    assert other._remainder.is_sparse == ("sparse factor" in path or "s, sp" in path)
    theta = points(marginal)
    np.testing.assert_allclose(
        other.log_density(theta), marginal.log_density(theta), rtol=1e-10
    )


@pytest.mark.parametrize(
    ("formula", "eliminated"),
    [
        ("y ~ x + (1|g) + (1|h)", []),
        ("y ~ x + (1|g) + (1|g:h)", [6]),
        ("y ~ x + (1|h) + (1|g:h) + (1|g)", [6]),
        ("y ~ (1|g) + (1|g:h) + (1|g:h:sex)", [17, 6]),
        ("y ~ (1|h) + (1|g:h) + (1|g:h:sex) + (1|g)", [17, 6]),
        ("y ~ (1|g:h:sex) + (1|h:year) + (1|h)", [3]),
    ],
)
def test_factors_that_the_largest_is_nested_in_are_eliminated(formula, eliminated):
    _, marginal = marginal_of(formula, table())
    found = [len(stage.columns) for stage in marginal._remainder.stages]
    assert found == eliminated


def test_factors_that_only_an_eliminated_one_ties_together():
    # In every group the slopes' column adds up to 0, so that its products with 1 do:
    # only the correlation of the second factor's effects ties the others together.
    rng = np.random.default_rng(5)
    rows = pd.DataFrame({"x": np.tile([-1.0, 1.0], 48), "y": rng.normal(10, 2, 96)})
    for name, repeats in {"c": 4, "b": 8, "a": 16, "top": 32}.items():
        rows[name] = (np.arange(96) // repeats).astype(str)
    formula = "y ~ 1 + (1|c) + (x|b) + (1|a) + (0 + x|top)"
    design, marginal = marginal_of(formula, rows, 2.0)
    assert len(marginal._remainder.stages) == 3
    dense = dense_model(formula, rows)
    theta = points(marginal)
    ours = marginal.log_density(theta)
    full = [dense_log_density(design, dense, marginal, t, 2.0) for t in theta]
    np.testing.assert_allclose(ours - ours[0], np.array(full) - full[0], atol=1e-7)


def test_a_factor_of_one_group_and_levels_without_rows():
    rows = table(60).assign(one="a")
    levels = ["low", "none", "mid", "high"]
    rows["band"] = rows["band"].cat.set_categories(levels, ordered=True)
    few = rows.assign(band=rows["band"].cat.remove_unused_categories())
    formula = "y ~ x + (1|band) + (1|one) + (x|g)"
    _, marginal = marginal_of(formula, rows)
    design, without = marginal_of(formula, few)
    assert marginal.scales[0].groups == without.scales[0].groups == 3
    theta = points(marginal)
    ours = marginal.log_density(theta)
    np.testing.assert_allclose(ours, without.log_density(theta), rtol=1e-12)
    dense = dense_model(formula, few)
    full = [dense_log_density(design, dense, without, t, None) for t in theta]
    np.testing.assert_allclose(ours - ours[0], np.array(full) - full[0], atol=1e-8)


def test_what_neither_form_can_hold_is_refused(monkeypatch):
    set_all(monkeypatch, remainders, {"LARGEST_DENSE": 1, "SPARSE_SHARE": 0})
    with pytest.raises(ValueError, match="12 coefficients and effects remain"):
        marginal_of("y ~ x + sex + (1|g) + (x|h) + (1|year)", table())


@pytest.mark.parametrize("path", ["as it comes", *PATHS])
def test_an_evaluation_has_a_price(monkeypatch, path):
    for module, constants in PATHS.get(path, []):
        set_all(monkeypatch, module, constants)
    _, small = marginal_of("y ~ x + (1|g) + (1|h)", table())
    _, large = marginal_of("y ~ x * sex + (x|g) + (1|h) + (x|g:h:sex)", table())
    assert large.work > small.work > 0
    assert 0 < large.seconds() < 10


@pytest.mark.parametrize("path", ["as it comes", *PATHS])
def test_a_row_that_counts_twice_is_two_rows(monkeypatch, path):
    for module, constants in PATHS.get(path, []):
        set_all(monkeypatch, module, constants)
    rows = table(60)
    rows["w"] = np.arange(60) % 3 + 1.0
    repeated = rows.loc[np.repeat(rows.index, rows["w"].astype(int))]
    formula = "0 + sex + (1|g) + (1|g:h) + (1|year)"
    _, marginal = marginal_of(f"weighted(y, w) ~ {formula}", rows)
    design, twice = marginal_of(f"y ~ {formula}", repeated)
    theta = points(marginal)
    ours = marginal.log_density(theta)
    np.testing.assert_allclose(ours, twice.log_density(theta), rtol=1e-10)
    dense = dense_model(f"y ~ {formula}", repeated)
    full = [dense_log_density(design, dense, twice, t, None) for t in theta]
    np.testing.assert_allclose(ours - ours[0], np.array(full) - full[0], atol=1e-8)


@pytest.fixture
def tables(monkeypatch):
    set_all(monkeypatch, elimination, {"FEW": 0, "WORTH": 0})


@pytest.mark.parametrize("formula", ["y ~ x + (1|g) + (1|h)", "y ~ (1|g) + (1|g:h)"])
def test_interpolated_sums_are_those_of_all_groups(tables, monkeypatch, formula):
    theta = np.random.default_rng(1).normal(0, 0.6, (400, 3))
    _, marginal = marginal_of(formula, table(60))
    ours = marginal.log_density(theta)
    assert marginal._largest._tables._rows
    monkeypatch.setattr(elimination, "FEW", 1000)
    _, other = marginal_of(formula, table(60))
    assert not other._largest.uses_tables
    np.testing.assert_allclose(ours, other.log_density(theta), rtol=1e-12)


@pytest.mark.parametrize("width", [0.5, 1.0])
def test_interpolation_has_every_digit(monkeypatch, width):
    # All that it can meet: 1 / (n + p) depends on the ratio of the two alone.
    monkeypatch.setattr(elimination, "WIDTH", width)
    totals = np.exp(np.linspace(-40, 40, 2001))
    made = elimination.Tables(totals)

    def sums_at(precision):
        return 1 / (totals + precision[:, None])

    at = np.exp(np.linspace(-3, 2.99, 400))
    made.prepare(at, sums_at, 100)
    assert len(made._rows) == np.ptp(np.floor(np.log(at) / width)) + 1
    np.testing.assert_allclose(made.look_up(at, None), sums_at(at), rtol=1e-13)


def test_interpolation_is_given_up_where_it_would_lose_digits(monkeypatch):
    monkeypatch.setattr(elimination, "WIDTH", 3.0)
    made = elimination.Tables(np.array([1.0, 5.0]))
    made.prepare(np.ones(100), None, 100)
    assert not made._rows


def test_groups_of_equal_size_share_their_work_and_nothing_else():
    rows = table(60)
    rows["g"] = np.resize(list("abcdef"), len(rows))
    design, marginal = marginal_of("y ~ sex + (1|g)", rows)
    dense = dense_model("y ~ sex + (1|g)", rows)
    theta = points(marginal)
    full = [dense_log_density(design, dense, marginal, t, None) for t in theta]
    ours = marginal.log_density(theta)
    np.testing.assert_allclose(ours - ours[0], np.array(full) - full[0], atol=1e-8)


def test_batches_give_the_density_of_each_point():
    _, marginal = marginal_of("y ~ x + (x|g) + (1|h)", table(60), 2.0)
    theta = points(marginal, 3000)
    few = [marginal.log_density(theta[i : i + 1])[0] for i in (0, 1500, 2999)]
    np.testing.assert_allclose(marginal.log_density(theta)[[0, 1500, 2999]], few)


def test_impossible_points_have_no_density():
    _, marginal = marginal_of("y ~ x + (1|g)", table(60))
    theta = points(marginal, 3)
    theta[1] = [np.nan, 0.0]
    theta[2] = [0.0, 400.0]
    density = marginal.log_density(theta)
    assert np.isfinite(density[0])
    assert (density[1:] == -np.inf).all()


def test_no_point_however_far_has_infinite_density():
    rows = table(100)
    _, marginal = marginal_of("y ~ x + z + (x * z|h) + (x|g)", rows, 2.0)
    rng = np.random.default_rng(0)
    near = marginal.log_density(points(marginal, 500)).max()
    for scale in (8, 20, 60):
        theta = rng.normal(0, scale, (500, marginal.size))
        assert (marginal.log_density(theta) < near).all()


def test_an_sd_of_nearly_zero_keeps_its_digits():
    # As an effect's sd goes to 0 its density tends to that of the model without it.
    rows = table(60)
    _, marginal = marginal_of("y ~ x + (1|g)", rows)
    _, without = marginal_of("y ~ x", rows)
    theta = np.array([[0.5, -18.0], [1.0, -18.0]])
    with_it = np.diff(marginal.log_density(theta))
    np.testing.assert_allclose(with_it, np.diff(without.log_density(theta[:, :1])))


@pytest.mark.parametrize("path", ["as it comes", *PATHS])
@pytest.mark.parametrize(
    ("formula", "lkj"), [MODELS[i] for i in (1, 2, 5, 6, 8, 10, 11, 12)] + NESTED
)
def test_draws_have_the_mean_and_covariance_of_the_closed_form(
    monkeypatch, formula, lkj, path
):
    for module, constants in PATHS.get(path, []):
        set_all(monkeypatch, module, constants)
    rows = table(60)
    design, marginal = marginal_of(formula, rows, lkj)
    theta = points(marginal, 1)[0]
    mean, covariance = closed_form(design, dense_model(formula, rows), marginal, theta)
    # Draw as many as settle each number to a hundredth of its standard deviation.
    count = 20_000
    rng = np.random.default_rng(3)
    drawn = in_full_order(marginal, *marginal.draw(np.tile(theta, (count, 1)), rng))
    z = np.linalg.solve(np.linalg.cholesky(covariance), (drawn - mean).T)
    assert np.abs(z.mean(1)).max() < 4.5 / np.sqrt(count)
    off = np.abs(z @ z.T / count - np.eye(len(z)))
    assert off.max() < 5.5 * np.sqrt(2 / count)


def closed_form(design, dense, marginal, theta):
    """Mean and covariance of coefficients and effects given the vector."""
    columns, mean, prior = full_normal(design, dense, marginal, theta)
    precision = np.linalg.inv(prior) + columns.T @ columns / np.exp(2 * theta[0])
    covariance = np.linalg.inv(precision)
    right = np.linalg.solve(prior, mean)
    right += columns.T @ (dense.y - design.shift) / np.exp(2 * theta[0])
    return covariance @ right, covariance


class Silent:
    """Noise of none, so that a draw is its mean."""

    def standard_normal(self, shape):
        return np.zeros(shape)

    def integers(self, high, size):
        return np.zeros(size, dtype=int)


@pytest.mark.parametrize("path", ["as it comes", *list(PATHS)[:4]])
@pytest.mark.parametrize(("formula", "lkj"), [*MODELS[4:], *NESTED])
def test_draws_without_noise_are_the_mean(monkeypatch, formula, lkj, path):
    for module, constants in PATHS.get(path, []):
        set_all(monkeypatch, module, constants)
    rows = table(60)
    design, marginal = marginal_of(formula, rows, lkj)
    dense = dense_model(formula, rows)
    theta = points(marginal, 3)[[0, 1, 1, 2]]
    drawn = in_full_order(marginal, *marginal.draw(theta, Silent()))
    means = [closed_form(design, dense, marginal, t)[0] for t in theta]
    np.testing.assert_allclose(drawn, means, atol=1e-8)


def in_full_order(marginal, dense, eliminated):
    """Put the two parts of a draw side by side, factor by factor."""
    sums = marginal.gram
    parts = [dense[:, : sums.common]]
    for place in sums.places:
        part = eliminated if place is None else dense[:, place]
        parts.append(part.reshape(len(dense), -1))
    return np.hstack(parts)
