"""Simulation: graduates and their earnings, drawn from a truth, as many as wanted."""

import numpy as np
import pandas as pd
import scipy

from partialpool.graduates.calibration import joint_distribution
from partialpool.graduates.parquet import check_folder, write_tables
from partialpool.graduates.population import draw_truth
from partialpool.graduates.published import SEXES, YEARS
from partialpool.graduates.residual_distribution import stretch
from partialpool.graduates.truth import KEYS, GraduateTruth, labels_of


def simulate_graduates(
    n=50_000,
    *,
    years=YEARS,
    n_providers=150,
    n_cohorts=5,
    truth=None,
    seed,
):
    """Draw graduates and their earnings, and hand over the truth with them.

    Synthetic data. Earnings have the quartiles that are published for each
    subject, sex and year after graduation; who earns them is invented, and so
    are the providers.

    Parameters
    ----------
    n : int
        Number of graduates. The table has a row for each of them in each year.
    years : int or sequence of int
        Years after graduation: a choice of 1, 3, 5 and 10.
    n_providers : int
        Number of providers, 20 to 1,000. Ignored when `truth` is given.
    n_cohorts : int
        Number of cohorts, up to 20, of equal size. Ignored when `truth` is given.
    truth : GraduateTruth, optional
        The truth of an earlier call: new graduates are drawn from it.
    seed : int or numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    table : pandas.DataFrame
        One row per graduate and year, sorted by the columns below as far as
        ``region``: take a sample with ``table.sample``, not with ``head``.

        ``graduate`` : int
            Identifier, from 0.
        ``subject`` : category
            34 subjects (CAH level 2).
        ``provider`` : category
            ``Provider 001`` and so on: fictitious.
        ``sex`` : category
            ``female`` or ``male``.
        ``prior_attainment`` : category
            Five bands of A-level points or other entry, ordered.
        ``region`` : category
            Where the graduate lives: nine English regions, Wales, Scotland. The
            same in all years.
        ``cohort`` : int
            1 to `n_cohorts`.
        ``yag`` : int
            Years after graduation.
        ``employed`` : bool
            In sustained employment, further study or both: the published
            figure does not separate them.
        ``earnings`` : float
            Earnings in the tax year, whole pounds of 2022-23. Missing for those
            who are not employed and for those of the employed who are outside
            the base of the published earnings.
    truth : GraduateTruth
        All that the rows were drawn from, and the true median, mean, quantiles
        and probability of employment of any row.

    Raises
    ------
    ValueError
        If an argument makes no sense.

    Notes
    -----
    *Published* (Department for Education, LEO, tax year 2022-23; Open
    Government Licence v3.0): the three quartiles of earnings and the share in
    employment or study by subject, sex and year; the share with earnings by
    subject and year, and the women among them; the sizes of the subjects and
    their share of women, averaged over the four years. Computed from published
    figures: the between-provider standard deviation at five years of Economics
    (0.20), Agriculture (0.15), Biosciences (0.15), Medicine (0.07) and Nursing
    (0.055), the number of their providers and the growth of that deviation from
    one to five years, all three from providers in Great Britain; and the region
    effects, from medians of subject areas.

    *Assumed*, for want of a published figure:

    - the between-provider standard deviation of the other subjects: a linear
      regression, fitted to those five, on the standard deviation of log pay
      (from its quartiles), clipped to their range and to half the standard
      deviation of the narrower half of log pay;
    - a provider's effects in two subjects correlate 0.5, and 0 where one of
      them is Medicine or Nursing; the effects are 1.2 times as large at ten
      years as at five;
    - the effects and shares of prior attainment, which depends on provider and
      subject; selective providers tend to add more themselves (correlation
      0.5);
    - region and attainment effects count for less where pay varies little
      (``reach``), and their standard deviation is at most 0.6 of the one between
      providers;
    - 40 in 100 graduates live in the region of their provider, the others
      anywhere, as all graduates do; the shares of most regions;
    - the sizes of providers, their number of subjects, and exponential sizes of
      a subject's courses, one at each provider, which resemble the published ones;
    - employment that differs by provider (log odds, standard deviation 0.25);
    - earnings ranks: half the variance of a graduate's residual is permanent, the
      rest is autoregressive (0.85 a year), so that the residual correlates 0.86
      over two years and 0.62 over nine; employment persists in the same way;
    - the tails beyond the quartiles; cohorts that differ by 0.01 (standard
      deviation, log points).

    *Not represented*: growth of real pay or prices, drift of providers over
    cohorts, moves between regions, sex gaps or shares of women that differ by
    provider, and any tie of employment to pay, attainment or region. The
    published years are four cohorts in one tax year; here one graduate passes
    through them all.

    The quartiles of women, of men and of both together are met as nearly as one
    residual for each sex allows: to a fraction of one per cent on average, to a
    few per cent where pay is very skewed.
    :func:`~partialpool.graduates.compare_with_published` shows the gaps of a
    table.

    Examples
    --------
    >>> table, truth = simulate_graduates(2_000, seed=1)
    >>> len(table), table["subject"].nunique()
    (8000, 34)
    >>> next_cohort, _ = simulate_graduates(500, years=1, truth=truth, seed=2)
    >>> len(truth.median(next_cohort))
    500
    """
    _check_whole("n", n, 1)
    years = _check_years(years)
    for_truth, for_rows = np.random.default_rng(seed).spawn(2)
    truth = _truth_or_new(truth, n_providers, n_cohorts, for_truth)
    return _Sampler(truth, years, n).draw(n, for_rows), truth


def _check_whole(name, value, least, most=np.inf):
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}: give a whole number.")
    if value < least:
        raise ValueError(f"{name} is {value}: give {least} or more.")
    if value > most:
        raise ValueError(f"{name} is {value}: give {most} or fewer.")


def _check_years(years):
    years = np.atleast_1d(np.asarray(years)).tolist()
    if not years or len(set(years)) < len(years) or not set(years) <= set(YEARS):
        raise ValueError(
            f"years is {years}: give one or more of 1, 3, 5 and 10, each once."
        )
    return sorted(years)


def _truth_or_new(truth, n_providers, n_cohorts, rng):
    if truth is None:
        _check_whole("n_providers", n_providers, 20, 1000)
        _check_whole("n_cohorts", n_cohorts, 1, 20)
        return draw_truth(n_providers, n_cohorts, rng)
    if not isinstance(truth, GraduateTruth):
        raise ValueError(
            f"truth is a {type(truth).__name__}: give the second thing that an "
            "earlier call returned."
        )
    return truth


class _Sampler:
    """Draws graduates from a truth: all that many draws share is made once."""

    def __init__(self, truth, years, n_in_all):
        self.truth, self.years = truth, years
        self.id_type = np.int32 if n_in_all < 2**31 else np.int64
        joint = joint_distribution(truth)
        female = truth.subjects["female"].to_numpy()[joint["subject"]]
        by_sex = np.stack([female, 1 - female], axis=1)[:, :, None, None, None]
        probability = by_sex * joint["share"][:, None]
        # A cell: course by sex by attainment by region by cohort.
        self.shape = probability.shape
        self.probability = probability.ravel() / probability.sum()
        self.offset = self._by_cell(joint["offset"][:, None], np.float32)
        self.cohort_effect = self._by_cell(truth.cohorts.to_numpy(), np.float32)
        self._set_distributions(joint)
        self._set_codes(joint)

    def _set_distributions(self, joint):
        """By year and by course and sex: of earnings, and of employment."""
        truth = self.truth
        shape = (len(truth.subjects), len(SEXES), len(truth.persistence))
        years = truth.persistence.index.get_indexer(self.years)

        def by_year(values):
            return np.ascontiguousarray(values[..., years].reshape(-1, len(years)).T)

        each = {name: x.to_numpy().reshape(shape) for name, x in truth.earnings.items()}
        each = {name: x[joint["subject"]] for name, x in each.items()}
        effect = truth.providers["employment"].to_numpy()[joint["provider"]]
        employed = scipy.special.expit(each["employed_logit"] + effect[:, None, None])
        self.location = by_year(each["location"]).astype(np.float32)
        # Lower and upper side by side: the sign of z picks one.
        scales = [by_year(each[f"scale_{side}"]) for side in ("lower", "upper")]
        scales = np.stack(scales, axis=2).astype(np.float32)
        self.scale = scales.reshape(len(years), -1)
        # Probit thresholds: who is below has a job, or pay.
        self.employed_below = scipy.special.ndtri(by_year(employed)).astype(np.float32)
        paid = by_year(employed * each["paid"])
        self.paid_below = scipy.special.ndtri(paid).astype(np.float32)
        correlation = truth.persistence.to_numpy()[np.ix_(years, years)]
        self.cholesky = np.linalg.cholesky(correlation).T.astype(np.float32)

    def _set_codes(self, joint):
        """By cell: the code of its label in each column, and its distribution."""
        truth = self.truth
        course, sex, band, region, cohort = np.indices(self.shape, sparse=True)
        provider_type = np.int8 if len(truth.providers) < 2**7 else np.int16
        self.codes = {
            "subject": self._by_cell(joint["subject"][course], np.int8),
            "provider": self._by_cell(joint["provider"][course], provider_type),
            "sex": self._by_cell(sex, np.int8),
            "prior_attainment": self._by_cell(band, np.int8),
            "region": self._by_cell(region, np.int8),
            "cohort": self._by_cell(truth.cohorts.index.to_numpy()[cohort], np.int8),
        }
        self.distribution = self._by_cell(course * len(SEXES) + sex, np.int32)
        labels = labels_of(truth)
        self.dtypes = {
            name: pd.CategoricalDtype(labels[name], ordered=name == "prior_attainment")
            for name in KEYS[:5]
        }

    def _by_cell(self, values, dtype):
        return np.broadcast_to(values, self.shape).astype(dtype).ravel()

    def draw(self, n, rng, first=0):
        """Draw n graduates, with identifiers from `first`."""
        counts, n_years = rng.multinomial(n, self.probability), len(self.years)
        cells = np.flatnonzero(counts).astype(np.int32)
        cells = np.repeat(cells, counts[cells])
        employed, earnings = self._draw_outcomes(cells, rng)
        identifiers = np.arange(first, first + n, dtype=self.id_type)
        columns = {"graduate": np.repeat(identifiers, n_years)}
        for name in KEYS[:-1]:
            codes = np.repeat(self.codes[name][cells], n_years)
            if kind := self.dtypes.get(name):
                codes = pd.Categorical.from_codes(codes, dtype=kind, validate=False)
            columns[name] = codes
        columns["yag"] = np.tile(np.array(self.years, dtype=np.int8), n)
        columns |= {"employed": employed.ravel(), "earnings": earnings.ravel()}
        return pd.DataFrame(columns, copy=False)

    def _draw_outcomes(self, cells, rng):
        n_years, distribution = len(self.years), self.distribution[cells]
        offset, cohort = self.offset[cells], self.cohort_effect[cells]
        earnings_z = self._draw_normal(len(cells), rng)
        employment_z = self._draw_normal(len(cells), rng)
        employed = np.empty((len(cells), n_years), dtype=bool)
        earnings = np.empty((len(cells), n_years), dtype=np.float32)
        for i, year in enumerate(self.years):
            z = earnings_z[:, i]
            log_earnings = self.location[i][distribution] + cohort
            log_earnings += np.float32(self.truth.widening[year]) * offset
            scale = self.scale[i][2 * distribution + (z > 0)]
            log_earnings += scale * stretch(z, np.float32(self.truth.tail))
            paid = employment_z[:, i] < self.paid_below[i][distribution]
            pounds = np.maximum(np.rint(np.exp(log_earnings)), np.float32(1))
            earnings[:, i] = np.where(paid, pounds, np.float32(np.nan))
            employed[:, i] = employment_z[:, i] < self.employed_below[i][distribution]
        return employed, earnings

    def _draw_normal(self, n, rng):
        z = rng.standard_normal((n, len(self.years)), dtype=np.float32)
        return z if len(self.years) == 1 else z @ self.cholesky


def write_graduates(
    folder,
    n,
    *,
    years=5,
    n_providers=150,
    n_cohorts=5,
    truth=None,
    seed,
    batch_rows=4_000_000,
    progress=True,
):
    """Write graduates to a folder of Parquet files, however many they are.

    The rows are those of :func:`simulate_graduates`, drawn in batches from one
    truth; memory holds two batches. Files get their names when all are written,
    so that an interrupted run leaves none.

    Parameters
    ----------
    folder : str or pathlib.Path
        Made if absent. It must not hold Parquet files.
    n : int
        Number of graduates; with one year, the default, the number of rows.
    years, n_providers, n_cohorts, truth, seed
        As in :func:`simulate_graduates`. Seed, `n` and `batch_rows` determine
        the rows.
    batch_rows : int
        Rows drawn at a time, and in each file.
    progress : bool
        Say on the standard error stream how many rows are written.

    Returns
    -------
    GraduateTruth
        The truth of all rows, the same that :func:`simulate_graduates` returns
        for this seed.

    Raises
    ------
    ValueError
        If an argument makes no sense.
    FileExistsError
        If `folder` holds Parquet files, or is a file itself.
    OSError
        If the disk has no room.
    ImportError
        If PyArrow is not installed.

    Notes
    -----
    Labels are text in the files, stored once per row group (dictionary
    encoding); identifiers are stored as differences. Rows are sorted within a
    file only.

    Examples
    --------
    >>> import duckdb, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> truth = write_graduates(folder.name, 1_000, seed=1, progress=False)
    >>> query = f"select count(*) from '{folder.name}/*.parquet'"
    >>> duckdb.execute(query).fetchall()
    [(1000,)]
    >>> folder.cleanup()
    """
    _check_whole("n", n, 1)
    _check_whole("batch_rows", batch_rows, 1)
    years = _check_years(years)
    rows = n * len(years)
    folder = check_folder(folder, rows)
    size = max(1, batch_rows // len(years))
    sizes = [size] * (n // size) + [n % size] * (n % size > 0)
    # The first child draws the truth, as in simulate_graduates.
    rngs = iter(np.random.default_rng(seed).spawn(1 + len(sizes)))
    truth = _truth_or_new(truth, n_providers, n_cohorts, next(rngs))
    firsts = np.cumsum([0, *sizes[:-1]]).tolist()
    tables = map(_Sampler(truth, years, n).draw, sizes, rngs, firsts)
    write_tables(tables, folder, len(sizes), rows, progress=progress)
    return truth
