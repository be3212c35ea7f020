"""Complete, no and partial pooling for data in groups.

The package behind the book *Borrowing Strength*.
Import it under one name, as every chapter does::

    import partialpool as pool

PyMC, ArviZ and Matplotlib are imported only by the functions that need them,
so that importing the package itself is quick.
"""

from partialpool.calibration import Calibration, calibrate, rank_truths
from partialpool.cells import CellsSaveNothing, RowsDropped, collapse
from partialpool.chapters.verdicts import Verdict, record_verdict
from partialpool.checks import SamplingError, check_sampling, use_reproducible_sampling
from partialpool.columns import check_columns
from partialpool.data import (
    distinct_reports,
    load_scorecard,
    load_wage_panel,
    simulate_groups,
)
from partialpool.exact import (
    FormulaError,
    Prior,
    SlowerMethodWarning,
    StructureWarning,
    compute_log_likelihood,
    compute_log_prior,
    fit,
    predict,
)
from partialpool.faults import TableError
from partialpool.graduates import (
    GraduateTruth,
    compare_with_published,
    load_published_earnings,
    simulate_careers,
    simulate_graduates,
    write_graduates,
)
from partialpool.held_out import group_influence, leave_one_group_out
from partialpool.leo import (
    Filled,
    benchmark,
    fill,
    measure,
    measure_bands,
    publish,
    read_leo,
)
from partialpool.loans import Repayments, loan_rules, repay, value_book
from partialpool.plots import (
    LOOKS,
    plot_extremes,
    plot_poolings,
    plot_shrinkage,
    show_legend,
    use_style,
)
from partialpool.poolings import (
    Comparison,
    OneWay,
    compare,
    contest,
    contest_many,
    one_way,
    score,
)
from partialpool.prior_checks import PriorError, check_prior
from partialpool.scores import coverage, crps, interval_score, log_score, rmse
from partialpool.update import Belief, add_cells

__all__ = [
    "LOOKS",
    "Belief",
    "Calibration",
    "CellsSaveNothing",
    "Comparison",
    "Filled",
    "FormulaError",
    "GraduateTruth",
    "OneWay",
    "Prior",
    "PriorError",
    "Repayments",
    "RowsDropped",
    "SamplingError",
    "SlowerMethodWarning",
    "StructureWarning",
    "TableError",
    "Verdict",
    "add_cells",
    "benchmark",
    "calibrate",
    "check_columns",
    "check_prior",
    "check_sampling",
    "collapse",
    "compare",
    "compare_with_published",
    "compute_log_likelihood",
    "compute_log_prior",
    "contest",
    "contest_many",
    "coverage",
    "crps",
    "distinct_reports",
    "fill",
    "fit",
    "group_influence",
    "interval_score",
    "leave_one_group_out",
    "load_published_earnings",
    "load_scorecard",
    "load_wage_panel",
    "loan_rules",
    "log_score",
    "measure",
    "measure_bands",
    "one_way",
    "plot_extremes",
    "plot_poolings",
    "plot_shrinkage",
    "predict",
    "publish",
    "rank_truths",
    "read_leo",
    "record_verdict",
    "repay",
    "rmse",
    "score",
    "show_legend",
    "simulate_careers",
    "simulate_graduates",
    "simulate_groups",
    "use_reproducible_sampling",
    "use_style",
    "value_book",
    "write_graduates",
]
