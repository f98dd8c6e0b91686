"""A column of numbers as an array, for a skew to change, and back."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from .records import NotApplicable


def finite(value) -> bool:
    """Whether a parameter is a number that a float can hold, and neither infinite nor null."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def numbers(column: pd.Series, who) -> np.ndarray:
    """A column's values as floats, null as NaN, shape (n,); NotApplicable where that would lose something."""
    if column.dtype.kind not in "iuf":
        raise NotApplicable(f"{who} acts on numbers, and {column.name!r} is {column.dtype}; name another feature")
    values = column.to_numpy(float, na_value=np.nan)
    if column.dtype.kind in "iu" and (np.abs(values) >= 2.0**53).any():
        raise NotApplicable(f"{column.name!r} holds whole numbers beyond 2**53, which floats cannot tell apart")
    return values


def like(values: np.ndarray, column: pd.Series) -> pd.Series:
    """Floats in place of a column: whole numbers stay whole where every value is, and floats keep their width."""
    whole = column.dtype.kind in "iu" and (np.abs(values) < 2.0**53).all() and (values % 1 == 0).all()
    dtype = column.dtype if isinstance(column.dtype, np.dtype) else np.dtype("i8" if whole else "f8")
    if whole and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        dtype = dtype if ((values >= limits.min) & (values <= limits.max)).all() else np.dtype("i8")
    elif dtype.kind != "f":
        dtype = np.dtype("f8")
    with np.errstate(over="ignore"):
        return pd.Series(values.astype(dtype), index=column.index, name=column.name)
