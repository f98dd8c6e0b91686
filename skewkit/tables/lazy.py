"""A table that an engine holds, asked through Ibis: DuckDB, Spark, a warehouse. Counts come back, and a sample of rows.

Columns are answered exactly, pulled one at a time, but by an engine whose sketch has a stated error: it is asked for many
columns in one query, and the error stands in each `Distribution` as its gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.dataset as ds

from ..names import first_line
from ..records import Roles, SkewkitError
from ..statistics.distributions import Distribution, Glance
from .columns import Names
from .engines import Local
from .spark import micros, naive_columns, with_zones

ROWS = 200_000  # about so many are pulled, by a hash of their key, for what is asked of rows
CELLS = 50_000_000  # and at most so many values
POINTS = 4_000  # quantiles of a sketched column
BLOCK = 10  # columns sketched in one query
FEW = 200  # whole numbers of a column, at most, to be counted one by one in an engine that sketches
VALUES = 10_000  # texts, likewise
SKETCHED = {"pyspark": 1e-4}  # engines, and the rank error of their quantiles: Spark's is 1 / accuracy, of 10,000
UNIQUE = 0.5  # of the rows are unlike all others, or those that are alike are told apart before they are sampled
WHOLE = 1 << 30  # a hash is taken modulo this, which 32 bits hold a whole number of times


@dataclass(frozen=True, eq=False)
class Lazy:
    """An Ibis table. ``zone`` is the declared zone of a naive time column; ``points`` the quantiles asked of a sketch."""

    source: Any = field(repr=False)  # it holds what ${NAME} stands for
    roles: Roles = Roles()
    name: str = "table"
    uri: str | None = None
    zone: str = ""
    points: int = POINTS
    files: tuple[str, ...] = ()
    memo: dict = field(default_factory=dict, repr=False)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns' names."""
        return Names(self.source.columns)

    @cached_property
    def engine(self) -> str:
        """The engine's name, as Ibis calls it."""
        return self.source.get_backend().name

    @property
    def gap(self) -> float:
        """By how much the share of rows at or below a value may be off in this engine's answers; 0: not at all."""
        return 1 / self.points + SKETCHED[self.engine] if self.engine in SKETCHED else 0.0

    def __len__(self):
        return self._length

    @cached_property
    def _length(self):
        return int(self._ask(self.source.count().name("rows").as_table())["rows"][0].as_py())

    def kinds(self) -> dict[str, str]:
        """Each column's kind, one of KINDS, in the table's order."""
        return self._kinds

    @cached_property
    def _kinds(self):
        naive = naive_columns(self.source) if self.engine == "pyspark" else None
        if naive and self.zone and self.roles.time in naive:
            raise SkewkitError(
                f"{self.name}: time_zone={self.zone!r} was given for {self.roles.time!r}, which Spark holds without a zone; write "
                f"it there as a timestamp: to_utc_timestamp({self.roles.time}, {self.zone!r})"
            )
        return {c: self._kind(c, t, naive) for c, t in self.source.schema().items()}

    def _kind(self, name, t, naive):
        if t.is_timestamp():
            declared = self.zone and name == self.roles.time
            moment = (t.timezone or declared) if naive is None else name not in naive
            return "time" if moment else "naive time"
        tests = (
            (t.is_boolean, "boolean"),
            (t.is_integer, "integer"),
            (lambda: t.is_floating() or t.is_decimal(), "number"),
            (lambda: t.is_string() or t.is_null(), "text"),
            (t.is_date, "naive time"),
        )
        return next((kind for test, kind in tests if test()), "other")

    # -- the same table, otherwise

    def renamed(self, names: Mapping[str, str]) -> Lazy:
        """The table with some columns called otherwise: ours to theirs."""
        return replace(self, source=self.source.rename(dict(names)), memo={})

    def where(self, rows) -> Lazy:
        """The rows that an Ibis expression is true of."""
        return replace(self, source=self.source.filter(rows), memo={})

    def between(self, since, until) -> Lazy:
        """The rows whose time is at or after ``since`` and before ``until``; None: any that is there."""
        return self.where(self._within(since, until))

    def _within(self, since, until):
        time = self.source[self.roles.time]
        rows = time.notnull()
        for bound, keeps in ((since, lambda b: time >= b), (until, lambda b: time < b)):
            if bound is not None:
                rows = rows & keeps(bound if time.type().timezone else self._wall(bound))
        return rows

    def _wall(self, moment):
        """A moment as the wall clock of a naive time column shows it; Spark's moments look naive, and are in UTC."""
        return moment.tz_convert(self.zone or "UTC").tz_localize(None)

    def beside(self, kept: Lazy, whole: Lazy, since, until) -> Lazy:
        """The rows whose key was kept of a whole table, and those whose key it lacks, as far as their own time is in the span."""
        key, inside = self.roles.key, self
        if self.roles.time in self.columns:
            inside = self.between(since, until)
        stays = self.source.semi_join(kept.source.select(key), key)
        strange = inside.source.anti_join(whole.source.select(key), key)
        return replace(self, source=stays.union(strange), memo={})

    def span(self) -> tuple:
        """The first and the last time."""
        time = self.source[self.roles.time]
        return tuple(self._ask(self.source.aggregate(first=time.min(), last=time.max())).to_pylist()[0].values())

    def sampled(self, share: float) -> Local:
        """About a share of the rows, by a hash of their key, read into memory."""
        return self.pulled(None, share, self.roles.key if self.roles.key in self.columns else None)

    def pulled(self, columns=None, share: float = 1.0, by: str | None = None) -> Local:
        """Columns (all when not given) as a table in memory, of every row, or of a share of them by a hash of a column.

        In the order of the key, for an engine has none of its own.
        """
        rows = self.source if share >= 1 else self._sampled(share, by)
        key = self.roles.key
        if columns is None:
            columns = [c for c, t in self.source.schema().items() if not t.is_interval()]  # which Arrow cannot hold
            rows = rows.order_by(key) if key in columns else rows
        found = self._ask(rows.select(*columns))
        if self.engine == "pyspark":
            found = with_zones(found, self)
        return Local(ds.dataset(found), self.roles, self.name, self.uri, zone=self.zone)

    def _sampled(self, share, by):
        """A share of the rows by a hash of one column, alike in every table of this engine; those where it is null each by itself."""
        most = int(share * WHOLE)
        if by is None:
            return self._apart(self.source, most)
        value = self.source[by]
        text = (value.cast("int64") if value.type().is_floating() else value).cast("string")  # 7 and 7.0 are one key
        named = self.source.filter(value.notnull() & (("sample|" + text).hash().abs() % WHOLE < most))
        return named.union(self._apart(self.source.filter(value.isnull()), most))

    def _apart(self, rows, most):
        """The rows whose own hash is below a bound; where many are alike, each with its number among them."""
        import ibis

        hashes = rows.select(row=_hashed(rows, self.columns))
        told = self._ask(hashes.aggregate(unlike=hashes.row.approx_nunique(), rows=hashes.count())).to_pylist()[0]
        if told["unlike"] < UNIQUE * told["rows"]:
            number = ibis.row_number().over(ibis.window(group_by=_hashed(rows, self.columns)))
            rows = rows.mutate(_number_=number)
        return rows.filter(_hashed(rows, rows.columns) < most).select(*self.columns)

    @cached_property
    def at_hand(self) -> Local:
        """A seeded sample of its rows, about ROWS: by the hash of the key, so that pairs stay together."""
        key = self.roles.key if self.roles.key in self.columns else None
        found = self.pulled(None, self.share, key)
        if not len(found):
            raise SkewkitError(
                f"{self.name}: a sample of its {len(self):,} rows by the hash of {key!r} holds none; name a key that tells them apart"
            )
        return found

    @cached_property
    def _by_entity(self) -> Local:
        """All rows of some entities, about ROWS in all."""
        return self.pulled(None, self.share, self.roles.entity)

    @property
    def share(self) -> float:
        """Of the rows, how many are at hand; 1 and more: all."""
        return min(ROWS, CELLS / len(self.columns)) / max(len(self), 1)

    # -- what a table is asked

    def categories(self, name: str) -> tuple:
        """None: an engine stores no codes of ours."""
        return ()

    def distribution(self, name: str, age: bool = False) -> Distribution:
        """How a column is spread: exactly, or from the engine's sketch with its gap; remembered where it is sketched."""
        sketched = self.engine in SKETCHED and self.kinds()[name] != "other"
        if sketched and (name, age) not in self.memo:
            self._sketch(name, age)
        found = self.memo[name, age] if sketched else self._exact(name, age)
        if not age:
            self.memo["glance", name] = Glance(
                found.n, found.nulls, found.constant and not (found.n and found.nulls), b""
            )
        return found

    def _exact(self, name, age):
        if self.kinds()[name] == "text":
            return self._counted(name)
        return self.pulled([self.roles.time, name] if age else [name]).distribution(name, age)

    def glance(self, name: str) -> Glance:
        """A few facts of a column, remembered from when its distribution was last asked."""
        if ("glance", name) not in self.memo:
            self.distribution(name)
        return self.memo["glance", name]

    def entities(self, most: int = 20_000):
        return self._by_entity.entities(most) if self.roles.entity in self.columns else None

    def grouped(self, name: str, age: bool = False):
        return self._by_entity.grouped(name, age) if self.roles.entity in self.columns else None

    def partitions(self, name: str, by: str, age: bool = False) -> list[Distribution]:
        return self.at_hand.partitions(name, by, age)

    def agreeing(self, one: str, other: str) -> int:
        """In how many rows two columns hold the same."""
        alike = self.source[one].identical_to(self.source[other]).cast("int64").sum()
        return int(self._ask(self.source.aggregate(rows=alike))["rows"][0].as_py() or 0)

    def twins(self, names) -> dict[str, str]:
        """Which of the columns hold what an earlier one holds: in the rows at hand, and then in every row."""
        found = self.at_hand.twins(names)
        return {f: g for f, g in found.items() if self.agreeing(f, g) == len(self)}

    def frame(self, columns=None) -> pd.DataFrame:
        """The columns of the rows at hand."""
        return self.at_hand.frame(columns)

    def column(self, name: str, age: bool = False) -> pd.Series:
        """A column of the rows at hand."""
        return self.at_hand.column(name, age)

    @property
    def told(self) -> dict[str, Any]:
        """What a result says of it: its engine, and by how much the share of rows below a value may be off."""
        return {"engine": self.engine, "gap": self.gap}

    def sha256(self) -> None:
        """What an engine holds has no hash here."""

    # -- the engine

    def _ask(self, query):
        try:
            return query.to_pyarrow()
        except Exception as e:  # every engine has errors of its own
            raise SkewkitError(
                f"{self.name}: {self.uri or self.engine} did not answer ({first_line(e, self.uri or '')})"
            ) from None

    def _counted(self, name):
        """A column's distribution from the rows of each of its values."""
        kind = self.kinds()[name]
        counts = self._ask(self.source.group_by(value=self.source[name]).aggregate(rows=self.source.count()))
        values, rows = counts["value"].to_pylist(), counts["rows"].to_numpy()
        there = np.array([v is not None for v in values], bool)
        held = np.empty(int(there.sum()), object)
        held[:] = [v for v in values if v is not None]
        order, dtype = np.argsort(held), {"integer": np.int64, "boolean": float}.get(kind, object)
        ends = np.cumsum(rows[there][order])
        n = int(ends[-1]) if len(ends) else 0
        return Distribution(kind, held[order].astype(dtype), ends, n, int(rows[~there].sum()))

    def _sketch(self, name, age):
        """Ask for a block of columns at once, this one and the next features that were not asked yet."""
        names = [f for f in self.roles.features if f in self.columns and self.kinds()[f] != "other"]
        names = [f for f in names if (f, age) not in self.memo and (not age or self.kinds()[f] == "time")]
        at = names.index(name) if name in names else 0
        block = [name, *(f for f in names[at:] if f != name)][:BLOCK]
        values = {f: self._plain(f, age) for f in block}
        asked = {}
        for i, v in enumerate(values.values()):
            asked |= {f"n{i}": v.count(), f"some{i}": v.approx_nunique(), f"first{i}": v.min(), f"last{i}": v.max()}
            if not v.type().is_string():
                asked[f"at{i}"] = v.approx_quantile([k / self.points for k in range(1, self.points)])
        got = self._ask(self.source.aggregate(rows=self.source.count(), **asked)).to_pylist()[0]
        for i, f in enumerate(values):
            found = {k: got.get(f"{k}{i}") for k in ("n", "some", "first", "last", "at")}
            self.memo[f, age] = self._spread(f, age, got["rows"], **found)

    def _plain(self, name, age):
        """A column as a Distribution holds its values: numbers, or microseconds since 1970, or seconds of age."""
        value, kind = self.source[name], self.kinds()[name]
        if "time" in kind:
            moment = micros(value)
            return (micros(self.source[self.roles.time]) - moment) / 1e6 if age else moment
        if kind == "boolean":
            return value.cast("int64")
        if value.type().is_floating():
            return value.isnan().ifelse(None, value)
        return value.cast("float64") if value.type().is_decimal() else value

    def _spread(self, name, age, rows, n, some, first, last, at):
        kind = "number" if age else self.kinds()[name]
        if kind == "text":
            # more values than can be counted one by one: those of the rows at hand
            return self._counted(name) if some <= VALUES else self.at_hand.distribution(name)
        if kind in ("integer", "boolean") and n and some <= FEW:
            return self._counted(name)
        dtype = np.int64 if kind == "integer" or "time" in kind else float
        if not n:
            return Distribution(kind, np.array([], dtype), None, 0, rows)
        values = np.array([*at, last]).astype(dtype)
        ends = np.r_[np.round(np.arange(1, self.points) * n / self.points).astype(np.int64), n]
        final = np.r_[values[1:] != values[:-1], True]  # of values that hold several quantiles, the last
        if first == last:  # no quantile is needed to know it
            return Distribution(kind, values[-1:], np.array([n]), n, rows - n)
        return Distribution(kind, values[final], ends[final], n, rows - n, self.gap)


def _hashed(table, columns):
    """A number from 0 to WHOLE - 1 for each row, of all that it holds."""
    mixed = sum(table[c].hash().fill_null(0) % WHOLE * (2 * i + 1) for i, c in enumerate(columns))
    return mixed.cast("string").hash().abs() % WHOLE
