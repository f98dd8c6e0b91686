"""Features that know what was known only later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..proposals.clues import LENGTHS
from ..records import Skew, SkewkitError, needs
from ..scope import coin
from ..timeline import Timeline, after, duration, history


@dataclass(frozen=True, kw_only=True)
class Leakage(Skew):
    """Training reads its features up to ``horizon`` (a length, 1D) after the request: a join without a point in time.

    It is meant for a scope of the side "training": the model learns from what serving cannot know. A pipeline with the
    knob ``horizon`` recomputes the feature. Without one, the table's own future stands in: a row takes what the newest
    later request of its ``entity`` (the entity of the table when not given), at most ``horizon`` after it, had; that is
    approximate, for more may have been known by then than when that request came. A row with no such request keeps its
    own. Name the features that were joined: what is read from the request itself cannot leak.
    """

    horizon: str
    entity: str = ""

    lengths = ("horizon",)
    family = "time"
    choices = ("horizon", ("30min", "6h", "1D", "7D"))

    def __post_init__(self):
        super().__post_init__()
        if not duration(self.horizon, "horizon"):
            raise SkewkitError(f"horizon={self.horizon!r} leaks nothing; give a length above 0, like 1D")

    def knobs(self):
        return {"horizon": self.horizon}

    def acts_on(self, frame, roles):
        fixed = {self.entity or roles.entity}
        return tuple(f for f in roles.features if f in frame and f not in fixed)

    def inject(self, frame, roles, seed=0):
        names = needs(frame, self.features or self.acts_on(frame, roles), self)
        source = self._source_rows(frame, roles, *history(frame, roles, self.entity, self))
        return pd.DataFrame({f: frame[f].array.take(source) for f in names}, index=frame.index)

    def _source_rows(self, frame, roles, who, times):
        """The row whose values each row is given."""
        rows = np.arange(len(frame))
        # of two requests at once, the same is the newer in whatever order the rows come
        order = np.argsort(coin(frame[roles.key], "leakage"), kind="stable") if roles.key in frame else rows
        line = Timeline(who.iloc[order], times[order])
        found = line.latest(who, after(times, duration(self.horizon, "horizon")))
        source = np.append(order, -1)[found]
        return np.where((found >= 0) & (times[source] > times), source, rows) if len(rows) else rows

    @property
    def wide(self):
        return True

    @classmethod
    def propose(cls, e):
        if "horizon" in e.knobs and e.side == "training":
            yield from ((cls(features=(e.feature,), horizon=v), 6) for v in LENGTHS)

    def says(self, alike=True):
        return f"knows what came up to {self.horizon} after the request"

    @classmethod
    def examples(cls):
        yield cls(features=("recent_amount", "recent_count"), horizon="2D")
        yield cls(features=("recent_amount",), horizon="6h", entity="country")
        yield cls(horizon="10D")
