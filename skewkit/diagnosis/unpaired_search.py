"""Explanations of how one feature of served differs from training's, where no row stands beside another: for whom, and what they cost.

A cost is in nats: half the likelihood ratio statistic of what a skew makes of training's values against what was served,
over the dispersion of training itself, beside what it takes to write the skew down. Against it stand "nothing changed",
"a new distribution", which pays for every cell, and what a drift could have done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..proposals.clues import Evidence, decimals, floats
from ..proposals.marginals import Cells, dispersion, freedom, limit, tilted, unlike
from ..proposals.single_values import gone
from ..records import Case, Skew, SkewkitError
from ..statistics.dependence import dependence, lengths
from ..timeline import NEVER, nanoseconds

LOOKS = 2_000  # rows, on which proposals are compared first
SEGMENTS = 3  # values of a segment that are tried
SHARES = (0.05, 0.1, 0.2, 0.25, 0.5)
SHARED = ("unit_change", "precision", "text_format", "missing_values", "missing_fill", "rate_definition")
SMALL = 1.4  # a factor that the world may grow or shrink by


@dataclass(frozen=True, eq=False)
class Guess:
    """One explanation of a feature: a skew, for whom, and what it costs in nats; ``off`` is what it leaves, ``df`` may be by chance."""

    skew: Skew
    cost: float
    off: float
    df: int
    paid: float
    made: tuple = field(repr=False)
    inside: np.ndarray | None = field(default=None, repr=False)
    where: tuple | None = None
    since: Any = None
    share: float = 1.0


@dataclass(eq=False)
class Sample:
    """Some rows of training and of served, which are other requests."""

    case: Case
    before: pd.DataFrame
    after: pd.DataFrame
    level: float
    memo: dict = field(default_factory=dict)

    @cached_property
    def order(self) -> np.ndarray | None:
        """Served rows in the order of time; None without times."""
        time = self.case.roles.time
        at = nanoseconds(self.after[time]) if time in self.after else np.zeros(1)
        return np.argsort(at, kind="stable") if len(at) > 1 and at.min() > NEVER and at.min() < at.max() else None

    @cached_property
    def days(self) -> np.ndarray | None:
        time = self.case.roles.time
        return nanoseconds(self.before[time]) // (86_400 * 10**9) if time in self.before else None

    @cached_property
    def who(self) -> np.ndarray | None:
        entity = self.case.roles.entity
        return (
            pd.factorize(self.before[entity].astype(object), use_na_sentinel=False)[0]
            if entity in self.before
            else None
        )


class Marginals:
    """One feature's two samples in cells, and how explanations are scored on them."""

    def __init__(self, e: Evidence, sample: Sample):
        self.e, self.sample = e, sample
        self.cells = Cells(e.before, e.after)
        self.x, self.y = (self.cells.codes(s) for s in (e.before, e.after))
        self.was, self.now = self.cells.counts(self.x), self.cells.counts(self.y)
        self.df = freedom(self.was, self.now)
        self.n = min(len(e.before), len(e.after))
        self.apart = unlike(self.was, self.now)

    @cached_property
    def wobble(self) -> float:
        return dispersion(self.cells, self.x, self.sample.days, self.sample.who)

    @property
    def differs(self) -> bool:
        """Whether served is other than training by more than chance and training's own wobble allow."""
        least = limit(self.df, self.sample.level)
        return self.apart > least and self.apart > least * self.wobble and self.apart > least * self.window

    @cached_property
    def window(self) -> float:
        """By how much served's rows are fewer draws, where training's own windows of that length differ; at least 1."""
        time, (before, after) = self.sample.case.roles.time, (self.sample.before, self.sample.after)
        if time not in before or time not in after:
            return 1.0
        was, now = (nanoseconds(t[time]) for t in (before, after))
        there, now = was > NEVER, now[now > NEVER]
        if there.sum() < 2 or len(now) < 2:
            return 1.0
        span, length = (max(float(t.max() - t.min()), 1.0) for t in (was[there], now))
        own = [one for one in lengths(span, length) if one.length == length and not one.inherits]
        effect = max(
            (dependence(was[there], c[there], int(c.max()) + 1, blocks=own).max() for c in self.x), default=1.0
        )
        return min(1 + (effect - 1) * (len(now) / length) / (there.sum() / span), float(len(now)))

    @property
    def nothing(self) -> float:
        return self.apart / self.wobble

    @property
    def strange(self) -> float:
        """Nats of "a new distribution": a free share for every cell."""
        return self.df / 2 * np.log(self.n)

    @cached_property
    def drift(self) -> float:
        """Nats of the best change of the world: other shares of the same values, or a smaller step or stretch of all of them."""
        best = unlike(tilted(self.cells, self.x, self.e.before, self.now), self.now)
        if self.e.numeric:
            best = min([best, *(unlike(self.cells.counts(self.cells.codes(s)), self.now) for s in self._moved())])
        return best / self.wobble + np.log(self.n)

    @cached_property
    def left(self) -> float:
        """Nats of values that are gone, and as many nulls as there are, with all other shares as they were beside each other."""
        lost = gone(self.e)
        kept = ~self.e.before.isin(lost).to_numpy(bool)
        there, nulls = self.x[0] > 0, self.now[0][0] / max(self.now[0].sum(), 1)
        weights = np.where(there, kept, 0.0) * (1 - nulls) / max((kept & there).mean(), 1e-9)
        weights[~there] = nulls / max((~there).mean(), 1e-9)
        off = unlike(self.cells.counts(self.x, slice(None), weights), self.now)
        return off / self.wobble + (len(lost) + 1) / 2 * np.log(self.n)

    def _moved(self):
        """Training's values a little larger, or stretched, and written with as many decimals."""
        x, y = self.e.numbers
        if len(np.unique(x)) < 3 or not len(y):
            return
        places = decimals(x[:LOOKS], 6)
        was, now = (np.quantile(v, (0.25, 0.5, 0.75)) for v in (x, y))
        spread = np.std(x)
        stretch = (now[2] - now[0]) / (was[2] - was[0]) if was[2] > was[0] else 1.0
        ratio = y.mean() / x.mean() if x.mean() else 1.0
        for factor in (1.0, stretch, ratio):
            factor = float(np.clip(factor, 1 / SMALL, SMALL)) if np.isfinite(factor) and factor > 0 else 1.0
            for offset in (0.0, float(np.clip(now[1] - factor * was[1], -spread, spread))):
                made = factor * floats(self.e.before) + offset
                yield pd.Series(made if places is None else np.round(made, places))

    def rough(self, made: pd.Series) -> float:
        """How far a skew's values lie from what was served, on some rows, at the best share."""
        counts = self.cells.counts(self.cells.codes(made))
        was, now = (tuple(c / max(c.sum(), 1) * LOOKS for c in s) for s in (self.was, self.now))
        made = tuple(c / max(c.sum(), 1) * LOOKS for c in counts)
        return min(unlike(_mixed(was, made, s), now) for s in (0.1, 0.5, 1.0))

    def guesses(self, skew: Skew, price: float, made: pd.Series) -> Iterator[Guess]:
        """A skew for all, for some share, since some time, or in one segment."""
        codes = self.cells.codes(made)
        counts, price = self.cells.counts(codes), price * np.log(2)

        def guess(off, df, paid, mixed, **scope):
            return Guess(skew, off / self.wobble + price + paid, off, df, price + paid, mixed, **scope)

        yield guess(unlike(counts, self.now), freedom(counts, self.now), 0.0, counts)
        share, off = self._share(counts)
        mixed = _mixed(self.was, counts, share)
        if skew.stem in SHARED:
            yield guess(off, freedom(mixed, self.now), np.log(self.n) / 2 + 2, mixed, share=share)
        ratios = [self._ratio(*one) for one in zip(counts, self.was, self.y, strict=True)]
        some = sum(np.log(1 - share + share * np.exp(r)).sum() for r in ratios)  # of a share, whichever rows it strikes
        for inside, here, paid, scope in self._parts(sum(ratios)):
            whom = self.cells.counts(self.y, inside), self.cells.counts(self.y, ~inside)
            rest = self.was if here is None else self.cells.counts(self.x, ~here)
            there = counts if here is None else self.cells.counts(codes, here)
            left = unlike(there, whom[0]) + unlike(rest, whom[1])
            df = freedom(there, whom[0]) + freedom(rest, whom[1])
            gained = sum(r[inside].sum() for r in ratios) - some
            one = guess(off - gained, df, paid, mixed, inside=inside, **scope)
            yield replace(one, off=left)

    def same(self, a: Guess, b: Guess) -> bool:
        """Whether two explanations predict the same, as far as these rows could tell; which values are lost, they must tell."""
        if {a.skew.stem, b.skew.stem} == {"missing_values"} and a.skew.how != b.skew.how:
            return False
        return unlike(a.made, b.made) < limit(freedom(a.made, b.made), 0.01)

    def covered(self, guess: Guess) -> float:
        """How many of the served values are ones that the skew makes, or leaves, beside what is to be expected."""
        made = values(guess.skew, self.e)
        if not self.e.numeric:
            return float("nan")
        if guess.share < 1:
            made = pd.concat([made, self.e.before])
        return self.cells.covered(made, self.e.after if guess.inside is None else self.e.after[guess.inside])

    def _share(self, made):
        """The share of the rows that is likeliest, and how far off it is."""
        best = min(SHARES, key=lambda s: unlike(_mixed(self.was, made, s), self.now))
        finer = np.clip(best * np.linspace(0.5, 1.9, 29), 0.01, 0.99)
        offs = [unlike(_mixed(self.was, made, s), self.now) for s in finer]
        return float(finer[int(np.argmin(offs))]), min(offs)

    @staticmethod
    def _ratio(made, was, codes):
        """Of each served row, the log of how much likelier its cell is with the skew."""
        rates = [(c + 0.5) / (c.sum() + 0.5 * len(c)) for c in (made, was)]
        return np.log(rates[0] / rates[1])[codes]

    def _parts(self, gain):
        """Rows of served, rows of training to compare with (None: all), the price in nats, and the scope."""
        order, sample = self.sample.order, self.sample
        if order is not None:
            suffix = np.cumsum(gain[order][::-1])[::-1]
            first = int(np.argmax(suffix))
            if 0.02 * len(gain) < first < 0.98 * len(gain):
                inside = np.zeros(len(gain), bool)
                inside[order[first:]] = True
                when = sample.after[sample.case.roles.time].iloc[order[first]]
                yield inside, None, np.log(self.n), {"since": when}
        for column in sample.case.roles.segments:
            if column in sample.after and column in sample.before and column != self.e.feature:
                held, known = (s[column].astype(object).to_numpy() for s in (sample.after, sample.before))
                gains = pd.Series(gain).groupby(held).sum()
                for value in gains[gains > 0].sort_values(ascending=False).index[: SEGMENTS if len(gains) > 1 else 0]:
                    inside, here = held == value, known == value
                    if all(20 < m.sum() < len(m) for m in (inside, here)):
                        paid = np.log(2 * len(gains) * len(sample.case.roles.segments))
                        yield inside, here, paid, {"where": (column, value)}


def _mixed(was, made, share):
    return tuple((1 - share) * a + share * b for a, b in zip(was, made, strict=True))


def values(skew: Skew, e: Evidence) -> pd.Series | None:
    """What the skew would have made of training's values; None where it cannot, or changes nothing."""
    try:
        with np.errstate(all="ignore"):
            made = skew.inject(e.frame, e.roles)[e.feature]
    except (SkewkitError, TypeError, ValueError, OverflowError, KeyError):
        return None
    return made.reset_index(drop=True)
