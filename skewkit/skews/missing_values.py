"""Values that are lost on the way to serving."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from ..records import NotApplicable, Skew, SkewkitError, needs
from ..scope import coin

HOWS = ("at_random", "high", "low")


@dataclass(frozen=True, kw_only=True)
class MissingValues(Skew):
    """A share ``rate`` (above 0, to 1) of a column's values is null in serving; whole numbers become floats.

    ``how="at_random"``: by a hash of the key, of each column for itself. ``how="high"`` or ``"low"``: the largest or the
    smallest values, of numbers and times. Of equal values all are lost or none, and never more than ``rate``.
    """

    rate: float = 0.1
    how: str = "at_random"

    family = "missing"
    choices = ("rate", (0.02, 0.1, 0.3, 1.0))

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.rate <= 1:
            raise SkewkitError(f"rate={self.rate!r} was asked of missing_values; it is above 0 and at most 1")
        if self.how not in HOWS:
            raise SkewkitError(f"how={self.how!r} was asked of missing_values; there are {', '.join(HOWS)}")

    def acts_on(self, frame, roles):
        return tuple(f for f in roles.features if f in frame and self._can(frame[f]))

    def inject(self, frame, roles, seed=0):
        names = self.features or self.acts_on(frame, roles)
        return pd.DataFrame({f: frame[f].mask(self._lost(frame, f, roles, seed)) for f in names}, index=frame.index)

    @property
    def wide(self):
        return self.how != "at_random"

    @classmethod
    def propose(cls, e):
        lost = e.after.isna() & e.before.notna() if e.paired else e.after.isna()
        if not lost.any() or e.after.isna().all():
            return
        yield cls(features=(e.feature,), rate=1.0), 2
        if not e.paired and e.before.dtype.kind in "iuf" and (rate := lost.mean() - e.before.isna().mean()) > 0:
            rate /= e.before.notna().mean()
            yield from ((cls(features=(e.feature,), rate=float(rate), how=how), e.real) for how in ("high", "low"))
        if e.paired and e.before.dtype.kind in "iuf":
            column = e.before if e.whole is None else e.whole[e.feature]
            for how, worst in (("high", e.before[lost].min()), ("low", e.before[lost].max())):
                rate = _rate(column, worst, how)
                if e.before[lost].nunique() > 1 and 0 < rate < 0.5:
                    yield cls(features=(e.feature,), rate=rate, how=how), e.real

    def drawn(self, share):
        if self.how == "at_random" and self.rate == 1 and share < 1:
            return replace(self, rate=share), 1.0
        return self, share

    @property
    def kin(self):
        return (self.how,)

    def says(self, alike=True):
        which = {"high": "the highest", "low": "the lowest"}.get(self.how, "")
        if self.rate == 1:
            return "is null"
        return f"is null in {100 * self.rate:.3g}% of the values" + (f", {which}" if which else "")

    @classmethod
    def examples(cls):
        yield cls(features=("amount", "country"))
        yield cls(features=("recent_count", "date"), rate=0.5)
        yield cls(features=("amount",), how="high")
        yield cls(features=("typing", "date"), rate=0.25, how="low")

    def _can(self, column):
        if self.how == "at_random":
            return bool(column.notna().any())
        return column.dtype.kind in "iufMm" and bool(self._extreme(column).any())

    def _lost(self, frame, name, roles, seed):
        if self.how == "at_random":
            needs(frame, (roles.key,), f"{self} chooses rows by their key and")
            return coin(frame[roles.key], f"missing_values|{name}", seed) < self.rate
        if frame[name].dtype.kind not in "iufMm":
            raise NotApplicable(f"{name!r} is {frame[name].dtype}; only numbers and times are high or low")
        return self._extreme(frame[name])

    def _extreme(self, column):
        """Values with so many present ones nearer the other end that they are among the lost."""
        nearer = column.rank(method="min", ascending=self.how == "high") - 1
        present = int(column.notna().sum())
        return (nearer >= present - int(self.rate * present + 1e-9)).fillna(False).to_numpy(bool)


def _rate(column, worst, how):
    """The shortest share that loses a value and all beyond it, and not the next one: of equal values all are lost or none."""
    beyond, kept = (column >= worst, column < worst) if how == "high" else (column <= worst, column > worst)
    if not kept.any():
        return 1.0
    edge = column[kept].max() if how == "high" else column[kept].min()
    low, high = (float(k.sum() / column.notna().sum()) for k in (beyond, beyond | (column == edge)))
    shares = (-(-low * 10**d // 1) / 10**d for d in range(1, 12))
    return next((s for s in shares if low <= s < high), low)
