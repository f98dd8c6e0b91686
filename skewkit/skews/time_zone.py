"""A local time read in another zone: hours, weekdays, dates and days since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..records import NotApplicable, Skew, SkewkitError
from ..timeline import PARTS, days_between, local, part, zone

COMMON = (
    "UTC",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "Europe/London",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Australia/Sydney",
)
READS = 0.98  # the share of rows that a reading must reproduce to be believed
LOOKS = 2_000  # on this many rows


@dataclass(frozen=True, kw_only=True)
class TimeZone(Skew):
    """Training read clocks in ``training``, serving reads them in ``serving``: IANA zones, or offsets like +05:30.

    ``time`` is the column that the features are read from (the request's own time when not given). Without
    ``training``, a zone is looked for that reproduces the column. Which part of the time a feature is, or which other
    time column it counts days since, is read from its values.
    """

    serving: str
    training: str = ""
    time: str = ""

    choices = ("serving", ("UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Tokyo", "+05:30"))

    def __post_init__(self):
        super().__post_init__()
        zone(self.serving)
        if self.training:
            zone(self.training)

    def knobs(self) -> dict[str, Any]:
        return {"zone": self.serving}

    def acts_on(self, frame, roles):
        return self._clocks(frame, roles, self._zones())

    def inject(self, frame, roles, seed=0):
        return self._read(frame, roles, self._zones(), self.serving)

    def undo(self, frame, roles, seed=0):
        if not self.training:
            raise NotApplicable(f"{self} does not say which zone training used; give training=")
        return self._read(frame, roles, (self.serving,), self.training)

    @classmethod
    def examples(cls):
        yield cls(serving="UTC", training="America/New_York")
        yield cls(features=("hour",), serving="+05:30", training="America/New_York")
        yield cls(features=("weekday", "date"), serving="Asia/Tokyo")
        yield cls(features=("days_since_last",), serving="Europe/Berlin", training="America/New_York", time="asked")

    def _zones(self):
        return (self.training,) if self.training else COMMON

    def _clocks(self, frame, roles, zones):
        return tuple(f for f in roles.features if f in frame and self._reading(frame, f, roles, zones))

    def _read(self, frame, roles, was, now):
        columns = {}
        for f in self.features or self._clocks(frame, roles, was):
            reading = self._reading(frame, f, roles, was)
            if reading is None:
                raise NotApplicable(
                    f"{f!r} is no {', '.join(PARTS)} of {self._source(frame, roles)!r} in {' or '.join(was)}, "
                    f"nor days since another time column; name the column it is read from with time="
                )
            columns[f] = _value(frame, reading, now).astype(frame[f].dtype)
        return pd.DataFrame(columns, index=frame.index)

    def _source(self, frame, roles):
        name = self.time or roles.time
        if name not in frame:
            raise SkewkitError(f"{self} reads the time column {name!r}; the table has {', '.join(frame)}")
        if getattr(frame[name].dtype, "tz", None) is None:
            raise SkewkitError(f"{name!r} is {frame[name].dtype}; a time with a zone is needed to read it in another")
        return name

    def _reading(self, frame, feature, roles, zones):
        """(part, time column, event column) that give this feature in one of the zones, or None."""
        source = self._source(frame, roles)
        few = frame.iloc[:LOOKS]
        if few[feature].isna().all() or few[feature].dtype.kind not in "iufM":
            return None
        named = sorted(PARTS, key=lambda p: (p not in feature, -len(p)))
        events = [c for c in few if c != source and getattr(few[c].dtype, "tz", None) is not None]
        readings = [(p, source, None) for p in named] + [("days_since", source, c) for c in events]
        found = (r for z in zones for r in readings if _same(_value(few, r, z), few[feature]))
        return next(found, None)


def _value(frame, reading, z):
    name, source, event = reading
    wall = local(frame[source], z)
    return days_between(wall, local(frame[event], z)) if name == "days_since" else part(name, wall)


def _same(mine, column):
    if (mine.dtype.kind == "M") != (column.dtype.kind == "M"):
        return False
    there = column.notna()
    return bool(np.mean(mine[there].to_numpy() == column[there].to_numpy()) >= READS)
