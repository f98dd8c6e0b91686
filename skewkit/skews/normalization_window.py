"""A feature computed, or normalised, over another window than the model learnt from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..proposals.clues import LENGTHS
from ..records import NotApplicable, Skew, SkewkitError, needs
from ..timeline import NEVER, Timeline, before, duration, nanoseconds

GLOBAL = "global"


@dataclass(frozen=True, kw_only=True)
class NormalizationWindow(Skew):
    """Training normalised by the mean and deviation of ``training``, serving by those of ``serving``.

    A window is a length of time (30D) or "global": all the table has. A pipeline with the knob ``window`` recomputes the
    feature. Without one, the column is normalised anew over the table's own rows, those of ``entity`` alone where it is
    given. Scaling undoes an earlier scaling by constants, so this is exact when ``training`` is "global" or the column
    was never normalised, and approximate when training used a moving window. Over a window with no deviation, the
    deviation counts as 1.
    """

    serving: str
    training: str = ""
    entity: str = ""

    lengths = ("serving",)
    family = "time"
    choices = ("serving", ("6h", "1D", "7D", "90D", GLOBAL))

    def __post_init__(self):
        super().__post_init__()
        for name in ("serving", "training"):
            if getattr(self, name) not in ("", GLOBAL) and not duration(getattr(self, name), name):
                raise SkewkitError(f"{name}={getattr(self, name)!r} holds nothing; a window is longer than 0")
        if self.serving == self.training:
            raise SkewkitError(f"normalization_window was given {self.serving!r} on both sides; nothing would differ")

    def knobs(self):
        return {"window": self.serving}

    def acts_on(self, frame, roles):
        return tuple(f for f in roles.features if f in frame and frame[f].dtype.kind == "f")

    def inject(self, frame, roles, seed=0):
        names = self.features or self.acts_on(frame, roles)
        for f in names:
            if frame[f].dtype.kind not in "iuf":
                raise NotApplicable(f"{f!r} is {frame[f].dtype}; only a number can be normalised")
        after, until, who = self._windows(frame, roles)
        line = Timeline(who, until)
        columns = {}
        for f in names:
            window = line.window(who, after, until, frame[f].to_numpy(float))
            columns[f] = (frame[f] - window.mean) / np.where(window.deviation == 0, 1.0, window.deviation)
        return pd.DataFrame(columns, index=frame.index)

    def _windows(self, frame, roles):
        needs(frame, [self.entity] if self.entity else [], self)
        who = frame[self.entity] if self.entity else pd.Series("all", index=frame.index)
        if self.serving == GLOBAL:
            return np.full(len(frame), NEVER), np.zeros(len(frame), "i8"), who
        if roles.time not in frame:
            raise NotApplicable(f"{self} needs the table's time column ({roles.time!r}) to lay a window on it")
        until = nanoseconds(frame[roles.time])
        return before(until, duration(self.serving, "serving")), until, who

    @property
    def wide(self):
        return True

    @classmethod
    def propose(cls, e):
        windows = (*(v for v in LENGTHS if pd.Timedelta(v) >= pd.Timedelta("5min")), GLOBAL)
        if "window" in e.knobs:
            yield from ((cls(features=(e.feature,), serving=w), 6) for w in windows)
        elif e.paired and {k for k in e.kinds} == {"number"} and _normalised(e.numbers[1]):
            few = [w for w in windows if w == GLOBAL or pd.Timedelta(w) >= pd.Timedelta("6h")]
            for entity in dict.fromkeys(("", *(c for c in (e.roles.entity, *e.roles.segments) if c in e.frame))):
                yield from (
                    (cls(features=(e.feature,), serving=w, entity=entity), 6)
                    for w in few
                    if w == GLOBAL or e.roles.time in e.frame
                )

    def says(self, alike=True):
        return f"is computed over {self.serving}, not {self.training or 'the window of training'}"

    @classmethod
    def examples(cls):
        yield cls(features=("amount_scaled",), training=GLOBAL, serving="7D")
        yield cls(features=("amount_scaled",), training="30D", serving="1D")
        yield cls(features=("amount",), training="7D", serving=GLOBAL)
        yield cls(features=("amount_scaled", "amount"), training="30D", serving="2D", entity="country")


def _normalised(values):
    """Whether numbers could have been scaled to mean 0 and deviation 1, over windows that are not all alike."""
    whole = (values % 1 == 0).all()
    return len(values) > 2 and not whole and abs(np.mean(values)) < 1 and 0.2 < np.std(values) < 5
