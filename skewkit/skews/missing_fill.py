"""A missing value that serving fills in another way than training did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..arrays import finite, like, numbers
from ..proposals.clues import commonest, floats
from ..proposals.single_values import grown, shrunk
from ..records import NotApplicable, Skew, SkewkitError, needs
from ..timeline import NEVER, Timeline, nanoseconds

FILLS = ("mean", "median", "zero", "null", "forward")
CLOSE = 1e-9  # relative: how near a value is to a mean that counts as it


@dataclass(frozen=True, kw_only=True)
class MissingFill(Skew):
    """Where a value is missing, training has ``training`` and serving puts ``serving``: a number, or a word.

    "zero"; "mean" or "median" of the column's values that are not missing; "null": it stays null; "forward": the
    newest earlier value of the same ``entity`` (the entity of the table when not given, the whole table when it has
    none), null where there is none.

    Which values are missing is told by ``training``. With "null" they are the nulls. With a number they are those equal
    to it; with "zero", "mean" or "median" those equal to 0, or to the column's own mean or median, which filling with it
    leaves where it was. A true value that equals the fill cannot be told from it, and is replaced too.
    A pipeline with the knob ``fill`` recomputes the feature, with the mean or median that it has fitted.
    """

    training: str | float = "null"
    serving: str | float = "zero"
    entity: str = ""

    family = "missing"
    choices = ("serving", ("zero", "mean", "median", "forward", -1.0))

    def __post_init__(self):
        super().__post_init__()
        for name in ("training", "serving"):
            fill = getattr(self, name)
            if not finite(fill) and fill not in FILLS:
                raise SkewkitError(f"{name}={fill!r} was asked of missing_fill; it is a number, {', '.join(FILLS)}")
        if self.training == "forward":
            raise SkewkitError("training='forward' cannot be told from true values; plant on a table with its nulls")
        if self._constant(self.training) == self._constant(self.serving):
            raise SkewkitError(f"missing_fill was given {self.serving!r} on both sides; nothing would differ")

    def knobs(self):
        return {} if self.serving in ("null", "forward") else {"fill": self.serving}

    def acts_on(self, frame, roles):
        return tuple(f for f in roles.features if f in frame and self._can(frame[f]))

    def inject(self, frame, roles, seed=0):
        names = self.features or self.acts_on(frame, roles)
        return pd.DataFrame({f: self._served(frame, f, roles) for f in names}, index=frame.index)

    @property
    def wide(self):
        return self.serving == "forward" or self.training in ("mean", "median")

    @classmethod
    def propose(cls, e):
        """What became one number where it was null, or was one number and became null or another."""
        if not e.numeric or e.before.dtype.kind not in "iuf":
            return
        x, y = floats(e.x), floats(e.y)
        if e.paired:
            was, one = commonest(x[~np.isnan(x)])
            if np.isnan(x).any():
                yield from cls._fills(e, "null", y[np.isnan(x)])
            if one > 0.5 and not np.isnan(x).all():
                yield from cls._fills(e, was, y[np.abs(x - was) <= CLOSE * abs(was)])
            return
        came = [v for v in grown(e) if type(v) in (int, float)]
        if np.isnan(x).any() and np.isnan(y).mean() < np.isnan(x).mean():
            yield from ((cls(features=(e.feature,), serving=v), e.raw) for v in came)
        for was in [v for v in shrunk(e) if e.before.dtype.kind == "f"]:
            yield from ((cls(features=(e.feature,), training=was, serving=v), 2 * e.raw) for v in came)
            if np.isnan(y).mean() > np.isnan(x).mean():
                yield cls(features=(e.feature,), training=was, serving="null"), e.raw

    @classmethod
    def _fills(cls, e, training, y):
        now, share = commonest(y)
        if np.isnan(y).mean() > 0.5 and training != "null":
            yield cls(features=(e.feature,), training=training, serving="null"), e.raw
        code = e.before.dtype.kind in "iu" and e.before.nunique() ** 2 < len(e.before) and (e.before == now).any()
        if share > 0.5 and now != training and not code:  # from code to code is an `encoding`
            yield cls(features=(e.feature,), training=training, serving=now), e.raw * (2 if training != "null" else 1)
        elif e.paired and share <= 0.5 and e.roles.time in e.frame:
            for entity in dict.fromkeys(("", *(c for c in e.roles.segments if c in e.frame))):
                yield cls(features=(e.feature,), training=training, serving="forward", entity=entity), 4

    @property
    def kin(self):
        return self.training == "null", self.serving in ("null", "forward")

    def says(self, alike=True):
        was = "null" if self.training == "null" else f"{self.training!r} (for a missing value)"
        now = {"forward": "the last value before it", "null": "null"}.get(self.serving, f"{self.serving!r}")
        return f"has {now} where training has {was}" if alike else "has another fill for missing values"

    @classmethod
    def examples(cls):
        yield cls(features=("income",), training=3_377.85)
        yield cls(features=("income",), training=3_377.85, serving="median")
        yield cls(features=("income",), training=3_377.85, serving="null")
        yield cls(features=("income",), training=3_377.85, serving="forward")
        yield cls(features=("recent_count",), training="zero", serving=-1)
        yield cls(features=("hour",), training="median", serving="mean")

    @staticmethod
    def _constant(fill):
        return 0 if fill == "zero" else fill

    def _can(self, column):
        try:
            return bool(self._missing(numbers(column, self)).any())
        except NotApplicable:
            return False

    def _missing(self, values):
        """Which values stand for one that is not known, shape (n,)."""
        if self.training == "null":
            return np.isnan(values)
        fill = _value(self.training, values)
        return np.abs(values - fill) <= CLOSE * abs(fill) if np.isfinite(fill) else np.zeros(len(values), bool)

    def _served(self, frame, name, roles):
        values = numbers(frame[name], self)
        missing = self._missing(values)
        if not missing.any():
            raise NotApplicable(
                f"{name!r} has nothing that is missing by training={self.training!r}; "
                f"give the number that training filled in, or training='null'"
            )
        if self.serving == "forward":
            return like(np.where(missing, self._earlier(frame, values, missing, roles), values), frame[name])
        return like(np.where(missing, _value(self.serving, values[~missing]), values), frame[name])

    def _earlier(self, frame, values, missing, roles):
        needs(frame, (roles.time, *([self.entity] if self.entity else [])), self)
        entity = self.entity or roles.entity
        who = frame[entity] if entity in frame else pd.Series("all", index=frame.index)
        times = nanoseconds(frame[roles.time])
        row = Timeline(who, np.where(missing, NEVER, times)).latest(who, times)
        return np.append(values, np.nan)[row]


def _value(fill, values):
    """The number that a fill stands for, over these values; null where there are none."""
    finite = values[np.isfinite(values)]
    if fill in ("mean", "median"):
        with np.errstate(over="ignore", invalid="ignore"):
            return getattr(np, fill)(finite) if len(finite) else np.nan
    return {"zero": 0.0, "null": np.nan}.get(fill, fill)
