"""What was known when, against slow and obvious loops; wall clocks against Python's own; coins against chance."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from skewkit.records import Roles, SkewkitError
from skewkit.scope import Scope, coin
from skewkit.timeline import (
    PARTS,
    Timeline,
    days_between,
    duration,
    local,
    nanoseconds,
    part,
    refreshed,
    zone,
)

LAW = settings(max_examples=60, deadline=None, derandomize=True)
WHO, TIME = st.sampled_from(["a", "b", "c", None]), st.integers(-6, 6)
EVENTS = st.lists(st.tuples(WHO, TIME, st.sampled_from([None, np.inf]) | st.integers(-9, 9)), max_size=25)
ASKED = st.lists(st.tuples(WHO | st.just("z"), TIME, st.integers(0, 5)), min_size=1, max_size=12)
CLOCKS = ("America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "UTC")
MOMENTS = st.lists(st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1)), min_size=1, max_size=10)


def utc(*times):
    """A series of times in UTC."""
    return pd.Series(pd.to_datetime(list(times), utc=True))


def split(events):
    """Entities, times and values of drawn events, as arrays."""
    who, times, values = zip(*events, strict=True) if events else ((), (), ())
    return list(who), np.array(times, "i8"), np.array([np.nan if v is None else v for v in values], float)


@LAW
@given(st.lists(st.tuples(WHO, TIME), min_size=1, max_size=30), st.integers(0, 7))
def test_refreshed_is_a_cache_filled_on_a_miss(requests, ttl):
    """A request is served what its entity's last miss computed, until that is ``ttl`` old; no entity, no cache."""
    cache, expected = {}, [None] * len(requests)
    for row in sorted(range(len(requests)), key=lambda i: requests[i][1]):
        who, now = requests[row]
        if who is None or who not in cache or now - requests[cache[who]][1] >= ttl:
            cache[who] = row
        expected[row] = cache[who]
    who, times, _ = split([(*r, 0) for r in requests])
    assert refreshed(who, times, ttl).tolist() == expected


def test_refreshed_of_nothing_is_nothing():
    """No requests fill no cache."""
    assert refreshed([], np.array([], "i8"), 5).tolist() == []


@LAW
@given(EVENTS, ASKED)
def test_latest_is_the_newest_event_known(events, asked):
    """Latest is the row of an entity's last event at or before the moment, of tied ones the last row, or -1."""
    expected = [
        max(
            ((t, row) for row, (w, t, _) in enumerate(events) if w is not None and w == who and t <= now),
            default=(0, -1),
        )[1]
        for who, now, _ in asked
    ]
    who, times, _ = split(events)
    by, when, _ = split(asked)
    assert Timeline(who, times).latest(by, when).tolist() == expected


@LAW
@given(EVENTS, ASKED)
def test_between_sums_a_window_open_at_its_start(events, asked):
    """Between gives count, sum, mean and deviation of an entity's values in (after, until], past nulls and infinities."""
    windows = [
        [v for w, t, v in events if w is not None and w == who and now - length < t <= now and v not in (None, np.inf)]
        for who, now, length in asked
    ]
    who, times, values = split(events)
    by, until, length = split(asked)
    w = Timeline(who, times).window(by, until - length.astype("i8"), until, values)
    found = w.count, w.sum, w.mean, w.deviation
    expected = [(len(w), sum(w), np.mean(w), np.std(w)) if w else (0, 0, np.nan, np.nan) for w in windows]
    np.testing.assert_allclose(np.array(found).T, np.array(expected).reshape(-1, 4), rtol=1e-9, atol=1e-6)


def test_a_timeline_knows_integer_and_float_entities_alike():
    """A null turns whole numbers into floats in pandas; they name the same entities still."""
    line = Timeline(pd.Series([1, 2, None]), np.array([5, 6, 7]))
    assert line.latest(pd.Series([2, 1, 3]), np.array([9, 9, 9])).tolist() == [1, 0, -1]


@pytest.mark.parametrize("huge", [np.inf, 1e18, 1e200])
def test_an_entity_cannot_touch_anothers_sums(huge):
    """A huge or infinite value of one entity leaves the sums of another as they are."""
    line = Timeline(["a", "b"], np.array([1, 1]))
    w = line.window(["b"], np.array([0]), np.array([2]), np.array([huge, 1.0]))
    assert [v.tolist() for v in (w.count, w.sum, w.mean, w.deviation)] == [[1.0], [1.0], [1.0], [0.0]]


@LAW
@given(st.lists(st.floats(-1e3, 1e3), max_size=10))
def test_mean_and_deviation_are_numpys(values):
    """Mean and deviation of a window equal numpy's, and are null without values; a constant has no deviation at all."""
    line = Timeline(["a"] * len(values), np.arange(len(values)))
    w = line.window(["a"], np.array([-1]), np.array([99]), np.array(values))
    mean, deviation = w.mean, w.deviation
    expected = (np.mean(values), np.std(values)) if values else (np.nan, np.nan)
    np.testing.assert_allclose([mean[0], deviation[0]], expected, atol=1e-3, rtol=1e-9)
    assert not values or len(set(values)) > 1 or deviation[0] == 0


@LAW
@given(MOMENTS, st.sampled_from(CLOCKS))
def test_local_is_the_wall_clock_of_zoneinfo(moments, name):
    """The wall clock of a zone is the one that Python's zoneinfo shows."""
    wall = local(utc(*moments), name)
    expected = [m.replace(tzinfo=UTC).astimezone(ZoneInfo(name)).replace(tzinfo=None) for m in moments]
    assert wall.tolist() == expected


@LAW
@given(MOMENTS)
def test_parts_are_pythons(moments):
    """Each part of a wall clock is what Python's datetime says it is."""
    found = {name: part(name, pd.Series(moments, dtype="datetime64[us]")).tolist() for name in PARTS}
    assert found["hour"] == [m.hour for m in moments]
    assert found["weekday"] == [m.weekday() for m in moments]
    assert found["is_weekend"] == [int(m.weekday() >= 5) for m in moments]
    assert found["day"] == [m.day for m in moments]
    assert found["dayofyear"] == [m.timetuple().tm_yday for m in moments]
    assert found["month"] == [m.month for m in moments]
    assert found["date"] == [datetime(m.year, m.month, m.day) for m in moments]


def test_clocks_skip_an_hour_in_spring():
    """Two minutes that are one apart in UTC are 61 apart on the wall across the gap."""
    wall = local(utc("2024-03-10T06:59Z", "2024-03-10T07:00Z"), "America/New_York")
    assert wall.tolist() == [pd.Timestamp("2024-03-10 01:59"), pd.Timestamp("2024-03-10 03:00")]


def test_clocks_repeat_an_hour_in_autumn():
    """Two moments an hour apart show the same wall clock in the fold."""
    wall = local(utc("2024-11-03T05:30Z", "2024-11-03T06:30Z"), "America/New_York")
    assert wall.tolist() == [pd.Timestamp("2024-11-03 01:30")] * 2


@pytest.mark.parametrize(("offset", "minutes"), [("+05:30", 330), ("-03:30", -210), ("-00:45", -45), ("+00:00", 0)])
def test_a_fixed_offset_is_a_zone(offset, minutes):
    """An offset such as +05:30 moves the clock by as much, all year."""
    times = ["2024-01-15T12:00Z", "2024-07-15T12:00Z"]
    there = timezone(timedelta(minutes=minutes))
    expected = [datetime.fromisoformat(t).astimezone(there).replace(tzinfo=None) for t in times]
    assert local(utc(*times), offset).tolist() == expected


def test_an_unknown_zone_names_the_like():
    """An unknown zone is refused, with the zones that its name is part of."""
    with pytest.raises(SkewkitError, match=r"'berlin' is no time zone.*did you mean Europe/Berlin"):
        zone("berlin")
    with pytest.raises(SkewkitError, match="'Middle/Earth' is no time zone"):
        local(utc("2024-01-01"), "Middle/Earth")
    assert zone("Europe/Berlin") == "Europe/Berlin"


def test_an_offset_of_days_is_no_zone():
    """An offset that no clock can have is refused like any other unknown zone."""
    with pytest.raises(SkewkitError):
        local(utc("2024-01-01"), "+99:99")


def test_each_row_can_have_its_own_zone():
    """Each row shows its own zone's wall clock; a null zone or a null time shows none."""
    names = ["Asia/Tokyo", "UTC", None, "Asia/Tokyo", "UTC"]
    times = utc("2024-01-01T20:00Z", "2024-01-01T20:00Z", "2024-01-01T20:00Z", "2024-07-01T00:00Z", None)
    expected = [t and pd.Timestamp(t) for t in ("2024-01-02 05", "2024-01-01 20", None, "2024-07-01 09", None)]
    for zones in (pd.Series(names, dtype=object), pd.Series(names, dtype="category")):
        assert local(times, zones).astype(object).where(lambda t: t.notna(), None).tolist() == expected


def test_rows_with_one_label_keep_their_own_zones():
    """Rows that share an index label each show their own zone's wall clock."""
    times = utc("2024-01-01", "2024-01-01").set_axis([7, 7])
    wall = local(times, pd.Series(["UTC", "Asia/Tokyo"], index=[7, 7]))
    assert wall.dt.hour.tolist() == [0, 9]


def test_an_unknown_part_is_refused():
    """A part that does not exist is refused with those that do."""
    with pytest.raises(SkewkitError, match="'minute' is no part of a local time; there are hour, weekday"):
        part("minute", utc("2024-01-01"))


def test_days_between_counts_midnights():
    """Two minutes across midnight are a day, a whole day short of it is none, and null is null."""
    later = pd.Series(pd.to_datetime(["2024-03-02 00:01", "2024-03-01 23:59", "2024-03-01 00:00", None]))
    earlier = pd.Series(
        pd.to_datetime(["2024-03-01 23:59", "2024-03-01 00:01", "2024-02-29 23:59", "2024-03-01 00:00"])
    )
    assert days_between(later, earlier).tolist()[:3] == [1, 0, 1]
    assert days_between(later, earlier).isna().tolist() == [False, False, False, True]


@LAW
@given(MOMENTS, st.integers(-10, 10))
def test_days_between_is_the_difference_of_dates(moments, hours):
    """Midnights passed are the difference of calendar dates, backwards too."""
    others = [m + timedelta(hours=7 * hours) for m in moments]
    found = days_between(pd.Series(moments, dtype="datetime64[us]"), pd.Series(others, dtype="datetime64[us]"))
    assert found.tolist() == [(m.date() - o.date()).days for m, o in zip(moments, others, strict=True)]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_nanoseconds_are_since_1970_in_utc(unit):
    """Times of any resolution and zone become nanoseconds since 1970, and a missing one the smallest integer."""
    times = utc("1970-01-01T00:00:01Z", None).astype(f"datetime64[{unit}, UTC]").dt.tz_convert("Asia/Kolkata")
    assert nanoseconds(times).tolist() == [10**9, np.iinfo("i8").min]


def test_durations_are_read_and_checked():
    """A length of time is read in nanoseconds; one that is negative, missing or no length is refused by name."""
    assert (duration("0s", "lag"), duration("90min", "lag"), duration("2D", "lag")) == (0, 5400 * 10**9, 172800 * 10**9)
    for bad in ("-1h", "soon", "NaT"):
        with pytest.raises(SkewkitError, match=f"ttl='{bad}'"):
            duration(bad, "ttl")


def test_coins_nest_in_shares():
    """The rows of a smaller share are among those of a larger one, and each share has its size."""
    frame, roles = pd.DataFrame({"key": np.arange(20_000)}), Roles(key="key")
    rows = [Scope(share=s).rows(frame, roles) for s in (0.0, 0.1, 0.3, 0.9, 1.0)]
    assert [r.mean() for r in rows] == pytest.approx([0, 0.1, 0.3, 0.9, 1], abs=0.01)
    assert all((small <= large).all() for small, large in pairwise(rows))


@pytest.mark.parametrize("keys", [np.arange(50_000), np.array([f"request-{i}" for i in range(50_000)], object)])
def test_coins_are_uniform_and_independent(keys):
    """Coins of one purpose are uniform, and tell nothing of another purpose's, another seed's or the next key's."""
    one, two, three = coin(keys, "plant"), coin(keys, "sample"), coin(keys, "plant", seed=1)
    assert one.min() >= 0 and one.max() < 1
    assert kstest(one, "uniform").statistic < 1.95 / np.sqrt(len(keys))  # the 0.1 percent level
    for other in (two, three, np.roll(one, 1)):
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.02
        assert ((one < 0.1) & (other < 0.1)).mean() == pytest.approx(0.01, abs=0.002)


@LAW
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_a_key_keeps_its_coin_in_any_order(keys, random):
    """A key has the same coin wherever it stands in a table."""
    shuffled = random.sample(keys, len(keys))
    coins = dict(zip(shuffled, coin(shuffled, "plant"), strict=True))
    assert coin(np.array(keys), "plant").tolist() == [coins[k] for k in keys]


@pytest.mark.parametrize(
    ("keys", "dtypes"),
    [
        ([3, 200, 7], ["int64", "Int64", "int32", "uint64", "int64[pyarrow]"]),
        (["x", "y", "z"], [object, "str", "string", "category"]),
        ([3, -1], ["int64", "int32"]),
        ([3, -1], ["int64", object, "category"]),
    ],
)
def test_a_key_keeps_its_coin_in_any_type(keys, dtypes):
    """A key has the same coin whichever way pandas stores its column."""
    coins = [coin(pd.Series(keys, dtype=d), "plant").tolist() for d in dtypes]
    assert coins == [coins[0]] * len(dtypes) and len(set(coins[0])) == len(keys)


@pytest.mark.parametrize("dtype", ["Int64", "float64"])
def test_a_null_elsewhere_leaves_a_keys_coin(dtype):
    """A key has the same coin when another row of its table has no key."""
    assert coin(pd.Series([5, None], dtype=dtype), "sample")[0] == coin(pd.Series([5]), "sample")[0]
