"""Methods on many data sets at once: the same numbers as on each alone."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from partialpool.poolings import contest_many, methods
from partialpool.poolings.methods import METHODS, restricted_likelihood
from partialpool.poolings.one_way import read_means


@pytest.fixture
def sums():
    rng = np.random.default_rng(4)
    n = rng.integers(1, 9, (7, 10)).astype(float)
    mean = rng.normal(rng.normal(0, 0.6, n.shape), 1 / np.sqrt(n))
    return {"mean": mean, "n": n, "ss": rng.chisquare(n.sum(1, keepdims=True) - 10)}


def both(a, b, **tolerance):
    for name in a:
        for one, other in zip(a[name], b[name], strict=True):
            np.testing.assert_allclose(one, other, err_msg=name, **tolerance)


def test_a_data_set_does_not_know_of_the_others(sums):
    whole = contest_many(**sums, search=(60, 6))
    for i in range(7):
        alone = {name: values[i : i + 1] for name, values in sums.items()}
        found = contest_many(**alone, search=(60, 6))
        both(found, {m: [p[i : i + 1] for p in v] for m, v in whole.items()}, atol=1e-5)


def test_batches_change_nothing(sums, monkeypatch):
    whole = contest_many(**sums)
    monkeypatch.setattr(methods, "BATCH", 1)
    both(contest_many(**sums), whole, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_group_without_rows_leaves_the_others_as_they_are(sums, method):
    without = {"mean": sums["mean"][:, 1:], "n": sums["n"][:, 1:], "ss": sums["ss"]}
    unseen = {**sums, "mean": sums["mean"].copy()}
    unseen["mean"][:, 0] = np.nan
    options = {"methods": [method], "search": (60, 6)}
    fewer = contest_many(**without, **options)[method]
    more = contest_many(**unseen, **options)[method]
    for one, other in zip(more, fewer, strict=True):
        np.testing.assert_allclose(one[:, 1:], other, atol=1e-6)
    nobody = np.isnan(more[0][:, 0]).all()
    assert nobody if method == "none" else np.isfinite(more[0][:, 0]).all()


def test_the_restricted_likelihood_is_that_of_the_rows():
    rng = np.random.default_rng(2)
    size = np.array([2, 3, 5])
    code = np.repeat(np.arange(3), size)
    y = rng.normal(rng.normal(0, 1, 3)[code])
    mean = np.bincount(code, y) / size
    ss = ((y - mean[code]) ** 2).sum()
    sums = read_means(mean[None], n=size[None], ss=np.array([[ss]]))[0]
    # Contrasts of the rows do not know of the mean; sigma at its best value.
    q = np.linalg.qr(np.column_stack([np.ones(10), np.eye(10)[:, :9]]))[0][:, 1:]
    by_hand = []
    for ratio in (0.0, 0.4, 2.0):
        cover = np.eye(10) + ratio**2 * (code[:, None] == code)
        inner = q.T @ cover @ q
        sigma2 = (q.T @ y) @ np.linalg.solve(inner, q.T @ y) / 9
        by_hand.append(multivariate_normal(np.zeros(9), sigma2 * inner).logpdf(q.T @ y))
    ours = restricted_likelihood(sums, np.array([[0.0, 0.4, 2.0]]), True)[0]
    np.testing.assert_allclose(np.diff(ours), np.diff(by_hand), atol=1e-9)
