"""Leave one group out: predict each group's rows from those of all the others."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
import pandas as pd
import scipy
from scipy.special import logsumexp

from partialpool.exact.fit import one_thread
from partialpool.exact.gram import log_likelihood
from partialpool.held_out.one_factor import OneFactor
from partialpool.held_out.parts import part_of
from partialpool.held_out.refits import Refits, draws_for, find_unseen, predict_mean
from partialpool.held_out.setting import read_setting
from partialpool.poolings.mixture import quantile
from partialpool.poolings.one_way import tails_of
from partialpool.progress import Progress
from partialpool.scores import check_prob

# Multiplications above which groups are left out in folds, and how many of these.
DEAREST, FOLDS = 3e11, 20


def leave_one_group_out(
    formula,
    data,
    group=None,
    *,
    priors=None,
    draws=4000,
    correlated=False,
    lkj=2.0,
    folds=None,
    ci_prob=0.9,
    seed=None,
    progress=True,
):
    r"""Predict each group from all other groups, and hold it against what was seen.

    Parameters
    ----------
    formula : str
        As for :func:`~partialpool.exact.fit`.
    data : pandas.DataFrame
        One row per observation, or cells as :func:`~partialpool.cells.collapse` makes
        them.
    group : str, optional
        A grouping factor of the formula, as it is written there (``"g"`` or
        ``"g:h"``), or any column of the table. May be left out where the formula has
        one factor.
    priors, correlated, lkj
        As for :func:`~partialpool.exact.fit`. Default priors are scaled on all of the
        data, and stay the same whichever group is left out: the model does.
    draws : int
        Draws from the posterior of all data, for importance sampling. Refits make do
        with fewer of them where each is dear.
    folds : int, optional
        Leave out the groups in so many folds at random, in place of one by one. By
        default one by one, if that is affordable, and otherwise in 20 folds.
    ci_prob : float
        Probability of the equal-tailed intervals.
    seed : int or numpy.random.Generator, optional
        Source of all randomness.
    progress : bool
        Say on the standard error stream how far a long computation is.

    Returns
    -------
    pandas.DataFrame
        One row a group; the index holds the labels, of a factor as the posterior has
        them:

        ``rows``
            How many rows it has.
        ``seen``
            Their mean.
        ``mean``, ``low``, ``high``
            What the others predict for that mean, with the interval in which it
            should lie: the doubt about parameters, the spread of groups and the noise
            of so many rows are all in it.
        ``log_score``
            Log density that the others gave to its rows, all together. Larger is
            better; the sum over groups compares models.
        ``log_score_error``
            Its Monte Carlo standard error: 0 in closed form.
        ``mean_log_score``
            Log density of their mean alone.
        ``psis_log_score``, ``pareto_k``
            What importance sampling makes of ``log_score`` out of the draws of the
            fit to all data (PSIS), and the shape of its weights' tail. Above 0.7 the
            number is not to be trusted; with groups left out that is the rule, as the
            group's own effect was drawn in the knowledge of its rows.

        ``attrs`` holds ``method``: ``"closed"`` (quadrature, no draws), ``"sums"``
        (the sums of all rows less those of the group) or ``"folds"``; and ``refits``,
        how many groups needed a refit.

    Raises
    ------
    FormulaError, TableError, ValueError
        As :func:`~partialpool.exact.fit`; or if `group` is not named where it must be.

    Notes
    -----
    With one factor and one effect a group the two standard deviations are integrated
    by quadrature, for all groups on one grid. In any other model the coefficients and
    effects are integrated in closed form from the sums of products of all rows less
    those of the group; the draws of the standard deviations given all rows are weighed
    to stand for those given the others, and made anew where the weights are uneven.
    So the cost does not depend on the rows, but for one pass over them.

    PSIS is that of Vehtari, Simpson, Gelman, Yao and Gabry (2024), Journal of Machine
    Learning Research 25(72), by ArviZ. Leaving out single rows answers another
    question, how well one more member of a known group is predicted: ``az.loo`` of
    :func:`~partialpool.exact.compute_log_likelihood`. It needs the rows themselves,
    cells will not do.

    Examples
    --------
    >>> import partialpool as pool
    >>> table, truth = pool.simulate_groups(seed=1)
    >>> left = pool.leave_one_group_out("y ~ 1 + (1|group)", table, seed=1)
    >>> left.attrs["method"]
    'closed'
    """
    from formulae.environment import Environment

    check_prob(ci_prob)
    environment = Environment.capture(1)
    options = {"priors": priors, "draws": draws, "correlated": correlated, "lkj": lkj}
    with one_thread():
        setting = read_setting(
            formula, data, group, environment, options, seed, progress
        )
        if setting.is_closed and folds is None:
            held, method = _in_closed_form(setting), "closed"
        else:
            folds = _choose_folds(setting, folds)
            held = _by_refits(setting, folds, progress)
            method = "sums" if folds == len(setting.labels) else "folds"
    table = _tabulate(setting, held, ci_prob)
    table.attrs |= {"method": method, "folds": folds or len(table)}
    table.attrs["refits"] = held.refits
    return table


@dataclass(frozen=True)
class Held:
    """What is predicted for J groups by K draws or pairs of standard deviations each.

    Attributes
    ----------
    rows, seen : numpy.ndarray
        Number of rows and mean outcome, shape (J,).
    log_score, error : numpy.ndarray
        Log predictive density of all rows together, and its Monte Carlo error: (J,).
    log_weight, centre, variance : numpy.ndarray
        Of the mixture of normals that is predicted for the mean: (J, K).
    in_draws : numpy.ndarray
        Log density of the rows in the draws of the fit to all data: (J, S).
    refits : int
        How many groups or folds needed draws of their own.
    """

    rows: np.ndarray
    seen: np.ndarray
    log_score: np.ndarray
    error: np.ndarray
    log_weight: np.ndarray
    centre: np.ndarray
    variance: np.ndarray
    in_draws: np.ndarray
    refits: int = 0


def _in_closed_form(setting):
    design, density = setting.design, setting.density
    one = OneFactor(design, density.priors)
    grid = one.integrate()
    centre, variance = one.predict(grid)
    common, effects = density.draw(setting.drawn.draws, setting.rng)
    sigma = np.exp(setting.drawn.draws[:, 0])
    share = design.rows.n if design.rows.weights is None else design.rows.weights
    sizes = [np.bincount(setting.codes, w) for w in (design.rows.n, share)]
    seen = np.bincount(setting.codes, share * design.rows.y.value) / sizes[1]
    with np.errstate(divide="ignore"):
        log_weight = np.log(grid.weights[:-1])
    return Held(
        sizes[0],
        seen,
        grid.log_scores,
        np.zeros(len(seen)),
        log_weight,
        centre + (seen - one.means[:, -1])[:, None],
        variance,
        one.log_densities(common, effects[..., 0], sigma),
    )


def _by_refits(setting, folds, progress):
    density, rng = setting.density, setting.rng
    refits = Refits(density, setting.design.sizes, setting.drawn.draws)
    dense, effects = density.draw(setting.drawn.draws, rng)
    sigma = np.exp(setting.drawn.draws[:, 0])
    counted = Progress("groups left out", wanted=progress)
    places, found, anew = setting.places(), {}, 0
    for fold in _fold(len(places), folds, rng):
        parts = [part_of(setting.design, places[g], density.gram) for g in fold]
        rest = refits.rest(parts, rng)
        anew += rest.anew
        chosen = np.concatenate([places[g] for g in fold])
        unseen = find_unseen(setting.design.factors, chosen)
        for g, part in zip(fold, parts, strict=True):
            joint = refits.joint(rest, part, alone=len(fold) == 1)
            found[g] = (
                part.rows,
                part.seen,
                *_average(rest.log_weight, joint),
                rest.log_weight,
                *predict_mean(part, rest, unseen, rng),
                log_likelihood(part.sums, dense, effects, sigma),
            )
        counted.advance(len(fold))
    columns = zip(*(found[g] for g in range(len(places))), strict=True)
    return Held(*map(np.array, columns), anew)


def _average(log_weight, log_density):
    """Log of a weighted mean of densities, and its Monte Carlo error."""
    log_mean = logsumexp(log_weight + log_density)
    away = np.expm1(np.minimum(log_density - log_mean, 500))
    return log_mean, np.sqrt((np.exp(2 * log_weight) * away**2).sum())


def _choose_folds(setting, folds):
    groups = len(setting.labels)
    if folds is None:
        work = setting.density.work
        work = work * groups * draws_for(work)
        return FOLDS if work > DEAREST and groups > FOLDS else groups
    if not isinstance(folds, Integral) or not 2 <= folds <= groups:
        raise ValueError(
            f"folds is {folds!r}: give a whole number from 2 to {groups}, the number "
            "of groups."
        )
    return folds


def _fold(groups, folds, rng):
    """Groups of each fold: one each in order, or spread at random."""
    order = np.arange(groups) if folds == groups else rng.permutation(groups)
    return np.array_split(order, folds)


def _tabulate(setting, held, ci_prob):
    from arviz_stats.base import array_stats

    sd = np.sqrt(held.variance)
    at_mean = scipy.stats.norm.logpdf(held.seen[:, None], held.centre, sd)
    weight = np.exp(held.log_weight)
    curves = weight, held.centre[..., None], sd[..., None]
    low, high = (quantile(p, *curves)[:, 0] for p in tails_of(ci_prob))
    log_psis, k = array_stats.psislw(held.in_draws, axis=-1)
    log_psis -= logsumexp(log_psis, axis=1, keepdims=True)
    columns = {
        "rows": held.rows.astype(int),
        "seen": held.seen,
        "mean": (weight * held.centre).sum(1),
        "low": low,
        "high": high,
        "log_score": held.log_score,
        "log_score_error": held.error,
        "mean_log_score": logsumexp(held.log_weight + at_mean, axis=1),
        "psis_log_score": logsumexp(log_psis + held.in_draws, axis=1),
        "pareto_k": k,
    }
    return pd.DataFrame(columns, pd.Index(setting.labels, name=setting.name))
