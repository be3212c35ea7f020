"""Tests of the population: sizes, regions and providers differ as was published."""

import numpy as np
import pandas as pd

import partialpool as pool

BETWEEN_SD = {
    "Agriculture, food and related studies": 0.15,
    "Biosciences": 0.15,
    "Economics": 0.20,
    "Medicine and dentistry": 0.07,
    "Nursing and midwifery": 0.055,
}


def test_sizes_of_subjects_and_their_women(table, published):
    size = published.pivot_table("graduates", "subject", "sex")
    expected = size["all"] / size["all"].sum()
    once = table.iloc[::4]
    share = once["subject"].value_counts(normalize=True)
    np.testing.assert_allclose(share[expected.index], expected, rtol=0.15)
    women = (once["sex"] == "female").groupby(once["subject"], observed=True).mean()
    expected = size["female"] / (size["female"] + size["male"])
    np.testing.assert_allclose(women[expected.index], expected, atol=0.06)


def test_cells_of_provider_and_subject_are_as_uneven_as_published_ones(truth):
    # In earnings at five years, scaled to the 299,490 graduates published.
    n = truth.provider_subject["share"] * 299_490 * 0.72
    assert (n.groupby("provider").sum().sort_values(ascending=False)).iloc[0] > 4000
    assert 0.3 < (n <= 30).mean() < 0.6
    assert 0.05 < (n < 10).mean() < 0.25
    # Published log sizes of the five subjects: standard deviation 1.0 to 1.2.
    five = np.log(n[n >= 5]).groupby("subject").std()[list(BETWEEN_SD)]
    assert five.between(0.7, 1.3).all(), five
    offered = n.groupby("subject").size()
    counts = {"Economics": 80, "Biosciences": 115, "Medicine and dentistry": 39}
    for subject, providers in counts.items():
        assert abs(offered[subject] - providers) <= 2
    assert (truth.subjects["providers"] == offered).all()


def test_region_effects_are_the_published_ones(paid, truth):
    assert truth.regions["London"] == 0.17
    assert truth.regions["North East"] == -0.11
    median = paid.query("yag == 5").groupby("region", observed=True)["log_earnings"]
    median = median.median()
    gap = median["London"] - median["North East"]
    assert 0.20 < gap < 0.30


# Between providers ------------------------------------------------------------


def between_sd_of(rows):
    """DerSimonian and Laird's estimate, from the medians of the providers."""
    cells = rows.groupby("provider", observed=True)["log_earnings"]
    cells = cells.agg(["median", "size"]).query("size >= 10")
    lower, upper = rows["log_earnings"].quantile([0.25, 0.75])
    weight = cells["size"] / (1.2533 * (upper - lower) / 1.349) ** 2
    mean = np.average(cells["median"], weights=weight)
    q = (weight * (cells["median"] - mean) ** 2).sum()
    scale = weight.sum() - (weight**2).sum() / weight.sum()
    return np.sqrt(max(0, (q - len(cells) + 1) / scale))


def test_between_provider_sd_is_the_published_one_in_the_truth(truth):
    cells = truth.provider_subject
    total = (cells["effect"] + cells["composition"]).groupby("subject").std()
    np.testing.assert_allclose(total, truth.subjects["between_sd"], rtol=1e-6)
    for subject, sd in BETWEEN_SD.items():
        assert truth.subjects.loc[subject, "between_sd"] == sd
    assert truth.subjects["published"].sum() == len(BETWEEN_SD)
    assert truth.subjects["between_sd"].between(0.055, 0.2).all()
    composition = cells["composition"].groupby("subject").std()
    assert (composition <= 0.6001 * total).all()
    assert (cells["effect"].groupby("subject").mean().abs() < 1e-9).all()


def test_between_provider_sd_can_be_recovered_from_the_table(paid):
    at_five = paid[paid["yag"] == 5]
    found = {
        subject: between_sd_of(at_five[at_five["subject"] == subject])
        for subject in BETWEEN_SD
    }
    found = pd.Series(found)
    ratio = found / pd.Series(BETWEEN_SD)
    assert ratio.between(0.75, 1.3).all(), found
    assert found["Economics"] > 2.5 * found["Nursing and midwifery"]


def test_effects_widen_with_the_years(paid, truth):
    assert truth.widening.tolist() == [0.85, 0.90, 1.0, 1.2]
    economics = paid[paid["subject"] == "Economics"]
    early, late = (between_sd_of(economics[economics["yag"] == y]) for y in (1, 10))
    assert 1.1 < late / early < 1.8


def test_providers_are_alike_in_most_subjects_but_not_in_nursing():
    _, truth = pool.simulate_graduates(10, n_providers=300, seed=3)
    wide = truth.provider_subject["effect"].unstack("subject")
    agree = wide.corr(min_periods=60)
    assert 0.35 < agree.loc["Economics", "Biosciences"] < 0.65
    assert abs(agree.loc["Economics", "Nursing and midwifery"]) < 0.25
