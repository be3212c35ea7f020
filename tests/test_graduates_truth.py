"""Tests of the truth: what it says of a row is what is drawn, or it refuses."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr


@pytest.mark.parametrize("probability", [0.02, 0.25, 0.5, 0.9, 0.99])
def test_quantiles_are_true_for_every_subject_and_year(
    paid, truth, probability, assert_share
):
    rows = paid.iloc[::4]
    below = rows["earnings"] <= truth.quantile(rows, probability)
    assert_share(below, probability)
    assert_share(below, probability, by=[rows["subject"], rows["yag"]])


@pytest.mark.parametrize(
    "column", ["provider", "sex", "prior_attainment", "region", "cohort"]
)
def test_log_means_are_true_along_every_column(paid, truth, column):
    rows = paid.iloc[::3]
    error = rows["log_earnings"] - truth.log_mean(rows)
    groups = error.groupby(rows[column], observed=True)
    z = groups.mean() / (groups.std() / np.sqrt(groups.size()))
    assert z[groups.size() > 100].abs().max() < 4.5


def test_median_is_the_half_quantile_and_share_below_its_inverse(paid, truth):
    rows = paid.iloc[:50_000:50]
    assert truth.median(rows).index.equals(rows.index)
    np.testing.assert_allclose(truth.median(rows), truth.quantile(rows, 0.5))
    np.testing.assert_allclose(np.log(truth.median(rows)), truth.log_median(rows))
    for probability in (0.01, 0.4, 0.5, 0.95):
        amounts = truth.quantile(rows, probability)
        below = truth.share_below(rows, amounts)
        np.testing.assert_allclose(below, probability, rtol=1e-9)


def test_median_is_the_sum_that_the_docstring_states(truth):
    row = pd.DataFrame(
        {
            "subject": "Economics",
            "provider": [truth.provider_subject.xs("Economics", level=1).index[0]],
            "sex": "male",
            "prior_attainment": "360 points or more",
            "region": "London",
            "cohort": 2,
            "yag": 10,
        }
    )
    provider = row.loc[0, "provider"]
    reach = truth.subjects.loc["Economics", "reach"]
    effect = truth.provider_subject.loc[(provider, "Economics"), "effect"]
    expected = (
        truth.earnings.loc[("Economics", "male", 10), "location"]
        + truth.cohorts[2]
        + 1.2 * (effect + reach * (0.17 + 0.10))
    )
    assert truth.log_median(row).tolist() == [pytest.approx(expected)]


def test_log_mean_agrees_with_the_quantiles(paid, truth):
    rows = paid.iloc[[10, 200_000]]
    z = np.linspace(-5, 5, 101)
    logs = np.array([np.log(truth.quantile(rows, q)) for q in ndtr(z)])
    by_hand = np.average(logs, axis=0, weights=np.exp(-(z**2) / 2))
    np.testing.assert_allclose(truth.log_mean(rows), by_hand, atol=0.001)


def test_employed_share_is_true_for_every_provider(table, truth, assert_share):
    rows = table.iloc[::7]
    share = truth.employed_share(rows)
    assert_share(rows["employed"], share, by=rows["provider"])
    assert share.groupby(rows["provider"], observed=True).mean().std() > 0.015


def test_rows_that_the_truth_does_not_know_are_refused(table, truth):
    rows = table.head(3)
    with pytest.raises(ValueError, match="rows lacks the column 'region'"):
        truth.median(rows.drop(columns="region"))
    with pytest.raises(ValueError, match="Column 'provider' holds 'Elsewhere'"):
        truth.median(rows.assign(provider="Elsewhere"))
    with pytest.raises(ValueError, match="Column 'yag' holds 4, which this truth"):
        truth.median(rows.assign(yag=4))
    with pytest.raises(ValueError, match="Column 'sex' holds nan"):
        truth.median(rows.assign(sex=rows["sex"].where(rows.index > 0)))
    cells = truth.provider_subject["share"].unstack("subject")
    missing = cells.index[cells["Medicine and dentistry"].isna()][0]
    elsewhere = rows.assign(subject="Medicine and dentistry", provider=missing)
    with pytest.raises(ValueError, match=f"{missing} has no graduates in 'Medicine"):
        truth.median(elsewhere)


def test_probabilities_and_amounts_out_of_range_are_refused(table, truth):
    with pytest.raises(ValueError, match="probability is 1: give a number above 0"):
        truth.quantile(table.head(2), 1)
    with pytest.raises(ValueError, match="earnings must be above 0"):
        truth.share_below(table.head(2), [0, 10])
