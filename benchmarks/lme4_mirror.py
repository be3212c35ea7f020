"""Store what lme4 says of the tables of the chapter *Pooling × inference*.

Readers need no R: the chapter reads what is stored here. Run it as
``python -m benchmarks.lme4_mirror``, again when the tables of the chapter change; it
needs R with the packages lme4 and jsonlite, and writes
``benchmarks/results/lme4_mirror.json``.
"""

import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

import partialpool as pool
from partialpool.chapters.census import load_census
from partialpool.chapters.interactions import draw_interactions
from partialpool.chapters.traps import draw_slopes, draw_traps, judge

HERE = Path(__file__).parent
SEED = 202613  # of the chapter
SETS = 100
CROSSED = "log_earnings ~ 1 + (1|subject) + (1|provider) + (1|cell)"


def tables():
    """Make the two tables of the chapter: simulated courses, and real states."""
    courses, _ = pool.simulate_groups(40, sizes=(2, 60), seed=SEED)
    states = load_census().sample(frac=0.1, random_state=SEED)
    return {
        "courses": (courses, "y ~ 1 + (1|group)", "y"),
        "states": (states, "log_earnings ~ degree + log_n + (1|state)", "log_earnings"),
    }


def write_orders(folder, traps):
    """Write all tables as files, and the list of what to fit."""

    def write(table, name):
        path = folder / f"{name}.csv"
        # All the digits that a float has, so that R reads the same numbers.
        table.to_csv(path, index=False, float_format="%.17g")
        return str(path)

    def stack(sets):
        parts = [table.assign(set=k) for k, table in enumerate(sets)]
        return pd.concat(parts)

    fits = {
        name: {"csv": write(table, name), "formula": formula, "outcome": outcome}
        for name, (table, formula, outcome) in tables().items()
    }
    courses = tables()["courses"][0]
    known = str(courses["group"].value_counts(sort=True, ascending=True).index[0])
    drawn = draw_interactions(seed=[SEED, 0])
    orders = {
        "fits": fits,
        "traps": write(stack(table for table, _ in traps), "traps"),
        "slopes": write(stack(draw_slopes(SETS, seed=SEED)), "slopes"),
        "crossed": {"csv": write(drawn.rows, "crossed"), "formula": CROSSED},
        "three": {"csv": fits["courses"]["csv"], "known": known},
    }
    path = folder / "orders.json"
    path.write_text(json.dumps(orders))
    return path


def judge_traps(said, traps):
    """Judge lme4's intervals as the chapter judges those of other methods."""
    rows = []
    for one, (_, truth) in zip(said, traps, strict=True):
        ends = pd.DataFrame(one["intervals"]).set_index("group")
        answers = {"group": (ends["low"], ends["high"]), "new_group": one["new"]}
        if one["sd_high"] is not None:
            # The profile stops at 0, where R may find no end.
            answers["between_sd"] = (one["sd_low"] or 0.0, one["sd_high"])
        rows.append(
            {
                "warned": bool(one["words"]),
                "refused": False,  # or R would have stopped
                "sd": one["sd"],
                **judge(answers, truth),
            }
        )
    return {name: values.tolist() for name, values in pd.DataFrame(rows).items()}


def main():
    """Write what lme4 says to one file."""
    traps = draw_traps(SETS, seed=SEED)
    with TemporaryDirectory() as folder:
        orders = write_orders(Path(folder), traps)
        script = ["Rscript", "--vanilla", HERE / "lme4_mirror.R", orders]
        done = subprocess.run(script, check=True, stdout=subprocess.PIPE, text=True)
    result = json.loads(done.stdout)
    words = sorted({word for one in result["traps"] for word in one["words"]})
    result["words"] = words
    result["traps"] = judge_traps(result["traps"], traps)
    result["slopes"] = {
        "singular": float(np.mean([one["singular"] for one in result["slopes"]])),
        "warned": float(np.mean([bool(one["words"]) for one in result["slopes"]])),
    }
    result = {"command": "python -m benchmarks.lme4_mirror", **result}
    text = json.dumps(result, indent=1, ensure_ascii=False).replace("NaN", "null")
    path = HERE / "results" / "lme4_mirror.json"
    path.write_text(text + "\n", encoding="utf-8")
    print({name: fit["reml"]["sds"] for name, fit in result["fits"].items()})
    print(result["crossed"]["sds"], result["slopes"], result["three"], words)


if __name__ == "__main__":
    main()
