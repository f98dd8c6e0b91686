"""Which rows of two columns hold the same: the one rule, by which every check goes.

Whole numbers, text, booleans and times are equal or not, whatever type holds them. Other numbers are measured: they agree
within a share of the spread of their column, and always when their last digits alone differ. A null agrees with any null.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isclose

import numpy as np
import pandas as pd

from ..records import Tolerance
from ..statistics.atoms import LAST_DIGITS, scale
from ..timeline import same_instant
from .columns import as_numbers, kind_of, nulls

NUMBERS = {"integer", "number", "boolean"}
EXACT = 2.0**53  # from here on every float is whole
LAST_DIGITS_OF_32_BITS = 4 * float(np.finfo(np.float32).eps)


def same(a: pd.Series, b: pd.Series, tolerance: Tolerance = Tolerance()) -> np.ndarray:
    """Which rows agree, shape (n,), bool. A tolerance relative to the spread takes that of ``a``."""
    kinds = {kind_of(a), kind_of(b)}
    absent, gone = nulls(a), nulls(b)
    agree, both = absent & gone, ~absent & ~gone
    x, y = (a, b) if both.all() else (a[both], b[both])
    if kinds <= NUMBERS:
        agree[both] = _numbers_agree(x, y, tolerance)
    elif kinds in ({"time"}, {"naive time"}):
        agree[both] = same_instant(x, y)
    elif "other" in kinds:  # lists, bytes, or numbers of which some have become text
        agree[both] = [_things_agree(p, q) for p, q in zip(x.astype(object), y.astype(object), strict=True)]
    elif len(kinds) == 1:  # text is never a number, and a time without a zone none with one
        agree[both] = x.astype(object).to_numpy() == y.astype(object).to_numpy()
    return agree


def settled(tolerance: Tolerance, column: pd.Series) -> Tolerance:
    """The tolerance with the scale of a column, so that some of its rows can be compared as all of them would be."""
    if not tolerance.of_spread or kind_of(column) not in NUMBERS:
        return tolerance
    return replace(tolerance, scale=scale(_floats(as_numbers(column[~nulls(column)]))))


def _numbers_agree(x, y, tolerance):
    """Equal; or unless both columns are of whole numbers, within what was given, a share of the spread, or their last digits."""
    p, q = as_numbers(x), as_numbers(y)
    agree = _exactly(p, q)
    if agree.all() or {kind_of(x), kind_of(y)} == {"integer"}:
        return agree
    p, q = _floats(p), _floats(q)
    with np.errstate(invalid="ignore", over="ignore"):
        size, apart = np.abs(p), np.abs(p - q)
        single = any(np.dtype("f4") == getattr(c.dtype, "numpy_dtype", c.dtype) for c in (x, y))
        given = tolerance.absolute or tolerance.relative  # as floats, large whole numbers may be equal that are not
        near = apart <= tolerance.absolute + tolerance.relative * size if given else np.zeros(len(p), bool)
        if tolerance.ulp:
            width = np.float32 if single else np.float64
            near |= np.abs(_place(p, width) - _place(q, width)) <= tolerance.ulp  # a wrap is far beyond any ulp
        if tolerance.of_spread:
            column = scale(p) if tolerance.scale is None else tolerance.scale
            least = LAST_DIGITS_OF_32_BITS if single else LAST_DIGITS
            near |= ~_whole(p, q) & (apart <= tolerance.of_spread * column.of(p) + least * size)
        return agree | np.isfinite(p) & np.isfinite(q) & near


def _whole(p, q):
    """Which pairs are whole numbers: in a column with fractions, large ones may be so only for want of digits."""
    whole = (np.rint(p) == p) & (np.rint(q) == q)
    return whole if whole.all() else whole & (np.abs(p) < EXACT)


def _exactly(p, q):
    """Which numbers are equal as such, and not only as floats; infinities only with themselves."""
    if p.dtype.kind == "f" and q.dtype.kind in "iu":
        p, q = q, p
    if p.dtype.kind not in "iu" or q.dtype.kind != "f":
        return np.asarray(p == q, bool)
    limits = np.iinfo(p.dtype)
    fits = (q >= float(limits.min)) & (q < float(limits.max)) & (np.trunc(q) == q)
    return fits & (np.where(fits, q, 0).astype(p.dtype) == p)


def _floats(values):
    return values.astype(float)


def _place(x, width):
    """Each float's place among all floats of a width, so that neighbours are 1 apart and both zeros are 0, shape (n,)."""
    whole = np.int32 if width is np.float32 else np.int64
    bits = x.astype(width).view(whole).astype(np.int64)
    return np.where(bits < 0, np.iinfo(whole).min - bits, bits)


def _things_agree(a, b):
    """Whether two values of any kind are equal; numbers within them but for their last digits, and nulls with nulls."""
    a, b = (v.tolist() if isinstance(v, (np.ndarray, np.generic)) else v for v in (a, b))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_things_agree(v, b[k]) for k, v in a.items())
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_things_agree, a, b))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        measured = any(isinstance(v, float) and not v.is_integer() for v in (a, b))
        return a == b or (a != a and b != b) or (measured and isclose(a, b, rel_tol=LAST_DIGITS))
    alike = type(a) is type(b) and a == b
    return bool(alike) or (a is None and b is None)
