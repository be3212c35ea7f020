"""A reader's own table in place of the chapter's, as *Adapt this chapter* promises."""

from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"

OWN_DATA = """
graduates = pd.read_csv({path!r})
true_mean = None
graduates = pool.check_columns(
    graduates, outcome="y", group="group", smallest_group=1
)
"""


def cells_to_run(chapter, sections):
    """Take the imports, the data cell and the sections that the chapter names."""
    section, kept = "", []
    for cell in chapter.cells:
        if cell.cell_type == "markdown":
            titles = [
                line[3:] for line in cell.source.splitlines() if line.startswith("## ")
            ]
            section = titles[-1] if titles else section
        elif "SEED =" in cell.source or section in sections:
            kept.append(cell)
    return kept


@pytest.fixture
def branches(tmp_path):
    """Make a table unlike the book's: other names, sizes, scale, a group of one."""
    rng = np.random.default_rng(7)
    sizes = np.r_[1, rng.integers(2, 40, 24)]
    names = np.repeat([f"branch {k:02}" for k in range(25)], sizes)
    means = np.repeat(rng.normal(10.2, 0.2, 25), sizes)
    table = pd.DataFrame({"y": rng.normal(means, 0.5), "group": names})
    path = tmp_path / "branches.csv"
    table.to_csv(path, index=False)
    return table, path


def test_partial_pooling_takes_a_table_of_ones_own(branches):
    table, path = branches
    chapter = nbformat.read(NOTEBOOKS / "partial-pooling.ipynb", as_version=4)
    cells = cells_to_run(chapter, ["The model", "Read the spread first"])
    for cell in cells:
        if "your-data" in cell.metadata.get("tags", []):
            cell.source = OWN_DATA.format(path=str(path))
    report = nbformat.v4.new_code_cell(
        "print(list(groups.columns), len(groups), groups['n'].sum())\n"
        "print(groups['partial'].isna().sum(), tau > 0)"
    )
    chapter.cells = [*cells, report]
    options = {"timeout": 300, "kernel_name": "python3"}
    NotebookClient(
        chapter, resources={"metadata": {"path": str(NOTEBOOKS)}}, **options
    ).execute()
    said = "".join(output.get("text", "") for output in report.outputs)
    assert f"25 {len(table)}\n0 True" in said
    assert "truth" not in said
