"""The race: how long each way to fit one model took, as the benchmarks stored it."""

import json
from pathlib import Path

import pandas as pd

COLUMNS = ["entrant", "does", "rows", "seconds"]
COLUMNS += ["setting", "repetitions", "parts", "peak_mb"]


def read_race(path):
    """Read the results of the race, without the fits that failed.

    Parameters
    ----------
    path : str or path-like
        The file that ``python -m benchmarks.race`` writes.

    Returns
    -------
    pandas.DataFrame
        One row a fit, ordered by rows and entrant, with columns

        ``entrant``, ``does`` : str
            Its name, and what it does in a few words.
        ``rows`` : int
            How many it was fitted to.
        ``seconds`` : float
            The median time.
        ``setting`` : str
            The quickest of its settings.
        ``repetitions`` : list of float
            All times, in seconds.
        ``parts`` : dict
            Seconds of its parts by name; missing for R.
        ``peak_mb`` : float
            The most memory that it held, in MB.

    Raises
    ------
    FileNotFoundError
        If the race has not been run.

    Examples
    --------
    >>> import json, tempfile
    >>> fit = dict.fromkeys(COLUMNS, "") | {"entrant": "exact", "rows": 1_000}
    >>> records = [fit | {"failed": ""}, fit | {"failed": "it did not converge"}]
    >>> with tempfile.NamedTemporaryFile("w+") as file:
    ...     json.dump({"records": records}, file)
    ...     file.flush()
    ...     read_race(file.name)[["entrant", "rows"]]
      entrant  rows
    0   exact  1000
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no {path}: run python -m benchmarks.race in the folder of the "
            "book, which takes half an hour and writes it."
        )
    records = pd.DataFrame(json.loads(path.read_text(encoding="utf-8"))["records"])
    finished = records.loc[records["failed"] == "", COLUMNS]
    return finished.reset_index(drop=True)
