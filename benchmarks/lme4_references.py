"""Write what lme4 estimates for three shapes, by restricted maximum likelihood.

A cross-check by other authors, in another language. It is not the same answer:
lme4 has no priors, and gives the most likely between sds, not their posterior.

Run it as ``python -m benchmarks.lme4_references``; it needs R with the packages
lme4 and jsonlite (Debian: r-base-core, r-cran-lme4, r-cran-jsonlite).
"""

import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.shapes import SHAPES

HERE = Path(__file__).parent
CHOSEN = ["crossed", "nested", "correlated_slopes"]


def estimate(folder):
    """Fit the chosen shapes in R, with their rows passed as files in `folder`."""
    fits = {name: _write_fit(SHAPES[name], folder) for name in CHOSEN}
    order = folder / "fits.json"
    order.write_text(json.dumps(fits))
    script = ["Rscript", "--vanilla", HERE / "lme4_references.R", order]
    done = subprocess.run(script, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def _write_fit(shape, folder):
    csv = folder / f"{shape.name}.csv"
    # All the digits that a float has, so that R reads the same numbers.
    shape.make().to_csv(csv, index=False, float_format="%.17g")
    return {"formula": shape.formula, "csv": str(csv)}


def main():
    """Write the estimates of all chosen shapes to one file."""
    with TemporaryDirectory() as folder:
        result = estimate(Path(folder))
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    (HERE / "references" / "lme4.json").write_text(text, encoding="utf-8")
    for name, fit in result["fits"].items():
        print(name, fit["sds"], fit["correlations"], fit["sigma"])


if __name__ == "__main__":
    main()
