"""A feature read as of an earlier time than it was asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..clues import LENGTHS
from ..exchanges import earlier
from ..records import Skew, SkewkitError
from ..timeline import Timeline, before, duration, history, refreshed


@dataclass(frozen=True, kw_only=True)
class Staleness(Skew):
    """Serving is ``lag`` behind (6h), or serves each value from a cache for up to ``ttl`` after it was filled, or both.

    What is stale is the knowledge of one ``entity`` column (the entity of the table when not given). A pipeline with the
    knobs ``lag`` and ``ttl`` recomputes the feature. Without one, the table's own history stands in: the value an
    earlier request of the same entity had. That is exact for a cache (its values are those of the requests that filled
    it) and approximate for a lag; a request with no earlier one keeps its value.
    """

    lag: str = ""
    ttl: str = ""
    entity: str = ""

    lengths = ("lag", "ttl", "snapshot")
    choices = ("lag", ("30min", "2h", "6h", "24h", "72h"))

    def __post_init__(self):
        super().__post_init__()
        lengths = [duration(v, n) for n, v in (("lag", self.lag), ("ttl", self.ttl)) if v]
        if not any(lengths):
            raise SkewkitError("staleness needs lag= (how far behind serving is) or ttl= (how long a cache holds)")

    def knobs(self):
        return {n: v for n, v in (("lag", self.lag), ("ttl", self.ttl)) if v}

    def acts_on(self, frame, roles):
        fixed = {self.entity or roles.entity}
        return tuple(f for f in roles.features if f in frame and f not in fixed)

    def inject(self, frame, roles, seed=0):
        source = self._source_rows(*history(frame, roles, self.entity, self))
        names = self.features or self.acts_on(frame, roles)
        return pd.DataFrame({f: frame[f].array.take(source) for f in names}, index=frame.index)

    def _source_rows(self, entities, times):
        """The row whose values each row is served."""
        rows = np.arange(len(times))
        filled = refreshed(entities, times, duration(self.ttl, "ttl")) if self.ttl else rows
        if not self.lag:
            return filled
        seen = Timeline(entities, times).latest(entities, before(times[filled], duration(self.lag, "lag")))
        return np.where(seen >= 0, seen, rows)

    @property
    def wide(self):
        return True

    @classmethod
    def propose(cls, e):
        if not e.paired:
            return
        for name in ("lag", "ttl"):
            if name in e.knobs:
                yield from ((cls(features=(e.feature,), **{name: v}), 6) for v in LENGTHS)
        if not e.knobs & {"lag", "ttl"} and earlier(e):
            yield from ((cls(features=(e.feature,), **{n: v}), 7) for n in ("ttl", "lag") for v in LENGTHS)

    def says(self, alike=True):
        told = (
            ("is {} behind", self.lag),
            ("is up to {} old, from a cache", self.ttl),
            ("is as of the last {}", getattr(self, "snapshot", "")),
        )
        return ", ".join(text.format(v) for text, v in told if v)

    @classmethod
    def examples(cls):
        yield cls(features=("recent_amount",), lag="6h")
        yield cls(features=("recent_amount", "recent_count"), ttl="1D")
        yield cls(features=("recent_count",), lag="1h", ttl="12h", entity="country")
