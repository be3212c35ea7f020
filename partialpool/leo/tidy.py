"""Tidy columns: the names that a published table has here, and their official ones.

One row a cell. Columns that say which cell it is come first (``subject``,
``provider``, ``sex``, ``yag`` and others), then numbers (``graduates``,
``in_earnings``, ``lower_quartile``, ``median``, ``upper_quartile``), then what a
symbol stood for where a number is missing (``status``, ``count_status``).
"""

from partialpool.graduates.published import QUARTILES

COUNTS = ["graduates", "in_earnings"]
VALUES = [*COUNTS, *QUARTILES]
# Of the cell and of its count: "published", or why there is no number.
STATUS = {"status": "median", "count_status": "in_earnings"}

# Official names, tidy ones.
NAMES = {
    "cah2_subject_name": "subject",
    "subject_name": "subject",
    "provider_name": "provider",
    "sex": "sex",
    "yag": "yag",
    "sectionname": "industry",
    "current_region": "region",
    "grads": "graduates",
    "grads_earnings_include": "in_earnings",
    "earnings_include": "in_earnings",
    "count": "in_earnings",
    "living_in_region": "in_earnings",
    "earnings_lq": "lower_quartile",
    "earnings_median": "median",
    "earnings_uq": "upper_quartile",
    "sust_emp_fs_or_both": "in_work_or_study",
}
# The names that a table is written with.
OFFICIAL = {
    "subject": "subject_name",
    "provider": "provider_name",
    "yag": "YAG",
    "graduates": "grads",
    "in_earnings": "earnings_include",
    "lower_quartile": "earnings_LQ",
    "median": "earnings_median",
    "upper_quartile": "earnings_UQ",
}
# What the files write in place of a number.
SYMBOLS = {
    "c": "suppressed",
    "-10000": "suppressed",
    "z": "none",
    "x": "none",
    "low": "low",
    "": "blank",
}
WRITTEN = {"suppressed": "c", "none": "z", "low": "low", "blank": ""}
