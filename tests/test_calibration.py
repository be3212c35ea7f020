"""Tests of calibration: right models pass, wrong ones of each kind are caught."""

import numpy as np
import pandas as pd
import pytest
from arviz_stats.ecdf_utils import ecdf_pit

import partialpool as pool
from tests.dense_models import refusal_of

SEED = 8


def normal(between):
    return pool.Prior("Normal", mu=0, sigma=pool.Prior("HalfNormal", sigma=between))


PRIORS = {
    "Intercept": pool.Prior("Normal", mu=0, sigma=1),
    "common": pool.Prior("Normal", mu=0, sigma=1),
    "group_specific": normal(0.8),
    "sigma": pool.Prior("HalfNormal", sigma=0.7),
}
SLOPES = "y ~ x + (x|g)"


@pytest.fixture(scope="module")
def design():
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "y": rng.normal(size=128),
            "x": rng.normal(1, 1, 128),
            "sex": rng.choice(["female", "male"], 128),
            "g": np.repeat([f"g{i:02}" for i in range(16)], 8),
        }
    )


def calibrate(design, formula=SLOPES, n=100, **options):
    options = {"draws": 100, "seed": SEED, "progress": False} | options
    return pool.calibrate(formula, design, PRIORS, n=n, **options)


def test_a_right_model_passes(design):
    found = calibrate(design, correlated=True)
    assert found.passed, found.table
    assert (found.table["reading"] == "as it should be").all()
    wanted = {"Intercept", "x", "sigma", "1|g_sigma", "g_correlation", "x|g[g00]"}
    assert wanted | {"log_likelihood"} <= set(found.table.index)


def test_a_wrong_prior_scale_is_caught(design):
    wrong = {"priors": PRIORS | {"group_specific": normal(0.2)}}
    found = calibrate(design, fit_with=wrong)
    assert not found.table.loc[["1|g_sigma", "x|g_sigma"], "inside"].any()
    assert found.table.loc["1|g_sigma", "reading"] == "too low"


def test_a_wrong_likelihood_is_caught(design):
    def heavy(rng, size):
        return rng.standard_t(3, size) / np.sqrt(3)

    found = calibrate(design, "y ~ x + (1|g)", residuals=heavy)
    assert not found.table.loc["sigma", "inside"]
    assert found.table.loc["sigma", "reading"] == "too narrow"


def test_a_dropped_correlation_is_caught(design):
    found = calibrate(design, correlated=True, lkj=0.5, fit_with={"correlated": False})
    assert found.table.index[0] == "correlation of effects of g"
    assert found.table["reading"].iloc[0] == "too narrow"


def test_a_dropped_slope_is_caught(design):
    found = calibrate(design, fit_with={"formula": "y ~ x + (1|g)"})
    assert not found.table.loc["sigma", "inside"]
    assert "log_likelihood" not in found.table.index


# Any model, by two functions ----------------------------------------------------------


def simulate(rng):
    mean = rng.normal()
    return rng.normal(mean, 1, 4), {"mean": mean, "other": 0.0}


def posterior(shift=0.0, stretch=1.0):
    def fit(y, rng):
        return {"mean": rng.normal(y.sum() / 5 + shift, stretch * 5**-0.5, 200)}

    return fit


@pytest.mark.parametrize(
    ("shift", "stretch", "reading"),
    [
        (0, 1, "as it should be"),
        (0.3, 1, "too high"),
        (-0.3, 1, "too low"),
        (0, 0.6, "too narrow"),
        (0, 1.6, "too wide"),
    ],
)
def test_any_model_is_read_by_its_ranks(shift, stretch, reading):
    found = pool.rank_truths(simulate, posterior(shift, stretch), n=300, seed=SEED)
    assert found.table.index.tolist() == ["mean"]
    assert found.table.loc["mean", "reading"] == reading
    assert found.passed == (reading == "as it should be")


def test_one_way_is_calibrated():
    def simulate(rng):
        tau, mu = abs(rng.normal(0, 1)), rng.normal()
        theta = rng.normal(mu, tau, 8)
        return rng.normal(theta, 0.7), {"theta": theta[0]}

    def fit(y, rng):
        pooled = pool.one_way(y, 0.7, tau_prior=1.0)
        return {"theta": rng.normal(pooled.mean[0], pooled.sd[0], 200)}

    assert pool.rank_truths(simulate, fit, n=200, seed=SEED).passed


def test_names_in_common_are_needed():
    def fit(y, rng):
        return {"another": np.zeros(10)}

    assert "nothing in common" in refusal_of(pool.rank_truths, simulate, fit, n=20)

    def uneven(y, rng):
        return {"mean": np.zeros(10), "other": np.zeros(20)}

    assert "10 to 20 draws" in refusal_of(pool.rank_truths, simulate, uneven, n=20)
    assert "n is 5" in refusal_of(pool.rank_truths, simulate, fit, n=5)


# The band -----------------------------------------------------------------------------


def uniform_ranks(rng, quantities=1, n=80, draws=99):
    ranks = rng.integers(0, draws + 1, (n, quantities))
    return pd.DataFrame(ranks, columns=[f"q{i}" for i in range(quantities)])


@pytest.mark.parametrize("quantities", [1, 5])
def test_ranks_of_a_right_model_stay_inside_as_often_as_promised(quantities):
    rng = np.random.default_rng(SEED)
    count = 400
    passed = sum(
        pool.Calibration(uniform_ranks(rng, quantities), 99, 0.8).passed
        for _ in range(count)
    )
    error = np.sqrt(0.8 * 0.2 / count)
    # Counts are whole numbers, so that the band holds a little more than it promises.
    assert -4 * error < passed / count - 0.8 < 4 * error + 0.05


def test_the_band_is_that_of_arviz():
    # Säilynoja, Bürkner and Vehtari (2022), by ArviZ's own simulation.
    found = pool.Calibration(uniform_ranks(np.random.default_rng(1)), 99, 0.9).band()
    shares, _, low, high = ecdf_pit(np.linspace(0, 1, 80), 0.9, 5000)
    ends = [np.interp(found.index, shares, end - shares) for end in (low, high)]
    np.testing.assert_allclose(found["low"], ends[0], atol=1.5 / 80)
    np.testing.assert_allclose(found["high"], ends[1], atol=1.5 / 80)


def test_the_band_and_the_table_agree():
    rng = np.random.default_rng(SEED)
    for power in (1.0, 1.2, 1.4):
        ranks = pd.DataFrame({"q": (99 * rng.beta(power, power, 300)).round()})
        found = pool.Calibration(ranks.astype(int), 99, 0.95)
        band = found.band()
        at = (band.index.to_numpy() * 100).round().astype(int) - 1
        away = (ranks["q"].to_numpy()[:, None] <= at).mean(0) - band.index
        inside = (away >= band["low"] - 1e-12) & (away <= band["high"] + 1e-12)
        assert inside.all() == found.passed


def test_ranks_can_be_drawn():
    import arviz_plots as azp
    import matplotlib.pyplot as plt

    ranks = uniform_ranks(np.random.default_rng(1), 2).assign(low=3)
    found = pool.Calibration(ranks, 99, 0.95)
    ax = found.plot()
    assert [text for text in ax.get_legend_handles_labels()[1]] == ["band", "low"]
    azp.plot_ecdf_pit(found.tree, backend="none")
    values = found.tree["prior_sbc"]["q0"].to_numpy()
    assert 0 < values.min() and values.max() < 1
    plt.close("all")


def test_a_seed_settles_the_ranks(design):
    pair = [calibrate(design, "y ~ x + (1|g)", n=20).ranks for _ in range(2)]
    pd.testing.assert_frame_equal(*pair)


def test_what_cannot_be_calibrated_is_refused(design):
    work = pool.calibrate
    cells = pool.collapse(design, "y", ["sex", "g"])
    assert "these are cells" in refusal_of(work, "y ~ sex + (1|g)", cells)
    flat = {"x": pool.Prior("Flat")}
    assert "A prior is Flat" in refusal_of(work, "y ~ x + (1|g)", design, flat)
    said = refusal_of(work, SLOPES, design, fit_with={"family": "t"})
    assert "fit_with names 'family': choose from formula, priors" in said
    weighted = design.assign(w=1.0)
    assert "weighted()" in refusal_of(work, "weighted(y, w) ~ x + (1|g)", weighted)
