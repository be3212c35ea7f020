"""The one-way posterior: partial pooling of groups, many data sets at once."""

from dataclasses import dataclass, fields

import numpy as np

from partialpool.exact.priors import WIDTH
from partialpool.poolings import spread
from partialpool.poolings.intercepts import GroupSums
from partialpool.poolings.spread import NODES
from partialpool.poolings.tails import GAMMAS, integrate_tails
from partialpool.scores import check_prob

# Numbers in one batch of data sets, chosen to stay in a processor's cache.
BATCH = 100_000


@dataclass(frozen=True)
class Summary:
    """Mean, standard deviation and quantiles of one number, for each data set.

    Attributes
    ----------
    mean, sd, low, median, high : numpy.ndarray
        Shape (D,); `low` and `high` are the ends of the equal-tailed interval.
    """

    mean: np.ndarray
    sd: np.ndarray
    low: np.ndarray
    median: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class OneWay:
    """The posterior of groups in D data sets of J groups each.

    Attributes
    ----------
    mean, sd, low, high : numpy.ndarray
        Of the mean of each group, shape (D, J) or (J,); a group with no rows has the
        prediction for a new group.
    weight : numpy.ndarray
        Share of the group's own mean in its posterior mean, on average; same shape.
    between_sd, within_sd : Summary
        Standard deviations between and within groups.
    overall : Summary
        The mean of the population of groups.
    new_group, new_member : Summary
        Predictions for the mean of a new group and for one member of it; the second
        is None with standard errors, which do not say how much members differ.
    """

    mean: np.ndarray
    sd: np.ndarray
    low: np.ndarray
    high: np.ndarray
    weight: np.ndarray
    between_sd: Summary
    within_sd: Summary
    overall: Summary
    new_group: Summary
    new_member: Summary | None


def one_way(
    mean,
    se=None,
    *,
    n=None,
    ss=None,
    tau_prior=None,
    tail=None,
    tau=None,
    sigma=None,
    ci_prob=0.9,
):
    r"""Pool the means of groups partially: the exact posterior, without a sampler.

    The model is ``mean[j] ~ Normal(theta[j], se[j])``, ``theta[j] ~ Normal(mu, tau)``
    with a flat prior on ``mu``. Where the rows' counts and sums of squares are given
    in place of standard errors, ``se[j] = sigma / sqrt(n[j])`` and ``sigma`` is
    integrated too.

    Parameters
    ----------
    mean : array_like
        Mean of each group: shape (J,), or (D, J) for D data sets at once. NaN marks a
        group without rows, so data sets may differ in their number of groups.
    se : array_like, optional
        Standard error of each mean, same shape, or one for all.
    n, ss : array_like, optional
        In place of `se`: rows of each group, and their sum of squares about its mean,
        or `ss` summed over groups, of shape (D, 1) or a number.
    tau_prior : float or array_like, optional
        Standard deviation of the half-normal prior of `tau`, one for each data set.
        By default 2.5 standard deviations of the outcome, as in Bambi.
    tail : float, optional
        Degrees of freedom of a Student-t distribution of groups; normal by default.
    tau, sigma : float or array_like, optional
        Standard deviations to take as known: `tau`, with `n` also `sigma`.
    ci_prob : float
        Probability of the equal-tailed intervals.

    Returns
    -------
    OneWay

    Raises
    ------
    ValueError
        If shapes do not match or a number makes no sense.

    Notes
    -----
    `mu` and the groups are integrated in closed form, `tau` and `sigma` by quadrature
    (`spread`); for the formulas see Gelman and others (2013), *Bayesian Data
    Analysis*, section 5.4. The prior of `sigma` is Bambi's half-Student-t. The means
    of groups are mixtures of Student-t curves, and their quantiles are those of the
    mixture. Student-t groups: see `tails`.

    Examples
    --------
    >>> pooled = one_way([9.0, 10.0, 11.0], se=1.0, tau=1.0)
    >>> pooled.mean.round(6).tolist(), pooled.weight.tolist()
    ([9.5, 10.0, 10.5], [0.5, 0.5, 0.5])
    """
    single = np.ndim(mean) == 1
    _check(ci_prob, tail, tau, sigma, counted=n is not None)
    sums, middle, outcome_sd = read_means(mean, se, n, ss)
    scale = _each(WIDTH * outcome_sd if tau_prior is None else tau_prior, sums)
    tau = None if tau is None else _each(tau, sums)
    if sigma is None and n is None:
        sigma = 1.0
    sigma = None if sigma is None else _each(sigma, sums)
    parts = []
    for some in _batches(sums, 1 if tail is None else 6 * GAMMAS):
        fixed = [None if part is None else part[some] for part in (tau, sigma)]
        known = (sums.take(some), *fixed, scale[some], outcome_sd[some])
        parts.append(_pool(*known, ci_prob, tail))
    return _finish(parts, middle, members=n is not None, single=single)


# Input ------------------------------------------------------------------------


def _check(ci_prob, tail, tau, sigma, counted):
    check_prob(ci_prob)
    if tail is not None and not 1 <= tail < np.inf:
        raise ValueError(f"tail is {tail}: give degrees of freedom of 1 or more.")
    if sigma is not None and not counted:
        raise ValueError("sigma is known from se: leave it out, or give n and ss.")
    if tau is not None and counted and sigma is None:
        raise ValueError("tau is given and sigma is not: give both, or neither.")


def read_means(mean, se=None, n=None, ss=None):
    """Return the sums, what was taken from the means, and the outcome's sd: (D,)."""
    y = np.atleast_2d(np.asarray(mean, float))
    if (se is None) == (n is None) or (n is None) != (ss is None):
        raise ValueError(
            "Give standard errors as se, or counts and sums of squares as n and ss: "
            "one of the two, and both parts of the second."
        )
    seen = ~np.isnan(y)
    if n is None:
        se = _like(se, y, "se")
        if not (se[seen] > 0).all():
            raise ValueError("se holds values that are not above 0: correct them.")
        counts, rows, total = (
            np.where(seen, se, 1) ** -2.0,
            seen.sum(1),
            np.zeros(len(y)),
        )
    else:
        counts = _like(n, y, "n")
        seen &= counts > 0
        rows = np.where(seen, counts, 0).sum(1)
        total = _within(ss, y, seen)
        if (rows <= seen.sum(1)).any() or not (total > 0).all():
            raise ValueError(
                "Every group holds one row, or rows that do not differ, so the spread "
                "within groups cannot be told: give standard errors as se."
            )
    if (seen.sum(1) < 2).any():
        raise ValueError("A data set has fewer than two groups: nothing can be pooled.")
    counts, y = np.where(seen, counts, 0), np.where(seen, y, 0)
    share = (seen if n is None else counts) / rows[:, None]
    middle = (share * y).sum(1)
    centred = np.where(seen, y - middle[:, None], 0)
    outcome_sd = np.sqrt((share * centred**2).sum(1) + total / rows)
    within = np.zeros((len(y), 2, 2))
    within[:, 1, 1] = total
    sums = GroupSums(counts, np.ones((*y.shape, 1)), centred, within, rows)
    return sums, middle, np.where(outcome_sd > 0, outcome_sd, 1.0)


def _within(ss, y, seen):
    """Sum the squares within the groups of each data set: shape (D,)."""
    ss = np.asarray(ss, float)
    if ss.ndim == 0 or ss.shape == (len(y), 1):
        return np.broadcast_to(ss.reshape(-1), len(y))
    return np.where(seen, _like(ss, y, "ss"), 0).sum(1)


def _like(values, y, name):
    try:
        return np.broadcast_to(np.asarray(values, float), y.shape)
    except ValueError:
        raise ValueError(
            f"{name} has shape {np.shape(values)} and the means {y.shape}: give one "
            "value for each mean."
        ) from None


def _each(values, sums):
    values = np.broadcast_to(np.asarray(values, float), len(sums.n))
    if not (np.isfinite(values) & (values > 0)).all():
        raise ValueError("A standard deviation must be finite and above 0: correct it.")
    return values


def _batches(sums, dear):
    step = max(1, BATCH // (dear * NODES * sums.n.shape[1]))
    return [slice(i, i + step) for i in range(0, len(sums.n), step)]


# Posterior --------------------------------------------------------------------


def _pool(sums, tau, sigma, tau_scale, sigma_scale, ci_prob, tail):
    """Pool some data sets, their outcomes centred: a OneWay."""
    low, high = tails_of(ci_prob)
    if tail is None:
        known = _integrate(sums, tau, sigma, tau_scale, sigma_scale)
        groups = known.describe(*known.given.estimate(), [low, high])
        others = known.describe(*_population(known.given), [low, 0.5, high])
        own = (known.weight[..., None] * known.given.weight).sum(1)
    else:
        known = integrate_tails(sums, tau, sigma, tau_scale, sigma_scale, tail)
        groups = known.describe(slice(None, -3), [low, high])
        others = known.describe(slice(-3, None), [low, 0.5, high])
        own = known.own
    spreads = [_summarise(known, [low, 0.5, high], between=b) for b in (True, False)]
    population = [Summary(*(part[:, i] for part in others)) for i in range(3)]
    return OneWay(*groups, own, *spreads, *population)


def _integrate(sums, tau, sigma, tau_scale, sigma_scale):
    if tau is not None:
        return spread.fix(sums, tau, sigma)
    if sigma is None:
        return spread.integrate(sums, tau_scale, sigma_scale)
    # With a known sigma of 1 after division: only the groups' sums change.
    return spread.integrate(sums.scaled(sigma), tau_scale)


def _population(given):
    """Centre and variance of the overall mean, a new group and a new member."""
    one = np.ones_like(given.ratio)
    steps = np.stack([given.inverse[..., 0, 0], given.ratio**2, one], axis=2)
    return np.repeat(given.slopes, 3, axis=2), np.cumsum(steps, axis=2)


def _summarise(known, probs, between):
    return Summary(*known.moments(between), *known.quantiles(probs, between))


def tails_of(ci_prob):
    """Probabilities at the two ends of an equal-tailed interval."""
    return (1 - ci_prob) / 2, (1 + ci_prob) / 2


def _finish(parts, middle, *, members, single):
    """Put batches together, add what was taken from the outcome, and shape it."""
    place = ("mean", "low", "high", "median")

    def join(name):
        values = [getattr(part, name) for part in parts]
        if isinstance(values[0], Summary):
            shift = middle if name in ("overall", "new_group", "new_member") else 0
            each = {
                f.name: [getattr(v, f.name) for v in values] for f in fields(Summary)
            }
            whole = {
                k: np.concatenate(v) + shift * (k in place) for k, v in each.items()
            }
            return Summary(**{k: v[0] if single else v for k, v in whole.items()})
        whole = np.concatenate(values) + middle[:, None] * (name in place)
        return whole[0] if single else whole

    whole = {f.name: join(f.name) for f in fields(OneWay)}
    return OneWay(**whole | ({} if members else {"new_member": None}))
