"""How far two descriptions of one posterior are apart, in Monte Carlo errors.

Run it as ``python -m benchmarks.agreement`` to compare `partialpool.fit` with every
stored reference, the million rows included, and to store what was found.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

REFERENCES = Path(__file__).parent / "references"
FIGURES = ["mean", "sd", "q05", "q95"]


def read_reference(name):
    """Read what row-level NUTS said of a shape.

    Returns
    -------
    dict
        ``parameters`` is a `pandas.DataFrame`, one row per number.
    """
    text = (REFERENCES / f"{name}.json").read_text(encoding="utf-8")
    reference = json.loads(text)
    reference["parameters"] = pd.DataFrame(reference["parameters"])
    return reference


def compare(posterior, reference):
    """Compare independent draws with a reference, number by number.

    Parameters
    ----------
    posterior : xarray.Dataset
        Of the exact fit: independent draws.
    reference : pandas.DataFrame
        As ``parameters`` of :func:`read_reference`.

    Returns
    -------
    pandas.DataFrame
        The difference of mean, standard deviation and 5% and 95% quantile, in
        joint Monte Carlo standard errors; one row per number.
    """
    rows = {
        _label(row): _compare_one(posterior, row)
        for row in reference.to_dict("records")
        if _occurs(posterior, row)
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _label(row):
    return f"{row['variable']}[{', '.join(row['at'].values())}]"


def _occurs(posterior, row):
    # Bambi also draws groups of a nested factor that no row belongs to.
    return all(
        at in posterior[dim].to_index().astype(str) for dim, at in row["at"].items()
    )


def _compare_one(posterior, row):
    values = posterior[row["variable"]]
    labels = {dim: values[dim].to_index().astype(str) for dim in row["at"]}
    places = {dim: labels[dim].get_loc(at) for dim, at in row["at"].items()}
    draws = np.sort(values.isel(places).to_numpy().ravel())
    mine = _describe(draws)
    return {
        figure: (mine[figure] - row[figure])
        / np.hypot(mine[f"mcse_{figure}"], row[f"mcse_{figure}"])
        for figure in FIGURES
    }


def _describe(draws):
    count, sd = len(draws), draws.std(ddof=1)
    kurtosis = ((draws - draws.mean()) ** 4).mean() / sd**4
    described = {
        "mean": draws.mean(),
        "mcse_mean": sd / np.sqrt(count),
        "sd": sd,
        "mcse_sd": sd * np.sqrt((kurtosis - 1) / (4 * count)),
    }
    for name, p in {"q05": 0.05, "q95": 0.95}.items():
        # One standard error of a rank on either side, read on the scale of the draws.
        spread = np.sqrt(p * (1 - p) / count)
        low, high = np.quantile(draws, [p - spread, p + spread])
        described[name] = np.quantile(draws, p)
        described[f"mcse_{name}"] = (high - low) / 2
    return described


def main():
    """Fit every shape, and store how its numbers differ from the reference."""
    from benchmarks.nuts_million import MILLION
    from benchmarks.shapes import SHAPES

    found = {}
    for shape in [*SHAPES.values(), MILLION]:
        found[shape.name] = _agree(shape)
        print(shape.name, found[shape.name], flush=True)
    text = json.dumps(found, indent=1) + "\n"
    (REFERENCES / "agreement.json").write_text(text, encoding="utf-8")


def _agree(shape):
    from partialpool import fit

    fitted = fit(
        shape.formula,
        shape.make(),
        priors=shape.priors and shape.priors(),
        draws=100_000,
        correlated=shape.correlated,
        seed=1,
    )
    reference = read_reference(shape.name)
    z = compare(fitted["posterior"].to_dataset(), reference["parameters"])
    return {
        "rows": reference["rows"],
        "numbers": len(z),
        "root mean square": ((z**2).mean() ** 0.5).round(2).to_dict(),
        "largest": z.abs().max().round(1).to_dict(),
    }


if __name__ == "__main__":
    main()
