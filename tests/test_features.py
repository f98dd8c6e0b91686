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

from skewkit.features.definitions import (
    Column,
    DaysSince,
    Definition,
    Encoded,
    Filled,
    Latest,
    LocalTime,
    Normalized,
    Rate,
    Rolling,
    digest,
    evaluate,
    knobs_of,
    reads,
    turn,
)
from skewkit.memory import Memory
from skewkit.records import SkewkitError
from skewkit.timeline import Timeline

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
BATCH = {"snapshot": "6h", "edge": "4h"}
READING = {n: d for n, d in DEFINITIONS.items() if "ttl" in knobs_of(d)}
EVERY = {
    **DEFINITIONS,
    **{f"{n}_late": turn(d, **LATE) for n, d in READING.items()},
    **{f"{n}_batch": turn(d, **BATCH) for n, d in READING.items()},
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
@given(EVENTS, ASKED, st.integers(1, 30), st.integers(0, 12), st.integers(1, 40))
def test_snapshot_and_edge_are_a_plain_loops(events, asked, every, edge, window):
    """A batch knows what was known at its last run; of a window the last hours are missing, and its beginning stays."""
    raw, requests = world(events, asked)
    batch = {"snapshot": f"{every}h", "edge": f"{edge}h"}
    rolling = {how: Rolling(**READ, value="v", window=f"{window}h", how=how, **batch) for how in ("count", "sum")}
    found = evaluate({"latest": turn(LAST, **batch), **rolling}, raw, requests, "asked")
    origin = int((START - datetime(1970, 1, 1, tzinfo=UTC)) / HOUR)
    for row, (who, now) in enumerate(asked):
        ran = (now + origin) // every * every - origin
        mine = sorted((e for e in events if who and e[0] == who and e[1] <= ran - edge), key=lambda e: e[1])
        v = [v for _, t, v in mine if t > ran - window and v is not None]
        latest = np.nan if not mine or mine[-1][2] is None else mine[-1][2]
        np.testing.assert_allclose(found.loc[row, ["latest", "count", "sum"]].to_numpy(float), [latest, len(v), sum(v)])


def test_snapshot_and_edge_by_hand():
    """Events at hours 0, 24 and 48, asked at 72 and a half: by midnight's batch, by an hour's, and with a hole of a day."""
    raw, requests = small()
    requests["asked"] += HOUR / 2
    count = Rolling(**READ, value="v", window="48h", how="count")
    assert one(count, raw, requests) == [1]  # half an hour later hour 24 has left the window
    assert one(turn(count, snapshot="1D"), raw, requests) == [1]  # at 72 hours the window begins after 24
    assert one(turn(count, snapshot="1D", lag="1h"), raw, requests) == [2]  # from 23 to 71
    assert one(turn(count, window="73h"), raw, requests) == [3]
    assert one(turn(count, window="73h", edge="25h"), raw, requests) == [2]  # the newest is missing, the oldest stays
    assert one(turn(count, window="73h", edge="80h"), raw, requests) == [0]
    assert one(turn(LAST, edge="25h"), raw, requests) == one(turn(LAST, lag="25h"), raw, requests) == [2]


@LAW
@given(EVENTS, ASKED)
def test_what_is_remembered_changes_no_bit(events, asked):
    """Definition after definition from one memory gives the bits that each gives alone, and again."""
    raw, requests = world(events, asked)
    raw["events"]["happened"] = raw["events"]["known"] - HOUR
    clocks = {f"{n}_{c}": turn(d, clock=c) for c in ("event", "stream") for n, d in READING.items()}
    doubled = {f"{n}_twice": turn(d, counted=1.5) for n, d in READING.items()}
    every, lines = {**EVERY, **clocks, **doubled}, Memory()
    alone = pd.DataFrame({n: one(d, raw, requests) for n, d in every.items()})
    for _ in range(2):
        together = evaluate(every, raw, requests, "asked", lines).reset_index(drop=True)
        pd.testing.assert_frame_equal(together, alone, check_exact=True, check_dtype=False)
    assert len(lines)


def test_a_count_of_nothing_is_zero_or_null():
    """Somebody without events has a count of 0, or none where the definition says so; a mean is null in any case."""
    raw, requests = world([("a", 0, 2), ("a", 1, -2)], [("a", 5), ("z", 5)])
    for how, there in (("count", 2), ("sum", 0)):
        rolled = Rolling(**READ, value="v", window="20h", how=how)
        assert one(rolled, raw, requests) == [there, 0]
        np.testing.assert_array_equal(one(turn(rolled, empty="null"), raw, requests), [there, np.nan])
    with pytest.raises(SkewkitError, match="empty='none' was asked"):
        one(turn(rolled, empty="none"), raw, requests)


def test_without_by_all_events_are_one_series():
    """With no column to tell entities apart, every request sees every event."""
    raw, requests = world([("a", 0, 1), ("b", 1, 2)], [("a", 5), ("z", 6), (None, 7)])
    count = Rolling(table="events", by="", value="v", window="global", how="count", ttl="90min")
    assert one(turn(count, by="who", ttl="0s"), raw, requests) == [1, 0, 0]
    assert one(count, raw, requests) == [3, 3, 3]  # nobody's event counts as well
    assert reads(count) == frozenset()


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
    own = {
        "table",
        "by",
        "lag",
        "ttl",
        "horizon",
        "clock",
        "watermark",
        "counted",
        "value",
        "window",
        "fitted",
        "snapshot",
        "edge",
    }
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


# -- clocks, horizons and counts, against loops over single events


HAPPENED = st.lists(
    st.tuples(WHO, st.integers(-60, 60), st.integers(0, 40), st.none() | st.integers(-5, 5)), max_size=20
)
HOWS = ("mean", "count", "sum")


def late_world(events, asked):
    """As above, of events that come some hours after they happened: (who, happened, delay, value)."""
    raw, requests = world([(w, h + d, v) for w, h, d, v in events], asked)
    happened = [START + h * HOUR for h in (-99, *(h for _, h, _, _ in events))]
    raw["events"]["happened"] = pd.to_datetime(happened, utc=True)
    return raw, requests


def counted(raw, requests, **knobs):
    """Mean, count and sum of each request's window, shape (requests, 3)."""
    made = {how: Rolling(**READ, value="v", how=how, **knobs) for how in HOWS}
    return evaluate(made, raw, requests, "asked")[list(HOWS)].to_numpy(float)


def of(values):
    """The same of plain numbers."""
    return [fmean(values) if values else np.nan, len(values), sum(values)]


@LAW
@given(HAPPENED, ASKED, st.integers(1, 40), st.integers(0, 20))
def test_the_clock_of_events_counts_what_happened_before(events, asked, window, horizon):
    """By when it happened, however late it came; a horizon moves the window's end on, and its beginning stays."""
    raw, requests = late_world(events, asked)
    found = counted(raw, requests, clock="event", window=f"{window}h", horizon=f"{horizon}h")
    for row, (who, now) in enumerate(asked):
        mine = [(h, v) for w, h, _, v in events if who and w == who and v is not None]
        np.testing.assert_allclose(found[row], of([v for h, v in mine if now - window <= h < now + horizon]))


@LAW
@given(HAPPENED, ASKED, st.integers(1, 40), st.integers(0, 20))
def test_a_horizon_on_the_clock_of_ingestion_keeps_the_windows_beginning(events, asked, window, horizon):
    """What comes up to the horizon later is known as well; nothing of the past is lost for it."""
    raw, requests = late_world(events, asked)
    found = counted(raw, requests, window=f"{window}h", horizon=f"{horizon}h")
    for row, (who, now) in enumerate(asked):
        mine = [(h + d, v) for w, h, d, v in events if who and w == who and v is not None]
        np.testing.assert_allclose(found[row], of([v for k, v in mine if now - window < k <= now + horizon]))


@LAW
@given(HAPPENED, ASKED, st.integers(1, 40), st.none() | st.integers(0, 20), st.integers(0, 20))
def test_a_stream_is_a_fold_over_what_arrives(events, asked, window, watermark, horizon):
    """A counter that adds what comes, unless it is later than the watermark, and takes out what expires."""
    raw, requests = late_world(events, asked)
    mark = {} if watermark is None else {"watermark": f"{watermark}h"}
    found = counted(raw, requests, clock="stream", window=f"{window}h", horizon=f"{horizon}h", **mark)
    for row, (who, now) in enumerate(asked):
        state = []
        for name, happened, delay, v in sorted(events, key=lambda e: e[1] + e[2]):
            if who is None or name != who or happened + delay >= now + horizon:
                continue
            if v is not None and (watermark is None or delay <= watermark):
                state.append((happened, v))
            state = [(h, v) for h, v in state if h >= happened + delay - window - horizon]
        np.testing.assert_allclose(found[row], of([v for h, v in state if h >= now - window]), atol=1e-12)


@LAW
@given(HAPPENED, ASKED, st.integers(1, 40), st.integers(0, 12), st.integers(0, 30))
def test_a_stream_in_which_nothing_is_late_is_the_clock_of_events(events, asked, window, lag, ttl):
    """With a lag, with a cache, over a window and over all: the difference is the lateness alone."""
    raw, requests = late_world([(w, h, 0, v) for w, h, _, v in events], asked)
    for length in (f"{window}h", "global"):
        knobs = {"window": length, "lag": f"{lag}h", "ttl": f"{ttl}h"}
        stream, event = (counted(raw, requests, clock=c, **knobs) for c in ("stream", "event"))
        np.testing.assert_allclose(stream, event, atol=1e-12)


@LAW
@given(st.lists(st.tuples(WHO, st.integers(0, 6)), min_size=1, max_size=8), st.sampled_from(["event", "stream"]))
def test_a_request_is_no_event_before_itself(asked, clock):
    """Requests that are their own events: none counts itself, nor another of the same moment."""
    raw, requests = late_world([(w, h, 0, 1) for w, h in asked], asked)
    found = counted(raw, requests, clock=clock, window="3h")
    for row, (who, now) in enumerate(asked):
        assert found[row][1] == sum(w == who and who is not None and now - 3 <= h < now for w, h in asked)


@pytest.mark.parametrize("clock", ["ingestion", "event", "stream"])
@LAW
@given(HAPPENED, ASKED, st.integers(1, 40))
def test_events_counted_twice_double_counts_and_sums_and_leave_means(clock, events, asked, window):
    """By every clock, exactly."""
    raw, requests = late_world(events, asked)
    once, twice = (counted(raw, requests, clock=clock, window=f"{window}h", counted=n) for n in (1, 2))
    np.testing.assert_array_equal(twice, once * [1, 2, 2])


def test_a_tenth_of_the_events_counted_twice():
    """Of 2,000 events one in ten, always the same; the others once."""
    raw, requests = late_world([("a", h % 50, 0, 1) for h in range(2_000)], [("a", 60)])
    (_, count, total), *_ = counted(raw, requests, clock="event", window="90h", counted=1.1)
    assert count == total and abs(count - 2_200) < 40
    assert counted(raw, requests, clock="event", window="90h", counted=1.1)[0, 1] == count


@LAW
@given(HAPPENED, ASKED, st.floats(0, 1), st.floats(0, 9))
def test_a_rate_is_a_plain_division(events, asked, prior, weight):
    """Part over whole, or over the rest, after the prior's weight is added; null where there is nothing below."""
    raw, requests = late_world(events, asked)
    short, long = (Rolling(**READ, value="v", how="count", window=w) for w in ("9h", "40h"))
    rate = Rate(of=short, over=long, prior=prior, weight=weight)
    part, whole = (counted(raw, requests, window=w)[:, 1] for w in ("9h", "40h"))
    for found, rest in ((one(rate, raw, requests), 0), (one(turn(rate, per="rest"), raw, requests), 1)):
        for f, p, w in zip(found, part, whole, strict=True):
            above = p + prior * weight
            below = w + weight - rest * above
            np.testing.assert_allclose(f, above / below if below > 0 else np.nan)


def test_turning_a_rates_window_turns_the_longer():
    """The longer one, both where they are as long, and the one over all events where there is one."""
    short, long, whole = (Rolling(**READ, value="v", window=w) for w in ("1D", "30D", "global"))
    for of_, over, turned in (
        (short, long, ("1D", "7D")),
        (long, short, ("7D", "1D")),
        (long, long, ("7D", "7D")),
        (short, whole, ("1D", "7D")),
        (whole, whole, ("7D", "7D")),
    ):
        rate = turn(Rate(of=of_, over=over), window="7D")
        assert (rate.of.window, rate.over.window) == turned
    assert (
        turn(Rate(of=short, over=long), lag="1h").of.lag == turn(Rate(of=short, over=long), lag="1h").over.lag == "1h"
    )


def test_filled_by_hand():
    """A null becomes a number, 0, or what was fitted; what is there stays, and an unknown word is refused."""
    raw, requests = world([("a", 0, 4)], [("a", 1), ("z", 1)])
    filled = Filled(of=LAST, fill="mean", mean=2.5, median=3)
    for fill, value in (("mean", 2.5), ("median", 3), ("zero", 0), (-1, -1)):
        assert one(turn(filled, fill=fill), raw, requests) == [4, value]
    with pytest.raises(SkewkitError, match="forward"):
        one(turn(filled, fill="forward"), raw, requests)


def test_days_since_in_each_rows_own_zone():
    """Midnights of the row's own zone, none where that is null; of UTC when no zone is said; of the one turned to."""
    raw, requests = world([("a", -1, 1)], [("a", 3), ("a", 4), ("a", 5)])  # zones UTC, New York, null
    by_row = DaysSince(**READ, source="asked", zone_in="zone")
    np.testing.assert_array_equal(one(by_row, raw, requests), [1, 0, np.nan])
    assert one(DaysSince(**READ, source="asked"), raw, requests) == [1, 1, 1]
    assert one(turn(by_row, zone=ZONE), raw, requests) == [0, 0, 1]


def test_a_window_that_is_global_needs_the_time_it_was_fitted():
    """Without it every value would be null; the error says what to give."""
    raw, requests = small()
    with pytest.raises(SkewkitError, match="fitted="):
        one(turn(DEFINITIONS["normalized"], window="global"), raw, requests)


def test_a_horizon_beyond_the_last_moment_sees_all():
    """Two hundred and ninety years ahead is the end of time, and no overflow."""
    raw, requests = small()
    far = {"horizon": "106000D", "window": "106000D"}
    assert one(Rolling(**READ, value="v", how="count", **far), raw, requests) == [3]
    assert one(turn(LAST, horizon="106000D"), raw, requests) == [6]


@pytest.mark.parametrize("missing", ["known", "happened"])
def test_an_event_without_one_of_its_times_is_none_to_a_stream(missing):
    """Before 1970 too, where a missing time is the smaller number; and no events at all are none."""
    raw, requests = late_world([("a", 0, 0, 1), ("a", 1, 0, 1)], [("a", 5)])
    raw["events"]["happened"] -= pd.Timedelta("30000D")
    raw["events"]["known"] -= pd.Timedelta("30000D")
    raw["events"].loc[1, missing] = pd.NaT
    for window in ("40000D", "global"):
        assert counted(raw, requests, clock="stream", window=window)[0, 1] == 1
        assert counted({"events": raw["events"][:0]}, requests, clock="stream", window=window)[0, 1] == 0


@LAW
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(-9, 9)), max_size=12), st.integers(0, 9), st.integers(0, 9))
def test_a_window_without_a_part_of_it_is_the_rest(events, middle, end):
    """Count, mean, sum and deviation of what is left are those of the values themselves, about whichever centre."""
    middle, end = sorted((middle, end))
    times, values = np.array([0, *(t for t, _ in events)]), np.array([99.0, *(v for _, v in events)])
    who = ["other", *["a"] * len(events)]
    begin, upto, until = (np.array([t]) for t in (-1, middle, end))
    line, back = Timeline(who, times), Timeline(who, times)
    rest = line.window(["a"], begin, until, values).without(back.window(["a"], begin, upto, values))
    left = [float(v) for t, v in events if middle < t <= end]
    assert rest.count[0] == len(left)
    np.testing.assert_allclose(rest.mean, fmean(left) if left else np.nan, atol=1e-12)
    np.testing.assert_allclose(rest.sum, sum(left), atol=1e-12)
    np.testing.assert_allclose(rest.deviation, pstdev(left) if left else np.nan, atol=1e-5)


@pytest.mark.parametrize("knob", ["value", "by"])
def test_a_knob_that_names_no_column_is_refused(knob):
    """The error says what the events have."""
    raw, requests = small()
    for definition in (LAST, DEFINITIONS["mean"]):
        with pytest.raises(SkewkitError, match=r"no_such|who, known, v"):
            one(turn(definition, **{knob: "no_such"}), raw, requests)
