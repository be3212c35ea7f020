"""Shrunken values in a second model: what they cure, and what they do not."""

import numpy as np
import pandas as pd

from partialpool.poolings import contest_many

TAU, SIGMA = 0.15, 0.45


def use_in_second_model(worlds=400, groups=200, *, size_effect=0.0, seed):
    """Put raw and shrunken means of groups into regressions of another variable.

    A covariate of the groups explains half of the variance of their true means. An
    outcome of each group is its true mean, in one regression plus 0.1 times the
    covariate, and noise. Groups have 3 to 60 rows. The regressions are run with true
    means, raw means, means shrunk to one overall mean, and means shrunk to a line on
    the covariate; both kinds of shrinkage are those of REML.

    Parameters
    ----------
    worlds, groups : int
    size_effect : float
        Rise of the true mean with one standard deviation of log size.
    seed : int or sequence of int

    Returns
    -------
    pandas.DataFrame
        One row per way: the average slope over worlds, as a share of the true one, and
        its Monte Carlo error (``... error``).

        ``alone`` : of the outcome on the means, when the covariate has no part in it
        ``with covariate`` : of the outcome on the means, beside the covariate
        ``the covariate's`` : the covariate's slope in that regression
        ``as outcome`` : of the means on the covariate
    """
    rng, shape = np.random.default_rng(seed), (worlds, groups)
    covariate = rng.standard_normal(shape)
    log_n = rng.uniform(np.log(3), np.log(60), shape)
    n = np.rint(np.exp(log_n))
    size = (log_n - log_n.mean()) / log_n.std()
    rest = TAU * np.sqrt(0.5) * rng.standard_normal(shape)
    truth = TAU * np.sqrt(0.5) * covariate + rest + size_effect * size
    raw = rng.normal(truth, SIGMA / np.sqrt(n))
    ss = SIGMA**2 * rng.chisquare((n - 1).sum(1, keepdims=True))
    noise = 0.05 * rng.standard_normal(shape)
    plain, joint = truth + noise, truth + 0.1 * covariate + noise
    given = {"n": n, "ss": ss, "methods": ["reml"]}
    values = {
        "truth": truth,
        "raw means": raw,
        "shrunk to one mean": contest_many(raw, **given)["reml"][0],
        "shrunk to a line on the covariate": contest_many(raw, x=covariate, **given)[
            "reml"
        ][0],
    }
    rows = {}
    for way, z in values.items():
        both = _slopes(joint, z, covariate)
        slopes = {
            "alone": _slopes(plain, z)[0],
            "with covariate": both[0],
            "the covariate's": both[1] / 0.1,
            "as outcome": _slopes(z, covariate)[0] / (TAU * np.sqrt(0.5)),
        }
        rows[way] = {k: v.mean() for k, v in slopes.items()}
        rows[way] |= {
            f"{k} error": v.std(ddof=1) / np.sqrt(worlds) for k, v in slopes.items()
        }
    return pd.DataFrame(rows).T


def _slopes(y, *x):
    """Least-squares slopes in each world: one array of shape (D,) for each x."""
    x = np.stack([part - part.mean(1, keepdims=True) for part in x], axis=-1)
    gram, right = x.swapaxes(1, 2) @ x, x.swapaxes(1, 2) @ y[..., None]
    return np.linalg.solve(gram, right)[..., 0].T
