"""What a table is asked, answered in memory or from files a column at a time. Nothing else knows which it is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow.fs import FileSystem, LocalFileSystem

from ..records import Roles, SkewkitError
from ..scope import coin
from ..statistics.distributions import Distribution, Glance
from ..timeline import microseconds, zone
from .columns import Names, arrow_kind, digest, distribution_of, kind_of, plain
from .equality import same
from .keys import among

KEPT = 1 << 22  # values of a frame, at most, for its sorted columns to be kept
SOME = 1_000  # rows of a column that tell whether it may be another's twin


def _kind_of_error(error: Exception, columns: list[str]) -> str:
    return type(error).__name__


@dataclass(frozen=True, eq=False)
class Local:
    """A pandas frame, or a pyarrow dataset of which one column is read at a time.

    ``keep`` are the rows that count, shape (rows of the source,) and bool; ``names`` maps a column's name here to its
    name in the source; ``zone`` is the declared zone of a naive time column, and ``timing`` how one of text or numbers is read. ``files`` lie in ``filesystem``; ``explain``
    says of an error in reading some columns which file it was and what to do.
    """

    source: pd.DataFrame | ds.Dataset
    roles: Roles = Roles()
    name: str = "table"
    uri: str | None = None
    files: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    zone: str = ""
    timing: Any = None
    keep: np.ndarray | None = None
    filesystem: FileSystem = field(default_factory=LocalFileSystem, repr=False)
    explain: Callable[[Exception, list[str]], str] = field(default=_kind_of_error, repr=False)
    memo: dict = field(default_factory=dict, repr=False)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns' names, as they are called here."""
        raw = self.source.columns if isinstance(self.source, pd.DataFrame) else self.source.schema.names
        ours = {theirs: mine for mine, theirs in self.names.items()}
        return Names(ours.get(c, c) for c in raw)

    @property
    def at_hand(self) -> Local:
        return self

    @property
    def told(self) -> dict:
        """What a result says of it beside where it is, how large, and its hash: of CSV, how it was read."""
        return getattr(self.source, "told", {})

    def renamed(self, names: Mapping[str, str]) -> Local:
        """The table with some columns called otherwise: ours to theirs."""
        return replace(self, names=names)

    def where(self, chosen: np.ndarray) -> Local:
        """The table with some of the rows that count; ``chosen`` has shape (len(table),)."""
        keep = np.ones(len(chosen), bool) if self.keep is None else self.keep.copy()
        keep[keep] = chosen
        return replace(self, keep=keep, memo={})

    def between(self, since, until) -> Local:
        """The rows whose time is at or after ``since`` and before ``until``; None: any that is there."""
        return self.where(self._within(since, until))

    def _within(self, since, until):
        times = self.column(self.roles.time)
        after = times.notna() if since is None else times >= since
        return (after & (times.notna() if until is None else times < until)).to_numpy(bool)

    def beside(self, kept: Local, whole: Local, since, until) -> Local:
        """The rows whose key was kept of a whole table, and those whose key it lacks, as far as their own time is in the span."""
        key = self.column(self.roles.key)
        stays = among(key, kept.column(self.roles.key))
        strange = ~among(key, whole.column(self.roles.key))
        return self.where(
            stays | (strange & self._within(since, until) if self.roles.time in self.columns else strange)
        )

    def span(self) -> tuple:
        """The first and the last time."""
        times = self.column(self.roles.time)
        return times.min(), times.max()

    def sampled(self, share: float) -> Local:
        """About a share of the rows, chosen by a hash of their key, or of their number where there is none."""
        key = self.roles.key
        keys = self.column(key) if key in self.columns else pd.Series(np.arange(len(self)))
        return self.where(coin(keys, "sample") < share)

    def __len__(self):
        if self.keep is not None:
            return int(self.keep.sum())
        if isinstance(self.source, pd.DataFrame):
            return len(self.source)
        return _asked(self, [], lambda source: source.count_rows())

    def kinds(self) -> dict[str, str]:
        """Each column's kind, one of KINDS, in the table's order."""
        return self._kinds

    @cached_property
    def _kinds(self):
        if isinstance(self.source, pd.DataFrame):
            kinds = [kind_of(self.source.iloc[:, i]) for i in range(self.source.shape[1])]
        else:
            kinds = [arrow_kind(f.type) for f in self.source.schema]
        declared = {"naive time": "time"} if self.zone else {}
        if self.timing is not None and self.roles.time in self.columns:
            kinds[self.columns.index(self.roles.time)] = self.timing.kind
        return {c: declared.get(k, k) if c == self.roles.time else k for c, k in zip(self.columns, kinds, strict=True)}

    def column(self, name: str, age: bool = False) -> pd.Series:
        """One column of the rows that count, index 0 to rows - 1; ``age``: of a time, how long before the request's, in seconds."""
        if age:
            asked, known = self.column(self.roles.time), self.column(name)
            ages, there = pd.Series(np.nan, asked.index, float), (asked.notna() & known.notna()).to_numpy(bool)
            ages[there] = (microseconds(asked[there]) - microseconds(known[there])) / 1e6
            return ages.rename(name)
        if name not in self.columns:
            raise SkewkitError(f"column {name!r} was asked of {self.name}; it has {', '.join(self.columns)}")
        theirs = self.names.get(name, name)
        if isinstance(self.source, pd.DataFrame):
            series = self.source[theirs]
        else:
            series = _asked(self, [theirs], lambda source: _series(_valid(source.to_table(columns=[theirs]).column(0))))
        if self.keep is not None:
            series = series[self.keep].reset_index(drop=True)
        series = series if series.name == name else series.rename(name)
        if name == self.roles.time and self.timing is not None:
            series = self.timing(series)
        if name == self.roles.time and self.zone and kind_of(series) == "naive time":
            series = _localize(series, self.zone, self.name)
        return _as_number(series)

    def categories(self, name: str) -> tuple:
        """The labels of a column that is stored as codes, in the order of these; of any other column none."""
        if isinstance(self.source, pd.DataFrame):
            stored = isinstance(self.source[self.names.get(name, name)].dtype, pd.CategoricalDtype)
        else:
            stored = pa.types.is_dictionary(self.source.schema.field(self.names.get(name, name)).type)
        return tuple(self.column(name).cat.categories) if stored else ()

    def distribution(self, name: str, age: bool = False) -> Distribution:
        """The column's values, sorted, exactly; remembered for frames of a drill's size, so that training is sorted once."""
        if (name, age) in self.memo:
            return self.memo[name, age]
        column = self.column(name, age)
        found = distribution_of(column)
        if not age:
            self.memo["glance", name] = _glance(column, found)
        if isinstance(self.source, pd.DataFrame) and len(self) * len(self.columns) <= KEPT:
            self.memo[name, age] = found
        return found

    def glance(self, name: str) -> Glance:
        """A few facts of a column, remembered from when its distribution was last asked."""
        if ("glance", name) not in self.memo:
            self.distribution(name)
        return self.memo["glance", name]

    def entities(self, most: int = 20_000) -> tuple[np.ndarray, np.ndarray] | None:
        """The rows of at most about ``most`` entities, and the number of each row's entity; None where there is none.

        A row without an entity is one of its own.
        """
        if self.roles.entity not in self.columns:
            return None
        if "entities" not in self.memo:
            column = self.column(self.roles.entity)
            codes, names = pd.factorize(column)
            lone = codes < 0
            codes[lone] = len(names) + np.arange(lone.sum())
            rows = np.arange(len(codes))
            if (many := codes.max() + 1) > most:
                rows = rows[(coin(np.arange(many), "entities") < most / many)[codes]]
            self.memo["entities"] = rows, pd.factorize(codes[rows])[0].astype(np.int64)
        return self.memo["entities"]

    def grouped(self, name: str, age: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Of the rows of `entities`: plain values (as a Distribution holds them), which of the rows have one, their entities.

        Shapes (values,), (rows,), (rows,); None where there are no entities.
        """
        if (found := self.entities()) is None:
            return None
        _, values, present = plain(self.column(name, age).iloc[found[0]])
        return values, present, found[1]

    def agreeing(self, one: str, other: str) -> int:
        """In how many rows two columns hold the same."""
        return int(same(self.column(one), self.column(other)).sum())

    def twins(self, names) -> dict[str, str]:
        """Which of the columns hold, row for row, what an earlier one of them holds; constants are nobody's twins."""
        first: dict = {}
        found = {}
        for name in (n for n in names if not self.glance(n).constant):
            alike = first.setdefault(self.glance(name).some, [])
            column = self.column(name) if alike else None
            twin = next((other for other in alike if same(self.column(other), column).all()), None)
            if twin is not None:
                found[name] = twin
            alike.append(name)
        return found

    def partitions(self, name: str, by: str, age: bool = False) -> list[Distribution]:
        """The column's distribution in each day or week (UTC) of the table's time, in their order; [] without times."""
        if self.roles.time not in self.columns or self.kinds()[self.roles.time] != "time":
            return []
        if by not in self.memo:
            days = self.column(self.roles.time).dt.tz_convert("UTC").dt.floor("D")
            if by == "week":
                days = days - pd.to_timedelta(days.dt.day_of_week, unit="D")
            self.memo[by] = [np.flatnonzero(days == day) for day in sorted(days.dropna().unique())]
        column = self.column(name, age)
        return [distribution_of(column.iloc[rows]) for rows in self.memo[by]]

    def frame(self, columns=None) -> pd.DataFrame:
        """The columns (all when not given) as a frame."""
        return pd.DataFrame({c: self.column(c) for c in (self.columns if columns is None else columns)})

    def sha256(self) -> str:
        """A hash of the files' bytes, or of the frame's values."""
        if hasattr(self.source, "sha256"):
            return self.source.sha256()
        digest = hashlib.sha256()
        digest.update("|".join(self.columns).encode())
        for column in (self.column(c) for c in self.columns):
            plain = column.map(repr) if kind_of(column) == "other" else column
            digest.update(pd.util.hash_pandas_object(plain, index=False).to_numpy().tobytes())
        return digest.hexdigest()


def _glance(column, found):
    constant = found.constant and not (found.n and found.nulls)
    return Glance(found.n, found.nulls, constant, digest(column, _some(len(column))))


@lru_cache(maxsize=8)
def _some(rows):
    """Which rows of a column are looked at, the first and the last among them."""
    return np.unique(np.linspace(0, rows - 1, SOME).astype(int)) if rows else np.arange(0)


def _asked(table: Local, columns, ask):
    """What a dataset answers; an error names the columns and the file, and never what it holds."""
    try:
        return ask(table.source)
    except (pa.ArrowException, OSError, ValueError) as e:
        what = f"column {', '.join(columns)}" if columns else "the rows"
        raise SkewkitError(
            f"{table.name}: cannot read {what} of {table.uri or 'what was given'}: {table.explain(e, columns)}"
        ) from None


def _valid(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column, whose texts and lists lie where it says; of a damaged file they may not, and whoever reads them crashes."""
    column.validate(full=True)
    return column


def _series(column: pa.ChunkedArray) -> pd.Series:
    """A column in pandas; integers beside a null stay integers."""
    nullable = pa.types.is_integer(column.type) and column.null_count
    return column.to_pandas(types_mapper=pd.ArrowDtype) if nullable else column.to_pandas(date_as_object=False)


def _as_number(series):
    """A length of time in seconds, and a float as pandas' own, in which NaN is null; any other column as it is."""
    if "duration" in str(series.dtype) or series.dtype.kind == "m":
        return series.dt.total_seconds().astype(float)
    if isinstance(series.dtype, pd.ArrowDtype) and series.dtype.kind == "f":
        return pd.Series(series.to_numpy(series.dtype.numpy_dtype, na_value=np.nan), series.index, name=series.name)
    return series


def _localize(series, name, table):
    try:
        return series.astype("datetime64[ns]").dt.tz_localize(zone(name))
    except Exception as e:  # pandas 2 raises pytz's own errors here, which have no base of their own
        raise SkewkitError(
            f"{table}: a time in {series.name!r} does not exist, or exists twice, in {name} where clocks change "
            f"({e}); log time stamps in UTC"
        ) from None
