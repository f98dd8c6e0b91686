"""A feature read as of an earlier time than it was asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..proposals.clues import LENGTHS
from ..proposals.exchanges import earlier
from ..records import Skew, SkewkitError
from ..timeline import Timeline, before, duration, history, refreshed, snapped

BATCHES = ("5min", "10min", "15min", "30min", "1h", "2h", "3h", "4h", "6h", "8h", "12h", "1D", "7D")


@dataclass(frozen=True, kw_only=True)
class Staleness(Skew):
    """Serving is ``lag`` behind (6h), or serves each value from a cache for up to ``ttl`` after it was filled, or knows what
    was known when a batch last ran that runs every ``snapshot`` (1D: at midnight in UTC), or several of these.

    What is stale is the knowledge of one ``entity`` column (the entity of the table when not given). A pipeline with the
    knobs ``lag``, ``ttl`` and ``snapshot`` recomputes the feature. Without one, the table's own history stands in: the
    value an earlier request of the same entity had. That is exact for a cache (its values are those of the requests that
    filled it) and approximate for a lag or a snapshot; a request with no earlier one keeps its value.
    """

    lag: str = ""
    ttl: str = ""
    snapshot: str = ""
    entity: str = ""

    lengths = ("lag", "ttl", "snapshot")
    family = "time"
    choices = ("lag", ("30min", "2h", "6h", "24h", "72h"))

    def __post_init__(self):
        super().__post_init__()
        if not any([duration(v, n) for n, v in self.knobs().items()]):
            raise SkewkitError(
                "staleness needs lag= (how far behind serving is), ttl= (how long a cache holds) or "
                "snapshot= (how often a batch runs)"
            )

    def knobs(self):
        return {n: v for n in self.lengths if (v := getattr(self, n))}

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
        every, lag = (duration(v, n) if v else 0 for n, v in (("snapshot", self.snapshot), ("lag", self.lag)))
        if not (every or lag):
            return filled
        until = snapped(times[filled], every) if every else times[filled]
        seen = Timeline(entities, times).latest(entities, before(until, lag))
        return np.where(seen >= 0, seen, rows)

    @property
    def wide(self):
        return True

    @classmethod
    def propose(cls, e):
        if not e.paired:
            return
        for name in cls.lengths if "lag" in e.knobs or earlier(e) else ():
            lengths = BATCHES if name == "snapshot" else LENGTHS
            yield from ((cls(features=(e.feature,), **{name: v}), 7) for v in lengths)

    def says(self, alike=True):
        told = (
            ("is {} behind", self.lag),
            ("is up to {} old, from a cache", self.ttl),
            ("is as of the last batch, which runs every {}", self.snapshot),
        )
        return ", ".join(text.format(v) for text, v in told if v)

    @classmethod
    def examples(cls):
        yield cls(features=("recent_amount",), lag="6h")
        yield cls(features=("recent_amount", "recent_count"), ttl="1D")
        yield cls(features=("recent_count",), lag="1h", ttl="12h", entity="country")
        yield cls(features=("recent_amount", "recent_count"), snapshot="1D")
