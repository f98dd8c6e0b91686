"""Two tables of one engine joined by key, in the engine: counts come back, and a few of the rows that differ."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, reduce
from operator import or_

import numpy as np
import pandas as pd

from ..records import Agreement, SkewkitError, Tolerance
from ..statistics.atoms import LAST_DIGITS, scale
from .columns import as_numbers, nulls
from .equality import EXACT, LAST_DIGITS_OF_32_BITS, NUMBERS
from .lazy import Lazy
from .pairs import Pairs, same_kind

MISMATCHES = 1_000  # rows of a feature that are looked at
KEY = "key"  # what the key is called in the join, where columns are numbered: a0 of the earlier table, b0 of the later
BLOCK = 50  # features compared in one query


class LazyPairs:
    """As `pairs.Pairs`, without the rows: ``n`` pairs, ``missing``, ``extra``, and per side ``duplicates`` and ``nulls``."""

    def __init__(self, before: Lazy, after: Lazy):
        if before.engine != after.engine or before.source.get_backend() is not after.source.get_backend():
            raise SkewkitError(
                f"{before.name} is in {before.engine} and {after.name} in {after.engine}, by other connections; "
                f"give both as tables of one, or sample=, the number of rows to read into memory"
            )
        self.tables, self.memo, self.key = (before, after), {}, before.roles.key
        same_kind(self.tables, self.key)
        keys = [t.source.select(**{KEY: t.source[self.key]}) for t in self.tables]
        counted = [k.filter(k[KEY].notnull()).group_by(KEY).aggregate(rows=lambda t: t.count()) for k in keys]
        self.duplicates, self.nulls = [], []
        for t, c in zip(self.tables, counted, strict=True):
            held = c.aggregate(twice=c.rows.sum(where=c.rows > 1), rows=c.rows.sum())
            twice, rows = (int(v.as_py() or 0) for v in (t._ask(held)[n][0] for n in ("twice", "rows")))
            self.duplicates.append(twice)
            self.nulls.append(len(t) - rows)
        # a key that is double on one side is a finding of its own, not a missing row as well
        self.missing, self.extra = (self._without(keys[i], counted[1 - i], self.tables[i]) for i in (0, 1))
        alone = [c.filter(c.rows == 1).select(KEY) for c in counted]
        self._alone = alone[0].semi_join(alone[1], KEY)
        self.n = _rows(before, self._alone)
        if not self.n:
            raise SkewkitError(
                f"no key of {after.name} stands alone and is in {before.name}: {max(self.duplicates)} rows share their key "
                f"{self.key!r} with another; give tables of the same requests, each once"
            )

    def _without(self, keys, others, table):
        """The rows with a key that the other table has nowhere."""
        lost = keys.filter(keys[KEY].notnull()).anti_join(others, KEY)
        return _rows(table, lost)

    @cached_property
    def at_hand(self) -> Pairs | None:
        """The pairs of the rows of the later table at hand; None where there are none."""
        before, after = self.tables
        kept = before.where(before.source[self.key].isin(after.source[self.key]))
        try:
            return Pairs(kept.pulled(None, after.share, self.key), after.at_hand)
        except SkewkitError:
            return None

    def agreement(self, name: str, tolerance: Tolerance = Tolerance(), arrived: bool = False) -> Agreement:
        """How many pairs differ, remembered: by more than ``tolerance``, in a category, or in a null; see `pairs.Pairs`."""
        if arrived:
            joined = self._joined([name])
            there = joined.filter(joined["a0"].notnull() & joined["b0"].notnull())
            off = there.filter(~self._same(there, 0, name, tolerance))
            return Agreement(*(_rows(self.tables[0], rows) for rows in (there, off)), None)
        if (name, tolerance) not in self.memo:
            self.compare({name: tolerance})
        return self.memo[name, tolerance]

    def alone(self, name: str, tolerance: Tolerance, others: Mapping[str, Tolerance]) -> tuple[int, int]:
        """How many pairs differ in one column and in none of the others, and how many differ in none of the others."""
        joined = self._joined([name, *others])
        for i, (other, near) in enumerate(others.items(), 1):
            joined = joined.filter(self._same(joined, i, other, near))
        off = joined.filter(~self._same(joined, 0, name, tolerance))
        return _rows(self.tables[0], off), _rows(self.tables[0], joined)

    def compare(self, tolerances: Mapping[str, Tolerance]) -> int:
        """The agreements of many features, by name, in few queries; and how many pairs differ in any."""
        joined = self._joined(list(tolerances))
        differ = [~self._same(joined, i, f, t) for i, (f, t) in enumerate(tolerances.items())]
        for first in range(0, len(differ), BLOCK):
            block = {f"d{i}": differ[i].cast("int64").sum() for i in range(first, min(first + BLOCK, len(differ)))}
            got = self.tables[0]._ask(joined.aggregate(**block))
            for i, (f, t) in enumerate(tolerances.items()):
                if f"d{i}" in block:
                    self.memo[f, t] = Agreement(self.n, int(got[f"d{i}"][0].as_py() or 0), None)
        return _rows(self.tables[0], joined.filter(reduce(or_, differ)))

    def mismatches(self, name: str, tolerance: Tolerance, columns=(), arrived: bool = False) -> pd.DataFrame:
        """Some of the pairs that differ, at most MISMATCHES, those of least key: ``replayed``, ``served`` and columns."""
        joined = self._joined([name, *columns])
        if arrived:
            joined = joined.filter(joined["a0"].notnull() & joined["b0"].notnull())
        off = joined.filter(~self._same(joined, 0, name, tolerance)).order_by(KEY).limit(MISMATCHES)
        given = {c: off[f"b{i}" if f"b{i}" in off.columns else f"a{i}"] for i, c in enumerate(columns, 1)}
        sides = {"replayed": off["a0"], "served": off["b0"]}
        found = self.tables[0]._ask(
            off.select(*(v.name(f"c{i}") for i, v in enumerate([*sides.values(), *given.values()])))
        )
        return found.to_pandas(date_as_object=False).set_axis([*sides, *given], axis=1)

    def _joined(self, names):
        found = self._alone
        for t, side in zip(self.tables, "ab", strict=True):
            held = {f"{side}{i}": t.source[c] for i, c in enumerate(names) if c in t.columns}
            found = found.join(t.source.select(**{KEY: t.source[self.key]}, **held), KEY)
        return found

    def _same(self, joined, i, name, tolerance):
        """Which pairs agree, by the rule of `equality`."""
        a, b = joined[f"a{i}"], joined[f"b{i}"]
        kinds = {t.kinds()[name] for t in self.tables}
        if not kinds <= NUMBERS and len(kinds) > 1:  # text is never a number
            return a.isnull() & b.isnull()
        given = tolerance.absolute or tolerance.relative
        if not kinds <= NUMBERS or kinds in ({"boolean"}, {"integer"}):
            return a.identical_to(b)
        if tolerance.ulp:
            raise SkewkitError(f"{name}: a tolerance in ulp was asked of an engine; give absolute or relative")
        x, y = (_number(v) for v in (a, b))
        apart, near = (x - y).abs(), x != x
        if given:
            near = apart <= tolerance.absolute + tolerance.relative * x.abs()
        if tolerance.of_spread:
            single = any(v.type().is_float32() for v in (a, b))
            least = (LAST_DIGITS_OF_32_BITS if single else LAST_DIGITS) * x.abs()
            whole = (x % 1 == 0) & (y % 1 == 0) & ((x.abs() < EXACT) | self._whole(name))
            near = near | ~whole & (apart <= tolerance.of_spread * self._scale_of(name, x) + least)
        finite = ~x.isinf() & ~y.isinf()
        return (_equal(a, b, x, y) | (finite & near)).fill_null(False) | (x.isnull() & y.isnull())

    def _scale_of(self, name, x):
        """What a value is measured against, as `atoms.Scale.of` has it: that of the earlier table's rows at hand."""
        if ("scale", name) not in self.memo:
            self.memo["scale", name] = scale(_values(self.tables[0], name))
        known = self.memo["scale", name]
        off = (x - known.middle).abs()
        return (off > known.spread).ifelse(off, known.spread)

    def _whole(self, name):
        """Whether both columns hold whole numbers alone, as far as their rows at hand tell."""
        if ("whole", name) not in self.memo:
            values = np.concatenate([_values(t, name) for t in self.tables])
            self.memo["whole", name] = bool((np.rint(values) == values).all())
        return self.memo["whole", name]


def _rows(table, query):
    return int(table._ask(query.aggregate(rows=query.count()))["rows"][0].as_py())


def _values(table, name):
    column = table.at_hand.column(name)
    return as_numbers(column[~nulls(column)]).astype(float)


def _equal(a, b, x, y):
    """Which numbers are equal as such, and not only as floats: a whole one beside a float is compared as a whole one."""
    whole, other = (a, y) if a.type().is_integer() else (b, x)
    if not whole.type().is_integer() or not (a.type().is_floating() or b.type().is_floating()):
        return x == y
    fits = (other.abs() < 2.0**63) & (other % 1 == 0)
    return fits & (fits.ifelse(other, 0.0).cast("int64") == whole.cast("int64"))


def _number(value):
    """As a float, of which NaN is null."""
    x = value.cast("int64").cast("float64") if value.type().is_boolean() else value.cast("float64")
    return x.isnan().ifelse(None, x)
