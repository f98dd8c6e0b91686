"""Two tables aligned by key, and which of their values agree."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..evidence import mask
from ..records import Agreement, SkewkitError, Tolerance
from ..scope import coin
from .columns import nulls
from .engines import Local
from .equality import same
from .keys import alike


class Pairs:
    """Two tables aligned by key, once a case: rows whose key is present, alone, and on both sides.

    ``before`` and ``after`` hold the row numbers of the pairs, shape (n,). The rest are counts of rows: ``missing``
    from after, ``extra`` in it, and per side ``duplicates`` and ``nulls`` of the key.
    """

    def __init__(self, before: Local, after: Local):
        self.tables, self.memo = (before, after), {}
        key = before.roles.key
        same_kind(self.tables, key)
        keys = [t.column(key) for t in self.tables]
        found, rows = alike(*keys)
        self.nulls = tuple(len(k) - len(f) for k, f in zip(keys, found, strict=True))
        double = [f.duplicated(keep=False) for f in found]
        self.duplicates = tuple(int(d.sum()) for d in double)
        alone = [r[~d] for r, d in zip(rows, double, strict=True)]
        index, other = (f[~d] for f, d in zip(found, double, strict=True))
        at = other.get_indexer(index)
        self.before, self.after = alone[0][at >= 0], alone[1][at[at >= 0]]
        self.n = len(self.before)
        # a key that is double on one side is a finding of its own, not a missing row as well
        self.missing, self.extra = (int((~found[i].isin(found[1 - i])).sum()) for i in (0, 1))
        if not self.n and max(self.duplicates) and found[0].isin(found[1]).any():
            raise SkewkitError(
                f"no key stands alone: {self.duplicates[0]} rows of {before.name} and {self.duplicates[1]} of {after.name} "
                f"share their key {key!r} with another; give each request once"
            )
        if not self.n:
            raise SkewkitError(
                f"no key of {after.name} is in {before.name}: key {key!r} reads {_few(keys[1])} there and {_few(keys[0])} "
                f"here; give tables of the same requests"
            )

    @property
    def at_hand(self) -> Pairs:
        return self

    def columns(self, name: str) -> tuple[pd.Series, pd.Series]:
        """One column on both sides, row against row."""
        return tuple(
            t.column(name).take(rows).reset_index(drop=True)
            for t, rows in zip(self.tables, (self.before, self.after), strict=True)
        )

    def agreement(self, name: str, tolerance: Tolerance = Tolerance(), arrived: bool = False) -> Agreement:
        """How many pairs differ, remembered: by more than ``tolerance``, in a category, or in a null.

        ``arrived``: of those alone that hold a value on both sides.
        """
        if (name, tolerance, arrived) not in self.memo:
            sides = self.columns(name)
            differ = ~same(*sides, tolerance)
            n = self.n
            if arrived:
                absent = nulls(sides[0]) | nulls(sides[1])
                differ, n = differ & ~absent, int((~absent).sum())
            self.memo[name, tolerance, arrived] = Agreement(n, int(differ.sum()), np.packbits(differ), self.n)
        return self.memo[name, tolerance, arrived]

    def alone(self, name: str, tolerance: Tolerance, others: Mapping[str, Tolerance]) -> tuple[int, int]:
        """How many pairs differ in one column and in none of the others, and how many differ in none of the others."""
        equal = ~self._anywhere(others)
        return int((self.agreement(name, tolerance).rows & equal).sum()), int(equal.sum())

    def compare(self, tolerances: Mapping[str, Tolerance]) -> int:
        """How many pairs differ in any of these features."""
        return int(self._anywhere(tolerances).sum())

    def _anywhere(self, tolerances):
        anywhere = np.zeros(self.n, bool)
        for name, tolerance in tolerances.items():
            anywhere |= self.agreement(name, tolerance).rows
        return anywhere

    def mismatches(self, name: str, tolerance: Tolerance, columns=(), arrived: bool = False) -> pd.DataFrame:
        """The pairs that differ: ``replayed``, ``served`` and columns, as served where both sides have them."""
        rows = self.agreement(name, tolerance, arrived).rows
        found = dict(zip(("replayed", "served"), (side[rows] for side in self.columns(name)), strict=True))
        for c in columns:
            side = 1 if c in self.tables[1].columns else 0
            found[c] = (
                self.tables[side].column(c).take((self.before, self.after)[side][rows]).set_axis(found["served"].index)
            )
        return pd.DataFrame(found)

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


def same_kind(tables, key: str) -> None:
    """Refuse two tables whose keys are of other kinds: none would be found in the other."""
    kinds = [t.kinds()[key] for t in tables]
    if len({k.replace("integer", "number") for k in kinds}) > 1:
        before, after = (t.name for t in tables)
        raise SkewkitError(f"key {key!r} is {kinds[0]} in {before} and {kinds[1]} in {after}; write both as one type")


def _few(values: pd.Series) -> str:
    """How the first few keys are written, and not which they are: an error is read by more people than a log is."""
    return ", ".join(repr(mask(str(v))) for v in values.head(3).tolist())
