"""Published earnings of graduates, and how near a synthetic table comes to them."""

from importlib import resources

import pandas as pd

QUARTILES = {"lower_quartile": 0.25, "median": 0.5, "upper_quartile": 0.75}
SEXES = ["female", "male"]
YEARS = (1, 3, 5, 10)


def load_published_earnings():
    """Published earnings by subject, sex and year after graduation.

    Real figures: first-degree graduates from the UK, of English providers, in
    tax year 2022-23. The four years after graduation are four different
    cohorts, seen in one tax year.

    Returns
    -------
    pandas.DataFrame
        408 rows (34 subjects, 3 sexes, 4 years), sorted by the first three
        columns:

        ``subject`` : str
            Subject (CAH level 2). Celtic studies is left out: suppressed.
        ``yag`` : int
            Years after graduation: 1, 3, 5 or 10.
        ``sex`` : str
            ``female``, ``male`` or ``all``.
        ``graduates`` : int
            Graduates, to the nearest 5.
        ``in_earnings`` : int
            Those of them whom the earnings describe, to the nearest 5.
        ``lower_quartile``, ``median``, ``upper_quartile`` : int
            Earnings in the tax year, pounds, to the nearest 100.
        ``in_work_or_study`` : float
            Per cent in sustained employment, further study or both.

    Notes
    -----
    Source: Department for Education (2025), *LEO Graduate and Postgraduate
    Outcomes*, tax year 2022-23. Contains public sector information licensed
    under the Open Government Licence v3.0.

    Examples
    --------
    >>> published = load_published_earnings()
    >>> len(published), published["subject"].nunique()
    (408, 34)
    """
    file = resources.files("partialpool.graduates") / "published_earnings.csv"
    with file.open(encoding="utf-8") as text:
        table = pd.read_csv(text, comment="#")
    keys = ["subject", "yag", "sex"]
    columns = [*keys, *table.columns.difference(keys, sort=False)]
    return table.sort_values(keys, ignore_index=True)[columns]


def compare_with_published(table, *, by_sex=False):
    """Quartiles of a synthetic table next to the published ones.

    Parameters
    ----------
    table : pandas.DataFrame
        The table of :func:`~partialpool.graduates.simulate_graduates`; any table
        with its columns ``subject``, ``yag``, ``earnings`` and, for `by_sex`,
        ``sex``.
    by_sex : bool
        Compare women and men apart.

    Returns
    -------
    pandas.DataFrame
        By subject, (sex,) and yag: ``n`` (rows with earnings); the quartiles of
        the table, ``lower_quartile``, ``median``, ``upper_quartile``, pounds; the
        published ones, with ``_published`` after the name; and by how many per
        cent the first are above the second, with ``_gap``.

    Raises
    ------
    ValueError
        If a column is missing, or no row has earnings.

    Examples
    --------
    >>> from partialpool import simulate_graduates
    >>> table, _ = simulate_graduates(30_000, years=5, seed=1)
    >>> gaps = compare_with_published(table)["median_gap"]
    >>> bool(gaps.abs().median() < 3)
    True
    """
    keys = ["subject", *(["sex"] if by_sex else []), "yag"]
    absent = [column for column in [*keys, "earnings"] if column not in table]
    if absent:
        raise ValueError(f"The table lacks the column {absent[0]!r}: add it.")
    paid = table.loc[table["earnings"].notna(), [*keys, "earnings"]]
    if paid.empty:
        raise ValueError("No row of the table has earnings: give more rows.")
    groups = paid.groupby(keys, observed=True)["earnings"]
    quartiles = groups.quantile(list(QUARTILES.values())).unstack()
    quartiles.columns = list(QUARTILES)
    published = load_published_earnings()
    if not by_sex:
        published = published[published["sex"] == "all"]
    published = published.set_index(keys)[list(QUARTILES)].reindex(quartiles.index)
    gaps = 100 * (quartiles / published - 1)
    sizes = groups.size().rename("n")
    published, gaps = published.add_suffix("_published"), gaps.add_suffix("_gap")
    return pd.concat([sizes, quartiles, published, gaps], axis=1)
