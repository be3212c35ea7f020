"""Tests of compare: closed forms, the model's own fit, three kinds of tables."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import partialpool as pool


@pytest.fixture
def table():
    return pool.simulate_groups(30, sizes=(3, 40), seed=3)[0]


@pytest.fixture
def compared(table):
    return pool.compare(table, outcome="y", group="group")


def test_matches_the_draws_of_fit(table):
    compared = pool.compare(table, outcome="y", group="group")
    sd = 2.5 * table["y"].std(ddof=0)
    between = pool.Prior("Normal", mu=0, sigma=pool.Prior("HalfNormal", sigma=sd))
    priors = {"Intercept": pool.Prior("Flat"), "1|group": between}
    posterior = pool.fit("y ~ 1 + (1|group)", table, priors, 8000, seed=2)["posterior"]
    means = (posterior["Intercept"] + posterior["1|group"]).stack(s=["chain", "draw"])
    ours = compared.table.loc[means["group__factor_dim"].to_numpy()]
    spread = means.std("s").to_numpy()
    for q, name in ((0.05, "partial_low"), (0.95, "partial_high")):
        gap = means.quantile(q, "s").to_numpy() - ours[name]
        assert (gap.abs() < 0.1 * spread).all()
    assert (np.abs(means.mean("s").to_numpy() - ours["partial"]) < 0.05 * spread).all()
    for name, found in (
        ("1|group_sigma", compared.between_sd),
        ("sigma", compared.within_sd),
    ):
        drawn = np.quantile(posterior[name], [0.5, 0.05, 0.95])
        np.testing.assert_allclose(
            [found.median, found.low, found.high], drawn, rtol=0.03
        )


def test_matches_the_draws_of_fit_with_predictors():
    rng = np.random.default_rng(5)
    table, _ = pool.simulate_groups(25, sizes=(3, 40), seed=5)
    table["x"] = rng.normal(3, 2, len(table))
    table["kind"] = rng.choice(["a", "b"], len(table))
    table["y"] += 0.2 * table["x"] - 0.3 * (table["kind"] == "b")
    asked = {"outcome": "y", "group": "group", "predictors": ["x", "kind"]}
    compared = pool.compare(table, **asked)
    sd = 2.5 * table["y"].std(ddof=0)
    between = pool.Prior("Normal", mu=0, sigma=pool.Prior("HalfNormal", sigma=sd))
    priors = {"common": pool.Prior("Flat"), "1|group": between}
    fit = pool.fit("y ~ 1 + x + kind + (1|group)", table, priors, 8000, seed=2)
    mean = pool.predict(fit, table, seed=1)["mean"].stack(s=["chain", "draw"])
    drawn = pd.DataFrame(mean.to_numpy()).groupby(table["group"].to_numpy()).mean()
    drawn = drawn.loc[compared.table.index]
    gap = drawn.mean(axis=1) - compared.table["partial"]
    assert (gap.abs() < 0.05 * drawn.std(axis=1)).all()
    width = (compared.table["partial_high"] - compared.table["partial_low"]) / 2
    expected = (drawn.quantile(0.95, axis=1) - drawn.quantile(0.05, axis=1)) / 2
    np.testing.assert_allclose(width, expected, rtol=0.06)
    glm = smf.ols("y ~ x + kind", table).fit().predict(table)
    glm = glm.groupby(table["group"]).mean().loc[compared.table.index]
    np.testing.assert_allclose(compared.table["complete"], glm)


def test_complete_and_no_pooling_are_least_squares(table, compared):
    plain = smf.ols("y ~ 1", table).fit()
    ends = plain.conf_int(0.1).to_numpy()[0]
    found = compared.table[["complete_low", "complete_high"]].iloc[0]
    np.testing.assert_allclose(found, ends)
    dummies = smf.ols("y ~ 0 + group", table).fit()
    dummies = dummies.conf_int(0.1).set_axis(compared.table.index.sort_values())
    found = compared.table[["none_low", "none_high"]]
    np.testing.assert_allclose(found, dummies.loc[found.index])


def test_moved_is_what_weight_and_distance_say(compared):
    table = compared.table
    expected = -(1 - table["weight"]) * table["distance"]
    np.testing.assert_allclose(table["moved"], expected, atol=0.02)
    assert table["n"].is_monotonic_increasing
    assert table["weight"].is_monotonic_increasing


def test_takes_rows_cells_and_estimates_alike(table, compared):
    cells = pool.collapse(table, "y", "group")
    again = pool.compare(cells, outcome="y", group="group").table
    pd.testing.assert_frame_equal(again, compared.table)
    own = table.groupby("group")["y"].agg(["mean", "size"]).reset_index()
    own["se"] = compared.within_sd.median / np.sqrt(own["size"])
    estimates = pool.compare(own, outcome="mean", group="group", se="se")
    partial = estimates.table["partial"].reindex(compared.table.index)
    np.testing.assert_allclose(partial, compared.table["partial"], atol=0.01)
    assert estimates.within_sd is None
    assert estimates.new_group().index.tolist() == ["group"]


def test_logs_come_back_in_the_units_of_the_outcome(table, compared):
    logged = pool.compare(
        table.assign(y=np.exp(table["y"])), outcome="y", group="group", log=True
    )
    for name in ("complete", "none", "partial", "partial_low", "none_high"):
        np.testing.assert_allclose(np.log(logged.table[name]), compared.table[name])
    moved = logged.table["partial"] - logged.table["none"]
    np.testing.assert_allclose(logged.table["moved"], moved)
    new = np.log(logged.new_group())
    pd.testing.assert_frame_equal(new, compared.new_group())
    assert "%" in logged.sentences[0] and "medians" in logged.sentences[0]


@pytest.mark.parametrize("scale", [1.0, 1e5])
def test_units_do_not_matter(table, compared, scale):
    other = pool.compare(
        table.assign(y=scale * table["y"] + 7 * scale), outcome="y", group="group"
    )
    ours = other.table[["none", "partial", "partial_high"]] / scale - 7
    expected = compared.table[["none", "partial", "partial_high"]]
    pd.testing.assert_frame_equal(ours, expected, rtol=1e-6)


def test_the_gain_is_what_the_posterior_expects(compared):
    gain = compared.gain
    assert gain["rmse"].idxmin() == "partial"
    assert gain.loc["none", "saved"] == pytest.approx(
        1 - gain.loc["partial", "rmse"] / gain.loc["none", "rmse"]
    )


def test_the_expected_errors_are_those_that_truth_shows():
    errors, expected = [], []
    for seed in range(40):
        table, truth = pool.simulate_groups(30, sizes=(3, 40), seed=seed)
        compared = pool.compare(table, outcome="y", group="group")
        true = truth["mean"].loc[compared.table.index]
        names = ["complete", "none", "partial"]
        errors.append((compared.table[names].sub(true, axis=0) ** 2).mean())
        expected.append(compared.gain["rmse"] ** 2)
    ratio = pd.DataFrame(errors).mean() / pd.DataFrame(expected).mean()
    np.testing.assert_allclose(ratio, 1, atol=0.2)


def test_a_new_group_is_less_certain_than_an_old_one_and_a_member_less_still(compared):
    new = compared.new_group()
    width = new["high"] - new["low"]
    old = (compared.table["partial_high"] - compared.table["partial_low"]).max()
    assert old < width["group"] < width["member"]


def test_a_new_group_is_predicted_where_its_predictors_are():
    table, _ = pool.simulate_groups(15, sizes=(5, 40), seed=2)
    table["x"] = np.arange(len(table)) % 7.0
    table["y"] += 2 * table["x"]
    compared = pool.compare(table, outcome="y", group="group", predictors="x")
    at = pd.DataFrame({"x": [0.0, 5.0]})
    new = compared.new_group(at)["estimate"]
    assert new["group"][1] - new["group"][0] == pytest.approx(10, abs=0.2)
    with pytest.raises(pool.TableError, match="'x' is not in the table of new rows"):
        compared.new_group(pd.DataFrame({"z": [1]}))


def test_a_million_rows_take_seconds():
    import time

    rng = np.random.default_rng(1)
    group = rng.integers(0, 1000, 1_000_000)
    y = rng.normal(0, 0.2, 1000)[group] + rng.normal(size=len(group))
    table = pd.DataFrame({"group": group, "y": y, "x": rng.normal(size=len(group))})
    start = time.process_time()
    found = pool.compare(table, outcome="y", group="group", predictors="x")
    assert time.process_time() - start < 20
    assert found.between_sd.median == pytest.approx(0.2, abs=0.02)


def test_shows_writes_and_draws_itself(compared, tmp_path):
    compared.to_csv(tmp_path / "table.csv")
    again = pd.read_csv(tmp_path / "table.csv", index_col="group")
    pd.testing.assert_frame_equal(again, compared.table)
    assert compared.sentences[0] in str(compared)
    assert "<table" in compared._repr_html_()
    import matplotlib.pyplot as plt

    ax = compared.plot()
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["complete pooling", "no pooling", "partial pooling"]
    assert ax.get_xticklabels()[0].get_text() == str(compared.table["n"].iloc[0])
    assert ax.get_ylabel() == "y"
    plt.close("all")


def test_refuses_a_probability_that_is_none(table):
    with pytest.raises(ValueError, match="ci_prob is 94"):
        pool.compare(table, outcome="y", group="group", ci_prob=94)
