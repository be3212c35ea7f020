"""Cells: any table, on any engine, as one row per combination of its predictors."""

from partialpool.cells.collapse import CellsSaveNothing, collapse
from partialpool.cells.dropped import RowsDropped

__all__ = ["CellsSaveNothing", "RowsDropped", "collapse"]
