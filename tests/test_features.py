"""Features as of each request's own time, against truncated tables and plain loops."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import fmean, pstdev
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skewkit.features import (
    Column,
    DaysSince,
    Definition,
    Encoded,
    Latest,
    LocalTime,
    Normalized,
    Rolling,
    digest,
    evaluate,
    knobs_of,
    turn,
)
from skewkit.records import SkewkitError

LAW = settings(max_examples=30, deadline=None, derandomize=True)
START, HOUR = datetime(2024, 3, 8, tzinfo=UTC), timedelta(hours=1)  # two days before New York's clocks change
WHO, ZONE = st.sampled_from(["a", "b", None]), "America/New_York"
EVENTS = st.lists(st.tuples(WHO, st.integers(-60, 60), st.none() | st.integers(-5, 5)), max_size=20)
ASKED = st.lists(st.tuples(WHO | st.just("z"), st.integers(0, 60)), min_size=1, max_size=8)
READ = {"table": "events", "by": "who"}
LAST = Latest(**READ, value="v")
DEFINITIONS = {
    "column": Column(source="x"),
    "encoded": Encoded(source="who", vocabulary=("b", "a")),
    "local_time": LocalTime(source="asked", part="hour", zone=ZONE),
    "local_time_by_row": LocalTime(source="asked", part="weekday", zone_in="zone"),
    "days_since": DaysSince(**READ, source="asked", zone=ZONE),
    "latest": LAST,
    "mean": Rolling(**READ, value="v", window="20h"),
    "count": Rolling(**READ, value="v", window="20h", how="count"),
    "sum": Rolling(**READ, value="v", window="20h", how="sum"),
    "mean_global": Rolling(**READ, value="v", window="global"),
    "normalized": Normalized(**READ, of=Column(source="x"), value="v", window="40h"),
    "normalized_global": Normalized(**READ, of=LAST, value="v", window="global", fitted=START.isoformat()),
}
LATE = {"lag": "5h", "ttl": "9h"}
EVERY = {
    **DEFINITIONS,
    **{f"{n}_late": turn(d, **LATE) for n, d in DEFINITIONS.items() if "ttl" in knobs_of(d)},
}


def world(events, asked):
    """Raw tables and requests; one event of nobody's is known from the first, so that no table is empty."""
    who, hours, values = zip((None, -99, 0), *events, strict=True)
    known = pd.to_datetime([START + h * HOUR for h in hours], utc=True)
    raw = {"events": pd.DataFrame({"who": pd.Series(who, dtype=object), "known": known, "v": np.array(values, float)})}
    who, hours = zip(*asked, strict=True)
    requests = pd.DataFrame(
        {
            "who": pd.Series(who, dtype=object),
            "asked": pd.to_datetime([START + h * HOUR for h in hours], utc=True),
            "zone": pd.Series([("UTC", ZONE, None)[h % 3] for h in hours], dtype=object),
            "x": np.arange(len(hours)) % 4 - 1.5,
        }
    )
    return raw, requests


def small():
    """Three events of one account, a day apart, and a request a day after the last."""
    return world([("a", 0, 1), ("a", 24, 2), ("a", 48, 6)], [("a", 72)])


def one(definition, raw, requests):
    """The feature's values, as a list."""
    return evaluate({"f": definition}, raw, requests, "asked")["f"].tolist()


def seen_at(asked, lag, ttl):
    """The hour whose knowledge each request is served, by a cache in a plain dictionary."""
    cache, seen = {}, [0] * len(asked)
    for row in sorted(range(len(asked)), key=lambda i: asked[i][1]):
        who, now = asked[row]
        if who is None or who not in cache or now - cache[who] >= ttl:
            cache[who] = now
        seen[row] = cache[who] - lag
    return seen


@pytest.mark.parametrize("name", EVERY)
@settings(LAW, max_examples=12)
@given(EVENTS, ASKED)
def test_nothing_later_is_read(name, events, asked):
    """A request's features are the same when every row known only later is taken out of the tables."""
    raw, requests = world(events, asked)
    whole = np.array(one(EVERY[name], raw, requests), float)
    for row, now in enumerate(requests["asked"]):
        then = {table: rows[rows["known"] <= now] for table, rows in raw.items()}
        assert np.isclose(whole[row], one(EVERY[name], then, requests)[row], equal_nan=True)


@LAW
@given(EVENTS, ASKED, st.integers(0, 12), st.integers(0, 30), st.integers(1, 40))
def test_lag_ttl_and_window_are_a_plain_loops(events, asked, lag, ttl, window):
    """Lag, cache and window move a feature to exactly the events that a loop over all of them finds."""
    raw, requests = world(events, asked)
    found = evaluate(
        {
            "latest": turn(LAST, lag=f"{lag}h", ttl=f"{ttl}h"),
            **{
                how: Rolling(**READ, value="v", window=f"{window}h", how=how, lag=f"{lag}h", ttl=f"{ttl}h")
                for how in ("mean", "count", "sum")
            },
        },
        raw,
        requests,
        "asked",
    )
    for row, (now, (who, _)) in enumerate(zip(seen_at(asked, lag, ttl), asked, strict=True)):
        mine = sorted((e for e in events if who and e[0] == who and e[1] <= now), key=lambda e: e[1])
        v = [v for _, t, v in mine if t > now - window and v is not None]
        latest = np.nan if not mine or mine[-1][2] is None else mine[-1][2]
        expected = [latest, fmean(v) if v else np.nan, len(v), sum(v)]
        np.testing.assert_allclose(found.loc[row, ["latest", "mean", "count", "sum"]].to_numpy(float), expected)


@LAW
@given(EVENTS, ASKED, st.integers(0, 12), st.integers(0, 30))
def test_days_since_counts_local_midnights_by_a_plain_loop(events, asked, lag, ttl):
    """Days since are the midnights of the zone's own calendar since an entity's newest event that was known."""
    raw, requests = world(events, asked)
    found = one(turn(DEFINITIONS["days_since"], lag=f"{lag}h", ttl=f"{ttl}h"), raw, requests)
    for days, seen, (who, now) in zip(found, seen_at(asked, lag, ttl), asked, strict=True):
        newest = max((t for w, t, _ in events if who and w == who and t <= seen), default=None)
        dates = [(START + h * HOUR).astimezone(ZoneInfo(ZONE)).date() for h in (now, newest or 0)]
        assert np.isnan(days) if newest is None else days == (dates[0] - dates[1]).days


@LAW
@given(EVENTS, ASKED, st.integers(0, 12), st.integers(1, 80))
def test_normalized_is_a_plain_loops(events, asked, lag, window):
    """Normalized subtracts the mean and divides by the population deviation of the window's values, 0 counting as 1."""
    raw, requests = world(events, asked)
    found = one(turn(DEFINITIONS["normalized"], lag=f"{lag}h", window=f"{window}h"), raw, requests)
    for row, (who, now) in enumerate(asked):
        times = (now - lag - window, now - lag)
        v = [v for w, t, v in events if who and w == who and times[0] < t <= times[1] and v is not None]
        expected = (requests["x"][row] - fmean(v)) / (pstdev(v) or 1) if v else np.nan
        np.testing.assert_allclose(found[row], expected, atol=1e-9)


def test_normalized_global_and_window_by_hand():
    """Of the values 1, 2, 6 the window holds 2 and 6; fitted after 24 hours, "global" holds 1 and 2 for good."""
    raw, requests = small()
    window = Normalized(**READ, of=LAST, value="v", window="49h")
    assert one(window, raw, requests) == pytest.approx([(6 - 4) / 2])
    fixed = turn(window, window="global", fitted=(START + 24 * HOUR).isoformat())
    assert one(fixed, raw, requests) == pytest.approx([(6 - 1.5) / 0.5])
    assert one(DEFINITIONS["mean_global"], raw, requests) == [3]
    assert one(turn(window, window="25h"), raw, requests) == [0]  # one value deviates by 0, which counts as 1


@pytest.mark.parametrize("constant", [0.1, 0.3, 0.7, 33.3])
def test_a_constant_has_no_deviation(constant):
    """Normalizing by a value that never changes only subtracts it, as StandardScaler does."""
    raw, requests = world([("a", h, 0) for h in (0, 1, 2)], [("a", 5)])
    raw["events"]["v"] = constant
    found = one(Normalized(**READ, of=Column(source="x"), value="v", window="40h"), raw, requests)
    assert found == pytest.approx([-1.5 - constant])


def test_a_large_mean_keeps_its_deviation():
    """Normalizing values far from 0 divides by their deviation still."""
    raw, requests = small()
    raw["events"]["v"] = [0, 1e9, 1e9 + 1, 1e9 + 2]
    found = one(Normalized(**READ, of=LAST, value="v", window="90h"), raw, requests)
    assert found == pytest.approx([1 / np.std([0, 1, 2])])


def test_a_later_level_does_not_change_a_deviation():
    """A narrow deviation stays as it was when an entity's values later move far away, bit for bit."""
    levels = [100.0, 100.0001, 100.0002] + [1e3] * 9
    raw, requests = world([("a", h if h < 3 else h + 50, v) for h, v in enumerate(levels)], [("a", 5)])
    normalized = Normalized(**READ, of=LAST, value="v", window="40h")
    then = {"events": raw["events"][raw["events"]["known"] <= requests["asked"][0]]}
    assert one(normalized, raw, requests) == one(normalized, then, requests)
    assert one(normalized, then, requests) == pytest.approx([1.5**0.5], rel=1e-6)


def test_encoded_is_the_place_in_the_vocabulary():
    """A category is its place in the vocabulary; what that lacks, null too, gets the unknown code, or null."""
    _, requests = world([], [(w, 0) for w in ("a", "b", "z", None)])
    encoded = Encoded(source="who", vocabulary=("b", "a"))
    assert one(encoded, {}, requests) == [1, 0, -1, -1]
    assert one(turn(encoded, unknown=7, vocabulary=("a",)), {}, requests) == [0, 7, 7, 7]
    np.testing.assert_array_equal(one(turn(encoded, unknown=None), {}, requests), [1, 0, np.nan, np.nan])


def test_local_time_reads_a_zone_or_each_rows_own():
    """The hour is the one of the named zone, or of the zone in each row; a zone that is null gives none."""
    _, requests = world([], [("a", 12), ("a", 13), ("a", 14), ("a", 60)])  # zones UTC, New York, null, UTC
    assert one(LocalTime(source="asked", part="hour", zone=ZONE), {}, requests) == [7, 8, 9, 8]  # clocks changed
    by_row = one(LocalTime(source="asked", part="hour", zone_in="zone"), {}, requests)
    np.testing.assert_array_equal(by_row, [12, 8, np.nan, 12])


def test_turn_turns_the_outermost():
    """A knob that both have turns in the outer definition, one that only the inner has turns there."""
    nested = Normalized(**READ, of=Rolling(**READ, value="v", window="1h"), value="v", window="2h")
    turned = turn(nested, lag="3h", window="4h", how="sum")
    assert (turned.lag, turned.window, turned.of.how) == ("3h", "4h", "sum")
    assert (turned.of.lag, turned.of.window, nested.lag, nested.of.how) == ("0s", "1h", "0s", "mean")
    twice = turn(Normalized(**READ, of=turned, value="v", window="5h"), how="count")
    assert (twice.of.of.how, twice.window) == ("count", "5h")


def test_knobs_are_the_fields_of_all_layers():
    """The knobs of a definition are its fields and those inside it, and not the layer itself."""
    nested = Normalized(**READ, of=Column(source="x"), value="v", window="2h")
    own = {"table", "by", "lag", "ttl", "horizon", "clock", "watermark", "counted", "value", "window", "fitted"}
    assert knobs_of(nested) == own | {"source"}
    assert knobs_of(Column(source="x")) == {"source"}


def test_evaluate_leaves_its_tables_alone():
    """Evaluating changes neither the raw tables nor the requests, and answers under the requests' own index."""
    raw, requests = world([("a", 1, 3), ("b", 2, None)], [("a", 9), ("b", 5), (None, 7)])
    requests.index = [30, 10, 20]
    before = raw["events"].copy(deep=True), requests.copy(deep=True)
    found = evaluate(EVERY, raw, requests, "asked")
    pd.testing.assert_frame_equal(raw["events"], before[0])
    pd.testing.assert_frame_equal(requests, before[1])
    assert found.index.tolist() == [30, 10, 20] and found.columns.tolist() == list(EVERY)
    assert found["latest"].tolist()[0] == 3 and found["latest"].isna().tolist() == [False, True, True]


@LAW
@given(EVENTS, ASKED, st.randoms(use_true_random=False))
def test_order_of_events_does_not_matter(events, asked, random):
    """Shuffling the events changes no feature, where no two of an entity are known at one time."""
    events = list({e[:2]: e for e in events}.values())
    raw, requests = world(events, asked)
    shuffled, _ = world(random.sample(events, len(events)), asked)
    pd.testing.assert_frame_equal(*(evaluate(EVERY, r, requests, "asked") for r in (raw, shuffled)))


def test_an_unknown_definition_is_refused():
    """A definition that evaluate does not know is refused by its name."""

    @dataclass(frozen=True, kw_only=True)
    class Guess(Definition):
        pass

    with pytest.raises(SkewkitError, match="Guess is no feature definition"):
        one(Guess(), *small())
    with pytest.raises(SkewkitError, match="how='median'"):
        one(turn(DEFINITIONS["mean"], how="median"), *small())


@pytest.mark.parametrize("name", ["latest", "days_since", "mean", "normalized"])
def test_no_events_give_nulls(name):
    """Before the first event of any entity is known, a feature read from events is null."""
    raw, requests = small()
    assert np.isnan(one(DEFINITIONS[name], {"events": raw["events"][:0]}, requests)).all()


def test_no_requests_give_no_rows():
    """A batch of no requests has every feature's column and no row."""
    raw, requests = small()
    assert evaluate(EVERY, raw, requests[:0], "asked").shape == (0, len(EVERY))


def test_an_event_known_at_no_time_is_not_read():
    """An event without a time since which it is known is never known."""
    raw, requests = small()
    events = raw["events"].assign(known=raw["events"]["known"].where(raw["events"]["v"] == 9))
    assert np.isnan(one(LAST, {"events": events}, requests)).all()


@pytest.mark.parametrize(("name", "nothing"), [("latest_late", np.nan), ("count", 0), ("sum", 0), ("mean", np.nan)])
def test_a_request_at_no_time_reads_nothing(name, nothing):
    """A request without a time has no past, whatever the lag and the window."""
    raw, requests = small()
    requests["asked"] = requests["asked"].where(requests["who"] == "z")
    np.testing.assert_array_equal(one(EVERY[name], raw, requests), [nothing])


def test_digest_tells_definitions_apart():
    """The digest is the same for the same definitions and another for any knob turned or type changed."""
    changed = [{"f": LAST}, {"g": LAST}, {"f": turn(LAST, lag="1h")}, {"f": DEFINITIONS["normalized"]}]
    changed.append({"f": turn(DEFINITIONS["normalized"], source="y")})
    assert len({digest(d) for d in changed}) == len(changed)
    assert digest({"f": Latest(**READ, value="v")}) == digest({"f": LAST})
