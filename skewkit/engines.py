"""What a table is asked, answered in memory or from files a column at a time. Nothing else knows which it is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from .records import Agreement, Distribution, Roles, SkewkitError, Tolerance
from .scope import coin
from .timeline import nanoseconds, zone

KINDS = ("boolean", "integer", "number", "text", "time", "naive time", "other")


@dataclass(frozen=True, eq=False)
class Local:
    """A pandas frame, or a pyarrow dataset of which one column is read at a time.

    ``keep`` are the rows that count, shape (rows of the source,) and bool; ``names`` maps a column's name here to its
    name in the source; ``zone`` is the declared zone of a naive time column.
    """

    source: pd.DataFrame | ds.Dataset
    roles: Roles = Roles()
    name: str = "table"
    uri: str | None = None
    files: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    zone: str = ""
    keep: np.ndarray | None = None
    memo: dict = field(default_factory=dict, repr=False)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns' names, as they are called here."""
        raw = self.source.columns if isinstance(self.source, pd.DataFrame) else self.source.schema.names
        ours = {theirs: mine for mine, theirs in self.names.items()}
        return tuple(ours.get(c, c) for c in raw)

    def __len__(self):
        if self.keep is not None:
            return int(self.keep.sum())
        return len(self.source) if isinstance(self.source, pd.DataFrame) else self.source.count_rows()

    def kinds(self) -> dict[str, str]:
        """Each column's kind, one of KINDS, in the table's order."""
        if isinstance(self.source, pd.DataFrame):
            kinds = [kind_of(self.source.iloc[:, i]) for i in range(self.source.shape[1])]
        else:
            kinds = [_arrow_kind(f.type) for f in self.source.schema]
        declared = {"naive time": "time"} if self.zone else {}
        return {c: declared.get(k, k) if c == self.roles.time else k for c, k in zip(self.columns, kinds, strict=True)}

    def column(self, name: str) -> pd.Series:
        """One column of the rows that count, index 0 to rows - 1."""
        if name not in self.columns:
            raise SkewkitError(f"column {name!r} was asked of {self.name}; it has {', '.join(self.columns)}")
        theirs = self.names.get(name, name)
        if isinstance(self.source, pd.DataFrame):
            series = self.source[theirs]
        else:
            series = _series(_read(self, [theirs]).column(0))
        if self.keep is not None:
            series = series[self.keep]
        series = series.reset_index(drop=True).rename(name)
        if name == self.roles.time and self.zone and kind_of(series) == "naive time":
            series = _localize(series, self.zone, self.name)
        return series

    def distribution(self, name: str) -> Distribution:
        """The column's values, sorted, exactly; remembered for frames, so that a drill sorts its training once."""
        if name not in self.memo:
            found = distribution_of(self.column(name))
            if not isinstance(self.source, pd.DataFrame):
                return found
            self.memo[name] = found
        return self.memo[name]

    def frame(self, columns=None) -> pd.DataFrame:
        """The columns (all when not given) as a frame."""
        return pd.DataFrame({c: self.column(c) for c in (self.columns if columns is None else columns)})

    def sha256(self) -> str:
        """A hash of the files' bytes, or of the frame's values."""
        digest = hashlib.sha256()
        for f in self.files:
            with open(f, "rb") as handle:
                while block := handle.read(1 << 20):
                    digest.update(block)
        if not self.files:
            digest.update("|".join(self.columns).encode())
            for column in (self.column(c) for c in self.columns):
                plain = column.map(repr) if kind_of(column) == "other" else column
                digest.update(pd.util.hash_pandas_object(plain, index=False).to_numpy().tobytes())
        return digest.hexdigest()


class Pairs:
    """Two tables aligned by key, once a case: rows whose key is present, alone, and on both sides.

    ``before`` and ``after`` hold the row numbers of the pairs, shape (n,). The rest are counts of rows: ``missing``
    from after, ``extra`` in it, and per side ``duplicates`` and ``nulls`` of the key.
    """

    def __init__(self, before: Local, after: Local):
        self.tables, self.memo = (before, after), {}
        key = before.roles.key
        kinds = [t.kinds()[key] for t in self.tables]
        if len({k.replace("integer", "number") for k in kinds}) > 1:
            raise SkewkitError(
                f"key {key!r} is {kinds[0]} in {before.name} and {kinds[1]} in {after.name}; write both as one type"
            )
        keys = [t.column(key) for t in self.tables]
        self.nulls = tuple(int(k.isna().sum()) for k in keys)
        self.duplicates = tuple(int(k.dropna().duplicated(keep=False).sum()) for k in keys)
        alone = [np.flatnonzero(k.notna() & ~k.duplicated(keep=False)) for k in keys]
        index, other = (pd.Index(k.iloc[rows]) for k, rows in zip(keys, alone, strict=True))
        at = other.get_indexer(index)
        self.before, self.after = alone[0][at >= 0], alone[1][at[at >= 0]]
        self.n = len(self.before)
        # a key that is double on one side is a finding of its own, not a missing row as well
        self.missing = int((~keys[0].dropna().isin(keys[1])).sum())
        self.extra = int((~keys[1].dropna().isin(keys[0])).sum())
        if not self.n and max(self.duplicates) and keys[0].isin(keys[1]).any():
            raise SkewkitError(
                f"no key stands alone: {self.duplicates[0]} rows of {before.name} and {self.duplicates[1]} of {after.name} "
                f"share their key {key!r} with another; give each request once"
            )
        if not self.n:
            raise SkewkitError(
                f"no key of {after.name} is in {before.name}: key {key!r} reads {_few(keys[1])} there and {_few(keys[0])} "
                f"here; give tables of the same requests"
            )

    def columns(self, name: str) -> tuple[pd.Series, pd.Series]:
        """One column on both sides, row against row."""
        return tuple(
            t.column(name).take(rows).reset_index(drop=True)
            for t, rows in zip(self.tables, (self.before, self.after), strict=True)
        )

    def agreement(self, name: str, tolerance: Tolerance = Tolerance()) -> Agreement:
        """How many pairs differ, remembered: by more than ``tolerance``, in a category, or in a null."""
        if (name, tolerance) not in self.memo:
            self.memo[name, tolerance] = Agreement(self.n, int((~same(*self.columns(name), tolerance)).sum()))
        return self.memo[name, tolerance]

    def frames(self, columns, n: int | None = None, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The columns that each side has, row against row, or about ``n`` of those pairs."""
        key = self.tables[0].roles.key
        take = np.ones(self.n, bool)
        if n is not None and n < self.n:
            take = coin(self.columns(key)[0], "sample", seed) < n / self.n
        return tuple(
            pd.DataFrame({c: t.column(c).take(rows[take]).reset_index(drop=True) for c in columns if c in t.columns})
            for t, rows in zip(self.tables, (self.before, self.after), strict=True)
        )


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
    elif len(kinds) == 1:  # text is never a number
        agree[both] = x.astype(object).to_numpy() == y.astype(object).to_numpy()
    elif "other" in kinds:  # numbers of which some have become text
        agree[both] = [type(a) is type(b) and a == b for a, b in zip(x.astype(object), y.astype(object), strict=True)]
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
    kind = kind_of(series)
    values = series.dropna()
    if kind == "other":
        raise SkewkitError(
            f"column {series.name!r} holds {series.dtype}; only numbers, text, booleans and times compare"
        )
    if kind == "text":
        counts = values.astype(object).map(str).value_counts()
        found, count = counts.index.to_numpy(object), counts.to_numpy()
        order = np.argsort(found)
        found, count = found[order], count[order]
    else:
        integer = "uint64" if "uint" in str(series.dtype).lower() else "int64"
        plain = nanoseconds(values) if "time" in kind else values.to_numpy(integer if kind == "integer" else float)
        found, count = np.unique(plain, return_counts=True)
    return Distribution(kind, found, np.cumsum(count), len(values), int(len(series) - len(values)))


def kind_of(series: pd.Series) -> str:
    """A pandas column's kind, one of KINDS."""
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return kind_of(pd.Series(dtype.categories))
    if isinstance(dtype, pd.ArrowDtype):
        return _arrow_kind(dtype.pyarrow_dtype)
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


def _arrow_kind(t: pa.DataType) -> str:
    if pa.types.is_dictionary(t):
        t = t.value_type
    tests = (
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_integer, "integer"),
        (lambda t: pa.types.is_floating(t) or pa.types.is_decimal(t), "number"),
        (lambda t: pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_null(t), "text"),
        (lambda t: pa.types.is_timestamp(t) and t.tz is not None, "time"),
        (lambda t: pa.types.is_timestamp(t) or pa.types.is_date(t), "naive time"),
    )
    return next((kind for test, kind in tests if test(t)), "other")


def _read(table: Local, names):
    try:
        return table.source.to_table(columns=names)
    except (pa.ArrowException, OSError) as e:
        raise SkewkitError(
            f"{table.name}: cannot read column {', '.join(names)} of {table.uri}: {type(e).__name__}"
        ) from None


def _series(column: pa.ChunkedArray) -> pd.Series:
    """A column in pandas; integers beside a null stay integers."""
    nullable = pa.types.is_integer(column.type) and column.null_count
    return column.to_pandas(types_mapper=pd.ArrowDtype) if nullable else column.to_pandas(date_as_object=False)


def _localize(series, name, table):
    try:
        return series.astype("datetime64[ns]").dt.tz_localize(zone(name))
    except Exception as e:  # pandas 2 raises pytz's own errors here, which have no base of their own
        raise SkewkitError(
            f"{table}: a time in {series.name!r} does not exist, or exists twice, in {name} where clocks change "
            f"({e}); log time stamps in UTC"
        ) from None


def _few(values: pd.Series) -> str:
    return ", ".join(map(repr, values.head(3).tolist()))
