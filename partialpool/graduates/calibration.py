"""Calibration targets: the published figures, met by the distributions of a truth."""

import numpy as np
import pandas as pd
import scipy

from partialpool.graduates import residual_distribution
from partialpool.graduates.published import QUARTILES, SEXES, YEARS

# A residual scale is at least this share of the half of the distribution it stands
# for; the quartiles of all weigh as much as this many of women and of men; the
# offsets of a mixture are binned on this grid (log points).
MIN_RESIDUAL_SHARE = 0.3
WEIGHT_OF_ALL = 2
GRID = np.arange(-1.3, 1.3, 0.02)


def calibrate(truth, published):
    """Set locations, scales and log odds so that the published figures come out.

    The effects of region, attainment, provider and cohort explain part of the
    variance of log earnings: the residual gets the rest. Earnings of a subject,
    sex and year are a mixture over those effects, put on a grid; the three
    quartiles of women, of men and of all are met as closely as six parameters
    allow, by nonlinear least squares. Nothing is sampled.
    """
    earnings = truth.earnings
    shape = (len(truth.subjects), len(SEXES), len(YEARS))
    share = truth.provider_subject["share"].unstack("subject", fill_value=0)
    share = share.reindex(truth.providers.index)[truth.subjects.index].to_numpy().T
    share = share / share.sum(axis=1, keepdims=True)
    employment = truth.providers["employment"].to_numpy()

    target = scipy.special.expit(earnings["employed_logit"].to_numpy()).reshape(shape)
    log_odds = _solve_log_odds(target, share, employment)
    earnings["employed_logit"] = log_odds.ravel()

    employed = scipy.special.expit(log_odds[..., None] + employment)
    employed = employed * share[:, None, None, :]
    weights = np.empty((*shape, len(GRID)))
    for year, widening in enumerate(truth.widening):
        offsets = _offset_distributions(truth, widening)
        weights[:, :, year] = np.einsum("sxp,spk->sxk", employed[:, :, year], offsets)
    weights /= weights.sum(axis=-1, keepdims=True)
    women = _share_of_women(truth, target)
    solved = _solve_parameters(_log_quartiles(published), weights, women, truth.tail)
    earnings[["location", "scale_lower", "scale_upper"]] = solved.reshape(-1, 3)


def joint_distribution(truth):
    """Shares of course, attainment, region and cohort; offsets without the cohort's.

    A course is a subject at a provider: both come as codes.
    """
    courses = truth.provider_subject
    provider = truth.providers.index.get_indexer(courses.index.get_level_values(0))
    subject = truth.subjects.index.get_indexer(courses.index.get_level_values(1))
    regions = truth.region_shares.to_numpy()[provider]
    bands = truth.attainment_shares.reindex(courses.index).to_numpy()
    share = courses["share"].to_numpy()[:, None, None, None]
    share = share * bands[:, :, None, None] * regions[:, None, :, None]
    share = np.repeat(share / len(truth.cohorts), len(truth.cohorts), axis=3)
    shift = np.add.outer(truth.attainment.to_numpy(), truth.regions.to_numpy())
    reach = truth.subjects["reach"].to_numpy()[subject]
    offset = reach[:, None, None] * shift + courses["effect"].to_numpy()[:, None, None]
    offset = offset[..., None]
    return {"provider": provider, "subject": subject, "share": share, "offset": offset}


def _share_of_women(truth, employed):
    """Among those with earnings, by subject and year."""
    paid = employed * truth.earnings["paid"].to_numpy().reshape(employed.shape)
    female = truth.subjects[["female"]].to_numpy()
    women, men = female * paid[:, 0], (1 - female) * paid[:, 1]
    return women / (women + men)


def _log_quartiles(published):
    """Targets: subject by (women, men, all) by year by quartile."""
    sexes = pd.CategoricalDtype([*SEXES, "all"])
    table = published.astype({"sex": sexes}).sort_values(["subject", "sex", "yag"])
    quartiles = np.log(table[list(QUARTILES)].to_numpy())
    return quartiles.reshape(-1, 3, len(YEARS), 3)


def _solve_log_odds(target, share, employment):
    """Newton's method: the mean over providers is the target."""
    log_odds = scipy.special.logit(target)
    for _ in range(20):
        employed = scipy.special.expit(log_odds[..., None] + employment)
        error = np.einsum("sxyp,sp->sxy", employed, share) - target
        slope = np.einsum("sxyp,sp->sxy", employed * (1 - employed), share)
        log_odds = log_odds - error / slope
    return log_odds


def _offset_distributions(truth, widening):
    """Distribution of the offsets of a course: subject by provider by grid."""
    joint = joint_distribution(truth)
    share = joint["share"] / joint["share"].sum(axis=(1, 2, 3), keepdims=True)
    offset = widening * joint["offset"] + truth.cohorts.to_numpy()
    position = (offset - GRID[0]) / (GRID[1] - GRID[0])
    # An offset between two points of the grid is divided among them: linear
    # binning, which keeps the mean.
    position = position.clip(0, len(GRID) - 1.001)
    left = position.astype(int)
    course = joint["subject"] * len(truth.providers) + joint["provider"]
    index = course[:, None, None, None] * len(GRID) + left
    size = len(truth.subjects) * len(truth.providers) * len(GRID)
    right = (position - left) * share
    binned = np.bincount(index.ravel(), (share - right).ravel(), minlength=size)
    binned += np.bincount(index.ravel() + 1, right.ravel(), minlength=size)[:size]
    return binned.reshape(len(truth.subjects), len(truth.providers), len(GRID))


def _solve_parameters(targets, weights, women, tail):
    """Location and two scales of each subject, sex and year: Gauss-Newton."""
    upper_quartile = residual_distribution.stretch(scipy.special.ndtri(0.75), tail)
    scales = np.log(np.diff(targets[:, :2], axis=-1)) + np.log(0.9 / upper_quartile)
    location = targets[:, :2, :, 1] - weights @ GRID
    least = np.full((*location.shape, 3), -np.inf)
    least[..., 1:] = scales + np.log(MIN_RESIDUAL_SHARE)
    # Location, lower, upper: logs of the scales, so that they stay positive.
    parameters = np.concatenate([location[..., None], scales], axis=-1)
    for _ in range(10):
        errors, jacobian = _errors_and_jacobian(
            parameters, targets, weights, women, tail
        )
        transposed = jacobian.swapaxes(-1, -2)
        # A little ridge, for where a scale no longer matters.
        normal_matrix = transposed @ jacobian + 1e-4 * np.eye(6)
        step = np.linalg.solve(normal_matrix, transposed @ errors[..., None])[..., 0]
        step = step.reshape(len(step), len(YEARS), len(SEXES), 3).swapaxes(1, 2)
        parameters = np.maximum(parameters - step.clip(-0.3, 0.3), least)
    return np.concatenate([parameters[..., :1], np.exp(parameters[..., 1:])], axis=-1)


def _errors_and_jacobian(parameters, targets, weights, women, tail, step=1e-5):
    """Errors of nine quartiles, in log pounds, and their derivatives by six."""
    # Each sex has the share of its mixture below its own targets, and all's.
    both = np.broadcast_to(targets[:, 2:], targets[:, :2].shape)
    wanted = np.concatenate([targets[:, :2], both], axis=-1)
    below = _mixture_cdf(wanted, parameters, weights, tail)
    nearby = [parameters + step * axis for axis in np.eye(3)]
    moved = [_mixture_cdf(wanted, each, weights, tail) for each in nearby]
    slopes = (np.stack(moved, axis=-1) - below[..., None]) / step
    errors = np.zeros((len(targets), len(YEARS), 9))
    jacobian = np.zeros((*errors.shape, 6))
    for sex, share in enumerate([women[..., None], 1 - women[..., None]]):
        own, all_ = slice(3 * sex, 3 * sex + 3), slice(6, 9)
        errors[..., own] = below[:, sex, :, :3]
        errors[..., all_] += share * below[:, sex, :, 3:]
        jacobian[..., own, own] = slopes[:, sex, :, :3]
        jacobian[..., all_, own] = share[..., None] * slopes[:, sex, :, 3:]
    errors -= np.tile(list(QUARTILES.values()), 3)
    # Times the interquartile range, about one over the density: a probability
    # becomes a distance on the log scale.
    scale = np.diff(targets[..., ::2])[..., 0] * [[1], [1], [WEIGHT_OF_ALL]]
    scale = np.repeat(scale.swapaxes(1, 2), 3, axis=-1)
    return scale * errors, scale[..., None] * jacobian


def _mixture_cdf(log_earnings, parameters, weights, tail):
    residual = log_earnings[..., None] - parameters[..., :1, None] - GRID
    lower, upper = (np.exp(parameters[..., side, None, None]) for side in (1, 2))
    below = residual_distribution.cdf(residual, lower, upper, tail)
    return (below @ weights[..., None])[..., 0]
