"""As how many draws a column's rows count, for those near each other in time are alike: learnt from training's own blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..statistics.atoms import Reach
from ..statistics.cells import Cells, cells, written
from ..statistics.dependence import DAY, WEEK, dependence, lengths
from ..tables.columns import plain
from ..tables.equality import same
from ..timeline import NEVER, nanoseconds

HOUR = DAY // 24
ROWS = 50_000  # of training, at most, that are looked at
FREQUENT = 0.01  # of the rows: a cell with at least this share counts
DECILES = 9
CONCURRENT = 0.9  # of both tables' time, that both have, for it to be the same
WINDOWS = {"hour": HOUR, "day": DAY, "week": WEEK}  # that a baseline remembers
SPAN, LONG = "time span", "long"


class OverTime:
    """One column of training over its own time, beside a later window of so many nanoseconds and rows.

    A design effect is of training's own rows an hour, and grows with them: `on` says what it is of either side's.
    """

    def __init__(self, side, later=None):
        self.side, self.table = side, side.table
        self.window, self.rows = (None, 0) if later is None else (stretch(later), len(later))
        self.known: Mapping | None = self.table.memo.get(("over_time", side.feature, side.age))

    def three(self) -> tuple[float, float, float]:
        """Design effects: of a cell on average, of lying below a decile, of the cell that has most."""
        if self.known is not None:
            return tuple(self._remembered()["three"])
        about = ("dependent", self.side.feature, self.side.age, self.window)
        if about not in self.table.memo:
            self.table.memo[about] = self._three()
        return self.table.memo[about]

    def _three(self):
        d, looked = self.side.spread, self._looked()
        if looked is None or not d.n:
            return 1.0, 1.0, 1.0
        values, present, times = looked
        every, deciles = cells(d, d), np.unique(d.at(np.arange(1, DECILES + 1) * d.n // (DECILES + 1)))
        at, blocks = times[present], self._blocks(times)
        each = dependence(at, every.index(values), len(every), blocks=blocks)
        below = dependence(at, Cells(deciles, d.ordered[:0]).index(values), len(deciles) + 1, True, blocks).max()
        frequent = each[every.counts(d) >= FREQUENT * d.n]
        return float(each.mean()), float(below), float(max(below, *frequent, 1.0))

    def where(self, belongs: Callable, called: str = "") -> float:
        """The design effect of one share: of the rows that belong, told from values and their presence."""
        if self.known is not None:
            known, d = self._remembered(), self.side.spread
            if called:
                return known.get(called, 1.0)
            own = cells(d, d).index(d.values[belongs(d.values, np.ones(len(d.values), bool))])
            return max([1.0, *np.array(known["cells"])[np.unique(own)]])
        if (looked := self._looked()) is None:
            return 1.0
        values, present, times = looked
        inside = belongs(values, present)
        at = times[present] if len(inside) < len(present) else times
        # remembered by which rows they are: a drill asks for the same of training again and again
        about = ("dependent where", self.window, len(at), hash(np.packbits(inside).tobytes()))
        if about not in self.table.memo:
            self.table.memo[about] = float(dependence(at, inside.astype(int), 2, blocks=self._blocks(times))[1])
        return self.table.memo[about]

    def agreeing(self, other: str) -> tuple[float, float]:
        """By how much the rows of each table are fewer draws for this column to hold what another of the same table does."""
        table = self.table.at_hand
        if self.known is not None or (found := _when(table)) is None:
            return 1.0, 1.0
        rows, times = found
        alike = same(*(table.column(c).iloc[rows].reset_index(drop=True) for c in (self.side.feature, other)))
        return self.on(float(dependence(times, alike.astype(int), 2, blocks=self._blocks(times))[1]))

    def on(self, effect: float) -> tuple[float, float]:
        """What a design effect of the rows looked at is of all of training's, and of the later window's."""
        span, looked = self._span()
        if effect <= 1 or not span:
            return 1.0, 1.0
        here, window = (
            len(self.table),
            span * self.rows / max(len(self.table), 1) if self.window is None else self.window,
        )
        there = self.rows / max(window, span / max(here, 1))
        return tuple(
            min(1 + (effect - 1) * times, max(1, rows)) for times, rows in ((here / looked, here), (there * span / looked, self.rows))
        )  # fmt: skip

    def remembered(self, found, allowed: Reach) -> dict:
        """What a baseline keeps of it, for windows of an hour and of a day."""
        kept = {}
        for name, window in (WINDOWS | {LONG: self._span()[0]}).items():
            one = OverTime(self.side)
            one.window = window
            kept[name] = one._kept(found, allowed)
        return kept

    def _kept(self, spread, allowed):
        span, rows = self._span()
        made = {"span": span, "looked": rows, "three": self.three(), "nulls": self.where(lambda v, there: ~there)}
        own = cells(spread, spread)
        values, present, times = self._looked()
        made["cells"] = dependence(times[present], own.index(values), len(own), blocks=self._blocks(times)).tolist()
        if spread.kind in ("text", "number"):
            for name in written(values, spread.kind, allowed):
                made[name] = self.where(lambda v, there, name=name: written(v, spread.kind, allowed)[name], name)
        return made

    def _remembered(self):
        if self.window is None:
            return self.known["day"]
        if LONG in self.known and self.window > self.known[LONG]["span"] / 3:  # no window of training is as long
            return self.known[LONG]
        there = [name for name in WINDOWS if name in self.known]
        return self.known[max((n for n in there if WINDOWS[n] <= self.window), key=WINDOWS.get, default=there[0])]

    def _span(self):
        if self.known is not None:
            return self._remembered()["span"], self._remembered()["looked"]
        looked = self._looked()
        return (0, 1) if looked is None else (int(looked[2].max() - looked[2].min()), len(looked[2]))

    def _blocks(self, times):
        return lengths(float(times.max() - times.min()), self.window)

    def _looked(self):
        """Plain values, which of the rows have one, and the times of some rows that have a time; None without times."""
        about = ("timed", self.side.feature, self.side.age)
        if about not in self.table.memo:
            self.table.memo[about] = _timed(self.table, self.side.feature, self.side.age)
        return self.table.memo[about]


def _timed(table, feature, age):
    table = table.at_hand
    if (found := _when(table)) is None:
        return None
    rows, times = found
    _, values, present = plain(table.column(feature, age).iloc[rows])
    return values, present, times


def _when(table):
    """Some of the rows that have a time, and these; None where there are no two."""
    if table.roles.time not in table.columns or "time" not in table.kinds()[table.roles.time]:
        return None
    if "when" not in table.memo:
        times = nanoseconds(table.column(table.roles.time))
        rows = np.flatnonzero(times > NEVER)
        if len(rows) > ROWS:
            rows = np.sort(np.random.default_rng(0).choice(rows, ROWS, replace=False))
        several = len(rows) > 1 and times[rows].min() < times[rows].max()
        table.memo["when"] = (rows, times[rows]) if several else None
    return table.memo["when"]


def concurrent(a, b) -> bool:
    """Whether two tables are of the same time, so that what the time does to them is the same: the arms of a canary, say."""
    spans = [from_to(t) for t in (a, b)]
    if None in spans:
        return False
    both = min(last for _, last in spans) - max(first for first, _ in spans)
    return both >= CONCURRENT * max(last - first for first, last in spans)


def from_to(table) -> tuple[int, int] | None:
    """The first and the last time of a table, in nanoseconds since 1970; a baseline remembers it."""
    if SPAN in table.memo:
        return table.memo[SPAN] and tuple(table.memo[SPAN])
    found = _when(table.at_hand)
    return None if found is None else (int(found[1].min()), int(found[1].max()))


def stretch(table) -> int | None:
    """How long a table's times last, in nanoseconds; None where they are not known, 0 where they are one."""
    table = table.at_hand
    if table.roles.time not in table.columns or "time" not in table.kinds()[table.roles.time]:
        return None
    if "stretch" not in table.memo:
        times = nanoseconds(table.column(table.roles.time))
        times = times[times > NEVER]
        table.memo["stretch"] = int(times.max() - times.min()) if len(times) else None
    return table.memo["stretch"]
