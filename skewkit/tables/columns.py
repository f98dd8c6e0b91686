"""What kind of values a column holds, how they are spread, and which of two columns' agree."""

from __future__ import annotations

import hashlib
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa

from ..records import SkewkitError, Tolerance
from ..statistics.distributions import Distribution
from ..timeline import nanoseconds

SOME = 1_000  # values that tell whether a column repeats itself
REPEATED = 4  # rows a value, on average, from which distinct values are held alone
TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
KINDS = ("boolean", "integer", "number", "text", "time", "naive time", "other")


class Names(tuple):
    """Columns' names in their order, of which there may be thousands: whether one is among them is told at once."""

    def __contains__(self, name):
        return name in self._known

    @cached_property
    def _known(self):
        return frozenset(self)


def same(a: pd.Series, b: pd.Series, tolerance: Tolerance = Tolerance()) -> np.ndarray:
    """Which rows agree, shape (n,): nulls only with nulls, numbers within the tolerance, integers and categories exactly."""
    kinds = {kind_of(a), kind_of(b)}
    agree = a.isna().to_numpy(bool) & b.isna().to_numpy(bool)
    both = a.notna().to_numpy(bool) & b.notna().to_numpy(bool)
    x, y = a[both], b[both]
    if kinds <= {"integer", "number", "boolean"}:
        exact = kinds == {"integer"}  # as floats, large ones would lose digits
        width = np.float32 if {"float32", "Float32", "float[pyarrow]"} & {str(a.dtype), str(b.dtype)} else np.float64
        x, y = (v.to_numpy() if exact else v.to_numpy(float) for v in (x, y))
        agree[both] = x == y if exact else _close(x, y, tolerance, width)
    elif kinds <= {"time", "naive time"} and len(kinds) == 1:
        agree[both] = nanoseconds(x) == nanoseconds(y)
    elif "other" in kinds:  # lists, or numbers of which some have become text
        two = zip(x.astype(object), y.astype(object), strict=True)
        agree[both] = [
            type(a) is type(b) and (np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b) for a, b in two
        ]
    elif len(kinds) == 1:  # text is never a number
        agree[both] = x.astype(object).to_numpy() == y.astype(object).to_numpy()
    return agree


def _close(x, y, tolerance, width):
    """Which floats agree within a tolerance, shape (n,); infinities only with themselves."""
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(x - y) <= tolerance.absolute + tolerance.relative * np.abs(x)
        if tolerance.ulp:
            near |= np.abs(_place(x, width) - _place(y, width)) <= tolerance.ulp  # a wrap is far beyond any ulp
    return (x == y) | np.isfinite(x) & np.isfinite(y) & near


def _place(x, width):
    """Each float's place among all floats of a width, so that neighbours are 1 apart and both zeros are 0, shape (n,)."""
    whole = np.int32 if width is np.float32 else np.int64
    bits = x.astype(width).view(whole).astype(np.int64)
    return np.where(bits < 0, np.iinfo(whole).min - bits, bits)


def distribution_of(series: pd.Series) -> Distribution:
    """The distribution of one column, exactly."""
    if _float(series):
        ordered = np.sort(series.to_numpy(float, copy=False))
        n = int(np.searchsorted(ordered, np.inf, "right"))  # NaN is last
        return _short("number", ordered[:n], len(ordered) - n)
    kind, values, _ = plain(series)
    nulls = len(series) - len(values)
    if kind == "text":
        counts = pd.Series(values, dtype=object).value_counts()
        found, count = counts.index.to_numpy(object), counts.to_numpy()
        order = np.argsort(found)
        return Distribution(kind, found[order], np.cumsum(count[order]), len(values), nulls)
    return _short(kind, np.sort(values), nulls)


def _short(kind, ordered, nulls):
    """The distinct values alone, where each stands for several rows: less to hold, and less to compare."""
    every = Distribution(kind, ordered, None, len(ordered), nulls)
    some = ordered[:: max(1, len(ordered) // SOME)]
    if len(ordered) and REPEATED * (np.count_nonzero(some[1:] != some[:-1]) + 1) > len(some):
        return every
    return Distribution(kind, every.values, every.upto, every.n, nulls)


def plain(series: pd.Series) -> tuple[str, np.ndarray, np.ndarray]:
    """A column's kind, its values as a Distribution holds them, shape (values,), and which rows have one, shape (n,)."""
    kind, present = kind_of(series), series.notna().to_numpy(bool)
    if kind == "other":
        raise SkewkitError(
            f"column {series.name!r} holds {series.dtype}; only numbers, text, booleans and times compare"
        )
    values = series[present]
    if kind == "text":
        return kind, values.astype(object).map(str).to_numpy(object), present
    if "time" in kind:
        return kind, nanoseconds(values), present
    integer = "uint64" if "uint" in str(series.dtype).lower() else "int64"
    try:
        return kind, values.to_numpy(integer if kind == "integer" else float), present
    except OverflowError:  # Python's own integers, beyond 64 bits
        return "number", values.to_numpy(float), present


def digest(series: pd.Series, rows: np.ndarray) -> bytes:
    """A hash of some rows that is the same for columns that hold the same there: a whole number may be a float in one."""
    if _float(series):
        some = series.to_numpy(copy=False)[rows].astype(float)
        kind, present = "number", ~np.isnan(some)
        values = some[present]
    else:
        kind, values, present = plain(series.iloc[rows])
    if kind == "text":
        values = pd.util.hash_array(values)
    elif kind in ("integer", "number", "boolean"):
        values = values.astype(float) + 0.0  # no zero is negative
    return hashlib.sha256(values.tobytes() + present.tobytes()).digest()


def _float(series):
    return isinstance(series.dtype, np.dtype) and series.dtype.kind == "f"


def kind_of(series: pd.Series) -> str:
    """A pandas column's kind, one of KINDS."""
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return kind_of(pd.Series(dtype.categories))
    if isinstance(dtype, pd.ArrowDtype):
        return arrow_kind(dtype.pyarrow_dtype)
    if dtype.kind == "M":
        return "time" if getattr(dtype, "tz", None) is not None else "naive time"
    known = {"b": "boolean", "i": "integer", "u": "integer", "f": "number"}.get(dtype.kind)
    if known or dtype.kind != "O":
        return known or "other"
    inferred = pd.api.types.infer_dtype(series, skipna=True)
    if inferred == "datetime":
        return "time" if all(t.tzinfo is not None for t in series.dropna()) else "naive time"
    return {
        "string": "text",
        "empty": "text",
        "boolean": "boolean",
        "integer": "integer",
        "floating": "number",
        "decimal": "number",
        "date": "naive time",
        "mixed-integer-float": "number",
    }.get(inferred, "other")


def arrow_kind(t: pa.DataType) -> str:
    if pa.types.is_dictionary(t):
        t = t.value_type
    tests = (
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_integer, "integer"),
        (lambda t: pa.types.is_floating(t) or pa.types.is_decimal(t), "number"),
        (lambda t: any(is_(t) for is_ in TEXTS), "text"),
        (lambda t: pa.types.is_timestamp(t) and t.tz is not None, "time"),
        (lambda t: pa.types.is_timestamp(t) or pa.types.is_date(t), "naive time"),
    )
    return next((kind for test, kind in tests if test(t)), "other")


def aged(tables, feature: str) -> bool:
    """Whether a time is compared by how long before its request it lies: two spans of the calendar never hold the same."""
    time = tables[0].roles.time
    kinds = [t.kinds() for t in tables]
    return time is not None and feature != time and all(k.get(time) == k.get(feature) == "time" for k in kinds)
