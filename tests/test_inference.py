"""Definitions found from events, against columns that plain loops make, and against a scenario's own."""

from datetime import timedelta
from functools import cache
from statistics import fmean, pstdev

import numpy as np
import pandas as pd
import pytest

from skewkit.diagnosis.inference import infer
from skewkit.features.definitions import Column, DaysSince, Filled, Latest, LocalTime, Normalized, Rate, Rolling
from skewkit.injection import inject
from skewkit.records import Roles, SkewkitError
from skewkit.scenarios import scenario
from skewkit.skews import make

START, DAY, HOUR = pd.Timestamp("2024-03-01", tz="UTC"), timedelta(days=1), timedelta(hours=1)
EVENT = {"table": "readings", "by": "meter", "clock": "event"}
ARRIVED = EVENT | {"clock": "ingestion"}


@cache
def readings() -> pd.DataFrame:
    """Twenty meters read five times a day for sixty days; a reading arrives hours later, and some hold nothing."""
    rng = np.random.default_rng(1)
    n = 20 * 300
    happened = START + pd.to_timedelta(rng.integers(0, 60 * 86_400, n), "s")
    return pd.DataFrame(
        {
            "meter": rng.integers(100, 120, n),
            "happened": happened,
            "known": happened + pd.to_timedelta(rng.integers(0, 20 * 3_600, n), "s"),
            "kwh": np.where(rng.random(n) < 0.05, np.nan, np.round(rng.gamma(2.0, 3.0, n), 2)),
            "volts": np.round(rng.normal(230, 2, n), 1),
        }
    )


@cache
def asked(seed: int = 2, n: int = 500) -> pd.DataFrame:
    """Requests about meters, some of which nobody has read, in the second half of the time."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "request": np.arange(n),
            "meter": rng.integers(100, 122, n),
            "time": START + pd.to_timedelta(rng.integers(30 * 86_400, 62 * 86_400, n), "s"),
            "load": np.round(rng.gamma(2.0, 3.0, n), 2),
        }
    )


def within(clock, length, value=None, ahead=0 * DAY, seed=2):
    """For each request, the values of its meter's readings in the window that ends when it is asked (or ``ahead`` of it)."""
    mine = {m: rows.sort_values(clock).to_dict("records") for m, rows in readings().groupby("meter")}
    for meter, now in asked(seed)[["meter", "time"]].itertuples(index=False):
        rows = [r for r in mine.get(meter, ()) if now - length <= r[clock] < now + ahead]
        yield [r[value] if value else r for r in rows if not value or not np.isnan(r[value])]


def mean(values):
    return fmean(values) if values else np.nan


def columns(seed=2, ahead=0 * DAY) -> dict[str, list[float]]:
    """What the offline code would have made of the requests."""
    requests = asked(seed)
    ever = 999 * DAY

    def made(f, clock, length, value=None):
        return [f(v) for v in within(clock, length, value, ahead, seed)]

    def newest(clock):
        return made(lambda rows: rows[-1]["kwh"] if rows else np.nan, clock, ever)

    last = made(lambda rows: rows[-1]["happened"] if rows else None, "happened", ever)
    week, month = made(len, "happened", 7 * DAY, "kwh"), made(len, "happened", 28 * DAY, "kwh")
    spread = made(lambda v: (mean(v), pstdev(v)) if v else (np.nan, np.nan), "happened", 14 * DAY, "kwh")
    return {
        "last": newest("happened"),
        "last_arrived": newest("known"),
        "count_2D": made(len, "happened", 2 * DAY, "kwh"),
        "count_1D_arrived": made(len, "known", DAY, "kwh"),
        "volts_6h": made(lambda v: sum(v) if v else np.nan, "happened", 6 * HOUR, "volts"),
        "mean_3D": [-1.0 if np.isnan(m) else m for m in made(mean, "happened", 3 * DAY, "kwh")],
        "sum_10D": made(sum, "happened", 10 * DAY, "kwh"),
        "count_100h": made(len, "happened", 100 * HOUR, "kwh"),
        "mean_45h_arrived": made(mean, "known", 45 * HOUR, "volts"),
        "pace": [a / b if b else np.nan for a, b in zip(week, month, strict=True)],
        "usual": [(x - m) / s for x, (m, s) in zip(requests["load"], spread, strict=True)],
        "days_since": [
            np.nan if t is None else (now.normalize() - t.normalize()).days
            for now, t in zip(requests["time"], last, strict=True)
        ],
        "hour": [t.tz_convert("Europe/Berlin").hour for t in requests["time"]],
    }


FOUND = {
    "last": Latest(**EVENT, value="kwh"),
    "last_arrived": Latest(**ARRIVED, value="kwh"),
    "count_2D": Rolling(**EVENT, value="kwh", how="count", window="2D"),
    "count_1D_arrived": Rolling(**ARRIVED, value="kwh", how="count", window="1D"),
    "volts_6h": Rolling(**EVENT, value="volts", how="sum", window="6h", empty="null"),
    "sum_10D": Rolling(**EVENT, value="kwh", how="sum", window="10D"),
    "count_100h": Rolling(**EVENT, value="kwh", how="count", window="100h"),
    "mean_45h_arrived": Rolling(**ARRIVED, value="volts", window="45h"),
    "pace": Rate(
        of=Rolling(**EVENT, value="kwh", how="count", window="7D"),
        over=Rolling(**EVENT, value="kwh", how="count", window="28D"),
    ),
    "usual": Normalized(**EVENT, of=Column(source="load"), value="kwh", window="14D"),
    "days_since": DaysSince(**EVENT, source="time", zone="UTC"),
    "hour": LocalTime(source="time", part="hour", zone="Europe/Berlin"),
}
RAW = {"readings": readings()}


@cache
def table(seed=2, ahead=0 * DAY) -> pd.DataFrame:
    """The requests with their features, on an index of their own."""
    return asked(seed).assign(**columns(seed, ahead)).set_index(np.arange(500) + 7)


@cache
def inferred():
    """What is inferred of the clean table."""
    return infer(RAW, table(), tuple(columns()), "time")


@pytest.mark.parametrize("name", FOUND)
def test_each_definition_is_found(name):
    """From columns that loops made: the aggregate, the value, the window and the clock, and every row reproduced."""
    assert inferred().definitions[name] == FOUND[name]
    assert inferred().share[name] == 1.0


def test_a_filled_mean_is_found_with_its_constant():
    """Where there is nothing to average the table holds -1: that is the fill, and the rest is the mean."""
    found = inferred().definitions["mean_3D"]
    assert (found.of, found.fill) == (Rolling(**EVENT, value="kwh", window="3D"), -1.0)
    assert isinstance(found, Filled) and "fill" in inferred().knobs("mean_3D")


def test_what_is_found_replays_other_requests():
    """On requests that it never saw it gives what the loops give, on their own index."""
    other = table(seed=3)
    made = inferred()(other, tuple(FOUND))
    pd.testing.assert_frame_equal(made, other[list(FOUND)], check_dtype=False)


def test_what_is_found_replays_with_knobs_turned():
    """A day ahead, and a knob that the loops turn as well: the count over a week."""
    ahead = inferred()(table(), ("count_2D", "last"), horizon="1D")
    pd.testing.assert_frame_equal(ahead, table(ahead=DAY)[["count_2D", "last"]], check_dtype=False)
    week = inferred()(table(), ("count_2D",), window="7D")["count_2D"]
    assert week.tolist() == [len(v) for v in within("happened", 7 * DAY, "kwh")]


def test_ties_are_listed_and_the_simplest_is_taken():
    """In a world of a day, counts over every longer window are the same: the shortest that holds all is taken."""
    rng = np.random.default_rng(4)
    happened = START + pd.to_timedelta(rng.integers(0, 86_400, 300), "s")
    events = pd.DataFrame({"who": rng.integers(0, 5, 300), "happened": happened, "known": happened, "v": 1.0})
    rows = pd.DataFrame(
        {"who": np.arange(100) % 5, "time": START + pd.to_timedelta(3600 * 10 + 500 * np.arange(100), "s")}
    )
    counts = [
        int(((events["who"] == who) & (events["happened"] < now)).sum()) for who, now in rows.itertuples(index=False)
    ]
    found = infer({"events": events}, rows.assign(n=counts), ["n"], "time")
    assert (found.definitions["n"].window, found.definitions["n"].clock) == ("1D", "event")
    assert {"30D", "global"} <= {d.window for d in found.ties["n"]}


def test_nothing_is_inferred_of_noise():
    """Random numbers, small counts, a constant, a rare flag and a category follow no definition: nothing can be turned."""
    rng = np.random.default_rng(5)
    noise = {
        "float": rng.normal(size=500),
        "count": rng.integers(0, 6, 500),
        "constant": np.ones(500),
        "rare": (rng.random(500) < 0.02) * 1.0,
        "null": np.full(500, np.nan),
        "text": rng.choice(["a", "b"], 500),
        "off": table()["count_2D"].to_numpy() + (rng.random(500) < 0.05),
    }
    found = infer(RAW, table().assign(**noise), [*noise, "count_2D"], "time")
    assert set(found.definitions) == {"count_2D"} and found.knobs("float") == frozenset()
    with pytest.raises(SkewkitError, match="'float' was asked, and no definition"):
        found(table(), ("float",))


def test_training_that_looks_ahead_is_at_fault():
    """Replayed a day ahead of what was served: training is off, by a day; its other features and a clean table are not."""
    right, leaked = table(), ["last", "count_2D", "sum_10D"]
    clean = infer(RAW, right, [*leaked, "pace"], "time", served=right)
    assert (clean.at_fault, clean.horizons) == ((), {})
    replayed = right.assign(**table(ahead=DAY)[leaked])
    found = infer(RAW, replayed, [*leaked, "pace"], "time", served=right)
    assert set(found.at_fault) == set(leaked) and found.horizons == dict.fromkeys(leaked, "1D")
    assert {f: found.definitions[f] for f in leaked} == {f: FOUND[f] for f in leaked}
    assert found.share["count_2D"] < 0.5 and found.share["pace"] == 1.0
    some = right.assign(last=right["last"].where(np.arange(500) % 3 > 0, replayed["last"]))
    assert infer(RAW, some, leaked, "time", served=right).horizons == {"last": "1D"}


def test_serving_that_is_behind_leaves_the_definitions_as_they_are():
    """They come from what was replayed; served a day behind follows none of its own, and training is not at fault."""
    found = infer(
        RAW, table(), ["count_2D", "last"], "time", served=inferred()(table(), ("count_2D", "last"), lag="1D")
    )
    assert found.definitions == {f: FOUND[f] for f in ("count_2D", "last")} and found.at_fault == ()


def test_narrow_floats_are_as_near_as_they_can_be():
    """A mean stored in 32 bits is found still, where 1e-9 would refuse it."""
    narrow = table().assign(mean_45h_arrived=table()["mean_45h_arrived"].astype("float32"))
    found = infer(RAW, narrow, ["mean_45h_arrived"], "time")
    assert found.definitions["mean_45h_arrived"] == FOUND["mean_45h_arrived"]


def test_a_skew_is_planted_through_what_was_inferred():
    """`inject` turns the knobs of an inferred replay as it does a scenario's."""
    roles = Roles(key="request", entity="meter", time="time", features=("count_2D", "load"))
    served = inject(table(), make("staleness", features=["count_2D"], lag="1D"), roles=roles, replay=inferred())
    assert (served["count_2D"] != table()["count_2D"]).mean() > 0.3
    pd.testing.assert_series_equal(served["count_2D"], inferred()(table(), ("count_2D",), lag="1D")["count_2D"])


def test_a_column_that_is_not_there_is_named():
    """Asked of what the table has not, the error says what it has."""
    with pytest.raises(SkewkitError, match=r"'speed'.*the table has"):
        infer(RAW, table(), ["speed"], "time")
    with pytest.raises(SkewkitError, match=r"'meter'.*the table has"):
        inferred()(table().drop(columns="meter"), ("last",))


PAYMENTS = ("amount_usual", "days_since_last", "last_amount", "count_1h", "count_24h", "sum_24h", "count_30D", "pace")


@cache
def payments():
    """The scenario, requests as their log would hold them, and what is inferred from its events."""
    world = scenario("payments", seed=0, events=20_000)
    rows = world.requests[world.requests["asked"] >= world.cut].head(2000).reset_index(drop=True)
    log = rows[["payment", "account", "asked", "home_zone", "category_name"]].assign(**world(rows))
    return world, log, infer(world.raw, log, world.roles.features, "asked")


def test_the_features_of_payments_are_inferred():
    """Every feature of events and of time, the fraud rate's prior and weight too, and no code or column of the request."""
    _, _, found = payments()
    assert set(found.definitions) == {*PAYMENTS, "category_fraud", "hour", "weekday", "income"}
    assert set(found.share.values()) == {1.0}
    rate = found.definitions["category_fraud"]
    assert (rate.of.table, rate.over.table, rate.prior, rate.weight) == ("reports", "payments", 0.02, 50)
    assert found.definitions["hour"].zone_in == "home_zone"


@pytest.mark.parametrize(
    "knobs", [{"lag": "6h"}, {"snapshot": "1D"}, {"edge": "2h"}, {"clock": "stream"}, {"ttl": "1h"}]
)
def test_inferred_payments_turn_as_the_scenarios_own(knobs):
    """With a knob turned, what was inferred and what was written by hand give the same in every row."""
    world, log, found = payments()
    pd.testing.assert_frame_equal(found(log, PAYMENTS, **knobs), world(log, PAYMENTS, **knobs))
