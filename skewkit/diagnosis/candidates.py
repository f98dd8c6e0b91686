"""Which definitions may have made a column of features: those that a few hundred requests leave standing.

Every guess is made from raw events alone, for many windows at once. Sums here are rough, for what stands is computed
anew by `features.evaluate` before it is believed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, permutations

import numpy as np
import pandas as pd

from ..features.definitions import (
    GLOBAL,
    Column,
    DaysSince,
    Definition,
    Latest,
    LocalTime,
    Normalized,
    Rate,
    Rolling,
    timeline,
)
from ..memory import Memory
from ..timeline import NEVER, PARTS, Timeline, before, duration, local, nanoseconds, zones
from .targets import FEW, ROUGH, STANDS, Target

WINDOWS = (
    *("5min", "10min", "15min", "30min", "1h", "2h", "3h", "6h", "12h"),
    *("1D", "2D", "3D", "7D", "14D", "28D", "30D", "60D", "90D", "180D", "365D", GLOBAL),
)
CLOCKS = {"event": "happened", "ingestion": "known"}  # of two that give the same, the first is the simpler
QUICK = 48  # rows for what is tried in thousands
NEWEST = 1000  # events of a request that are looked through for a window of any length
UNITS = ("D", "h", "min", "s")
ZONES = (  # those that a tie is most likely to mean, before all others by name
    *("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Sao_Paulo"),
    *("Europe/London", "Europe/Berlin", "Europe/Athens", "Africa/Lagos", "Africa/Johannesburg", "Asia/Dubai"),
    *("Asia/Kolkata", "Asia/Shanghai", "Asia/Tokyo", "Australia/Sydney", "Pacific/Auckland"),
)


@dataclass(frozen=True)
class Stream:
    """Events of a table by one of its clocks, as requests see those with their value in ``by``.

    ``first`` and ``upto`` are the positions of each request's first event and of the one after its newest, shape (rows,);
    ``begin`` that of the first event in each window, shape (windows, rows).
    """

    read: Mapping[str, str]
    line: Timeline
    events: pd.DataFrame
    until: np.ndarray
    first: np.ndarray
    upto: np.ndarray
    begin: np.ndarray
    made: dict = field(default_factory=dict)

    def sums(self, value: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The sums of 1, of a value and of its square before each event; what is null or infinite is no event."""
        values = self.events[value].to_numpy(float)[self.line.order]
        there = np.isfinite(values)
        values = np.where(there, values, 0.0)
        return tuple(np.r_[0.0, np.cumsum(v)] for v in (there, values, values**2))

    def newest(self, sorted_: np.ndarray, missing) -> np.ndarray:
        """Of something of each sorted event, that of each request's newest; shape (rows,)."""
        return np.where(self.upto > self.first, np.append(sorted_, missing)[self.upto - 1], missing)

    def latest(self, value: str) -> np.ndarray:
        """The newest value, shape (rows,)."""
        return self.newest(self.events[value].to_numpy(float)[self.line.order], np.nan)

    def windows(self, value: str) -> dict[str, np.ndarray]:
        """Count, sum, mean and deviation of a value over every window, each of shape (windows, rows)."""
        if value not in self.made:
            count, total, squares = (s[self.upto] - s[self.begin] for s in self.sums(value))
            with np.errstate(invalid="ignore", divide="ignore"):
                mean = np.where(count > 0, total / count, np.nan)
                spread = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
            self.made[value] = {"count": count, "sum": total, "mean": mean, "deviation": spread}
        return self.made[value]


class Guesses:
    """What may have made columns of these ``requests`` (asked at the column ``time``), from the events in ``raw``.

    ``by`` maps a table to the columns that its events are looked up by.
    """

    def __init__(self, raw, requests: pd.DataFrame, time: str, by: Mapping[str, Sequence[str]], lines: Memory):
        self.raw, self.requests, self.time, self.lines = raw, requests, time, lines
        self.when = nanoseconds(requests[time])
        streams = (
            self._stream(t, b, c) for c, column in CLOCKS.items() for t in raw if column in raw[t] for b in by[t]
        )
        self.streams = [s for s in streams if (s.upto > s.first).any()]
        self.values = {
            t: [c for c in rows if rows[c].dtype.kind in "fiub" and c not in by[t]] for t, rows in raw.items()
        }
        self.counted = {t: self._patterns(t) for t in raw}

    def _patterns(self, table) -> set[str]:
        """The values to count by: of those that are null in the same events, the first."""
        first: dict[bytes, str] = {}
        for value in self.values[table]:
            first.setdefault(np.isfinite(self.raw[table][value].to_numpy(float)).tobytes(), value)
        return set(first.values())

    def _stream(self, table, by, clock):
        read = {"table": table, "by": by, "clock": clock}
        line = timeline(Latest(**read, value=""), self.raw, self.lines, CLOCKS[clock])
        until = before(self.when, 1 if clock == "event" else 0)
        codes = line.codes(self.requests[by] if by else np.zeros(len(until), "i8"))
        first, upto = line.start(codes), line.upto(codes, until)
        upto = np.where(codes >= 0, upto, first)
        lengths = [None if w == GLOBAL else duration(w, "window") for w in WINDOWS]
        begin = [first if n is None else line.upto(codes, before(until, n)) for n in lengths]
        return Stream(read, line, self.raw[table], until, first, upto, np.clip(np.array(begin), first, upto))

    def named(self, stream: Stream) -> list[str]:
        """The values of a stream's events."""
        return self.values[stream.read["table"]]

    def plain(self, targets: Sequence[Target]) -> Iterator[tuple[str, Definition]]:
        """The newest value, and rolling counts, sums and means over the usual windows."""
        for stream in self.streams:
            for value in self.named(stream):
                latest = stream.latest(value)[None]
                for t in targets:
                    if len(t.standing(latest)):
                        yield t.name, Latest(**stream.read, value=value)
            for value, how in self._aggregates(stream):
                made = stream.windows(value)[how]
                for t in targets:
                    if how != "count" or t.whole:
                        for w in t.standing(made):
                            yield t.name, Rolling(**stream.read, value=value, how=how, window=WINDOWS[w])

    def _aggregates(self, stream, hows=("count", "sum", "mean")):
        """Each value with each aggregate."""
        for value in self.named(stream):
            yield from ((value, how) for how in hows if how != "count" or value in self.counted[stream.read["table"]])

    def any_window(self, targets: Sequence[Target]) -> Iterator[tuple[str, Definition]]:
        """Rolling features over a window of any length: the one that most requests allow.

        A request allows those windows that end its events where the aggregate is the target's.
        """
        for stream in self.streams:
            held = stream.upto - stream.first
            for t in targets:
                rows = np.flatnonzero(t.off & (held > 0) & (held <= NEWEST))[:QUICK]
                if len(rows) < FEW:
                    continue
                back = np.arange(held[rows].max())
                at = stream.upto[rows][:, None] - 1 - back  # the oldest event in the window, shape (rows, events)
                there = back < held[rows][:, None]
                age = stream.until[rows][:, None] - stream.line.times[np.where(there, at, 0)]
                reach = np.where(back + 1 < held[rows][:, None], np.roll(age, -1, axis=1), np.iinfo("i8").max)
                for value, how in self._aggregates(stream):
                    found = stream.events[value].to_numpy(float)[stream.line.order[np.where(there, at, 0)]]
                    count, total = (v.cumsum(1) for v in (np.isfinite(found), np.nan_to_num(found, posinf=0, neginf=0)))
                    with np.errstate(invalid="ignore", divide="ignore"):
                        made = {"count": count, "sum": total, "mean": total / count}[how]
                    fits = there & t.near(made, ROUGH, t.values[rows][:, None]) & (reach > age)
                    if window := _agreed(age[fits], reach[fits], STANDS * len(rows)):
                        yield t.name, Rolling(**stream.read, value=value, how=how, window=window)

    def rates(self, targets: Sequence[Target]) -> Iterator[tuple[str, Definition]]:
        """One aggregate over another: of the same values over two windows, or of two over the same window.

        With r = (a + p w) / (b + w), r b - a is p w - r w: a line in r, whose two unknowns are fitted to a few requests.
        """
        for t in targets:
            rows = np.flatnonzero(t.off)[:QUICK]
            if len(rows) < 2 * FEW:
                continue
            r = t.values[rows]
            line = np.c_[np.ones(len(r)), -r]
            solve = np.linalg.pinv(line)
            for ofs, overs, a, b in self._two(rows):
                left = b * r - a
                fitted = left @ solve.T
                size = np.abs(b * r) + np.abs(a) + np.abs(fitted[:, 1:])
                wrong = np.abs(left - fitted @ line.T) > ROUGH * size
                good = (
                    (wrong.mean(1) <= 1 - STANDS)
                    & ((b + fitted[:, 1:] > 0).mean(1) >= STANDS)
                    & (fitted[:, 1] > -ROUGH)
                )
                for i in np.flatnonzero(good):
                    yield t.name, _rate(ofs[i], overs[i], *fitted[i])

    def _two(self, rows):
        """Aggregates two by two, in blocks: their definitions, and their values at ``rows``, shape (pairs, rows)."""
        alike: dict = {}
        for stream in self.streams:
            for value, how in self._aggregates(stream, ("count", "sum")):
                made = stream.windows(value)[how][:, rows]
                defined = [Rolling(**stream.read, value=value, how=how, window=w) for w in WINDOWS]
                i, j = np.array(list(combinations(range(len(WINDOWS)), 2))).T
                yield [defined[k] for k in i], [defined[k] for k in j], made[i], made[j]
                alike.setdefault((stream.read["by"], stream.read["clock"]), []).append((defined, made))
        for group in alike.values():
            for (ofs, a), (overs, b) in permutations(group, 2):
                yield ofs, overs, a, b

    def normalized(self, targets: Sequence[Target]) -> Iterator[tuple[str, Definition]]:
        """A number less a mean and over a deviation: with those undone it is the number again.

        The number is one of the request, or a newest value or mean of the events normalized by.
        """
        numbers = {
            Column(source=c): _numbers(self.requests[c]) for c in self.requests if self.requests[c].dtype.kind in "fiu"
        }
        for stream, value in ((s, v) for s in self.streams for v in self.named(s)):
            read = {**stream.read, "value": value}
            made = {how: m[:-1] for how, m in stream.windows(value).items()}  # all there is says not when it was fitted
            spread = np.where(made["deviation"] <= ROUGH * np.abs(made["mean"]), 1.0, made["deviation"])
            rolled = {Rolling(**read, window=w): m for w, m in zip(WINDOWS, made["mean"], strict=False)}
            sources = numbers | {Latest(**read): stream.latest(value)} | rolled
            plain = np.array(list(sources.values()))[:, None]
            for t in targets:
                few = np.flatnonzero(t.off)[:QUICK]
                undone = (t.values * spread + made["mean"])[:, few]
                known = ~np.isnan(undone + plain[:, :, few])
                bound = 1e-4 * (spread * np.maximum(np.abs(t.values), t.size))[:, few]
                off = np.abs(undone - plain[:, :, few]) > bound
                n = known.sum(2)
                for i, w in np.argwhere((n >= FEW) & ((off & known).sum(2) <= (1 - STANDS) * n)):
                    of = list(sources)[i]
                    if of != Column(source=t.name):
                        yield t.name, Normalized(**read, of=of, window=WINDOWS[w])

    def times(self, targets: Sequence[Target]) -> Iterator[tuple[str, Definition]]:
        """Parts of the request's local times, and days since the newest event."""
        whole = [t for t in targets if t.whole and t.values[t.off].max(initial=0) <= 366]
        zoned = [c for c in self.requests if _holds_zones(self.requests[c])]
        some = ["UTC"]
        sources = [c for c in self.requests if whole and isinstance(self.requests[c].dtype, pd.DatetimeTZDtype)]
        for source in sources:
            column = self.requests[source]
            walls = {("zone_in", c): local(column, self.requests[c]) for c in zoned} | self._zones(column)
            for part in (p for p in PARTS if p != "date"):
                made = np.array([PARTS[part](wall).to_numpy(float) for wall in walls.values()])
                for t in whole:
                    for key, z in (list(walls)[i] for i in t.standing(made)):
                        some += [z] if key == "zone" else []
                        yield t.name, LocalTime(source=source, part=part, **{key: z})
        zones_ = [*({"zone": z} for z in list(dict.fromkeys(some))[:3]), *({"zone_in": c} for c in zoned)]
        for stream in self.streams:
            days = (stream.until - stream.newest(stream.line.times, NEVER)) / duration("1D", "day")
            for t in targets:
                if t.whole and (np.abs(t.values - days) <= 2)[t.off].mean() >= STANDS:
                    yield from ((t.name, DaysSince(**stream.read, source=s, **z)) for z in zones_ for s in sources)

    def _zones(self, column: pd.Series) -> dict[tuple[str, str], pd.Series]:
        """The wall clocks that there are, each by the first of the zones that have it."""
        others = sorted(z for z in zones() if "/" in z and not z.startswith(("Etc/", "posix/", "right/")))
        found: dict[bytes, tuple] = {}
        for name in ("UTC", *ZONES, *others):
            wall = local(column, name)
            found.setdefault(wall.to_numpy().tobytes(), (("zone", name), wall))
        return dict(found.values())


def _rate(of, over, const, weight):
    """A rate with its prior and weight as somebody would have written them."""
    weight = float(f"{weight:.6g}") if weight > ROUGH else 0.0
    return Rate(of=of, over=over, weight=weight, prior=float(f"{const / weight:.6g}") if weight else 0.0)


def _agreed(above, below, enough) -> str:
    """A window that at least ``enough`` of the spans (above, below] hold, as somebody would have written it; "" if none."""
    if len(above) < enough:
        return ""
    edges = np.r_[above, below]
    change = np.r_[np.ones(len(above)), -np.ones(len(below))]
    order = np.lexsort((change, edges))  # what ends where another begins has ended: neither holds its beginning
    held = np.cumsum(change[order])
    best = int(held.argmax())
    if held[best] < enough:
        return ""
    low, high = edges[order][best], edges[order][best + 1]
    for unit in UNITS:
        length = pd.Timedelta(1, unit).value
        if (n := -(-int(low) // length)) > 0 and n * length <= int(high):
            return f"{n}{unit}"
    return ""


def _numbers(column: pd.Series) -> np.ndarray:
    return column.to_numpy(float, na_value=np.nan)


def _holds_zones(column: pd.Series) -> bool:
    """Whether a column names the zone of each row."""
    if column.dtype.kind not in "OU" and not isinstance(column.dtype, (pd.CategoricalDtype, pd.StringDtype)):
        return False
    names = column.dropna().unique()
    return 0 < len(names) <= 1000 and all(isinstance(n, str) and n in zones() for n in names)
