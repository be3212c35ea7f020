"""Read official files on graduate earnings (LEO) into one set of tidy columns."""

import re
from pathlib import Path

import pandas as pd

from partialpool.faults import TableError, quote, some
from partialpool.leo.tidy import COUNTS, NAMES, QUARTILES, STATUS, SYMBOLS, VALUES

WIDE = re.compile(r"(?P<name>.+?)_(?P<yag>\d+)_?yag", re.IGNORECASE)
RANGE = re.compile(r"£?(-?[\d.]+)(?:to|[-–—])£?([\d.]+)", re.IGNORECASE)
FIRST = ["subject", "provider", "sex", "yag", "industry", "region"]
NUMBERS = ("earnings", "grads", "sust", "fs_", "no_sust", "activity", "matched")
REGIONS = ["provider_region_name", "provider_region"]
ALL = {"Total", "All", "All graduates", "Female + Male", "Female and male"}
MEND = (
    "give a national or provider file of LEO earnings, as CSV or Parquet, with a "
    "column such as earnings_median"
)


def read_leo(path):
    r"""Read an official file on graduate earnings, national or by provider.

    Files of the Department for Education's *Longitudinal Education Outcomes*, as CSV
    (UTF-8 or latin-1) or Parquet. Nothing is dropped: where a symbol stands for a
    number, the number is missing and a column says what the symbol means.

    Parameters
    ----------
    path : str or pathlib.Path
        The file: ``.csv``, ``.csv.gz`` or ``.parquet``.

    Returns
    -------
    pandas.DataFrame
        One row per cell. Those of these columns that the file has: ``subject``,
        ``provider``, ``sex`` (``female``, ``male``, ``all``), ``yag`` (whole number),
        ``industry``, ``region``, then others that tell cells apart, under their own
        names (a filter that is "Total" throughout is left out). Then, always,

        ``graduates``, ``in_earnings`` : float
            Graduates, and those of them in the earnings base, as published: rounded,
            in full-person equivalents. Missing throughout if the file has none.
        ``lower_quartile``, ``median``, ``upper_quartile`` : float
            Pounds a year.
        ``status``, ``count_status`` : str
            Of the median and of ``in_earnings``: ``published``, ``suppressed``
            (``c``, ``-10000``), ``none`` (``z``, ``x``: no result), ``low``,
            ``range`` or ``blank``: the file does not say why there is no number.

        A range written as text, such as "£20,400 to £42,000", gives two columns with
        ``_low`` and ``_high`` after the name. A provider that the file shows once per
        region has the region in its label, and ``multi_site`` is true.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TableError
        If it is not such a file, holds text where numbers are needed, or shows one
        cell twice.

    Notes
    -----
    Contains no data. The files are published under the Open Government Licence v3.0.
    A file with a column for each year after graduation, such as
    ``earnings_median_5yag``, comes back with a row for each.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "leo.csv"
    >>> _ = path.write_text("subject_name,YAG,earnings_median\nLaw,5 YAG,c\n")
    >>> read_leo(path)[["subject", "yag", "median", "status"]].values.tolist()
    [['Law', 5, nan, 'suppressed']]
    >>> folder.cleanup()
    """
    path = Path(path)
    raw = _as_text(_load(path))
    raw.columns = [str(name).strip().lstrip("\ufeff") for name in raw.columns]
    raw = _tidy_names(_lengthen(raw), path)
    raw = raw.loc[:, [c for c in raw if c in VALUES or not _is_idle(raw[c])]]
    table = _numbers(raw, path)
    return _in_order(_labels(table), path)


# Files ------------------------------------------------------------------------


def _load(path):
    if not path.exists():
        raise FileNotFoundError(f"There is no file {str(path)!r}: correct the path.")
    if path.is_dir():
        _refuse(path, "is a folder", "give one file in it")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if ".parquet" in suffixes:
        try:
            return pd.read_parquet(path)
        except Exception:
            _refuse(path, "is no Parquet file", MEND)
    if ".csv" not in suffixes:
        _refuse(path, "ends neither in .csv nor in .parquet", MEND)
    options = {"dtype": str, "keep_default_na": False, "na_filter": False}
    for encoding in ("utf-8-sig", "latin-1"):
        try:
            return pd.read_csv(path, encoding=encoding, **options)
        except UnicodeDecodeError:
            continue
        except (pd.errors.ParserError, pd.errors.EmptyDataError):
            break
    _refuse(path, "is no table of comma-separated values", MEND)


def _refuse(path, fault, mend):
    raise TableError(f"File {path.name!r} {fault}: {mend}.") from None


def _as_text(raw):
    """Write every value as text, a missing one as nothing; numbers keep their value."""
    columns = {}
    for name in raw:
        values = raw[name]
        write = "{:.10g}".format if values.dtype.kind == "f" else str
        text = values.map(write, na_action="ignore").astype(object)
        columns[name] = text.where(values.notna(), "").astype(str).str.strip()
    return pd.DataFrame(columns, index=raw.index)


# Names ------------------------------------------------------------------------


def _lengthen(raw):
    """Give a row for each year after graduation that has columns of its own."""
    wide = {name: found for name in raw if (found := WIDE.fullmatch(name))}
    if not wide:
        return raw
    rest = raw.drop(columns=list(wide))
    parts = []
    for yag in sorted({int(found["yag"]) for found in wide.values()}):
        own = {name: f["name"] for name, f in wide.items() if int(f["yag"]) == yag}
        parts.append(rest.join(raw[list(own)].rename(columns=own)).assign(YAG=str(yag)))
    return pd.concat(parts, ignore_index=True).fillna("")


def _tidy_names(raw, path):
    """Rename columns; of several official names for one thing the first counts."""
    lower = {name.casefold(): name for name in raw.columns}
    rename = {}
    for official, tidy in NAMES.items():
        if official in lower and tidy not in rename.values():
            rename[lower[official]] = tidy
    for name in VALUES:
        if name in raw and name not in rename.values():
            rename[name] = name
    raw = raw.rename(columns=rename)
    if "median" not in raw or not len(raw):
        listed = some(list(raw.columns), "column")
        fault = f"holds no table of earnings ({listed}; {len(raw):,} rows)"
        _refuse(path, fault, MEND)
    for name in VALUES:
        if name not in raw:
            raw[name] = ""
    return raw


def _is_idle(values):
    """Say whether a filter is not used: "Total" in all rows."""
    return values.name not in STATUS and values.isin(ALL).all()


# Values -----------------------------------------------------------------------


def _numbers(raw, path):
    """Turn text into numbers, and symbols and ranges into columns of their own."""
    columns = {}
    for name in raw:
        is_value = name in VALUES or name == "in_work_or_study" or _counts(raw[name])
        if not is_value:
            columns[name] = raw[name]
            continue
        number, status, low, high = _parse(raw[name], path)
        columns[name] = number
        wanted = {column: key for key, column in STATUS.items()}.get(name)
        if wanted or (name not in VALUES and (status != "published").any()):
            columns[wanted or f"{name}_status"] = status
        if low.notna().any():
            columns |= {f"{name}_low": low, f"{name}_high": high}
    return pd.DataFrame(columns)


def _counts(values):
    """Say whether a column that has no tidy name holds numbers beside symbols."""
    name = values.name.lower()
    if name in (*FIRST, "ukprn") or name.endswith(("_code", "year")):
        return False
    if name.startswith(NUMBERS):
        return True
    bare = _bare(values)
    rest = bare[~bare.isin(SYMBOLS)]
    decimal = rest.str.fullmatch(r"-?\d+(\.\d+)?")
    return bool(len(rest) and decimal.all() and bare.isin(SYMBOLS).any())


def _bare(values):
    """Strip what surrounds numbers and symbols: pounds, commas, brackets, blanks."""
    bare = values.str.replace(r"[\s£,%\[\]]", "", regex=True).str.casefold()
    bare = bare.replace({"nan": "", "none": "", "na": ""})
    return bare.str.replace(r"^-10000(\.0+)?$", "-10000", regex=True)


def _parse(values, path):
    """Return numbers, statuses, and the ends of ranges."""
    bare = _bare(values)
    status = bare.map(SYMBOLS)
    number = pd.to_numeric(bare.where(status.isna()), errors="coerce")
    ends = bare.where(status.isna() & number.isna()).str.extract(f"^{RANGE.pattern}$")
    low, high = (pd.to_numeric(ends[i], errors="coerce") for i in (0, 1))
    status = status.mask(low.notna(), "range").mask(number.notna(), "published")
    unknown = status.isna() | (number < 0)
    if unknown.any():
        shown = some(list(dict.fromkeys(values[unknown])), "value")
        rows = f"{int(unknown.sum()):,} of {len(values):,} rows"
        _refuse(
            path,
            f"has {shown} in column {quote(values.name)} ({rows})",
            "numbers, c, z, x, low or -10000 are needed there; correct or drop them",
        )
    return number.astype(float), status.astype(str), low, high


# Labels -----------------------------------------------------------------------


def _labels(table):
    if "yag" in table:
        table["yag"] = pd.to_numeric(table["yag"].str.extract(r"(\d+)")[0]).astype(int)
    if "sex" in table:
        table["sex"] = table["sex"].where(~table["sex"].isin(ALL), "all").str.lower()
    if "provider" in table:
        _mark_sites(table)
    return table


def _mark_sites(table):
    """Tell apart the sites of one provider, which the file shows once per region."""
    region = next((name for name in REGIONS if name in table), None)
    table["multi_site"] = False
    if region is None:
        return
    sites = table.groupby("provider")[region].transform("nunique") > 1
    label = table["provider"] + " (" + table[region] + ")"
    table["provider"] = table["provider"].mask(sites, label)
    table["multi_site"] = sites


def _in_order(table, path):
    keys = [c for c in table if c not in VALUES and c not in STATUS]
    keys = [c for c in keys if table[c].dtype.kind not in "fb" and "_status" not in c]
    first = [c for c in FIRST if c in keys]
    keys = [*first, *(c for c in keys if c not in first)]
    twice = table.duplicated(keys) if keys else pd.Series([False])
    if twice.any():
        row = table.loc[twice, keys].iloc[0]
        cell = ", ".join(f"{k} {v!r}" for k, v in row.items())
        fault = f"shows {int(twice.sum()):,} cells more than once, the first {cell}"
        _refuse(
            path, fault, "drop the copies, or keep the column that tells them apart"
        )
    rest = [c for c in table if c not in (*keys, *VALUES, *STATUS)]
    return table[[*keys, *COUNTS, *QUARTILES, *STATUS, *rest]]
