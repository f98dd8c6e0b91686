"""Values out of a range that serving cuts off, or throws away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..arrays import finite, like, numbers
from ..proposals.clues import commonest, floats
from ..records import Skew, SkewkitError

HOWS = ("clip", "null")
TAILS = (0.01, 0.99)
LEAST = 0.003  # of the rows, that a bound must have struck to be seen where none is paired


@dataclass(frozen=True, kw_only=True)
class Clipping(Skew):
    """Serving lets no value pass below ``low`` or above ``high`` (numbers in the column's unit; None: no bound there).

    With neither, the bounds are the column's own ``quantiles``, two shares from 0 to 1: each the smallest value that at
    least this share of the finite values lie at or below. ``how="clip"``: what is out of range becomes the bound;
    ``how="null"``: it becomes null. With no features named it acts on floats alone.
    """

    low: float | None = None
    high: float | None = None
    quantiles: tuple = TAILS
    how: str = "clip"

    family = "number"
    choices = ("how", HOWS)

    def __post_init__(self):
        super().__post_init__()
        if self.how not in HOWS:
            raise SkewkitError(f"how={self.how!r} was asked of clipping; there are {', '.join(HOWS)}")
        given = [b for b in (self.low, self.high) if b is not None]
        if not all(finite(b) for b in given) or (len(given) == 2 and self.low > self.high):
            raise SkewkitError(
                f"low={self.low!r} and high={self.high!r} were asked; they are numbers, low not above high"
            )
        shares = self.quantiles
        if len(shares) != 2 or not all(finite(q) for q in shares) or not 0 <= shares[0] <= shares[1] <= 1:
            raise SkewkitError(f"quantiles={shares!r} was asked; they are two shares, like [0.01, 0.99]")
        if given and shares != TAILS:
            raise SkewkitError("clipping takes bounds (low=, high=) or quantiles=, not both")

    def acts_on(self, frame, roles):
        floats = (f for f in roles.features if f in frame and frame[f].dtype.kind == "f")
        return tuple(f for f in floats if self._out(numbers(frame[f], self)).any())

    def inject(self, frame, roles, seed=0):
        names = self.features or self.acts_on(frame, roles)
        served = {f: like(self._kept(numbers(frame[f], self)), frame[f]) for f in names}
        return pd.DataFrame(served, index=frame.index)

    @classmethod
    def propose(cls, e):
        if not e.numeric or e.after.nunique() < 2:
            return
        if not e.paired:
            yield from cls._piled(e)
            return
        x, y = e.numbers
        (high, up), (low, down) = (_edge(x[side], y[side]) for side in (y < x, y > x))
        inside = floats(e.before)  # a bound that leaves nothing as it was is a constant
        up, down = up if (inside < high).any() else 0, down if (inside > low).any() else 0
        for bounds in ({"low": low, "high": high}, {"high": high}, {"low": low}):
            if len(bounds) == 2 and not low < high:
                continue
            if (
                all(np.isfinite(b) for b in bounds.values())
                and min(up if "high" in bounds else 1, down if "low" in bounds else 1) > 0.5
            ):
                yield cls(features=(e.feature,), **bounds), e.raw * len(bounds)
        yield from cls._thrown_away(e)

    @classmethod
    def _piled(cls, e):
        """The outermost values, where rows pile up that lay beyond; or beyond which there are none, and as many nulls."""
        x, y = e.numbers
        low, high = float(y.min()), float(y.max())
        over, under = np.mean(x > high), np.mean(x < low)
        if e.kinds[0] == "integer":  # where but one value lies beyond, it is a code's
            over, under = (m * (len(np.unique(v)) > 1) for m, v in ((over, x[x > high]), (under, x[x < low])))
        piles = {
            "high": over > LEAST and np.mean(y == high) > over / 2,
            "low": under > LEAST and np.mean(y == low) > under / 2,
        }
        lost = e.after.isna().mean() - e.before.isna().mean() > LEAST
        for names in (("low", "high"), ("high",), ("low",)):
            bounds = {n: {"low": low, "high": high}[n] for n in names}
            if all(piles[n] for n in names):
                yield cls(features=(e.feature,), **bounds), e.raw * len(names)
            if lost and all({"high": over, "low": under}[n] > LEAST for n in names):
                yield cls(features=(e.feature,), how="null", **bounds), e.raw * len(names)

    @classmethod
    def _thrown_away(cls, e):
        """Bounds beyond which values were lost: between the last that is there and the first that is not."""
        lost, x, kept = floats(e.x[e.y.isna()]), floats(e.before), floats(e.before[e.after.notna().to_numpy(bool)])
        lost, kept = lost[np.isfinite(lost)], kept[np.isfinite(kept)]
        if len(np.unique(lost)) < 2 or not len(kept):  # one value lost is a code, or a fill
            return
        above, below = lost[lost > np.median(x[np.isfinite(x)])], lost[lost <= np.median(x[np.isfinite(x)])]
        high = _between(kept[kept < above.min()].max(initial=-np.inf), above.min()) if len(above) else None
        low = _between(kept[kept > below.max()].min(initial=np.inf), below.max()) if len(below) else None
        for bounds in ({"low": low, "high": high}, {"high": high}, {"low": low}):
            there = all(b is not None and np.isfinite(b) for b in bounds.values())
            if there and (len(bounds) < 2 or low < high):
                yield cls(features=(e.feature,), how="null", **bounds), e.real * len(bounds)

    @property
    def kin(self):
        return self.how, self.low is None, self.high is None

    @property
    def wide(self):
        return self.low is None and self.high is None

    def says(self, alike=True):
        bounds = [f"{w} {b:.10g}" for w, b in (("below", self.low), ("above", self.high)) if b is not None]
        what = "is null" if self.how == "null" else "is cut off"
        return f"{what} {' and '.join(bounds)}" if alike and bounds else f"{what} beyond bounds"

    @classmethod
    def examples(cls):
        yield cls(features=("amount", "recent_amount"))
        yield cls(features=("amount", "recent_count"), quantiles=(0.0, 0.75), how="null")
        yield cls(features=("amount_scaled",), low=-0.5, high=0.5)
        yield cls(features=("recent_count",), high=4)

    def _bounds(self, values):
        if self.low is not None or self.high is not None:
            return -np.inf if self.low is None else self.low, np.inf if self.high is None else self.high
        ordered = np.sort(values[np.isfinite(values)])
        if not len(ordered):
            return -np.inf, np.inf
        return tuple(ordered[max(int(np.ceil(q * len(ordered) - 1e-9)) - 1, 0)] for q in self.quantiles)

    def _out(self, values):
        low, high = self._bounds(values)
        return (values < low) | (values > high)

    def _kept(self, values):
        if self.how == "null":
            return np.where(self._out(values), np.nan, values)
        return np.clip(values, *self._bounds(values))


def _between(kept, lost):
    """The shortest number from a kept value (itself too) to a lost one (left out)."""
    if not np.isfinite(kept):
        return None
    for places in range(-6, 12):
        short = round((kept + lost) / 2, places)
        if min(kept, lost) <= short <= max(kept, lost) and short != lost:
            return float(short)
    return float(kept)


def _edge(x, y):
    """The value that most became, and the share that did, where enough others became it to be a bound and no code."""
    value, share = commonest(y)
    became = np.unique(x[y == value])
    enough = 3 if (became % 1 == 0).all() else 2
    return (value, share) if len(became) >= enough else (np.nan, 0.0)
