"""The mixtures that graduates of a subject are, calibrated on published figures."""

import numpy as np
import pandas as pd
import scipy

from partialpool.published import QUARTILES, SEXES, YEARS
from partialpool.residuals import share_below, stretch

# A side of the residual keeps at least this share of its width, the quartiles of
# all count as much as this many of women and of men, and the effects of a row are
# put on this grid (log points).
LEAST_RESIDUAL = 0.3
WEIGHT_OF_ALL = 2
GRID = np.arange(-1.3, 1.3, 0.02)


def calibrate(truth, published):
    """Set locations, scales and log odds so that the published figures come out.

    Region, attainment, provider and cohort spread earnings already: the residual
    gets what is left. The mixture over all of them is put on a grid, and the
    three quartiles of women, of men and of all are met as closely as six numbers
    allow, by least squares. Nothing is sampled.
    """
    earnings = truth.earnings
    shape = (len(truth.subjects), len(SEXES), len(YEARS))
    share = truth.provider_subject["share"].unstack("subject", fill_value=0)
    share = share.reindex(truth.providers.index)[truth.subjects.index].to_numpy().T
    share = share / share.sum(axis=1, keepdims=True)
    employment = truth.providers["employment"].to_numpy()

    target = scipy.special.expit(earnings["employed_logit"].to_numpy())
    log_odds = _solve_log_odds(target.reshape(shape), share, employment)
    earnings["employed_logit"] = log_odds.ravel()

    employed = (
        scipy.special.expit(log_odds[..., None] + employment) * share[:, None, None, :]
    )
    weights = np.empty((*shape, len(GRID)))
    for place, widening in enumerate(truth.widening):
        offsets = _offsets_on_grid(truth, widening)
        weights[:, :, place] = np.einsum("sxp,spk->sxk", employed[:, :, place], offsets)
    weights /= weights.sum(axis=-1, keepdims=True)
    columns = ["location", "scale_lower", "scale_upper"]
    women = _share_of_women(truth, target.reshape(shape))
    solved = _solve_scales(_targets(published), weights, women, truth.tail)
    earnings[columns] = solved.reshape(-1, 3)


def combinations(truth):
    """Shares by cell, attainment, region and cohort; offsets without the cohort's."""
    cells = truth.provider_subject
    provider = truth.providers.index.get_indexer(cells.index.get_level_values(0))
    subject = truth.subjects.index.get_indexer(cells.index.get_level_values(1))
    regions = truth.region_shares.to_numpy()[provider]
    bands = truth.attainment_shares.reindex(cells.index).to_numpy()
    share = cells["share"].to_numpy()[:, None, None, None]
    share = share * bands[:, :, None, None] * regions[:, None, :, None]
    share = np.repeat(share / len(truth.cohorts), len(truth.cohorts), axis=3)
    shift = np.add.outer(truth.attainment.to_numpy(), truth.regions.to_numpy())
    reach = truth.subjects["reach"].to_numpy()[subject]
    offset = reach[:, None, None] * shift + cells["effect"].to_numpy()[:, None, None]
    return {
        "provider": provider,
        "subject": subject,
        "share": share,
        "offset": offset[..., None],
    }


def _share_of_women(truth, employed):
    """Among those with earnings, by subject and year."""
    paid = employed * truth.earnings["paid"].to_numpy().reshape(employed.shape)
    female = truth.subjects[["female"]].to_numpy()
    women, men = female * paid[:, 0], (1 - female) * paid[:, 1]
    return women / (women + men)


def _targets(published):
    """Log quartiles: subject by (women, men, all) by year by quartile."""
    sexes = pd.CategoricalDtype([*SEXES, "all"])
    table = published.astype({"sex": sexes}).sort_values(["subject", "sex", "yag"])
    quartiles = np.log(table[list(QUARTILES)].to_numpy())
    return quartiles.reshape(-1, 3, len(YEARS), 3)


def _solve_log_odds(target, share, employment):
    log_odds = scipy.special.logit(target)
    for _ in range(20):
        each = scipy.special.expit(log_odds[..., None] + employment)
        gap = np.einsum("sxyp,sp->sxy", each, share) - target
        slope = np.einsum("sxyp,sp->sxy", each * (1 - each), share)
        log_odds = log_odds - gap / slope
    return log_odds


def _offsets_on_grid(truth, widening):
    """Distribution of the offsets at each provider, subject by provider by grid."""
    cells = combinations(truth)
    share = cells["share"] / cells["share"].sum(axis=(1, 2, 3), keepdims=True)
    offset = widening * cells["offset"] + truth.cohorts.to_numpy()
    at = (offset - GRID[0]) / (GRID[1] - GRID[0])
    # An offset between two points of the grid is shared out, which keeps the mean.
    at = at.clip(0, len(GRID) - 1.001)
    left = at.astype(int)
    place = cells["subject"] * len(truth.providers) + cells["provider"]
    place = place[:, None, None, None] * len(GRID) + left
    size = len(truth.subjects) * len(truth.providers) * len(GRID)
    right = (at - left) * share
    grid = np.bincount(place.ravel(), (share - right).ravel(), minlength=size)
    grid += np.bincount(place.ravel() + 1, right.ravel(), minlength=size)[:size]
    return grid.reshape(len(truth.subjects), len(truth.providers), len(GRID))


def _solve_scales(targets, weights, women, tail):
    """Location and two scales for each subject, sex and year, by least squares."""
    narrow = np.log(0.9 / stretch(scipy.special.ndtri(0.75), tail))
    scales = np.log(np.diff(targets[:, :2], axis=-1)) + narrow
    location = targets[:, :2, :, 1] - weights @ GRID
    least = np.full((*location.shape, 3), -np.inf)
    least[..., 1:] = scales + np.log(LEAST_RESIDUAL)
    # Location, lower, upper: logs of the scales, so that they stay positive.
    unknown = np.concatenate([location[..., None], scales], axis=-1)
    for _ in range(10):
        gaps, slopes = _gaps_and_slopes(unknown, targets, weights, women, tail)
        across = slopes.swapaxes(-1, -2)
        # A little ridge, for where a scale no longer matters.
        square = across @ slopes + 1e-4 * np.eye(6)
        move = np.linalg.solve(square, across @ gaps[..., None])[..., 0]
        move = move.reshape(len(move), len(YEARS), len(SEXES), 3).swapaxes(1, 2)
        unknown = np.maximum(unknown - move.clip(-0.3, 0.3), least)
    return np.concatenate([unknown[..., :1], np.exp(unknown[..., 1:])], axis=-1)


def _gaps_and_slopes(unknown, targets, weights, women, tail, step=1e-5):
    """Nine gaps, in proportion to log pounds, and how six unknowns move them."""
    # Each sex has the share of its mixture below its own targets, and all's.
    both = np.broadcast_to(targets[:, 2:], targets[:, :2].shape)
    wanted = np.concatenate([targets[:, :2], both], axis=-1)
    now = _mixture_below(wanted, unknown, weights, tail)
    moved = [
        _mixture_below(wanted, unknown + step * axis, weights, tail)
        for axis in np.eye(3)
    ]
    moves = (np.stack(moved, axis=-1) - now[..., None]) / step
    gaps = np.zeros((len(targets), len(YEARS), 9))
    slopes = np.zeros((*gaps.shape, 6))
    for sex, part in enumerate([women[..., None], 1 - women[..., None]]):
        own, all_ = slice(3 * sex, 3 * sex + 3), slice(6, 9)
        gaps[..., own] = now[:, sex, :, :3]
        gaps[..., all_] += part * now[:, sex, :, 3:]
        slopes[..., own, own] = moves[:, sex, :, :3]
        slopes[..., all_, own] = part[..., None] * moves[:, sex, :, 3:]
    gaps -= np.tile(list(QUARTILES.values()), 3)
    # Over the density, about: a share becomes a distance on the log scale.
    scale = np.diff(targets[..., ::2])[..., 0] * [[1], [1], [WEIGHT_OF_ALL]]
    scale = np.repeat(scale.swapaxes(1, 2), 3, axis=-1)
    return scale * gaps, scale[..., None] * slopes


def _mixture_below(wanted, unknown, weights, tail):
    """Share of the mixture below the wanted log earnings."""
    gap = wanted[..., None] - unknown[..., :1, None] - GRID
    lower, upper = (np.exp(unknown[..., side, None, None]) for side in (1, 2))
    return (share_below(gap, lower, upper, tail) @ weights[..., None])[..., 0]
