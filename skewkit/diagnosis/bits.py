"""The common score of causes: how many bits it takes to write down what was served, given one (a two-part code, Rissanen 1978)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import gammaln

from ..proposals.clues import SLICES, Evidence, agree, scalar
from ..records import Skew
from ..timeline import nanoseconds

NAME = 5.0  # bits to write down which skew it is
ALL = 0.99  # of a slice's rows, that a skew of chance must strike to be said to be of that slice
CHOSEN = 3  # values of a slice, at most


def choose(n, k):
    """log2 of the number of ways to choose k of n."""
    return (gammaln(np.add(n, 1.0)) - gammaln(np.add(k, 1.0)) - gammaln(np.subtract(n, k) + 1.0)) / np.log(2)


@dataclass(frozen=True, eq=False)
class Rival:
    """One explanation of a feature: skews one after the other, for whom, and the bits it takes in all.

    ``rows`` says which of the rows are as it predicts and differ, ``acts`` on which it would change something; both of
    shape (n,). ``predicted`` are its values, None of a skew of chance. Of the bits, ``price`` are for the parameters.
    """

    skews: tuple[Skew, ...]
    bits: float
    rows: np.ndarray = field(repr=False)
    acts: np.ndarray = field(repr=False)
    where: tuple | None = None
    since: Any = None
    until: Any = None
    share: float = 1.0
    predicted: pd.Series | None = field(default=None, repr=False)
    price: float = 0.0


class Ground:
    """The rows that explanations are scored on: n of them, when each was asked, and the slices they fall into."""

    def __init__(self, frame: pd.DataFrame, time: str | None, segments: tuple[str, ...], apart: tuple[str, ...]):
        self.n = len(frame)
        self.stamps = frame.get(time, None)
        at = np.zeros(self.n, "i8") if self.stamps is None else nanoseconds(self.stamps)
        self.order = np.argsort(at, kind="stable")
        self.at = at[self.order]
        self.timed = self.stamps is not None and self.n > 1 and self.at[0] < self.at[-1]
        self.slices: dict[str, tuple[np.ndarray, pd.Index]] = {}
        for c in (*segments, *(c for c in frame if c not in segments and c not in apart)):
            if c in frame and frame[c].dtype.kind not in "fMm":
                codes, values = pd.factorize(frame[c].astype(object))
                if 1 < len(values) <= SLICES:
                    self.slices[c] = codes, values

    @cached_property
    def moment(self) -> float:
        """Bits to write down a moment: one of the rows' own."""
        return float(np.log2(max(self.n, 2)))

    def nothing(self, e: Evidence, pending: np.ndarray) -> float:
        """Bits of "nothing changed", which writes down every value that did as such: "changed, unexplained"."""
        return self._rows(pending.sum(), e.raw)

    def _rows(self, wrong, raw):
        return np.log2(self.n + 1) + choose(self.n, wrong) + wrong * raw

    def scored(
        self,
        e: Evidence,
        skews: tuple[Skew, ...],
        price: float,
        predicted: pd.Series,
        pending: np.ndarray,
        others: np.ndarray | None = None,
    ) -> Rival | None:
        """The cheapest scope for what some skews predict, where ``pending`` rows are still to be explained.

        ``others`` are rows that are known to be another cause's, on which these skews should do nothing.
        """
        acts = ~agree(predicted, e.before)
        hit = pending & acts & agree(predicted, e.after)
        if hit.sum() < 3:
            return None
        quiet = acts & ~e.differ  # they would change it, and it is as it was
        if others is not None:
            quiet |= acts & others
        explained = e.differ & ~pending & ~quiet  # by another skew: no error of this one
        best = None
        for mask, where, bits in self._slices(hit, quiet):
            for since, until, share, length in self._spans(mask & hit, mask & quiet, pending.sum(), e.raw):
                total = NAME + price + bits + length
                if best is None or total < best[0] - 1e-9:
                    best = (total, mask, where, since, until, share)
        total, mask, where, since, until, share = best
        inside = mask & self._within(since, until)
        rows, here = inside & hit, inside & acts & ~explained
        part = rows.sum() / max((here & (rows | quiet)).sum(), 1) if share else 1.0
        times = [None if at is None else self.stamps.iloc[self.order[at]] for at in (since, until)]
        return Rival(skews, float(total), rows, here, where, *times, float(part), predicted, price)

    def whom(self, differ: np.ndarray) -> Rival:
        """The cheapest words for which rows differ, whatever they hold: for whom, since when, what share of them."""
        best = None
        for mask, where, bits in self._slices(differ, ~differ):
            for since, until, _share, length in self._spans(mask & differ, mask & ~differ, differ.sum(), 0.0):
                if best is None or bits + length < best[0] - 1e-9:
                    best = (bits + length, mask, where, since, until)
        total, mask, where, since, until = best
        inside = mask & self._within(since, until)
        times = [None if at is None else self.stamps.iloc[self.order[at]] for at in (since, until)]
        return Rival((), float(total), inside & differ, inside, where, *times, float(differ[inside].mean()))

    def by_chance(self, e: Evidence, skew: Skew, price: float, bits: np.ndarray, pending: np.ndarray) -> Rival:
        """A skew of chance: its own bits for every value that differs, whichever rows it strikes."""
        rows, whom = self._rows(pending.sum(), 0.0) + bits[pending[e.differ]].sum(), self.whom(pending)
        some = (whom.where, whom.since, whom.until) if whom.share >= ALL else (None, None, None)
        everyone = np.ones(self.n, bool)
        return Rival((skew,), float(NAME + price + rows), pending.copy(), everyone, *some, share=float("nan"))

    def _within(self, since, until):
        chosen = np.zeros(self.n, bool)
        chosen[self.order[since or 0 : until if until is not None else self.n]] = True
        return chosen

    def _slices(self, hit, quiet) -> Iterator[tuple[np.ndarray, tuple | None, float]]:
        """All rows, and for each column of slices the values that hold more rows it explains than rows it gets wrong."""
        yield np.ones(self.n, bool), None, 0.0
        for column, (codes, values) in self.slices.items():
            size = len(values) + 1
            hits, wrong = (np.bincount(codes + 1, m, size) for m in (hit, quiet))
            for good in (hits > wrong, hits > 0):
                chosen = np.flatnonzero(good[1:])
                if not 0 < len(chosen) <= CHOSEN or not (hits + wrong)[1:][~good[1:]].any():
                    continue
                bits = 3 + np.log2(len(self.slices) + 1) + float(choose(len(values), len(chosen)))
                named = tuple(scalar(values[i]) for i in chosen)
                yield np.isin(codes, chosen), (column, named[0] if len(named) == 1 else named), bits

    def _spans(self, hit, quiet, pending, raw):
        """Since when and until when, as places in the order of time, all of the rows or a share of them, and the bits."""
        hit, quiet = hit[self.order], quiet[self.order]
        total = hit.sum()
        for share in (False, True):
            plain = self._length(total, quiet.sum(), pending, raw, share)
            yield None, None, share, float(plain)
            if not self.timed:
                continue
            begins, acting = np.flatnonzero(hit), hit | quiet
            after, calm = (np.cumsum(m[::-1])[::-1] for m in (hit, quiet))
            first = begins[np.argmin(self._length(after[begins], calm[begins], pending, raw, share))]
            first = int(np.searchsorted(self.at, self.at[first], "left"))  # rows asked at once fall on one side
            late = None if not acting[:first].any() else first
            if late is not None:
                yield late, None, share, float(self._length(after[late], calm[late], pending, raw, share)) + self.moment
            for begin in dict.fromkeys((late, None)):
                start = begin or 0
                so_far, silent = (np.cumsum(m) - (m[:start].sum()) for m in (hit, quiet))
                ends = begins[begins >= start]
                last = ends[np.argmin(self._length(so_far[ends], silent[ends], pending, raw, share))]
                last = int(np.searchsorted(self.at, self.at[last], "right"))
                if last < self.n and acting[last:].any():
                    paid = self.moment * (1 + (begin is not None))
                    yield (
                        begin,
                        last,
                        share,
                        float(self._length(so_far[last - 1], silent[last - 1], pending, raw, share)) + paid,
                    )

    def _length(self, hits, quiet, pending, raw, share):
        """Bits of the rows: which are wrong and what they hold, and of a share which rows are struck."""
        if not share:
            return self._rows(pending - hits + quiet, raw)
        return self._rows(pending - hits, raw) + 3 + np.log2(hits + quiet + 1) + choose(hits + quiet, hits)
