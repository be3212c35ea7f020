"""What every chapter must keep, read from its file without running it.

A rule is a function that takes a chapter and yields a sentence for each fault:
the cell and the mend. ``RULES`` lists them all.
"""

import ast
import inspect
import json
import re
import statistics
from functools import cached_property
from pathlib import Path

import nbformat.v4
from IPython.core.inputtransformer2 import TransformerManager
from nbformat.v4.rwbase import rejoin_lines
from nbstripout import strip_output

ROOT = Path(__file__).resolve().parents[1]

RULES = []
FEWEST_CELLS, MOST_CODE_CELLS, MOST_WORDS = 15, 30, 2000  # exercises apart
MEDIAN_LINES, MOST_LINES, MOST_MODEL_LINES = 8, 25, 40
SHORTEST_ALT = 40
# What `nbstripout --keep-id --extra-keys metadata.language_info` takes away.
STRIPPED_KEYS = [
    "metadata.signature",
    "metadata.widgets",
    "metadata.language_info",
    *(
        f"cell.metadata.{key}"
        for key in (
            "collapsed",
            "ExecuteTime",
            "execution",
            "heading_collapsed",
            "hidden",
            "scrolled",
        )
    ),
]


def rule(function):
    """Add a function to the rules."""
    RULES.append(function)
    return function


class Chapter:
    """A notebook as it is on file, with the code of its cells taken apart."""

    def __init__(self, path, slug=None):
        self.path = Path(path)
        self.slug = slug or self.path.stem
        self.text = self.path.read_text(encoding="utf-8")
        self.notebook = read(self.text)

    @cached_property
    def cells(self):
        """All cells with their numbers, from 1."""
        return list(enumerate(self.notebook.cells, start=1))

    @cached_property
    def code(self):
        """The code cells with their numbers among all cells."""
        return [(n, cell) for n, cell in self.cells if cell.cell_type == "code"]

    @cached_property
    def trees(self):
        """The code cells as syntax trees, with magics turned into calls."""
        return [(number, parse(cell.source)) for number, cell in self.code]

    def calls(self):
        """Yield every call in the chapter: cell number, dotted name, the call."""
        for number, tree in self.trees:
            for call in calls_in(tree):
                yield number, dotted(call.func), call

    @cached_property
    def without_exercises(self):
        """What one reads through: texts, and code cells, outside *Exercises*."""
        texts, code, section = [], [], ""
        for _, cell in self.cells:
            if cell.cell_type == "markdown":
                for part in re.split(r"(?m)^(?=## )", cell.source):
                    if part.startswith("## "):
                        section = part.splitlines()[0]
                    if section != "## Exercises":
                        texts.append(part)
            elif section != "## Exercises":
                code.append(cell)
        return texts, code

    @cached_property
    def bambi_models(self):
        """The names given to Bambi models."""
        return {
            target.id
            for _, tree in self.trees
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and is_bambi_model(node.value)
            for target in node.targets
            if isinstance(target, ast.Name)
        }


def read(text):
    """Read a notebook as it is: nbformat.read would mend some of its faults."""
    return rejoin_lines(nbformat.from_dict(json.loads(text)))


def parse(source):
    """Parse a cell; a cell that is not Python counts as empty (ruff reports it)."""
    try:
        return ast.parse(TransformerManager().transform_cell(source))
    except SyntaxError:
        return ast.parse("")


def calls_in(tree):
    """List all calls in a syntax tree."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def dotted(node):
    """Give the name of what is called, such as ``pm.sample``; ``?`` for the rest."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return "?"


def keywords(call):
    """Give the keyword arguments of a call that are not None."""
    return {
        word.arg: word.value
        for word in call.keywords
        if not (isinstance(word.value, ast.Constant) and word.value.value is None)
    }


def tags(cell):
    """Give the tags of a cell."""
    return set(cell.metadata.get("tags", []))


# The file ---------------------------------------------------------------------


@rule
def has_no_outputs(chapter):
    """Outputs in the file are stale as soon as the package changes."""
    for number, cell in chapter.code:
        if cell.get("outputs") or cell.get("execution_count") is not None:
            yield f"cell {number} has outputs or a run number: strip the notebook."


@rule
def is_stripped(chapter):
    """Stripping again changes nothing, so a run leaves no trace in the history."""
    notebook = read(chapter.text)
    strip_output(notebook, False, False, keep_id=True, extra_keys=STRIPPED_KEYS)
    if nbformat.v4.writes(notebook) + "\n" != chapter.text:
        yield (
            "the file is not stripped: run nbstripout --keep-id --extra-keys "
            f"metadata.language_info notebooks/{chapter.path.name}."
        )


@rule
def every_cell_has_an_id(chapter):
    """Without ids kept on file, one new cell changes all that follow."""
    seen = set()
    for number, cell in chapter.cells:
        if not cell.get("id"):
            yield f"cell {number} has no id: save it as notebook format 4.5."
        elif cell.id in seen:
            yield f"cell {number} has the id {cell.id} of another cell: rename it."
        seen.add(cell.get("id"))


@rule
def has_a_chapters_length(chapter):
    """A chapter is one sitting."""
    if len(chapter.cells) < FEWEST_CELLS:
        yield f"it has {len(chapter.cells)} cells: {FEWEST_CELLS} make a chapter."
    texts, code = chapter.without_exercises
    words = sum(map(words_in, texts))
    if len(code) > MOST_CODE_CELLS:
        yield (
            f"it has {len(code)} code cells beside its exercises, and "
            f"{MOST_CODE_CELLS} are allowed: move something to another chapter."
        )
    if words > MOST_WORDS:
        yield (
            f"it has {words} words beside its exercises, and {MOST_WORDS} are "
            "allowed: cut."
        )


def words_in(text):
    """Count the words of a text, without its displayed formulae."""
    text = re.sub(r"(?ms)^(`{3,}|:{3,})\{math\}.*?^\1$", "", text)
    return sum(bool(re.search(r"[^\W\d_]", word)) for word in text.split())


# The parts of a chapter -------------------------------------------------------


@rule
def starts_with_label_and_title(chapter):
    """Other pages refer to the label, never to a number."""
    first = chapter.notebook.cells[0]
    start = rf"\(sec-{re.escape(chapter.slug)}\)=\n# \S"
    if first.cell_type != "markdown" or not re.match(start, first.source):
        yield f"cell 1 must start with (sec-{chapter.slug})= and, below, # and a title."


@rule
def has_an_imports_cell(chapter):
    """One seed and one style, set where the reader looks for them."""
    wanted = ("import partialpool as pool", "SEED =", "pool.use_style()")
    if not any(all(text in cell.source for text in wanted) for _, cell in chapter.code):
        yield f"no cell has {', '.join(wanted)}: put them in the imports cell."


@rule
def has_a_data_cell(chapter):
    """The one cell that a reader edits to use a table of their own."""
    if not any("your-data" in tags(cell) for _, cell in chapter.code):
        yield "no code cell is tagged your-data: tag the one that makes the data."


@rule
def marks_what_to_run_on_ones_own_table(chapter):
    """A list of cells in words leaves one out sooner or later: the tag does not."""
    for number, cell in chapter.code:
        first = "your-data" in tags(cell) or "SEED =" in cell.source
        if first and "adapt" not in tags(cell):
            yield f"cell {number} is run on a table of one's own: tag it adapt."


@rule
def verdicts_have_a_short_sentence(chapter):
    """The front page has room for one sentence a claim."""
    for number, name, call in chapter.calls():
        if name.endswith("record_verdict") and "short" not in keywords(call):
            yield f"cell {number} records a verdict: give it short= for the front page."


@rule
def ends_with_versions(chapter):
    """A reader with other numbers looks here first."""
    number, cell = chapter.code[-1] if chapter.code else (0, None)
    if not cell or "watermark" not in cell.source or "hide-input" not in tags(cell):
        yield f"cell {number}, the last of code: make it %watermark, tag it hide-input."


# Exercises and blocks ---------------------------------------------------------

GATE = re.compile(r"\{(exercise|solution)-(start|end)\}[ \t]*(\S*)")


@rule
def blocks_are_closed(chapter):
    """An open block swallows the rest of its cell, and Sphinx only warns."""
    for number, cell in chapter.cells:
        if cell.cell_type == "markdown" and (fence := open_fence(cell.source)):
            yield f"cell {number}: the block {fence!r} is not closed: end it."


def open_fence(text):
    """Give the line that opens a block which nothing closes; None without one."""
    opened = []
    for line in text.splitlines():
        found = re.match(r" {0,3}(`{3,}|:{3,})([^`]*)$", line)
        if not found:
            continue
        marks, name = found[1], found[2].strip()
        if name or not opened:
            opened.append((marks, line.strip()))
        elif opened[-1][0][0] == marks[0] and len(opened[-1][0]) <= len(marks):
            opened.pop()
    return opened[-1][1] if opened else None


@rule
def exercises_and_solutions_are_closed(chapter):
    """Without its end an exercise or solution swallows the cells that follow."""
    inside, since = None, 0
    for number, kind, edge, _, _ in gates(chapter):
        if edge == "start" and inside:
            yield f"cell {since}: the {inside} has no {inside}-end: add it."
        elif edge == "end" and kind != inside:
            yield f"cell {number} ends {a(kind)} that none began: add {kind}-start."
        inside, since = (kind, number) if edge == "start" else (None, 0)
    if inside:
        yield f"cell {since}: the {inside} has no {inside}-end: add it."


@rule
def solutions_name_their_exercise(chapter):
    """A solution with a mistyped label is shown without its exercise."""
    starts = [gate for gate in gates(chapter) if gate[2] == "start"]
    labels = [label for _, kind, _, _, label in starts if kind == "exercise"]
    seen = set()
    for number, kind, _, name, label in starts:
        if kind == "exercise":
            if not label or label in seen:
                yield f"cell {number}: the exercise needs a :label: of its own."
            seen.add(label)
        elif name not in labels:
            yield (
                f"cell {number} solves {name!r}, which is no exercise here: name one "
                f"of {', '.join(filter(None, labels))}."
            )


def gates(chapter):
    """Yield where exercises and solutions begin and end.

    Each is a cell's number, exercise or solution, start or end, what stands behind
    it in its line, and its label.
    """
    for number, cell in chapter.cells:
        if cell.cell_type == "markdown":
            for gate in GATE.finditer(cell.source):
                block = cell.source[gate.end() :].split("```")[0]
                label = re.search(r"(?m)^:label:[ \t]*(\S+)", block)
                yield number, *gate.groups(), label[1] if label else None


def a(noun):
    """Put the article before a noun."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


# The code ---------------------------------------------------------------------


@rule
def installs_nothing(chapter):
    """The environment is the lock's business."""
    for number, cell in chapter.code:
        if re.search(
            r"\b(pip3?|conda|mamba|uv)\s+(pip\s+)?(install|add)\b", cell.source
        ):
            yield f"cell {number} installs something: add it to pyproject.toml."


@rule
def reads_no_url(chapter):
    """Everything the book runs on comes with the install."""
    address = re.compile(r"(https?|ftp)://|\burl(lib|open)\b|\b(requests|httpx)\b")
    for number, cell in chapter.code:
        if found := address.search(cell.source):
            yield (
                f"cell {number} has {found.group()}: read data that the package "
                "carries, and put links into text."
            )


@rule
def cells_are_short(chapter):
    """One idea a cell; a model is one idea even when it is longer."""
    for number, cell in chapter.code:
        lines = lines_of(cell)
        most = MOST_MODEL_LINES if "pm.Model(" in cell.source else MOST_LINES
        if lines > most:
            yield f"cell {number} has {lines} lines, and {most} are allowed: split it."


@rule
def half_of_the_cells_are_very_short(chapter):
    """What a reader takes in at a glance; machinery belongs in the package."""
    median = statistics.median(map(lines_of, chapter.without_exercises[1]))
    if median > MEDIAN_LINES:
        yield f"the median cell has {median:g} lines: {MEDIAN_LINES} are allowed."


def lines_of(cell):
    """Count the lines of a cell that are not blank."""
    return sum(bool(line.strip()) for line in cell.source.splitlines())


@rule
def every_draw_is_seeded(chapter):
    """The same numbers for every reader."""
    for number, name, call in chapter.calls():
        if needed := seed_keyword(chapter, name, call):
            if needed not in keywords(call):
                yield f"cell {number}: {name}() needs {needed}=."
        elif re.search(r"(np|numpy)\.random\.(?!default_rng|Generator|Seed)\w+$", name):
            yield f"cell {number}: {name}() is global: use np.random.default_rng(SEED)."
        elif name.endswith("stripplot") and "jitter" not in keywords(call):
            yield f"cell {number}: {name}() has no seed: pass jitter=False."
        elif name.endswith("default_rng") and not seeded(call):
            yield f"cell {number}: default_rng() needs a seed: default_rng(SEED)."


def seeded(call):
    """Say whether a generator is made with a seed that is not None."""
    positional = [a for a in call.args if getattr(a, "value", a) is not None]
    return bool(positional or keywords(call))


@rule
def every_fit_names_its_chains(chapter):
    """By default PyMC runs as many chains as there are cores: results would differ."""
    for number, name, call in chapter.calls():
        bambi_fit = is_bambi_call(chapter, call) and name.endswith(".fit")
        if (name == "pm.sample" or bambi_fit) and "chains" not in keywords(call):
            yield f"cell {number} calls {name}() without chains: pass chains=4."


def seed_keyword(chapter, name, call):
    """Name the keyword that seeds a call, or None where nothing is drawn."""
    pymc = ("sample", "sample_prior_predictive", "sample_posterior_predictive")
    owner, _, method = name.rpartition(".")
    if owner in ("pm", "pymc"):
        return "random_seed" if method in (*pymc, "draw", "fit") else None
    if is_bambi_call(chapter, call):
        kind = getattr(keywords(call).get("kind"), "value", None)
        draws = method in ("fit", "prior_predictive") or kind == "response"
        return "random_seed" if draws else None
    return "random_state" if owner and method in ("sample", "rvs") else None


def is_bambi_model(node):
    """Say whether an expression makes a Bambi model."""
    return isinstance(node, ast.Call) and dotted(node.func) in (
        "bmb.Model",
        "bambi.Model",
    )


def is_bambi_call(chapter, call):
    """Say whether a call is a method of a Bambi model."""
    owner = getattr(call.func, "value", None)
    return is_bambi_model(owner) or getattr(owner, "id", None) in chapter.bambi_models


@rule
def every_fit_is_checked(chapter):
    """No fit is read that did not converge."""
    names = [(name, call) for _, name, call in chapter.calls()]
    fits = sum(
        name in ("pm.sample", "pymc.sample")
        or (name.endswith(".fit") and is_bambi_call(chapter, call))
        for name, call in names
    )
    checks = sum(name.split(".")[-1] == "check_sampling" for name, _ in names)
    if checks < fits:
        yield (
            f"it samples {fits} times and calls check_sampling {checks} times: "
            "check every fit, and show the check."
        )


@rule
def intervals_are_named(chapter):
    """ArviZ has changed its default interval before."""
    for number, name, call in chapter.calls():
        owner, _, function = name.rpartition(".")
        if owner in ("az", "azp", "arviz", "arviz_plots", "arviz_stats"):
            kind = getattr(keywords(call).get("kind"), "value", None)
            wanted = () if kind == "diagnostics" else interval_keywords(function)
            for word in wanted:
                if word not in keywords(call):
                    yield f"cell {number}: {name}() needs {word}=, never its default."


def interval_keywords(function):
    """Name the keywords with which an ArviZ function takes its interval."""
    import arviz

    function = getattr(arviz, function, None)
    known = inspect.signature(function).parameters if callable(function) else {}
    return [word for word in ("ci_prob", "ci_probs", "ci_kind") if word in known]


# The figures ------------------------------------------------------------------


@rule
def figures_have_alt_text(chapter):
    """A reader who does not see the figure reads this."""
    for number, settings, _ in figures(chapter):
        alt = settings.get("image", {}).get("alt", "")
        where = f"cell {number} draws a figure"
        if len(alt.strip()) < SHORTEST_ALT:
            need = f"{SHORTEST_ALT} letters or more"
            yield f"{where}: say what it shows in mystnb.image.alt, {need}."
        elif alt == settings.get("figure", {}).get("caption"):
            yield f"{where} whose alt text is its caption: say what is seen instead."


@rule
def figures_have_captions_and_names(chapter):
    """The caption says what to conclude; other pages refer to the name."""
    names = set()
    for number, settings, in_solution in figures(chapter):
        figure = settings.get("figure", {})
        name = figure.get("name", "")
        good_name = name.startswith(f"fig-{chapter.slug}-") and name not in names
        names.add(name)
        if not in_solution and not (good_name and figure.get("caption", "").strip()):
            yield (
                f"cell {number} draws a figure: it needs mystnb.figure.caption and "
                f"a mystnb.figure.name of its own, fig-{chapter.slug}-…."
            )


def figures(chapter):
    """Yield the cells that draw: number, settings, whether it is in a solution."""
    trees = dict(chapter.trees)
    functions = drawing_functions(chapter)
    in_solution = False
    for number, cell in chapter.cells:
        if cell.cell_type == "markdown":
            marks = re.findall(r"\{solution-(start|end)\}", cell.source)
            in_solution = marks[-1] == "start" if marks else in_solution
        elif number in trees and draws(trees[number], functions):
            if not tags(cell) & {"remove-output", "remove-cell"}:
                yield number, cell.metadata.get("mystnb", {}), in_solution


def draws(tree, drawing_functions):
    """Say whether a cell draws when it runs: functions only defined do not count."""
    last = tree.body[-1] if tree.body else None
    shows = isinstance(last, ast.Expr) and dotted(last.value) in ("fig", "figure")
    names = (dotted(call.func) for call in calls_in(_without_functions(tree)))
    return shows or any(is_drawing(name, drawing_functions) for name in names)


def drawing_functions(chapter):
    """Name the functions of a chapter that draw."""
    functions = [
        node
        for _, tree in chapter.trees
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    ]
    found = set()
    for _ in functions:  # one may call another
        found |= {
            function.name
            for function in functions
            if any(is_drawing(dotted(c.func), found) for c in calls_in(function))
        }
    return found


def is_drawing(name, drawing_functions):
    """Say whether a call of this name makes a figure."""
    owner, _, function = name.rpartition(".")
    return (
        name in drawing_functions
        or (owner in ("plt", "pyplot") and function in ("subplots", "figure"))
        or owner.startswith("sns")
        or (function or name).startswith("plot_")
        or (owner and function in ("plot", "hist", "boxplot") and not _is_axes(owner))
        or ".plot." in name
        or function == "model_to_graphviz"
    )


def _is_axes(owner):
    """Say whether a name looks like axes, which a call in this cell has made."""
    return (
        bool(re.search(r"(^|\.)(ax|axs|axes)\w*$|\?", owner)) and ".plot" not in owner
    )


def _without_functions(tree):
    """Give a cell without the functions that it defines."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    body = [node for node in tree.body if not isinstance(node, kinds)]
    return ast.Module(body=body, type_ignores=[])
