"""Updates: sums that add up, and a posterior that becomes a prior."""

import numpy as np
import pandas as pd
import pytest

import partialpool as pool

FORMULA = "y ~ 1 + (1|group)"


@pytest.fixture
def years():
    first, truth = pool.simulate_groups(15, sizes=(4, 60), seed=3)
    second, _ = pool.simulate_groups(truth=truth, seed=4)
    return first, second


def cells_of(table, **given):
    return pool.collapse(table, "y", "group", **given)


# Sums -------------------------------------------------------------------------


def test_added_cells_are_the_cells_of_all_rows(years):
    first, second = years
    second = pd.concat(
        [second, pd.DataFrame({"group": ["new"] * 3, "y": [9.0, 10, 11]})]
    )
    first, second = (
        t.assign(y=30_000 + t["y"], x=np.arange(len(t)) % 7, z=np.arange(len(t)) % 5)
        for t in (first, second)
    )
    given = {"continuous": ["x", "z"]}
    added = pool.add_cells(cells_of(first, **given), cells_of(second, **given))
    whole = cells_of(pd.concat([first, second]), **given)
    pd.testing.assert_frame_equal(added, whole, rtol=1e-9, check_categorical=True)
    assert added.attrs["rows"] == len(first) + len(second)


def test_updating_by_sums_is_the_refit(years):
    added = pool.add_cells(*map(cells_of, years))
    ours = pool.fit(FORMULA, added, seed=1)["posterior"]
    whole = pool.fit(FORMULA, pd.concat(years), seed=1)["posterior"]
    for name in whole.data_vars:
        np.testing.assert_allclose(ours[name], whole[name], rtol=1e-7, atol=1e-9)


def test_binary_cells_add_up():
    table = pd.DataFrame({"group": list("AAB"), "y": [1, 0, 1]})
    cells = cells_of(table, binary=True)
    added = pool.add_cells(cells, cells)
    assert added["trials"].tolist() == [4, 2]
    assert added["successes"].tolist() == [2, 2]


def test_cells_of_all_rows_together_add_up():
    table = pd.DataFrame({"y": [1.0, 2.0, 6.0]})
    cells = pool.collapse(table, "y", [])
    whole = pool.collapse(pd.concat([table, table]), "y", [])
    pd.testing.assert_frame_equal(pool.add_cells(cells, cells), whole)


def test_dropped_rows_add_up(years):
    table = years[0].assign(y=years[0]["y"].where(years[0].index % 9 > 0))
    with pytest.warns(pool.RowsDropped):
        cells = cells_of(table, missing="drop")
    dropped = pool.add_cells(cells, cells).attrs["dropped"]
    assert dropped["rows"] == 2 * table["y"].isna().sum()
    assert dropped["missing"] == {"y": dropped["rows"]}


def test_half_a_row_is_kept_a_year(years):
    first, second = map(cells_of, years)
    added = pool.add_cells(first, second, keep=0.5)
    assert added["n"].to_numpy() == pytest.approx(0.5 * first["n"] + second["n"])
    # Twice the newer rows and once the older are the same, but for the factor of two.
    double = pool.add_cells(first, second, second)
    assert added["mean"].to_numpy() == pytest.approx(double["mean"].to_numpy())
    assert 2 * added["ss"].to_numpy() == pytest.approx(double["ss"].to_numpy())


def test_forgotten_rows_are_worth_their_weight_in_fits(years):
    first, second = years
    added = pool.add_cells(cells_of(first), cells_of(second), keep=0.5)
    # An independent way to the power prior: weights on the rows' log likelihood.
    rows = pd.concat([first.assign(w=0.5), second.assign(w=1.0)])
    weighted = pool.fit("weighted(y, w) ~ 1 + (1|group)", rows, draws=8000, seed=2)
    effects = weighted["posterior"]["1|group"] + weighted["posterior"]["Intercept"]
    ours = pool.one_way(added["mean"], n=added["n"], ss=added["ss"])
    assert ours.mean == pytest.approx(effects.mean(["chain", "draw"]), abs=0.01)
    assert ours.sd == pytest.approx(effects.std(["chain", "draw"]), rel=0.05)


@pytest.mark.parametrize("keep", [0, 1.5, float("nan")])
def test_keep_out_of_range_is_refused(years, keep):
    with pytest.raises(ValueError, match=r"keep is .*at most 1"):
        pool.add_cells(cells_of(years[0]), keep=keep)


def test_what_is_no_cells_is_refused(years):
    with pytest.raises(pool.TableError, match="no cells to add"):
        pool.add_cells()
    with pytest.raises(pool.TableError, match="Table 2 holds no cells"):
        pool.add_cells(cells_of(years[0]), years[1])
    other = cells_of(years[1].assign(x=1.0 * np.arange(len(years[1]))), continuous="x")
    with pytest.raises(
        pool.TableError, match=r"Table 2 has the columns .*collapse both"
    ):
        pool.add_cells(cells_of(years[0]), other)


# Beliefs ----------------------------------------------------------------------


@pytest.fixture
def belief(years):
    return pool.Belief.from_posterior(pool.fit(FORMULA, years[0], draws=8000, seed=1))


def test_a_belief_keeps_the_moments_of_the_posterior(years, belief):
    posterior = pool.fit(FORMULA, years[0], draws=8000, seed=1)["posterior"]
    means = posterior["1|group"] + posterior["Intercept"]
    kept = belief.group_means(ci_prob=0.9)
    assert kept["mean"].to_numpy() == pytest.approx(means.mean(["chain", "draw"]))
    assert kept["sd"].to_numpy() == pytest.approx(
        means.std(["chain", "draw"]), rel=0.01
    )


def test_an_update_is_bayes_rule_on_a_grid():
    # One group, residual variance known: a normal prior times a normal likelihood.
    known = pool.Belief(
        ["A"], np.array([10.0, 0.0]), np.diag([0.0, 0.5]), 1e12, 4.0, 1.0
    )
    cells = cells_of(pd.DataFrame({"group": ["A"] * 4, "y": [11.0, 12.0, 13.0, 14.0]}))
    found = known.update(cells).group_means(ci_prob=0.9).loc["A"]
    grid = np.linspace(0, 25, 20_001)
    log = -((grid - 10) ** 2) / (2 * 2.0) - 4 * (grid - 12.5) ** 2 / (2 * 4.0)
    weight = np.exp(log - log.max()) / np.exp(log - log.max()).sum()
    mean = weight @ grid
    assert found["mean"] == pytest.approx(mean)
    assert found["sd"] == pytest.approx(np.sqrt(weight @ (grid - mean) ** 2), rel=1e-4)


def test_the_residual_variance_is_learnt_by_the_textbook_formula():
    # Gelman and others (2013), section 3.3: four rows, a prior worth two of them.
    known = pool.Belief(["A"], np.array([10.0, 0.0]), np.diag([0.0, 0.5]), 8, 4.0, 1.0)
    cells = cells_of(pd.DataFrame({"group": ["A"] * 4, "y": [11.0, 12.0, 13.0, 14.0]}))
    found = known.update(cells)
    assert found.df == 8 + 4
    squares = 8 * 4 + 5 + 2 * 4 / (2 + 4) * (12.5 - 10) ** 2
    assert found.variance == pytest.approx(squares / 12)


def test_two_updates_are_one_update_with_the_sum(years, belief):
    cells = cells_of(years[1])
    twice = belief.update(cells).update(cells)
    once = belief.update(pool.add_cells(cells, cells))
    np.testing.assert_allclose(twice.mean, once.mean, atol=1e-9)
    np.testing.assert_allclose(twice.scale, once.scale, atol=1e-9)
    assert twice.df == once.df
    assert twice.variance == pytest.approx(once.variance)


def test_a_joint_belief_is_near_the_refit_and_marginal_priors_are_farther(
    years, belief
):
    whole = pool.fit(FORMULA, pd.concat(years), draws=8000, seed=5)["posterior"]
    means = whole["1|group"] + whole["Intercept"]
    centre, sd = means.mean(["chain", "draw"]), means.std(["chain", "draw"])

    def loss(known):
        found = known.update(cells_of(years[1])).group_means(ci_prob=0.9)["mean"]
        return np.sqrt((((found.to_numpy() - centre) / sd) ** 2).mean())

    assert loss(belief) < 0.25
    assert loss(belief.without_correlations()) > loss(belief)


def test_marginal_priors_look_less_certain(belief):
    joint = belief.group_means(ci_prob=0.9)["sd"]
    apart = belief.without_correlations().group_means(ci_prob=0.9)["sd"]
    assert apart.mean() > 1.1 * joint.mean()


def test_drift_adds_its_variance(belief):
    before = belief.group_means(ci_prob=0.9)["sd"]
    after = belief.drift(0.3, common=0.4).group_means(ci_prob=0.9)["sd"]
    share = belief.df / (belief.df - 2)
    assert (after**2 - before**2).to_numpy() == pytest.approx(0.25 * share)
    with pytest.raises(ValueError, match="0 or more"):
        belief.drift(-0.1)


def test_groups_may_be_numbers(years, belief):
    first, second = (t.assign(group=t["group"].str[1:].astype(int)) for t in years)
    fitted = pool.fit(FORMULA, first, draws=8000, seed=1)
    numbered = pool.Belief.from_posterior(fitted).update(cells_of(second))
    assert len(numbered.groups) == 15
    assert numbered.mean == pytest.approx(belief.update(cells_of(years[1])).mean)


def test_labels_of_which_none_is_known_are_refused(years, belief):
    other = years[1].assign(group="x" + years[1]["group"])
    with pytest.raises(pool.TableError, match=r"No label of 'group' is known: .* xg01"):
        belief.update(cells_of(other))


def test_a_new_group_starts_from_the_population(belief):
    cells = cells_of(pd.DataFrame({"group": ["new", "g01"], "y": [50.0, 10.0]}))
    known = belief.update(cells)
    mean = known.group_means(ci_prob=0.9).loc["new", "mean"]
    assert known.groups[-1] == "new"
    assert belief.mean[0] < mean < 50
    # The row moves the group, the other row next to nothing: as their variances say.
    first = belief.scale[0, 0]
    weight = (belief.between + first) / (belief.between + first + 1)
    assert mean == pytest.approx(
        belief.mean[0] + weight * (50 - belief.mean[0]), rel=1e-3
    )


def test_a_belief_refuses_other_models_and_cells(years, belief):
    table = years[0].assign(x=np.arange(len(years[0])) % 3)
    fitted = pool.fit("y ~ x + (1|group)", table, seed=1)
    with pytest.raises(ValueError, match="add the cells and fit again"):
        pool.Belief.from_posterior(fitted)
    with pytest.raises(pool.TableError, match="cells by one column"):
        belief.update(years[1])
