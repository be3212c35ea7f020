"""The posterior of the standard deviations, all other parameters integrated out."""

from dataclasses import dataclass

import numpy as np
import scipy

# Products of pairs of columns are kept for each group up to this many numbers (300
# MB); beyond it they are made anew for each evaluation. With a smaller share than
# SPARSE of them not 0 they are kept as a sparse matrix; they are made in chunks.
LARGEST_PAIRS = 25_000_000
SPARSE = 0.2
CHUNK = 4_000_000
# Numbers in one batch of matrices, chosen to stay in a processor's cache.
BATCH = 100_000


@dataclass
class Spread:
    """Where one factor's standard deviations and correlations lie in the vector.

    Attributes
    ----------
    sds : slice
    correlations : slice
        Empty where effects are independent.
    groups, effects : int
    """

    sds: slice
    correlations: slice
    groups: int
    effects: int


class Marginal:
    r"""Log density of the standard deviations of a Gaussian multilevel model.

    Parameters
    ----------
    gram : partialpool.exact.gram.Gram
    priors : partialpool.exact.priors.Priors
    factors : list of (int, int)
        Groups and effects of each grouping factor.
    correlation : float or None
        Concentration of an LKJ prior on the correlations of a factor's effects;
        None for independent effects.

    Notes
    -----
    The vector :math:`\theta` holds :math:`\log \sigma`, then for each factor
    the log standard deviations of its effects and the inverse hyperbolic
    tangents of their canonical partial correlations.
    Given :math:`\theta`, coefficients and effects are Gaussian with precision
    :math:`M = G/\sigma^2 + P`. The largest factor's part of :math:`M` falls
    into one small matrix per group, which a Schur complement eliminates; a
    Cholesky factor of the rest, with the outcome as its last column, gives the
    determinant, the residual sum of squares and the conditional mean at once.
    Groups with the same sums of products share their work.
    """

    def __init__(self, gram, priors, factors, correlation=None):
        self.gram = gram
        self.priors = priors
        self.correlation = correlation
        self.spreads = []
        start = 1
        for groups, effects in factors:
            pairs = effects * (effects - 1) // 2 if correlation is not None else 0
            sds = slice(start, start + effects)
            start += effects + pairs
            self.spreads.append(Spread(sds, slice(sds.stop, start), groups, effects))
        self.size = start
        self.columns = len(gram.dense) - 1
        self._prepare()

    def _prepare(self):
        gram = self.gram
        effects = gram.within.shape[1]
        self._upper = np.triu_indices(effects)
        flat = gram.within[:, *self._upper]
        unique, place, counts = np.unique(
            flat, axis=0, return_inverse=True, return_counts=True
        )
        self._place = place.ravel()
        self._counts = counts.astype(float)
        self._unique = np.zeros((len(unique), effects, effects))
        self._unique[:, *self._upper] = unique
        self._unique[:, *self._upper[::-1]] = unique
        side = len(gram.dense)
        # A symmetric matrix is half as much work by its lower triangle.
        self._lower = np.tril_indices(side)
        self._pairs = self._pair_products() if effects else None

    def _pair_products(self):
        # C H C' is linear in H: one row for each number in H, summed over the groups
        # that share it. Where groups are nested most products are 0.
        from scipy import sparse

        cross, kinds = self.gram.cross, len(self._counts)
        step = max(1, CHUNK // len(self._lower[0]))
        rows = []
        for a, b in zip(*self._upper, strict=True):
            total = sparse.csr_array((kinds, len(self._lower[0])))
            for i in range(0, cross.shape[1], step):
                products = sparse.csr_array(self._products(slice(i, i + step), a, b))
                place = self._place[i : i + step]
                ones = np.ones(len(place))
                sharing = (ones, (place, np.arange(len(place))))
                sums = sparse.csr_array(sharing, shape=(kinds, len(place)))
                total = total + sums @ products
                if total.nnz > LARGEST_PAIRS:
                    return None
            rows.append(total)
        pairs = sparse.vstack(rows, format="csr")
        dense = pairs.nnz > SPARSE * pairs.shape[0] * pairs.shape[1]
        return pairs.toarray() if dense else pairs

    def _products(self, groups, a, b):
        """Products of each pair of columns, for some groups: (groups, numbers)."""
        cross = self.gram.cross[:, groups]
        i, j = self._lower
        product = cross[i, :, a] * cross[j, :, b]
        if a != b:
            product += cross[j, :, a] * cross[i, :, b]
        return product.T

    def start(self):
        """A point to look for the mode from: shape (size,)."""
        theta = np.zeros(self.size)
        gram = self.gram
        sd = np.sqrt(gram.dense[-1, -1] / gram.total_weight)
        theta[0] = np.log(0.8 * sd)
        for spread, scales in zip(self.spreads, self._effect_scales(), strict=True):
            theta[spread.sds] = np.log(0.3 * sd / scales)
        return theta

    def _effect_scales(self):
        # The root mean square of the column that an effect multiplies.
        gram = self.gram
        scales = []
        for spread, columns in zip(self.spreads, gram.slices, strict=True):
            if columns is None:
                squares = np.einsum("gee->e", gram.within)
            else:
                squares = (
                    np.diag(gram.dense)[columns].reshape(-1, spread.effects).sum(0)
                )
            scales.append(np.sqrt(np.maximum(squares, 1e-300) / gram.total_weight))
        return scales

    def log_density(self, theta):
        """Log posterior density of some vectors, up to a constant.

        Parameters
        ----------
        theta : numpy.ndarray
            Shape (m, size).

        Returns
        -------
        numpy.ndarray
            Shape (m,); minus infinity where the density cannot be computed.
        """
        side = len(self.gram.dense)
        step = max(1, BATCH // side**2)
        parts = [
            self._log_density(theta[i : i + step]) for i in range(0, len(theta), step)
        ]
        return np.concatenate(parts)

    def _log_density(self, theta):
        density = self._log_prior(theta)
        possible = np.isfinite(density)
        if possible.any():
            density[possible] += self._log_likelihood(theta[possible])
        return density

    def _log_prior(self, theta):
        with np.errstate(over="ignore", under="ignore"):
            total = self.priors.sigma(np.exp(theta[:, 0])) + theta[:, 0]
            for spread, densities in zip(
                self.spreads, self.priors.spreads, strict=True
            ):
                log_sds = theta[:, spread.sds]
                total += log_sds.sum(1)
                for k, density in enumerate(densities):
                    total += density(np.exp(log_sds[:, k]))
                total += self._log_correlation_prior(
                    theta[:, spread.correlations], spread
                )
        far = (np.abs(theta) > 300).any(1)
        for spread in self.spreads:
            far |= (np.abs(theta[:, spread.correlations]) > 50).any(1)
        return np.where(far | np.isnan(total), -np.inf, total)

    def _log_correlation_prior(self, z, spread):
        # LKJ by canonical partial correlations (Lewandowski, Kurowicka and Joe 2009),
        # with the Jacobian of tanh.
        if z.shape[1] == 0:
            return 0.0
        depth = _depth(spread.effects)
        power = self.correlation + (spread.effects - 2 - depth) / 2
        return (power * -2 * _log_cosh(z)).sum(1)

    def covariance_factor(self, theta, spread):
        """Lower Cholesky factor of the covariance of a factor's effects.

        Returns
        -------
        numpy.ndarray
            Shape (m, effects, effects).
        """
        sds = np.exp(theta[:, spread.sds])
        factor = np.zeros((len(theta), spread.effects, spread.effects))
        if spread.correlations.start == spread.correlations.stop:
            factor[:, np.arange(spread.effects), np.arange(spread.effects)] = sds
            return factor
        z = theta[:, spread.correlations]
        k = 0
        for i in range(spread.effects):
            rest = np.ones(len(theta))
            for j in range(i):
                factor[:, i, j] = np.tanh(z[:, k]) * rest
                # The root of 1 - tanh², with all its digits where that is small.
                rest = rest / np.cosh(z[:, k])
                k += 1
            factor[:, i, i] = rest
        return factor * sds[:, :, None]

    def _log_likelihood(self, theta):
        sigma2 = np.exp(2 * theta[:, 0])
        try:
            factor, log_det_within = self._factorise(theta)
        except np.linalg.LinAlgError:
            if len(theta) == 1:
                return np.array([-np.inf])
            return np.concatenate([self._log_likelihood(row[None]) for row in theta])
        diagonal = np.diagonal(factor, axis1=1, axis2=2)
        log_det = 2 * np.log(diagonal[:, :-1]).sum(1) + log_det_within
        eliminated = self.gram.within.shape[0] * self.gram.within.shape[1]
        free = self.gram.total_weight - self.columns - eliminated
        return (
            -free * theta[:, 0]
            - 0.5 * log_det
            - 0.5 * diagonal[:, -1] ** 2 / sigma2
            + self._log_det_priors(theta)
        )

    def _log_det_priors(self, theta):
        total = 0.0
        for spread in self.spreads:
            factor = self.covariance_factor(theta, spread)
            diagonal = np.diagonal(factor, axis1=1, axis2=2)
            total = total - spread.groups * np.log(diagonal).sum(1)
        return total

    def _factorise(self, theta):
        """Cholesky factor of sigma² M, the largest factor eliminated: (m, r+1, r+1)."""
        gram = self.gram
        side = len(gram.dense)
        sigma2 = np.exp(2 * theta[:, 0])
        # Only the lower triangle is read.
        matrix = np.zeros((len(theta), side, side))
        triangle = gram.dense[self._lower]
        log_det = np.zeros(len(theta))
        if gram.largest is not None:
            spread = self.spreads[gram.largest]
            precision = self._scaled_precision(theta, spread, sigma2)
            inverse, log_det = self._within_inverse(precision)
            triangle = triangle - self._eliminated(inverse)
        matrix[:, *self._lower] = triangle
        for i, spread in enumerate(self.spreads):
            if i != gram.largest:
                precision = self._scaled_precision(theta, spread, sigma2)
                self._add_precision(matrix, precision, gram.slices[i], spread)
        self._add_common_priors(matrix, sigma2)
        return np.linalg.cholesky(matrix), log_det

    def _add_common_priors(self, matrix, sigma2):
        precision, mean = self.priors.precision, self.priors.mean
        i = np.arange(self.gram.common)
        matrix[:, i, i] += sigma2[:, None] * precision
        matrix[:, -1, : self.gram.common] += sigma2[:, None] * precision * mean
        matrix[:, -1, -1] += sigma2 * (precision * mean**2).sum()

    def _scaled_precision(self, theta, spread, sigma2):
        factor = self.covariance_factor(theta, spread)
        if spread.correlations.start == spread.correlations.stop:
            precision = np.zeros_like(factor)
            i = np.arange(spread.effects)
            precision[:, i, i] = sigma2[:, None] / factor[:, i, i] ** 2
            return precision
        inverse = np.linalg.inv(factor)
        return sigma2[:, None, None] * (inverse.transpose(0, 2, 1) @ inverse)

    @staticmethod
    def _add_precision(matrix, precision, columns, spread):
        place = np.arange(columns.start, columns.stop).reshape(-1, spread.effects)
        for a in range(spread.effects):
            for b in range(spread.effects):
                matrix[:, place[:, a], place[:, b]] += precision[:, a, b, None]

    def _within_inverse(self, precision):
        """Inverses for each distinct group: (m, distinct, effects, effects)."""
        if precision.shape[1] == 1:
            total = self._unique[:, 0, 0] + precision[:, :, 0]
            return (1 / total)[:, :, None, None], np.log(total) @ self._counts
        total = self._unique + precision[:, None]
        log_det = np.linalg.slogdet(total)[1] @ self._counts
        return np.linalg.inv(total), log_det

    def _eliminated(self, inverse):
        """Lower triangles of what the largest factor takes away: (m, numbers)."""
        if self._pairs is not None:
            upper = inverse[:, :, *self._upper].transpose(0, 2, 1)
            return upper.reshape(len(inverse), -1) @ self._pairs
        cross = self.gram.cross
        side = len(cross)
        flat = cross.reshape(side, -1)
        product = np.empty((len(inverse), len(self._lower[0])))
        for k, one in enumerate(inverse):
            weighted = np.einsum("sge,gef->sgf", cross, one[self._place])
            product[k] = (weighted.reshape(side, -1) @ flat.T)[self._lower]
        return product

    def draw(self, theta, rng):
        """Draw coefficients and effects given the standard deviations.

        Parameters
        ----------
        theta : numpy.ndarray
            Shape (m, size).
        rng : numpy.random.Generator

        Returns
        -------
        dense : numpy.ndarray
            Common coefficients (of centred predictors), then the effects of all
            factors but the largest, in the Gram matrix's order; shape (m, r).
        eliminated : numpy.ndarray
            Effects of the largest factor; shape (m, groups, effects).
        """
        step = max(1, BATCH // len(self.gram.dense) ** 2)
        parts = [
            self._draw(theta[i : i + step], rng) for i in range(0, len(theta), step)
        ]
        dense, eliminated = zip(*parts, strict=True)
        return np.concatenate(dense), np.concatenate(eliminated)

    def _draw(self, theta, rng):
        sigma = np.exp(theta[:, 0])
        # Copies of one vector stand next to each other and share their factor.
        new = np.r_[True, (theta[1:] != theta[:-1]).any(1)]
        factor = self._factorise(theta[new])[0][np.cumsum(new) - 1]
        noise = rng.standard_normal((len(theta), self.columns)) * sigma[:, None]
        right = factor[:, -1, :-1] + noise
        dense = np.empty_like(right)
        # Where every effect has been eliminated, LAPACK would have nothing to solve.
        for k, lower in enumerate(factor if self.columns else ()):
            # LAPACK reads by columns, so that a lower factor looks like an upper one.
            dense[k], _ = scipy.linalg.lapack.dtrtrs(
                lower[:-1, :-1].T, right[k], lower=0
            )
        if self.gram.largest is None:
            return dense, np.zeros((len(theta), 0, 0))
        return dense, self._draw_largest(theta, dense, sigma, rng)

    def _draw_largest(self, theta, dense, sigma, rng):
        gram = self.gram
        spread = self.spreads[gram.largest]
        precision = self._scaled_precision(theta, spread, sigma**2)
        groups, effects = gram.within.shape[:2]
        cross = gram.cross.reshape(len(gram.dense), -1)
        right = (cross[-1] - dense @ cross[:-1]).reshape(-1, groups, effects)
        noise = rng.standard_normal(right.shape) * sigma[:, None, None]
        if effects == 1:
            total = gram.within[:, :, 0] + precision
            return right / total + noise / np.sqrt(total)
        total = gram.within + precision[:, None]
        lower = np.linalg.cholesky(total)
        half = np.linalg.solve(lower, right[..., None]) + noise[..., None]
        return np.linalg.solve(lower.swapaxes(-1, -2), half)[..., 0]


def _depth(effects):
    """How many partial correlations come before each one in its row's column order."""
    return np.array([j for i in range(effects) for j in range(i)], dtype=float)


def _log_cosh(z):
    z = np.abs(z)
    return z + np.log1p(np.exp(-2 * z)) - np.log(2)
