"""Corruptions by other code than skewkit's, with parameters outside the usual dictionaries, on the tables of `worlds`.

Each takes a frame, its world, a generator and the features it may touch, and gives a `Change`: what every row would be
served. Which rows are is decided elsewhere. Nothing of the package under test is imported here; a test holds that.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from .worlds import clock, compute

ROUNDINGS = {
    "half_even": lambda x: np.round(x),
    "half_up": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
    "truncate": np.trunc,
    "floor": np.floor,
    "ceiling": np.ceil,
}
ZONES = ("Asia/Kathmandu", "Australia/Eucla", "America/St_Johns", "Pacific/Chatham", "Asia/Yangon", "Pacific/Apia")


class Unsuitable(Exception):
    """The frame has nothing this corruption can act on."""


@dataclass(frozen=True)
class Change:
    """One cause, its canonical ``parameters``, and what each row would hold: ``columns``, None where one is gone.

    ``side`` "training" says that it is the offline code's. ``known`` overrides in which regimes it can be named; ``length``
    names the parameter that is a length of time, and ``again`` computes the columns with another one.
    """

    cause: str
    parameters: Mapping
    columns: Mapping[str, pd.Series | None]
    side: str = "serving"
    known: Mapping[str, bool] = field(default_factory=dict)
    length: str = ""
    again: Callable | None = None
    alternatives: Callable | None = None


def _one(names, rng):
    if not len(names):
        raise Unsuitable
    return str(rng.choice(sorted(names)))


def _numbers(frame, among, distinct=12, negative=True):
    """Measured numbers: floats of many values."""
    ok = [f for f in among if frame[f].dtype.kind == "f" and frame[f].nunique() > distinct]
    return [f for f in ok if negative or (frame[f].min() > 0)]


def _texts(frame, among):
    return [f for f in among if frame[f].dtype.kind in "OTU" or isinstance(frame[f].dtype, pd.StringDtype)]


def _codes(frame, among):
    whole = [f for f in among if frame[f].dtype.kind in "iu" and 3 <= frame[f].nunique() <= 12]
    return _texts(frame, among) + [f for f in whole if f not in ("weekday", "hour", "day")]


def scaled(frame, world, rng, among):
    f = _one(_numbers(frame, among), rng)
    factor, offset = [
        (7.3, 0),
        (0.0381, 0),
        (1 / 0.45359237, 0),
        (28.3495, 0),
        (0.8, 12.5),
        (1, 273.15),
        (1.25, -40),
        (3.7854, 0),
    ][rng.integers(8)]
    return Change("unit_change", {"factor": factor, "offset": offset}, {f: frame[f] * factor + offset})


def logged(frame, world, rng, among):
    f = _one(_numbers(frame, among, negative=False), rng)
    return Change("unit_change", {"function": "log1p"}, {f: np.log(1.0 + frame[f])})


def zoned(frame, world, rng, among):
    names = [f for f in among if f in world.clocks]
    if not names:
        raise Unsuitable
    zone, was = ZONES[rng.integers(len(ZONES))], world.clocks[names[0]][1]
    reads = {f: world.clocks[f][0] for f in names}
    columns = {f: clock(part, frame["asked"], zone) for f, part in reads.items()}
    return Change("time_zone", {"training": was, "serving": zone, "reads": reads}, columns)


def recoded(frame, world, rng, among):
    f = _one(_codes(frame, among), rng)
    counts = frame[f].value_counts()
    values = sorted(counts.index)
    rare = list(counts[counts.cumsum() > 0.8 * len(frame)].index) or values[-1:]
    way = rng.integers(5)
    if way == 0:  # another order of the vocabulary
        new = dict(zip(values, [*values[2:], *values[:2]], strict=True))
    elif way == 1:  # off by one, the last to a value of its own
        new = dict(zip(values, [*values[1:], values[0]], strict=True))
    elif way == 2:
        new = dict.fromkeys(rare, "other" if isinstance(values[0], str) else -99)
    elif way == 3:
        new = dict.fromkeys(rare, None)
    else:
        new = {values[0]: f"{values[0]}/2" if isinstance(values[0], str) else max(values) + 17}
    new_column = frame[f].map(lambda v: new.get(v, v), na_action="ignore")
    if all(isinstance(v, str) or v is None for v in new.values()):
        new_column = new_column.astype(frame[f].dtype) if isinstance(values[0], str) else new_column
    return Change("encoding", {}, {f: new_column})


def measured(frame, world, rng, among):
    f = _one(_numbers(frame, among), rng)
    x, sd, way = frame[f], float(frame[f].std()), rng.integers(3)
    plain = {"gain": 1.0, "offset": 0.0, "noise": 0.0, "saturation": None}
    if way == 0:
        gain, offset = (1.037, 0.93)[rng.integers(2)], float(np.round(sd * 0.21, 3))
        return Change("measurement", plain | {"gain": gain, "offset": offset}, {f: x * gain + offset})
    if way == 1:
        top = float(x.quantile(0.93))
        return Change("measurement", plain | {"saturation": top}, {f: x.clip(upper=top)})
    noise = float(f"{0.13 * sd:.2g}")
    return Change("measurement", plain | {"noise": noise}, {f: x + rng.normal(0, noise, len(x))})


def held(column, to="", overflow="wrap", decimals=None, rounding="half_even"):
    """A column with fewer digits, by plain numpy."""
    x = column.to_numpy(float)
    with np.errstate(over="ignore", invalid="ignore"):
        if decimals is not None:
            new = ROUNDINGS[rounding](x * 10.0**decimals) / 10.0**decimals
        elif to.startswith("int"):
            info, whole = np.iinfo(to), np.trunc(x)
            span = float(info.max) - float(info.min) + 1
            new = np.clip(whole, info.min, info.max) if overflow == "saturate" else (whole - info.min) % span + info.min
        else:
            new = x.astype(to).astype(float)
    return pd.Series(new, column.index)


HELD = [dict(decimals=d, rounding=r) for d in range(5) for r in ROUNDINGS]
HELD += [dict(to=t, overflow=o) for t in ("int8", "int16", "int32") for o in ("wrap", "saturate")]
HELD += [dict(to=t) for t in ("float32", "float16")]


def alike(column, served, hit):
    """Every way of `held` that gives what was served on the rows that are hit."""
    return [w for w in HELD if held(column[hit], **w).equals(served[hit].astype(float))]


def coarse(frame, world, rng, among):
    f = _one(_numbers(frame, among, 30), rng)
    way = HELD[rng.integers(len(HELD))]
    return Change("precision", way, {f: held(frame[f], **way)}, alternatives=alike)


def bounded(frame, world, rng, among):
    f = _one(_numbers(frame, among, 30), rng)
    x, way = frame[f], rng.integers(4)
    low, high = float(x.quantile(0.083, "lower")), float(x.quantile(0.873, "higher"))
    low, high, how = [(None, high, "clip"), (low, None, "clip"), (low, high, "clip"), (None, high, "null")][way]
    out = (x < (-np.inf if low is None else low)) | (x > (np.inf if high is None else high))
    new = x.clip(low, high) if how == "clip" else x.mask(out)
    return Change("clipping", {"low": low, "high": high, "how": how}, {f: new})


def filled(frame, world, rng, among):
    f = _one([f for f in among if frame[f].dtype.kind == "f" and frame[f].isna().mean() > 0.03], rng)
    x, way = frame[f], rng.integers(6)
    fill = [float(x.mean()), float(x.median()), -999.0, 17.5, 0.0, "forward"][way]
    if fill == "forward":
        last = x.groupby(frame[world.base.roles["entity"]]).ffill()
        return Change("missing_fill", {"training": None, "serving": "forward"}, {f: last})
    return Change("missing_fill", {"training": None, "serving": fill}, {f: x.fillna(fill)})


def lost(frame, world, rng, among):
    f = _one(_numbers(frame, among), rng)
    x, rate = frame[f], (0.07, 0.13, 0.33, 0.61)[rng.integers(4)]
    how = ("at_random", "at_random", "high", "low")[rng.integers(4)]
    gone = rng.random(len(x)) < rate if how == "at_random" else (
        x > x.quantile(1 - rate) if how == "high" else x < x.quantile(rate)
    )  # fmt: skip
    rate = rate if how == "at_random" else float(gone.sum() / x.notna().sum())
    return Change("missing_values", {"rate": rate, "how": how}, {f: x.mask(gone)})


WRITTEN = {
    "latin1": lambda t: t.encode().decode("latin-1"),
    "upper": str.upper,
    "lower": str.lower,
    "title": str.title,
    "trailing_blank": lambda t: t + " ",
    "nfd": lambda t: unicodedata.normalize("NFD", t),
}


def written(frame, world, rng, among):
    f, how = _one(_texts(frame, among), rng), _one(WRITTEN, rng)
    return Change(
        "text_format", {"how": how}, {f: frame[f].map(WRITTEN[how], na_action="ignore").astype(frame[f].dtype)}
    )


def exchanged(frame, world, rng, among):
    f = _one([f for f in among if frame[f].dtype.kind == "M"], rng)
    new = frame[f].map(lambda t: t.replace(day=t.month, month=t.day) if t.day <= 12 else t)
    return Change("text_format", {"how": "day_month"}, {f: new.astype(frame[f].dtype)})


def _read_from_events(frame, world, rng, among, hows):
    f = _one([f for f in among if f in world.features and world.features[f].how in hows], rng)
    feature = world.features[f]
    return f, feature, world.base.events[feature.table]


def _as(frame, f, values):
    """Computed values in the column's own type, where that holds them."""
    new = pd.Series(values, frame.index)
    return new.astype(frame[f].dtype) if frame[f].dtype.kind == "i" and not new.isna().any() else new


def _turned(cause, frame, world, rng, among, hows, choices, knob, name=None, length=True, **more):
    """A feature computed from its events with one thing turned."""
    f, feature, events = _read_from_events(frame, world, rng, among, hows)
    value = choices[rng.integers(len(choices))]

    def again(v):
        return {f: _as(frame, f, compute(feature, frame, events, **{knob: v}))}

    parameters = {name or knob: value}
    return Change(cause, parameters, again(value), length=(name or knob) if length else "", again=again, **more)


WINDOWED = ("count", "sum", "mean")
READ = ("count", "sum", "mean", "latest", "days", "rate")


def stale(frame, world, rng, among):
    return _turned("staleness", frame, world, rng, among, READ, ("5h40min", "50h", "17h", "4D"), "lag")


def cached(frame, world, rng, among):
    return _turned("staleness", frame, world, rng, among, READ, ("9h", "31h", "5D"), "ttl")


def snapped(frame, world, rng, among):
    return _turned("staleness", frame, world, rng, among, READ, ("1D",), "snapshot")


def windowed(frame, world, rng, among):
    hows = (*WINDOWED, "scaled")
    return _turned(
        "normalization_window", frame, world, rng, among, hows, ("10D", "36h", "19D", "60D"), "length", "window"
    )


def leaked(frame, world, rng, among):
    return _turned("leakage", frame, world, rng, among, WINDOWED, ("5h", "36h", "3D"), "horizon", side="training")


def late(frame, world, rng, among):
    knobs = (("stream", "clock"), ("ingestion", "clock"), ("7h", "edge"))
    value, knob = knobs[rng.integers(len(knobs))]
    return _turned("late_events", frame, world, rng, among, WINDOWED, (value,), knob, length=knob == "edge")


def watermarked(frame, world, rng, among):
    f, feature, events = _read_from_events(frame, world, rng, among, WINDOWED)
    new = compute(feature, frame, events, clock="stream", watermark="25min")
    return Change("late_events", {"clock": "stream", "watermark": "25min"}, {f: _as(frame, f, new)})


def doubled(frame, world, rng, among):
    f, feature, events = _read_from_events(frame, world, rng, among, ("count", "sum"))
    twice = (0.37, 1.0)[rng.integers(2)]
    again = pd.concat([events, events[rng.random(len(events)) < twice]], ignore_index=True)
    known = {
        "paired": twice == 1,
        "events": twice == 1 or feature.how == "count",
    }  # which events were, a sum does not say
    return Change("double_count", {"twice": twice}, {f: _as(frame, f, compute(feature, frame, again))}, known=known)


def rated(frame, world, rng, among):
    rates = [f for f in _numbers(frame, among) if frame[f].min() >= 0 and frame[f].max() < 1]
    f, way = _one(rates, rng), rng.integers(3)
    if way == 2 and f in world.features and world.features[f].how == "rate":
        weight = (2.0, 11.0)[rng.integers(2)]
        new = compute(world.features[f], frame, world.base.events[world.features[f].table], weight=weight)
        return Change("rate_definition", {"setting": "weight", "serving": weight}, {f: _as(frame, f, new)})
    how = ("odds", "complement")[way % 2]
    return Change("rate_definition", {"how": how}, {f: frame[f] / (1 - frame[f]) if way % 2 == 0 else 1 - frame[f]})


def misjoined(frame, world, rng, among):
    names = [f for f in among if f in world.features] or _numbers(frame, among)
    if not names:
        raise Unsuitable
    names = sorted(names)[:3]
    entity, way = world.base.roles["entity"], rng.integers(2)
    if way == 0 or not entity:
        source = np.r_[0, np.arange(len(frame) - 1)]
        return Change("misjoin", {"how": "neighbour"}, {f: frame[f].take(source).set_axis(frame.index) for f in names})
    who = np.unique(frame[entity])
    turned = rng.permutation(who)
    other = frame[[entity]].assign(**{entity: frame[entity].map(dict(zip(turned, np.roll(turned, 1), strict=True)))})
    computed = frame.assign(**{entity: other[entity]})
    names = [f for f in names if f in world.features]
    columns = {
        f: _as(frame, f, compute(world.features[f], computed, world.base.events[world.features[f].table]))
        for f in names
    }
    return Change("misjoin", {"how": "shuffled"}, columns, known={"paired": False})  # as of the other's own events


def reshaped(frame, world, rng, among):
    way = ("missing", "renamed", "retyped", "swapped", "extra")[rng.integers(5)]
    f = _one(_numbers(frame, among), rng)
    if way == "missing":
        return Change("schema_change", {"how": "missing"}, {f: None})
    if way == "renamed":
        return Change(
            "schema_change", {"how": way, "to": [f"{f.upper()}_NEW"]}, {f: None, f"{f.upper()}_NEW": frame[f]}
        )
    if way == "extra":
        return Change("schema_change", {"how": way, "to": [f"copy_{f}"]}, {f"copy_{f}": frame[f]})
    if way == "retyped":
        return Change("schema_change", {"how": way}, {f: frame[f].map(str, na_action="ignore").astype(object)})
    g = _one([g for g in _numbers(frame, among) if g != f], rng)
    return Change("schema_change", {"how": way, "with": g}, {f: frame[g], g: frame[f]})


def unread(frame, world, rng, among):
    f = _one(_numbers(frame, among), rng)
    value = (None, 0.0, f)[rng.integers(3)]
    return Change("broken_header", {"value": value}, {f: _constant(frame, f, value)})


def rolled_back(frame, world, rng, among):
    f = _one(_numbers(frame, among), rng)
    value = (0.5, -7.0, "n/a", None)[rng.integers(4)]
    return Change("rollback", {"value": value}, {f: _constant(frame, f, value)})


def _constant(frame, f, value):
    if isinstance(value, str):
        return pd.Series([value] * len(frame), frame.index, dtype=object)
    return pd.Series(np.nan if value is None else value, frame.index, dtype=float)


WHOLE = (reshaped, unread, rolled_back)  # of a whole table: all rows or none
ROWWISE = (scaled, logged, zoned, recoded, measured, coarse, bounded, filled, lost, written, rated)
ALL = (*ROWWISE, exchanged, stale, cached, snapped, windowed, leaked, late, watermarked, doubled, misjoined, *WHOLE)
