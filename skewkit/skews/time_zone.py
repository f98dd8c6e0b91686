"""A local time read in another zone: hours, weekdays, dates and days since."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from ..proposals.zones import COMMON, LOOKS, different, matches, read, readings, sources
from ..records import NotApplicable, Skew, SkewkitError
from ..timeline import PARTS, zone

FEW = 40  # rows in which zones are looked for first
READS = 0.98  # the share of rows that a reading must reproduce to be believed


@dataclass(frozen=True, kw_only=True)
class TimeZone(Skew):
    """Training read clocks in ``training``, serving reads them in ``serving``: IANA zones, or offsets like +05:30.

    ``time`` is the column that the features are read from (the request's own time when not given). Without
    ``training``, a zone is looked for that reproduces the column. Which part of the time a feature is, or which other
    time column it counts days since, is read from its values, or said by ``reads`` (hour, weekday, ...): then it does not
    matter how training read it, in each row's own zone perhaps.
    """

    serving: str
    training: str = ""
    time: str = ""
    reads: str = ""

    family = "time"
    choices = ("serving", ("UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Tokyo", "+05:30"))

    def __post_init__(self):
        super().__post_init__()
        zone(self.serving)
        if self.reads and self.reads not in PARTS:
            raise SkewkitError(f"reads={self.reads!r} was asked of time_zone; there are {', '.join(PARTS)}")
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
    def propose(cls, e):
        """Zones in which the feature, where it differs, is what some time reads, if it is one of a time's parts at all."""
        if "zone" in e.knobs:
            yield from ((cls(features=(e.feature,), serving=z), 6) for z in different(e.frame[e.roles.time]))
            return
        if not e.paired or e.before.dtype.kind not in "iufM":
            return
        few, off = e.frame[~e.differ].iloc[:300], e.frame[e.differ].iloc[:300]
        x, y, calm = e.before[off.index], e.after[off.index], e.before[few.index]
        some = off.iloc[:: max(1, len(off) // FEW)]
        told = []  # how well training's reading fits, and the proposals it leads to
        for source in sources(e.frame, e.roles.time):
            time = "" if source == e.roles.time else source
            could = readings(off, x, source)  # what no clock gives was not read from one
            for reading in (r for r in readings(off, y, source) if r in could):
                zones = [z for z in different(e.frame[source]) if matches(some, reading, z, y[some.index]) > 0.1]
                near = {z: matches(off, reading, z, y) for z in zones}
                best = sorted((z for z in near if near[z] > 0.2), key=lambda z: -near[z])[:8]
                fits = {
                    z: min(matches(off, reading, z, x), matches(few, reading, z, calm) if len(few) else 1)
                    for z in COMMON
                    if best
                }
                was = max(fits, key=fits.get, default="")
                if was and fits[was] >= READS:
                    named = {"training": was, "time": time}
                    told.append((fits[was], named, 7, [z for z in best if z != was]))
                elif reading[0] in PARTS:
                    told.append((0.0, {"reads": reading[0], "time": time}, 9, [z for z in best if near[z] > 0.5]))
        surest = max((fit for fit, *_ in told), default=0.0)
        for _, named, bits, zones in (t for t in told if t[0] >= surest):
            for z in zones:
                yield cls(features=(e.feature,), serving=z, **named), bits + (0 if z in COMMON else 5)

    def for_others(self):
        return replace(self, reads="", time=self.time)

    @property
    def kin(self):
        return (self.serving,)

    def says(self, alike=True):
        was = f"; training read in {self.training}" if self.training else ""
        off = "" if self.serving in COMMON else ", or by a clock that is off by as much"
        return f"is read in {self.serving}{was}{off}"

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
            columns[f] = read(frame, reading, now).astype(frame[f].dtype)
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
        if self.reads:
            return self.reads, source, None
        few = frame.iloc[:LOOKS]
        found = ((r, z) for z in zones for r in readings(few, few[feature], source))
        return next((r for r, z in found if matches(few, r, z, few[feature]) >= READS), None)
