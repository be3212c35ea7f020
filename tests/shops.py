"""Forty invented shops and their weekly sales: a table unlike the book's own.

``book/shops.csv`` holds what :func:`draw_shops` draws. README and *How to read and
rerun* use the file as a reader's own; the tests run the chapters on it.
"""

from pathlib import Path

import numpy as np
import pandas as pd

SHOPS = Path(__file__).resolve().parents[1] / "book" / "shops.csv"


def draw_shops(seed=40):
    """Draw 2 to 60 weeks of sales in pounds for each of forty shops.

    Sales are log-normal. The typical week of a shop depends on its floor area, on
    where it stands, and on the shop itself; two weeks of one shop differ too.
    """
    rng = np.random.default_rng(seed)
    names = np.array([f"Shop {k:02}" for k in range(1, 41)])
    area = np.exp(rng.normal(np.log(400), 0.4, 40)).round(-1).astype(int)
    place = rng.choice(["high street", "retail park", "station"], 40)
    weeks = np.exp(rng.uniform(np.log(2), np.log(60), 40)).round().astype(int)
    typical = (
        np.log(9000)
        + 0.3 * np.log(area / 400)
        + 0.15 * (place == "retail park")
        + rng.normal(0, 0.15, 40)
    )
    shop = np.repeat(np.arange(40), weeks)
    sales = np.exp(rng.normal(typical[shop], 0.35)).round().astype(int)
    return pd.DataFrame(
        {
            "shop": names[shop],
            "place": place[shop],
            "floor_area": area[shop],
            "week": np.concatenate([np.arange(1, n + 1) for n in weeks]),
            "sales": sales,
        }
    )


if __name__ == "__main__":
    draw_shops().to_csv(SHOPS, index=False)
