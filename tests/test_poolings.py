"""Tests of compare: closed forms, the model's own fit, three kinds of tables."""

import numpy as np
import pandas as pd

import partialpool as pool


def test_matches_the_posterior_of_fit_draw_for_draw():
    table, _ = pool.simulate_groups(12, sizes=(3, 30), seed=1)
    compared = pool.compare(table, outcome="y", group="group", ci_prob=0.9)
    sd = 2.5 * table["y"].std(ddof=0)
    between = pool.Prior("Normal", mu=0, sigma=pool.Prior("HalfNormal", sigma=sd))
    priors = {"Intercept": pool.Prior("Flat"), "1|group": between}
    posterior = pool.fit("y ~ 1 + (1|group)", table, priors, 20_000, seed=2)
    posterior = posterior["posterior"]
    means = (posterior["Intercept"] + posterior["1|group"]).stack(s=["chain", "draw"])
    ours = compared.table.loc[posterior["group__factor_dim"].to_numpy()]
    spread = means.std("s").to_numpy()
    for q, name in ((0.05, "partial_low"), (0.95, "partial_high")):
        assert (np.abs(means.quantile(q, "s") - ours[name]) < 0.06 * spread).all()
    assert (np.abs(means.mean("s") - ours["partial"]) < 0.03 * spread).all()
    drawn = np.quantile(posterior["1|group_sigma"], [0.5, 0.05, 0.95])
    between = compared.between_sd
    ours = [between.median, between.low, between.high]
    np.testing.assert_allclose(ours, drawn, rtol=0.03)


def test_takes_rows_cells_and_estimates_alike():
    table, _ = pool.simulate_groups(10, sizes=(3, 30), seed=3)
    rows = pool.compare(table, outcome="y", group="group").table
    cells = pool.collapse(table, "y", "group")
    pd.testing.assert_frame_equal(
        pool.compare(cells, outcome="y", group="group").table, rows
    )
    own = table.groupby("group")["y"].agg(["mean", "sem"]).reset_index()
    estimates = pool.compare(own, outcome="mean", group="group", se="sem")
    none = estimates.table["none"].reindex(rows.index)
    np.testing.assert_allclose(none, rows["none"])
    assert estimates.within_sd is None
