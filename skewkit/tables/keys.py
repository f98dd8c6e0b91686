"""Keys of two tables, compared as what they name: a whole number is the same in any type that holds it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .columns import as_numbers, kind_of, nulls
from .equality import EXACT


def alike(*columns: pd.Series) -> tuple[tuple[pd.Index, ...], tuple[np.ndarray, ...]]:
    """The keys that are there of each column, in one type, and their rows; shape (keys of the column,) each."""
    found, rows = zip(*map(_present, columns), strict=True)
    if len({f.dtype for f in found}) > 1:  # Python compares whole numbers of any size
        found = tuple(f.astype(object) for f in found)
    return found, rows


def among(column: pd.Series, others: pd.Series) -> np.ndarray:
    """Which rows of a column hold a key that another column holds, shape (n,), bool; a null is nobody's."""
    (mine, theirs), (rows, _) = alike(column, others)
    found = np.zeros(len(column), bool)
    found[rows] = mine.isin(theirs)
    return found


def _present(column):
    present = ~nulls(column)
    values = column if present.all() else column[present]
    if kind_of(column) in ("integer", "number"):
        found = as_numbers(values)
        if found.dtype.kind == "f" and (np.rint(found) == found).all() and (np.abs(found) < EXACT).all():
            found = found.astype("int64")
        return pd.Index(found), np.flatnonzero(present)
    return pd.Index(values.astype(object) if kind_of(column) == "text" else values), np.flatnonzero(present)
