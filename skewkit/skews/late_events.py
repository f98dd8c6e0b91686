"""Counters that miss the events that come late."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..proposals.chances import binomial, missed
from ..proposals.clues import LENGTHS
from ..records import NotApplicable, Skew, SkewkitError, needs
from ..scope import coin
from ..timeline import duration

CLOCKS = ("stream", "ingestion", "event")
MOST = 1_000_000  # events in one count: more are no count of events, and slow to draw


@dataclass(frozen=True, kw_only=True)
class LateEvents(Skew):
    """Serving counts events by another clock than training, and misses those that come too late.

    A pipeline with the knob ``clock`` recomputes the feature by the clock ``serving``: "stream", "ingestion" or "event"
    (see `features.AsOf`). With ``watermark`` (a length, 5min) a stream never counts what came later than that after it
    happened. With ``edge`` (a length, 2h) the clock is training's, and serving misses the events of the last ``edge``: of
    a window its end, where its beginning stays; the pipeline's knob of that name does it.

    A table without its events has only counts. With ``late``, the share in (0, 1] of the events that come too late, each
    event counted is missed with that chance, drawn by the request's key; this is approximate, for in the world events are
    late together. The same draw serves every feature, so that a shorter window still counts no more than a longer one.
    Any whole numbers from 0 look like counts, so name the features; nulls stay.
    """

    serving: str = "stream"
    watermark: str = ""
    edge: str = ""
    late: float = 0.0

    lengths = ("watermark", "edge")
    family = "time"
    choices = ("late", (0.02, 0.1, 0.3, 0.6))

    def __post_init__(self):
        super().__post_init__()
        if self.serving not in CLOCKS:
            raise SkewkitError(f"serving={self.serving!r} was asked of late_events; there are {', '.join(CLOCKS)}")
        if not 0 <= self.late <= 1:
            raise SkewkitError(f"late={self.late!r} was asked of late_events; it is a share of the events, from 0 to 1")
        if self.watermark:
            duration(self.watermark, "watermark")
        if self.watermark and (self.late or self.serving != "stream"):
            raise SkewkitError(
                "late_events was given watermark=, which only a stream in a pipeline has; "
                "give serving='stream' and no late="
            )
        if self.edge and not duration(self.edge, "edge"):
            raise SkewkitError(f"edge={self.edge!r} was asked of late_events and misses nothing; give a length above 0")
        if self.edge and (self.late or self.watermark or self.serving != "stream"):
            raise SkewkitError("late_events was given edge=, which keeps the clock of training; give it alone")

    def knobs(self):
        if self.late:
            return {}
        if self.edge:
            return {"edge": self.edge}
        return {"clock": self.serving, **({"watermark": self.watermark} if self.watermark else {})}

    def acts_on(self, frame, roles):
        return tuple(f for f in roles.features if f in frame and are_counts(frame[f]) and frame[f].nunique() > 2)

    def inject(self, frame, roles, seed=0):
        if not self.late:
            raise NotApplicable(
                f"{self}: only a pipeline that has the events can count them by another clock; "
                f"for a table of counts give late=, the share of events that come too late"
            )
        names = needs(frame, self.features or self.acts_on(frame, roles), self)
        draw = chance(frame, roles, "late_events", seed, self)
        return pd.DataFrame({f: thinned(frame[f], 1 - self.late, draw, self) for f in names}, index=frame.index)

    @classmethod
    def propose(cls, e):
        if "clock" in e.knobs:
            for serving in CLOCKS:
                yield cls(features=(e.feature,), serving=serving), 2
            if "window" in e.knobs:
                lengths = ("edge", "watermark")
                yield from ((cls(features=(e.feature,), **{n: v}), 6) for n in lengths for v in LENGTHS)
        if "clock" in e.knobs and (share := missed(e)) is not None:  # without the events, a shorter window looks so too
            yield cls(features=(e.feature,), late=share), e.real

    @property
    def random(self):
        return self.late > 0

    def by_chance(self, e):
        return binomial(e, self.late) if self.late else None

    def says(self, alike=True):
        if self.late:
            return f"misses {100 * self.late:.3g}% of the events"
        if self.edge:
            return f"misses the events of the last {self.edge}"
        late = f", and misses what comes more than {self.watermark} late" if self.watermark else ""
        return f"counts events by the clock of {self.serving}{late}"

    @classmethod
    def examples(cls):
        yield cls(features=("recent_count",), late=0.2)
        yield cls(features=("recent_count", "days_since_last"), late=0.6)
        yield cls(late=1.0)


def are_counts(column: pd.Series) -> bool:
    """Whether all that is there are whole numbers from 0, with one above it."""
    if column.dtype.kind not in "iuf":
        return False
    there = column.dropna().to_numpy()
    return bool(np.isfinite(there).all() and (there >= 0).all() and (there % 1 == 0).all() and (there > 0).any())


def chance(frame, roles, purpose, seed, skew) -> np.ndarray:
    """A number in [0, 1) from each row's key, shape (rows,)."""
    if roles.key not in frame:
        raise NotApplicable(
            f"{skew} draws by the key of the requests ({roles.key!r}); the table has {', '.join(frame)}"
        )
    return coin(frame[roles.key], purpose, seed)


def thinned(column: pd.Series, share: float, draw: np.ndarray, skew) -> pd.Series:
    """What is left of each count when each event stays with the chance ``share``: the binomial's quantile at ``draw``."""
    from scipy.stats import binom

    if not are_counts(column) or float(column.max()) > MOST:
        raise NotApplicable(
            f"{skew}: {column.name!r} is no count: whole numbers from 0 to {MOST:,}, not all 0; name the features that are"
        )
    there = column.notna().to_numpy(bool)
    counted = column[there].to_numpy()
    new = column.copy()
    new[there] = np.maximum(binom.ppf(draw[there], counted, share), 0).astype(counted.dtype)
    return new
