"""Every rule over every chapter; and every rule over a notebook that breaks it."""

import re

import nbformat.v4
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from book._ext.execution import page_names
from tests.notebook_rules import ROOT, RULES, Chapter

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PART = r"\bPart ([IVX]+)\b"


def faults(rule, chapter):
    return [f"notebooks/{chapter.path.name}: {fault}" for fault in rule(chapter)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_chapter_keeps(rule, path):
    found = faults(rule, Chapter(path))
    assert not found, "\n".join(found)


def test_table_of_contents_names_every_notebook_and_no_other():
    listed = {name for name in page_names() if name.startswith("notebooks/")}
    there = {f"notebooks/{path.stem}" for path in NOTEBOOKS}
    assert not there - listed, f"add to _toc.yml: {sorted(there - listed)}"
    assert not listed - there, f"in _toc.yml but not written: {sorted(listed - there)}"


def test_parts_are_numbered_as_they_stand():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    captions = [part.get("caption", "") for part in toc["parts"]]
    found = [match[1] for text in captions if (match := re.match(PART, text))]
    assert found == ["I", "II", "III", "IV", "V"][: len(found)]
    for path in [*(ROOT / "book").glob("*.md"), *NOTEBOOKS]:
        named = set(re.findall(PART, path.read_text(encoding="utf-8")))
        assert named <= set(found), f"{path.name} names a part that is not there"


# A chapter that breaks no rule, and what breaks each of them ------------------

FIGURE = {
    "caption": "Small groups scatter most.",
    "name": "fig-small-scatter",
}
ALT = "A funnel of points, wide on the left where groups are small."


KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def good_notebook():
    figure = {"mystnb": {"figure": dict(FIGURE), "image": {"alt": ALT}}}
    cells = [
        new_markdown_cell("(sec-small)=\n# Small groups"),
        new_code_cell(
            "import partialpool as pool\n\nSEED = 1\npool.use_style()\n"
            "rng = np.random.default_rng(SEED)",
            metadata={"tags": ["adapt"]},
        ),
        new_code_cell(
            "table = rng.normal(size=9)", metadata={"tags": ["your-data", "adapt"]}
        ),
        new_code_cell("fig, ax = plt.subplots()\nax.plot(table)", metadata=figure),
        new_code_cell(
            "with pm.Model():\n    fit = pm.sample(chains=4, random_seed=SEED)"
        ),
        new_code_cell("pool.check_sampling(fit)"),
        new_code_cell("az.summary(fit, ci_prob=0.9, ci_kind='eti')"),
        new_code_cell("ols = smf.ols('y ~ x', table).fit()"),
        *(new_markdown_cell(f"Paragraph {k}") for k in range(12)),
        new_code_cell("%watermark -v", metadata={"tags": ["hide-input"]}),
    ]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    return new_notebook(cells=cells, metadata={"kernelspec": KERNEL})


def add_code(source, **metadata):
    """Make a change that puts a code cell before the last one."""

    def change(notebook):
        cell = new_code_cell(source, metadata=metadata, id="added")
        notebook.cells.insert(-1, cell)

    return change


def set_figure(**settings):
    """Make a change to the caption, name or alt text of the figure."""

    def change(notebook):
        mystnb = notebook.cells[3].metadata["mystnb"]
        mystnb["image"]["alt"] = settings.pop("alt", ALT)
        mystnb["figure"].update(settings)

    return change


def add_output(notebook):
    notebook.cells[1].outputs = [new_output("stream", text="1")]


def add_run_number(notebook):
    notebook.cells[1].execution_count = 3


def add_language(notebook):
    notebook.metadata["language_info"] = {"name": "python"}


def repeat_id(notebook):
    notebook.cells[5].id = notebook.cells[4].id


def drop_id(notebook):
    del notebook.cells[4]["id"]


def drop_paragraphs(notebook):
    del notebook.cells[8:18]


def add_words(notebook):
    notebook.cells[9].source = "word " * 1990


EXERCISE = "```{exercise-start}\n:label: ex-small-a\n```\nWhy?\n```{exercise-end}\n```"
SOLUTION = "```{solution-start} ex-small-a\n```\nSo.\n```{solution-end}\n```"


def add_exercise(old="", new=""):
    """Make a change that adds an exercise and its solution, with one thing mistyped."""

    def change(notebook):
        for number, text in enumerate((f"## Exercises\n\n{EXERCISE}", SOLUTION)):
            cell = new_markdown_cell(text.replace(old, new), id=f"exercise-{number}")
            notebook.cells.insert(-1, cell)

    return change


def repeat_exercise(notebook):
    add_exercise()(notebook)
    notebook.cells.insert(-1, new_markdown_cell(EXERCISE, id="again"))


def add_cells(notebook):
    cells = [new_code_cell(f"x = {k}", id=f"more-{k}") for k in range(60)]
    notebook.cells[8:8] = cells


def drop_label(notebook):
    notebook.cells[0].source = "# Small groups"


def drop_style(notebook):
    notebook.cells[1].source = "import partialpool as pool\n\nSEED = 1"


def drop_data_tag(notebook):
    notebook.cells[2].metadata["tags"] = ["adapt"]


def drop_adapt_tag(notebook):
    notebook.cells[2].metadata["tags"] = ["your-data"]


def drop_versions(notebook):
    del notebook.cells[-1]


def drop_check(notebook):
    del notebook.cells[5]


def drop_figure_settings(notebook):
    notebook.cells[3].metadata = {}


def lengthen(notebook):
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and number in (1, 2, 5, 6, 7):
            cell.source = "\n".join([cell.source] + ["x = 1"] * 8)


LINES = "\n".join(f"x{k} = {k}" for k in range(26))
DEFINED = "def show(y):\n    _, ax = plt.subplots()\n    ax.plot(y)\n\n\n"

BAD = [
    ("has_no_outputs", add_output, "cell 2"),
    ("has_no_outputs", add_run_number, "cell 2"),
    ("is_stripped", add_language, "nbstripout"),
    ("every_cell_has_an_id", repeat_id, "cell 6"),
    ("every_cell_has_an_id", drop_id, "cell 5"),
    ("has_a_chapters_length", drop_paragraphs, "11 cells"),
    ("has_a_chapters_length", add_cells, "68 code cells"),
    ("has_a_chapters_length", add_words, "2004 words"),
    ("blocks_are_closed", add_exercise("So.", "```{note}\nSo."), "'```{note}'"),
    ("blocks_are_closed", add_exercise("So.", "```python\nx = 1"), "'```python'"),
    ("blocks_are_closed", add_exercise("So.", ":::{tip}\nSo."), "cell 22"),
    (
        "exercises_and_solutions_are_closed",
        add_exercise("```{solution-end}\n```"),
        "cell 22: the solution has no solution-end",
    ),
    (
        "exercises_and_solutions_are_closed",
        add_exercise("```{exercise-end}\n```"),
        "cell 21: the exercise has no exercise-end",
    ),
    (
        "exercises_and_solutions_are_closed",
        add_exercise("{solution-start}", "{solution-strat}"),
        "cell 22 ends a solution",
    ),
    (
        "solutions_name_their_exercise",
        add_exercise("} ex-small-a", "} ex-small-b"),
        "solves 'ex-small-b'",
    ),
    ("solutions_name_their_exercise", repeat_exercise, "cell 23: the exercise needs"),
    ("starts_with_label_and_title", drop_label, "(sec-small)="),
    ("has_an_imports_cell", drop_style, "pool.use_style()"),
    ("has_a_data_cell", drop_data_tag, "your-data"),
    ("marks_what_to_run_on_ones_own_table", drop_adapt_tag, "cell 3"),
    ("verdicts_have_a_short_sentence", add_code("pool.record_verdict()"), "cell 21"),
    ("ends_with_versions", drop_versions, "%watermark"),
    ("installs_nothing", add_code("%pip install pandas"), "cell 21"),
    ("installs_nothing", add_code("!pip install pandas"), "cell 21"),
    ("reads_no_url", add_code("pd.read_csv('https://a.org/b.csv')"), "https://"),
    ("reads_no_url", add_code("from urllib import request"), "urllib"),
    ("reads_no_url", add_code("import requests"), "requests"),
    ("cells_are_short", add_code(LINES), "26 lines"),
    ("cells_are_short", add_code(f"pm.Model()\n{LINES}\n{LINES}"), "40 are allowed"),
    ("half_of_the_cells_are_very_short", lengthen, "the median cell has 9 lines"),
    ("every_fit_names_its_chains", add_code("pm.sample(random_seed=1)"), "chains=4"),
    ("every_fit_names_its_chains", add_code("bmb.Model('y', d).fit()"), "chains=4"),
    ("every_draw_is_seeded", add_code("pm.sample(draws=9)"), "random_seed"),
    ("every_draw_is_seeded", add_code("pm.sample(random_seed=None)"), "random_seed"),
    ("every_draw_is_seeded", add_code("m = bmb.Model('y ~ x', d)\nm.fit()"), "m.fit()"),
    ("every_draw_is_seeded", add_code("bmb.Model('y ~ x', d).fit()"), "random_seed"),
    ("every_draw_is_seeded", add_code("np.random.seed(1)"), "np.random.seed()"),
    ("every_draw_is_seeded", add_code("np.random.normal()"), "np.random.normal()"),
    ("every_draw_is_seeded", add_code("np.random.default_rng()"), "default_rng(SEED)"),
    ("every_draw_is_seeded", add_code("sns.stripplot(d)"), "jitter=False"),
    ("every_draw_is_seeded", add_code("default_rng(None)"), "default_rng(SEED)"),
    ("every_draw_is_seeded", add_code("table.sample(3)"), "random_state"),
    ("every_draw_is_seeded", add_code("stats.norm.rvs(3)"), "random_state"),
    ("every_fit_is_checked", drop_check, "1 times"),
    ("intervals_are_named", add_code("az.summary(fit, ci_prob=0.9)"), "ci_kind"),
    ("intervals_are_named", add_code("azp.plot_dist(fit, ci_kind='eti')"), "ci_prob"),
    ("intervals_are_named", add_code("az.plot_forest(fit, ci_kind='eti')"), "ci_probs"),
    ("figures_have_alt_text", drop_figure_settings, "cell 4"),
    ("figures_have_captions_and_names", drop_figure_settings, "cell 4"),
    ("figures_have_alt_text", set_figure(alt="A plot"), "alt"),
    ("figures_have_alt_text", set_figure(caption=ALT), "caption"),
    ("figures_have_captions_and_names", set_figure(caption=""), "caption"),
    ("figures_have_captions_and_names", set_figure(name="fig-1"), "fig-small-"),
    ("figures_have_alt_text", add_code("pool.plot_poolings(table)"), "cell 21"),
    ("figures_have_alt_text", add_code("table.plot.scatter('a', 'b')"), "cell 21"),
    ("figures_have_alt_text", add_code("table.hist()"), "cell 21"),
    ("figures_have_alt_text", add_code("x = 1\nfig"), "cell 21"),
    ("figures_have_alt_text", add_code(f"{DEFINED}show(table)"), "cell 21"),
    ("figures_have_alt_text", add_code("pm.model_to_graphviz(model)"), "cell 21"),
]


def write(notebook, folder):
    path = folder / "small.ipynb"
    path.write_text(nbformat.v4.writes(notebook) + "\n", encoding="utf-8")
    return Chapter(path)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_passes_a_good_chapter(rule, tmp_path):
    assert faults(rule, write(good_notebook(), tmp_path)) == []


@pytest.mark.parametrize(("name", "spoil", "words"), BAD)
def test_rule_sees_a_bad_chapter(name, spoil, words, tmp_path):
    notebook = good_notebook()
    spoil(notebook)
    rule = next(rule for rule in RULES if rule.__name__ == name)
    found = faults(rule, write(notebook, tmp_path))
    assert len(found) == 1
    assert words in found[0]


def test_every_rule_can_fail():
    assert {name for name, *_ in BAD} == {rule.__name__ for rule in RULES}


GOOD_CODE = [
    ("figures_have_alt_text", DEFINED.strip()),
    ("figures_have_alt_text", "np.histogram(table)"),
    ("every_draw_is_seeded", "table.sample(3, random_state=rng)"),
    ("every_draw_is_seeded", "m = bmb.Model('y ~ x', d)\nm.predict(fit)"),
    ("every_draw_is_seeded", "smf.mixedlm('y ~ x', d, groups='g').fit()"),
    ("every_fit_is_checked", "smf.mixedlm('y ~ x', d, groups='g').fit()"),
    ("intervals_are_named", "az.summary(fit, kind='diagnostics')"),
]


@pytest.mark.parametrize(("name", "source"), GOOD_CODE)
def test_rule_passes_good_code(name, source, tmp_path):
    notebook = good_notebook()
    add_code(source)(notebook)
    rule = next(rule for rule in RULES if rule.__name__ == name)
    assert faults(rule, write(notebook, tmp_path)) == []


def test_a_figure_in_a_solution_needs_alt_text_only(tmp_path):
    notebook = good_notebook()
    solution = [
        new_markdown_cell("```{solution-start} ex\n```", id="start"),
        new_code_cell("table.hist()", metadata={"mystnb": {"image": {"alt": ALT}}}),
        new_markdown_cell("```{solution-end}\n```", id="end"),
    ]
    notebook.cells[-1:-1] = solution
    rule = next(rule for rule in RULES if rule.__name__ == "figures_have_alt_text")
    assert faults(rule, write(notebook, tmp_path)) == []
    solution[1].metadata = {}
    assert len(faults(rule, write(notebook, tmp_path))) == 1
