"""The statistics that LeRobot keeps of every feature, of a dataset and of each episode."""

from __future__ import annotations

from typing import Any

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}


def statistics(columns: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Extremes, mean, standard deviation, quantiles and number of rows of each column of numbers.

    Args:
        columns: (R,) or (R, D) each; those of text are left out.

    Returns:
        Lists of D numbers (1 for (R,)) under the keys of LeRobot; exact, where LeRobot estimates the quantiles.
    """
    return {name: _of(array) for name, array in columns.items() if array.dtype.kind in "fiub"}


def _of(array: np.ndarray) -> dict[str, Any]:
    table = array.reshape(len(array), -1).astype(np.float64)
    quantiles = np.quantile(table, list(QUANTILES.values()), axis=0)
    result: dict[str, Any] = {
        "min": table.min(axis=0).tolist(),
        "max": table.max(axis=0).tolist(),
        "mean": table.mean(axis=0).tolist(),
        "std": table.std(axis=0).tolist(),
        "count": [len(table)],
    }
    return result | dict(zip(QUANTILES, quantiles.tolist(), strict=True))
