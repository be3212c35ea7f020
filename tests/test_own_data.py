"""A reader's own table in place of the chapter's, as *Adapt this chapter* promises.

The table is ``book/shops.csv``: forty shops and their weekly sales in pounds, with
names, units and predictors that no chapter uses. Of each chapter exactly the cells
tagged ``adapt`` run, in order, with the data cell replaced as its first line asks.
"""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.shops import SHOPS

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"

# By chapter: what a reader would write into the data cell.
DATA = {
    "small-groups": f"""
shops = pd.read_csv({str(SHOPS)!r})
shops["deviation"] = shops["sales"] - shops["sales"].mean()
odd = shops["week"] % 2 == 1
pairs = pd.DataFrame(
    {{
        "n": shops.groupby("shop").size(),
        "earlier": shops[odd].groupby("shop")["deviation"].mean(),
        "later": shops[~odd].groupby("shop")["deviation"].mean(),
    }}
)
EDGES = [0, 8, 24, np.inf]
BANDS = ["up to 8 weeks", "9 to 24", "over 24"]
""",
    "complete-pooling": f"""
sample = pd.read_csv({str(SHOPS)!r})
OUTCOME, GROUP = "sales", "shop"
ORDINARY, DOUBT = 12_000, 5_000
""",
    "no-pooling": f"""
table = pd.read_csv({str(SHOPS)!r})
OUTCOME, GROUP = "sales", "shop"
ORDINARY, WIDE = 12_000, 20_000
""",
    "partial-pooling": f"""
graduates = pd.read_csv({str(SHOPS)!r})
graduates = graduates.rename(columns={{"shop": "group", "sales": "y"}})
graduates = pool.check_columns(graduates, outcome="y", group="group")
true_mean = None
LOGS = False
ORDINARY, APART = 10_000, 5_000
""",
    "real-states": f"""
census = pd.read_csv({str(SHOPS)!r})
census["log_sales"] = np.log(census["sales"])
OUTCOME, GROUP, PREDICTORS = "log_sales", "shop", ["floor_area", "place"]
SHARE = 0.3
pool.check_columns(census, outcome=OUTCOME, group=GROUP, predictors=PREDICTORS)
""",
    "when-to-pool": f"""
table = pd.read_csv({str(SHOPS)!r})
OUTCOME, GROUP = "sales", "shop"
""",
    "loan-book": f"""
table = pd.read_csv({str(SHOPS)!r})
table["log_sales"] = np.log(table["sales"])
OUTCOME, GROUP, PREDICTORS = "log_sales", "shop", ["floor_area"]
table = pool.check_columns(
    table, outcome=OUTCOME, group=GROUP, predictors=PREDICTORS
)
""",
    "geometry": f"""
table = pd.read_csv({str(SHOPS)!r})
OUTCOME, GROUP = "sales", "shop"
ORDINARY, APART = 12_000, 5_000
""",
    "workflow": f"""
people = pd.read_csv({str(SHOPS)!r})
people["log_sales"] = np.log(people["sales"])
people["area"], people["weeks"] = people["floor_area"] / 100 - 4, people["week"] / 10
OUTCOME, GROUP = "log_sales", "shop"
OF_GROUP, OF_ROW = "area", "weeks"
LOGS, UNIT = True, "pounds a week"
ORDINARY, APART = np.log(10_000), 0.5
STEP, ASKED = 0.2, 3
pool.check_columns(
    people, outcome=OUTCOME, group=GROUP, predictors=[OF_GROUP, OF_ROW]
)
""",
    "price": f"""
graduates = pd.read_csv({str(SHOPS)!r})
OUTCOME = "sales"
BY = ["place", "shop"]
MODEL = "sales ~ place + (1|shop)"
""",
    "frequentist-mirror": f"""
table = pd.read_csv({str(SHOPS)!r})
OUTCOME, GROUP = "sales", "shop"
pool.check_columns(table, outcome=OUTCOME, group=GROUP)
""",
    "updating": f"""
table = pd.read_csv({str(SHOPS)!r})
OUTCOME, GROUP, YEAR = "sales", "shop", "week"
NEW = table[YEAR].median()
""",
    "millions": f"""
with_pay = pd.read_csv({str(SHOPS)!r})
OUTCOME = "sales"
BY = ["place", "shop"]
MODEL = "sales ~ place + (1|shop)"
""",
}
CHAPTERS = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))

PERCENTAGE = re.compile(r"(\d[\d,]*(?:\.\d+)?)\s?%")
# What is known of simulated data only.
SIMULATED = re.compile(r"\btruth\b|\btrue_mean\b|simulat", re.IGNORECASE)


def cells_to_run(slug):
    """Give the chapter with the cells tagged ``adapt`` alone."""
    chapter = nbformat.read(NOTEBOOKS / f"{slug}.ipynb", as_version=4)
    tags = [cell.metadata.get("tags", []) for cell in chapter.cells]
    chapter.cells = [
        cell for cell, its in zip(chapter.cells, tags, strict=True) if "adapt" in its
    ]
    return chapter


def run_on(chapter, data):
    """Replace the data cell, run the chapter, and give what it printed."""
    for cell in chapter.cells:
        if "your-data" in cell.metadata["tags"]:
            cell.source = data
    resources = {"metadata": {"path": str(NOTEBOOKS)}}
    client = NotebookClient(
        chapter,
        resources=resources,
        timeout=300,
        kernel_name="python3",
        # Not the kernel's warning that local connections are not encrypted.
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    client.execute()
    return [words_of(output) for cell in chapter.cells for output in cell.outputs]


def words_of(output):
    """Give what a reader reads of an output; nothing of a picture."""
    shown = output.get("data", {})
    if "image/svg+xml" in shown or "image/png" in shown:
        return ""
    kinds = ("text/markdown", "text/plain")
    return output.get("text") or next((shown[k] for k in kinds if k in shown), "")


def absurd(text):
    """List the percentages that no reader would believe."""
    found = (float(number.replace(",", "")) for number in PERCENTAGE.findall(text))
    return [number for number in found if number > 1000]


@pytest.mark.parametrize("slug", CHAPTERS)
def test_a_chapter_takes_a_table_of_ones_own(slug):
    chapter = cells_to_run(slug)
    assert slug in DATA, f"write into DATA what a reader puts into {slug}'s data cell"
    said = run_on(chapter, DATA[slug])
    for text in said:
        assert not absurd(text), text
        assert not SIMULATED.search(text), text


def test_a_prior_on_the_wrong_scale_stops_the_chapter_with_the_mend():
    chapter = cells_to_run("partial-pooling")
    pounds = DATA["partial-pooling"].replace("10_000, 5_000", "10.3, 0.5")
    with pytest.raises(CellExecutionError) as caught:
        run_on(chapter, pounds)
    assert caught.value.ename == "PriorError"
    assert re.search(r"prior.*\d", caught.value.evalue)


@pytest.mark.parametrize(
    ("text", "found"),
    [("within 12975 % of it", [12975]), ("saves 27%, +46 %", []), ("1,200%", [1200])],
)
def test_an_absurd_percentage_is_seen(text, found):
    assert absurd(text) == found
