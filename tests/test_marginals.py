"""Tests of the marginal posterior, against the covariance of all rows in full."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from dense_models import dense_model, design_of, table
from partialpool import elimination
from partialpool.grams import gram
from partialpool.marginals import Marginal
from partialpool.priors import Prior, choose_priors

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


def marginal_of(formula, rows, lkj=None, priors=PRIORS):
    design = design_of(formula, rows)
    chosen = choose_priors(design, priors)
    return design, Marginal(gram(design), chosen, design.sizes, lkj)


def points(marginal, count=7, seed=2):
    rng = np.random.default_rng(seed)
    return rng.normal(-0.2, 0.8, (count, marginal.size))


def covariance_of(marginal, theta, spread):
    """Build a factor's covariance from partial correlations, in the textbook's way."""
    sds = np.exp(theta[spread.sds])
    if spread.correlations.start == spread.correlations.stop:
        return np.diag(sds**2)
    partial = np.zeros((spread.effects, spread.effects))
    below = np.tril_indices(spread.effects, -1)
    partial[below] = np.tanh(theta[spread.correlations])
    factor = np.zeros_like(partial)
    for i in range(spread.effects):
        for j in range(i + 1):
            left = np.prod(1 - partial[i, :j] ** 2) ** 0.5
            factor[i, j] = left * (partial[i, j] if j < i else 1)
    return sds[:, None] * (factor @ factor.T) * sds


def full_normal(design, dense, marginal, theta):
    """Mean and covariance of all coefficients and effects, and of the outcome."""
    priors = marginal.priors
    columns = [dense.common]
    mean, blocks = [priors.mean], [np.diag(1 / priors.precision)]
    for z, spread in zip(dense.factors, marginal.spreads, strict=True):
        groups = z.shape[1]
        columns.append(z.reshape(len(z), -1))
        mean.append(np.zeros(groups * spread.effects))
        blocks.append(np.kron(np.eye(groups), covariance_of(marginal, theta, spread)))
    size = sum(map(len, mean))
    prior, start = np.zeros((size, size)), 0
    for block in blocks:
        prior[start : start + len(block), start : start + len(block)] = block
        start += len(block)
    return np.hstack(columns), np.concatenate(mean), prior


def log_prior(marginal, theta, lkj):
    """Density of sds and correlations, on the scale of the vector."""
    total = marginal.priors.sigma(np.exp(theta[0])) + theta[0]
    for spread, densities in zip(
        marginal.spreads, marginal.priors.spreads, strict=True
    ):
        for at, density in zip(theta[spread.sds], densities, strict=True):
            total += density(np.exp(at)) + at
        total += log_lkj(marginal, theta, spread, lkj)
    return total


def log_lkj(marginal, theta, spread, lkj):
    """LKJ density of the correlation matrix, with the Jacobian by differences."""
    if spread.correlations.start == spread.correlations.stop:
        return 0.0
    below = np.tril_indices(spread.effects, -1)

    def correlations(z):
        full = theta.copy()
        full[spread.correlations] = z
        full[spread.sds] = 0
        return covariance_of(marginal, full, spread)

    z = theta[spread.correlations]
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


@pytest.mark.parametrize(("formula", "lkj"), MODELS)
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


@pytest.mark.parametrize(
    ("formula", "lkj"), [MODELS[i] for i in (1, 2, 5, 6, 8, 10, 11, 12)]
)
def test_draws_have_the_mean_and_covariance_of_the_closed_form(formula, lkj):
    rows = table(60)
    design, marginal = marginal_of(formula, rows, lkj)
    dense = dense_model(formula, rows)
    theta = points(marginal, 1)[0]
    columns, mean, prior = full_normal(design, dense, marginal, theta)
    precision = np.linalg.inv(prior) + columns.T @ columns / np.exp(2 * theta[0])
    covariance = np.linalg.inv(precision)
    right = np.linalg.solve(prior, mean)
    right += columns.T @ (dense.y - design.shift) / np.exp(2 * theta[0])
    # Draw as many as settle each number to a hundredth of its standard deviation.
    count = 20_000
    rng = np.random.default_rng(3)
    drawn = in_full_order(marginal, *marginal.draw(np.tile(theta, (count, 1)), rng))
    z = np.linalg.solve(np.linalg.cholesky(covariance), (drawn - covariance @ right).T)
    assert np.abs(z.mean(1)).max() < 4.5 / np.sqrt(count)
    off = np.abs(z @ z.T / count - np.eye(len(z)))
    assert off.max() < 5.5 * np.sqrt(2 / count)


def in_full_order(marginal, dense, eliminated):
    """Put the two parts of a draw side by side, factor by factor."""
    sums = marginal.gram
    parts = [dense[:, : sums.common]]
    for columns in sums.slices:
        part = eliminated if columns is None else dense[:, columns]
        parts.append(part.reshape(len(dense), -1))
    return np.hstack(parts)
