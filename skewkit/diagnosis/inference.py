"""What made a table of features, found from raw events alone: a definition for each column that follows one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ..features.definitions import GLOBAL, Definition, Filled, evaluate, knobs_of, reads, turn
from ..memory import Memory
from ..records import SkewkitError, needs
from ..scope import coin, with_columns
from .candidates import ZONES, Guesses
from .targets import FEW, Target

WHOLLY = 0.9995  # of the rows: what reproduces fewer is looked for further, as another time column's weekday
REPRODUCED = 0.98  # of the rows, before a definition is believed
SCREEN = 200  # rows for the first look, and as many again that are not a column's commonest value
TRIED = 100  # definitions of a column, at most, that are computed on all rows
HORIZONS = (
    *("5min", "10min", "15min", "30min", "1h", "2h", "3h", "6h", "12h"),
    *("1D", "2D", "3D", "7D", "14D", "30D"),
)


@dataclass(frozen=True)
class Inferred:
    """A `records.Replay` made of definitions that reproduce a table's columns from events.

    ``share`` says how much of the replayed column each reproduces; ``ties`` are others that reproduce it as well.
    ``at_fault`` are features whose replayed values follow no definition while their served ones do: theirs is the
    definition then, and where it gives what was replayed by looking ahead, ``horizons`` says how far.
    """

    raw: Mapping[str, pd.DataFrame] = field(repr=False)
    time: str
    definitions: Mapping[str, Definition]
    share: Mapping[str, float]
    ties: Mapping[str, tuple[Definition, ...]] = field(repr=False)
    at_fault: tuple[str, ...] = ()
    horizons: Mapping[str, str] = field(default_factory=dict)
    lines: Memory = field(default_factory=Memory, repr=False, compare=False)

    sources = ()  # it replays from the columns of the tables compared

    def knobs(self, feature: str) -> frozenset[str]:
        """What can be turned in the definition of a feature; nothing where none was found."""
        return knobs_of(self.definitions[feature]) if feature in self.definitions else frozenset()

    def source(self, requests: pd.DataFrame) -> pd.DataFrame:
        """The requests as they are."""
        return requests

    def reading(self, columns: Sequence[str]) -> tuple[str, ...]:
        """The features that read any of these columns of the requests."""
        return tuple(f for f, d in self.definitions.items() if reads(d) & set(columns))

    def __call__(self, requests: pd.DataFrame, features: Sequence[str] = (), source=None, **knobs: Any) -> pd.DataFrame:
        """These features of any requests that have the columns they read, with knobs turned."""
        names = tuple(features) or tuple(self.definitions)
        if lost := [f for f in names if f not in self.definitions]:
            found = ", ".join(self.definitions) or "none"
            raise SkewkitError(f"{lost[0]!r} was asked, and no definition from the events gives it; found were {found}")
        turned = {f: turn(self.definitions[f], **knobs) for f in names}
        asked = requests if source is None else source
        needs(asked, sorted({self.time}.union(*map(reads, turned.values()))), "the replay from events")
        return evaluate(turned, self.raw, asked.reset_index(drop=True), self.time, self.lines).set_axis(requests.index)


@dataclass(frozen=True)
class Fitted:
    """A definition, how much of a column it reproduces, and others that reproduce as much."""

    definition: Definition
    share: float
    ties: tuple[Definition, ...] = ()


def infer(
    raw: Mapping[str, pd.DataFrame],
    requests: pd.DataFrame,
    features: Sequence[str],
    time: str,
    served: pd.DataFrame | None = None,
    by: Mapping[str, Sequence[str]] | None = None,
) -> Inferred:
    """The definitions that reproduce columns of replayed ``requests`` from the events in ``raw``.

    ``raw`` maps a table's name to events with the column ``known`` and, for the clock of events, ``happened``, as
    `event_tables.read_events` gives them. ``requests`` hold the ``features``, the ``time`` they were asked, and whose
    they are: a few thousand rows are enough. ``by`` maps a table to the columns that its events are looked up by; not
    given, they are those that both have and that hold no fractions, and then all events as one series. ``served`` are the
    same requests, row by row, as they were served: see `Inferred.at_fault`.

    A definition is believed when it reproduces 0.98 of the rows to 1e-9 of the value (two steps of a narrower float), of
    those that are not the column's commonest value as well; of several the simplest is taken. Raises SkewkitError for a
    column that is not there.
    """
    needs(requests, [time, *features], "infer")
    rows = requests.reset_index(drop=True)
    by = {t: tuple((by or {}).get(t, _shared(events, rows))) for t, events in raw.items()}
    lines = Memory()
    found = _found(raw, rows, time, by, lines, _targets(rows, features))
    definitions, share = {f: g.definition for f, g in found.items()}, {f: g.share for f, g in found.items()}
    ties = {f: g.ties for f, g in found.items()}
    horizons: dict[str, str] = {}
    theirs: dict[str, Fitted] = {}
    if served is not None:
        needs(served, features, "infer")
        there = with_columns(rows, {f: served[f].to_numpy() for f in features})
        theirs = _found(raw, there, time, by, lines, _targets(there, [f for f in features if f not in found]))
    for target in _targets(rows, theirs):
        right = theirs[target.name].definition
        made = evaluate({"f": right}, raw, rows, time, lines)["f"].to_numpy(float)
        off = ~target.near(made)
        definitions[target.name], share[target.name] = right, float(1 - off.mean())
        ties[target.name] = theirs[target.name].ties
        if horizon := _horizon(right, target, off, raw, rows, time, lines):
            horizons[target.name] = horizon
    return Inferred(raw, time, definitions, share, ties, tuple(theirs), horizons, lines)


def looks_ahead(replay: Inferred, rows: pd.DataFrame) -> dict[str, tuple[str, np.ndarray]]:
    """The columns of other requests that know the future: how far, and what their definitions give, shape (rows,).

    ``rows`` hold the columns and all that the definitions of ``replay`` read. A column is only one of these where a
    horizon reproduces nearly all of the values that its definition does not: events that do not reach back far enough
    also leave values that differ, and those are no leak.
    """
    found, rows = {}, rows.reset_index(drop=True)
    for target in _targets(rows, [f for f in replay.definitions if f in rows]):
        right = replay.definitions[target.name]
        made = evaluate({"f": right}, replay.raw, rows, replay.time, replay.lines)["f"].to_numpy(float)
        off = ~target.near(made)
        if horizon := _horizon(right, target, off, replay.raw, rows, replay.time, replay.lines):
            found[target.name] = horizon, made
    return found


def _shared(events, requests) -> tuple[str, ...]:
    """The columns that say whose an event or a request is, and none: all events as one series."""
    own = [
        c
        for c in events
        if c in requests and events[c].dtype.kind not in "fMm" and requests[c].dtype.kind not in "fMmb"
    ]
    every = [c for c in own if not (events[c].is_unique and requests[c].is_unique)]
    return (*every, "")


def _targets(rows, features) -> list[Target]:
    """The columns of numbers among the features that a constant does not explain."""
    found = []
    for f in features:
        if rows[f].dtype.kind not in "fiub":
            continue
        # a column stored as narrower floats is as near as they are
        narrow = 2 * float(np.finfo(rows[f].dtype).eps) if rows[f].dtype in (np.float16, np.float32) else 0.0
        found.append(Target(f, rows[f].to_numpy(float, na_value=np.nan), max(1e-9, narrow)))
    return [t for t in found if t.says_something]


def _found(raw, rows, time, by, lines, targets) -> dict[str, Fitted]:
    """The simplest definition of each column that reproduces it: kind after kind, for what none before explains."""
    if not targets:
        return {}
    some = _some(rows, targets)
    guesses = Guesses(raw, rows.iloc[some].reset_index(drop=True), time, by, lines)
    found: dict[str, Fitted] = {}
    for kind in (guesses.plain, guesses.times, guesses.any_window, guesses.rates, guesses.normalized):
        left = [t for t in targets if t.name not in found or found[t.name].share < WHOLLY]
        standing: dict[str, dict[Definition, None]] = {}
        for name, d in kind([t.of(some) for t in left]):
            standing.setdefault(name, {})[d] = None
        for t in left:
            fit = _settled(t, list(standing.get(t.name, ())), raw, rows, time, lines)
            if fit and (t.name not in found or fit.share > found[t.name].share):
                found[t.name] = fit
    return _one_clock({t.name: found[t.name] for t in targets if t.name in found})


def _one_clock(found: dict[str, Fitted]) -> dict[str, Fitted]:
    """The definitions, those that could be read from several times from the one that others can only be read from."""
    every = {f: _alike(fit) for f, fit in found.items() if hasattr(fit.definition, "source")}
    sure = [{d.source for d in ways} for ways in every.values()]
    votes = Counter(s for one in sure if len(one) == 1 for s in one)
    for f, ways in every.items() if votes else ():
        source = votes.most_common(1)[0][0]
        if ways[0].source != source and (mine := next((d for d in ways if d.source == source), None)):
            found[f] = Fitted(mine, found[f].share, tuple(d for d in ways if d != mine))
    return found


def _some(rows, targets) -> np.ndarray:
    """The rows of the first look: some at random, and of each column some that are not its commonest value."""
    order = np.argsort(coin(np.arange(len(rows)), "infer"))
    each = max(FEW, SCREEN // len(targets))
    return np.unique(np.concatenate([order[:SCREEN], *(order[t.off[order]][:each] for t in targets)]))


def _alike(fit: Fitted) -> list:
    """A definition and its ties that say the same of another column of time: of one kind and zone."""
    first = fit.definition
    return [d for d in (first, *fit.ties) if hasattr(d, "source") and replace(d, source=first.source) == first]


def _settled(target, standing, raw, rows, time, lines) -> Fitted | None:
    """The simplest of the definitions that reproduce most of the rows, computed exactly on all of them."""
    tried = sorted(standing, key=_simplicity)[:TRIED]
    if np.isnan(target.values).any():  # what else is null may be a count or sum of nothing
        tried = [
            e
            for d in tried
            for e in (d, *([turn(d, empty="null")] if getattr(d, "how", "") in ("count", "sum") else []))
        ]
    made = evaluate(dict(enumerate(tried)), raw, rows, time, lines)
    fits = [f for i, d in enumerate(tried) if (f := _fitted(target, d, made[i].to_numpy(float)))]
    best = max((f.share for f in fits), default=0.0)
    first, *others = [f for f in fits if f.share == best] or [None]
    return first and Fitted(first.definition, best, tuple(f.definition for f in others))


def _fitted(target, definition, made) -> Fitted | None:
    """A definition that reproduces a column, filled with a constant where it gives nothing, if it does."""
    nothing = np.isnan(made) & ~np.isnan(target.values)
    if nothing.any():
        fills, counts = np.unique(target.values[nothing], return_counts=True)
        fill = float(fills[counts.argmax()])
        if counts.max() >= REPRODUCED * nothing.sum():
            # what training's own rows had is not known here; these stand for them when a fill is turned to mean or median
            known = target.values[~np.isnan(made) & ~np.isnan(target.values)]
            mean, median = (float(f(known)) if len(known) else 0.0 for f in (np.mean, np.median))
            definition = Filled(of=definition, fill=fill or "zero", mean=mean, median=median)
            made = np.where(np.isnan(made), fill, made)
    same = target.near(made)
    if same.mean() < REPRODUCED or same[target.off].mean() < REPRODUCED:
        return None
    return Fitted(definition, float(same.mean()))


def _simplicity(d: Definition):
    """The shortest window first, the clock of events before that of ingestion, a zone that many live in before others;
    else in the order of the search."""
    inner = getattr(d, "over", d)
    window = getattr(inner, "window", "0s")
    length = pd.Timedelta.max if window == GLOBAL else pd.Timedelta(window)
    zone = getattr(d, "zone", "")
    rank = ZONES.index(zone) if zone in ZONES else len(ZONES) * (zone not in ("", "UTC"))
    return length, getattr(inner, "clock", "event") != "event", rank


def _horizon(definition, target, off, raw, rows, time, lines) -> str:
    """How far ahead the replayed values look, where that explains the rows that follow the definition not; else ""."""
    if "horizon" not in knobs_of(definition) or not off.any():
        return ""
    ahead = {h: turn(definition, horizon=h) for h in HORIZONS}
    made = evaluate(ahead, raw, rows, time, lines)
    shares = {h: target.near(made[h].to_numpy(float))[off].mean() for h in ahead}
    best = max(shares, key=shares.get)
    return best if shares[best] >= REPRODUCED else ""
