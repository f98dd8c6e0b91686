"""One request at a time gives what the batch gives, for every definition and every knob that a service can turn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skewkit as sk
from skewkit.features.definitions import (
    Column,
    DaysSince,
    Encoded,
    Filled,
    Latest,
    LocalTime,
    Normalized,
    Rate,
    Rolling,
    evaluate,
    turn,
)
from skewkit.features.online import Online, fold

START = pd.Timestamp("2024-03-30 22:00", tz="UTC")  # clocks change in Europe within the hours that follow
MINE = {"table": "paid", "by": "who", "value": "amount"}
COUNT, SUM = (Rolling(how=how, window="6h", **MINE) for how in ("count", "sum"))
DEFINITIONS = {
    "amount": Column(source="asks"),
    "shop": Encoded(source="shop", vocabulary=("a", "b")),
    "hour": LocalTime(source="asked", part="hour", zone_in="zone"),
    "date": LocalTime(source="asked", part="date", zone="Europe/Berlin"),
    "days": DaysSince(table="paid", by="who", source="asked", zone_in="zone"),
    "last": Latest(**MINE),
    "count": COUNT,
    "sum": SUM,
    "mean": Rolling(how="mean", window="2h", empty="null", **MINE),
    "ever": Rolling(how="sum", window="global", **MINE),
    "all": Rolling(table="paid", by="", value="amount", how="count", window="3h"),
    "rate": Rate(of=COUNT, over=Rolling(how="count", window="30h", **MINE), prior=0.5, weight=2.0),
    "odds": Rate(of=COUNT, over=Rolling(how="count", window="30h", **MINE), per="rest"),
    "filled": Filled(of=Column(source="asks"), fill="mean", mean=3.0),
    "scaled": Normalized(of=Column(source="asks"), window="12h", **MINE),
}
KNOBS = st.fixed_dictionaries(
    {},
    optional={
        "clock": st.sampled_from(["ingestion", "stream"]),
        "lag": st.sampled_from(["1h", "5h"]),
        "ttl": st.sampled_from(["2h", "1D"]),
        "snapshot": st.sampled_from(["1h", "1D"]),
        "edge": st.sampled_from(["30min"]),
        "counted": st.sampled_from([2.0, 1.5]),
    },
)
WHO, ZONES = st.sampled_from(["u", "v", None]), st.sampled_from(["Europe/Berlin", "Asia/Tokyo", "-05:30"])
AMOUNTS = st.one_of(st.none(), st.sampled_from([0.0, -0.0, 1.0, 2.5, 1e9]), st.floats(-1e6, 1e6, width=32))
HOURS = st.integers(0, 60 * 60).map(lambda minutes: START + pd.Timedelta(minutes, "min"))


@st.composite
def worlds(draw, late=True):
    """Events of two accounts, some late, in the order of a table; and requests."""
    event = st.tuples(WHO, HOURS, st.integers(0, 300 if late else 0), AMOUNTS)
    events = draw(st.lists(event, min_size=1, max_size=25))
    paid = pd.DataFrame(events, columns=["who", "happened", "late", "amount"]).astype({"amount": float, "who": object})
    paid["known"] = paid["happened"] + pd.to_timedelta(paid.pop("late"), "min")
    request = st.tuples(WHO, HOURS, AMOUNTS, st.sampled_from(["a", "b", "c", None]), ZONES)
    asked = draw(st.lists(request, min_size=1, max_size=12))
    requests = pd.DataFrame(asked, columns=["who", "asked", "asks", "shop", "zone"])
    return paid, requests.astype({"asks": float, "who": object, "shop": object})


def alike(a, b):
    """The columns in which two tables of features differ, by more than rounding."""
    off = []
    for c in a:
        x, y = a[c].astype(object), b[c].astype(object)
        near = [
            (pd.isna(p) and pd.isna(q)) or p == q or (not isinstance(p, pd.Timestamp) and np.isclose(p, q, 1e-9, 1e-6))
            for p, q in zip(x, y, strict=True)
        ]
        off += [c] * (not all(near))
    return off


def turned(knobs):
    """The definitions, each with the knobs that it has."""
    from skewkit.features.definitions import knobs_of

    return {n: turn(d, **{k: v for k, v in knobs.items() if k in knobs_of(d)}) for n, d in DEFINITIONS.items()}


@settings(max_examples=150, deadline=None)
@given(worlds(), KNOBS)
def test_the_fold_is_the_batch(world, knobs):
    """By the clock of ingestion, and of a stream that loses what comes after its window, one at a time is all at once."""
    paid, requests = world
    made = [f(turned(knobs), {"paid": paid}, requests, "asked") for f in (evaluate, fold)]
    assert alike(*made) == []


@settings(max_examples=60, deadline=None)
@given(worlds(late=False), KNOBS)
def test_with_nothing_late_the_stream_is_the_batch_of_events(world, knobs):
    """What happened in the window is what had come in it, when all comes at once."""
    paid, requests = world
    clock = turned({k: v for k, v in knobs.items() if k != "ttl"} | {"clock": "event"})
    made = [f(clock, {"paid": paid}, requests, "asked") for f in (evaluate, fold)]
    assert alike(*made) == []


@settings(max_examples=60, deadline=None)
@given(worlds(), st.sampled_from(["10min", "2h"]))
def test_a_watermark_drops_what_comes_too_late(world, watermark):
    """The fold with a watermark is the batch with the knob that `late_events` turns."""
    paid, requests = world
    knobs = turned({"clock": "stream", "watermark": watermark})
    made = [f(knobs, {"paid": paid}, requests, "asked") for f in (evaluate, fold)]
    assert alike(*made) == []


def test_what_came_late_is_missing_by_hand():
    """Two payments at noon of which one comes an hour later: one at 12:30 online, two offline; both at 14:00."""
    noon = pd.Timestamp("2024-05-01 12:00", tz="UTC")
    paid = pd.DataFrame(
        {"who": "u", "amount": [1.0, 2.0], "happened": noon, "known": [noon, noon + pd.Timedelta("1h")]}
    )
    requests = pd.DataFrame({"who": "u", "asked": [noon + pd.Timedelta(m, "min") for m in (30, 120)]})
    count = {"count": turn(COUNT, clock="event")}
    assert evaluate(count, {"paid": paid}, requests, "asked")["count"].tolist() == [2, 2]
    assert fold(count, {"paid": paid}, requests, "asked")["count"].tolist() == [1, 2]


def test_a_sum_is_exact_after_large_values_have_left():
    """1e16 comes and goes; what is left of 0.1 and 0.2 is what was there."""
    at = pd.to_datetime(["2024-05-01 00:00", "2024-05-01 07:00", "2024-05-01 07:01"], utc=True)
    paid = pd.DataFrame({"who": "u", "amount": [1e16, 0.1, 0.2], "happened": at, "known": at})
    online = Online({"sum": turn(SUM, window="8h")})
    for row, event in enumerate(paid.to_dict("records")):
        online.feed("paid", event, row)
    assert online.ask({"who": "u"}, at[2] + pd.Timedelta("30min"))["sum"] == pytest.approx(1e16 + 0.3)
    assert online.ask({"who": "u"}, at[2] + pd.Timedelta("2h"))["sum"] == pytest.approx(0.3, rel=1e-12)


def test_events_out_of_order_are_refused():
    """An event known before the last one is no stream."""
    online = Online({"sum": SUM})
    online.feed("paid", {"who": "u", "amount": 1.0, "known": START, "happened": START})
    with pytest.raises(sk.SkewkitError, match="in the order they came"):
        online.feed("paid", {"who": "u", "amount": 1.0, "known": START - pd.Timedelta("1s"), "happened": START})


def test_an_unknown_entity_has_no_history(payments):
    """Of an account that never paid counts are 0 and the newest amount is null."""
    online = Online({f: payments.definitions[f] for f in ("count_24h", "last_amount", "days_since_last")})
    answer = online.ask({"account": -1, "asked": START}, START)
    assert answer["count_24h"] == 0 and np.isnan(answer["last_amount"]) and np.isnan(answer["days_since_last"])
