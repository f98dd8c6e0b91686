"""One table's column, and as how many draws its rows count."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..statistics.atoms import Reach, Scale, reach
from ..statistics.cells import Cells, cells, formats
from ..statistics.clusters import alike, effects, heaviest
from ..statistics.dependence import surely
from ..statistics.distributions import Distribution

FREQUENT = 0.01  # of the rows: a cell with at least this share counts for how alike the rows of an entity are
DECILES = 9


class Side:
    """One table's column: its distribution, and as how many draws its rows count, for those of one entity are alike."""

    def __init__(self, table, feature, age):
        self.table, self.feature, self.age = table, feature, age
        self.spread: Distribution = table.distribution(feature, age)

    def heaviest(self) -> float | None:
        """How many rows the entity of a row has on average; None where the table knows no entities."""
        if "heaviest" not in self.table.memo:
            found = self.table.entities()
            self.table.memo["heaviest"] = None if found is None else heaviest(found[1])
        return self.table.memo["heaviest"]

    def alike(self) -> tuple[float, float, float]:
        """How much the rows of one entity are alike: in a cell on average, in lying below a decile, in the cell most so.

        Remembered. The average is for what each cell is asked again by itself.
        """
        about = ("alike", self.feature, self.age)
        if about not in self.table.memo:
            self.table.memo[about] = self._alike()
        return self.table.memo[about]

    def _alike(self):
        found, d = self.table.grouped(self.feature, self.age), self.spread
        if found is None or not found[1].any():
            return 0.0, 0.0, 0.0
        values, present, entities = found
        every = cells(d, d)
        deciles = np.unique(d.at(np.arange(1, DECILES + 1) * d.n // (DECILES + 1)))
        binned = Cells(deciles, d.ordered[:0]).index(values)
        who = entities[present]
        each = _beyond_chance(alike(who, every.index(values), len(every)), who)
        below = float(_beyond_chance(alike(who, binned, len(deciles) + 1, upto=True), who).max())
        return float(each.mean()), below, max(below, *each[every.counts(d) >= FREQUENT * d.n])

    def reach(self, tolerance) -> Reach:
        """How far apart two of its numbers may lie and be one value; a baseline remembers the scale that says so."""
        known = self.table.memo.get(("scale", self.feature, self.age))
        return reach(self.spread, tolerance, known and Scale(*known))

    def formats(self, allowed: Reach) -> tuple[dict[str, int], int]:
        """How its values are written, but for what is allowed; remembered, so that a drill reads its training once."""
        known = self.table.memo.get(("formats", self.feature))  # a baseline's
        about = ("formats", self.feature, allowed)
        if known is None and about not in self.table.memo:
            self.table.memo[about] = formats(self.spread, allowed)
        return known or self.table.memo[about]

    def alone(self) -> float:
        """The share of rows whose value is there once: in one row alone, or where there are entities, in one of them."""
        about = ("alone", self.feature, self.age)
        if about not in self.table.memo:
            self.table.memo[about] = self._alone()
        return self.table.memo[about]

    def _alone(self):
        found = self.table.grouped(self.feature, self.age)
        if found is None:
            return float((self.spread.counts == 1).sum() / self.spread.n)
        values, present, entities = found
        codes = np.unique(values, return_inverse=True)[1] if self.spread.kind != "text" else pd.factorize(values)[0]
        pairs = np.unique(np.c_[codes, entities[present]], axis=0)
        return float((np.bincount(pairs[:, 0])[codes] == 1).mean()) if len(codes) else 0.0

    def fewer_where(self, belongs, called: str = "") -> float:
        """By how much its rows are fewer draws for one share: of the rows that belong, told from values and their presence.

        ``called`` names what is told otherwise, nulls or a format: a baseline remembers these by their names.
        """
        if ("effects", self.feature, self.age) in self.table.memo:
            return self._remembered(self.table.memo["effects", self.feature, self.age], belongs, called)
        found = self.table.grouped(self.feature, self.age)
        if found is None:
            return 1.0
        values, present, entities = found
        inside = belongs(values, present)
        entities = entities[present] if len(inside) < len(present) else entities
        return max(1.0, float(effects(entities, inside.astype(int), 2)[1]))

    def _remembered(self, known, belongs, called):
        """Of a baseline: at least what the largest of its own cells has, of those with a value that belongs."""
        if called:
            return max(1.0, known.get(called, 1.0))
        d = self.spread
        own = cells(d, d).index(d.values[belongs(d.values, np.ones(len(d.values), bool))])
        return max([1.0, *np.array(known["cells"])[np.unique(own)]])


def _beyond_chance(alike, who):
    """How much rows of one entity are alike at its upper bound; 0 where independent rows may well seem as much so."""
    who = np.unique(who, return_inverse=True)[1]
    most, entities = heaviest(who), int(who.max()) + 1
    return np.clip((surely(1 + alike * (most - 1), entities) - 1) / max(most - 1, 1e-9), 0.0, 1.0)
