"""Point-in-time joins and lookups with history: by hand, against plain Python, and against DuckDB."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import skewkit as sk
from skewkit import examples
from skewkit.records import SkewkitError

LAW = settings(max_examples=80, deadline=None, derandomize=True)
BEGIN = pd.Timestamp("2024-03-10T06:00Z")  # an hour before the clocks change in New York
WHO = st.sampled_from(["a", "b", "c", None])
HOUR = st.integers(-5, 5) | st.none()
EVENTS = st.lists(st.tuples(WHO, HOUR, HOUR, st.integers(0, 9)), max_size=15)
ASKED = st.lists(st.tuples(WHO | st.just("z"), HOUR), max_size=8)
JOIN = {"entity": "who", "time": "asked", "happened": "happened"}
TABLE = st.dictionaries(st.sampled_from("abcd"), st.tuples(st.integers(0, 1), st.sampled_from(["x", "y", None])))


def times(hours, unit="us", zone="UTC"):
    """Moments so many hours after BEGIN, null for None."""
    stamps = [pd.NaT if h is None else BEGIN + pd.Timedelta(h, "h") for h in hours]
    return pd.Series(stamps, dtype="datetime64[ns, UTC]").dt.as_unit(unit).dt.tz_convert(zone)


def events(rows):
    """A history of (who, happened, ingested, value) tuples."""
    who, happened, ingested, value = zip(*rows, strict=True) if rows else ((), (), (), ())
    return pd.DataFrame(
        {
            "who": pd.Series(who, dtype=object),
            "happened": times(happened),
            "ingested": times(ingested),
            "value": pd.Series(value, dtype="int64"),
        }
    )


def requests(rows, unit="us", zone="UTC"):
    """Requests of (who, asked) tuples."""
    who, asked = zip(*rows, strict=True) if rows else ((), ())
    return pd.DataFrame({"who": pd.Series(who, dtype=object), "asked": times(asked, unit, zone)})


def plain(column):
    """A column as a list, null as None."""
    return [None if pd.isna(v) else v for v in column]


def intervals(rows):
    """A lookup of (who, since, until, value) tuples."""
    return events(rows).rename(columns={"happened": "valid_from", "ingested": "valid_to"})


# -- as of a moment


@LAW
@given(EVENTS, ASKED, st.booleans(), st.booleans(), st.none() | st.integers(0, 4))
def test_as_of_is_the_newest_event_that_was_known(rows, asked, late, strictly, at_most):
    """Of an entity's events before the request, and come by then, the one that happened last; of ties the one that came
    last, of those the last row; null where it is too old."""
    expected = []
    for who, now in asked:
        known = [
            (at, came if late else 0, i)
            for i, (other, at, came, _) in enumerate(rows)
            if None not in (who, now, at) and who == other and (at < now or (at == now and not strictly))
            and (not late or (came is not None and came <= now))
        ]  # fmt: skip
        newest = max(known, default=None)
        fresh = newest and (at_most is None or now - newest[0] <= at_most)
        expected.append(rows[newest[2]][3] if fresh else None)
    given_ = {"ingested": "ingested"} if late else {}
    limit = None if at_most is None else f"{at_most}h"
    found = sk.as_of(
        requests(asked), events(rows), **JOIN, **given_, columns=["value"], strictly=strictly, at_most=limit
    )
    assert plain(found["value"]) == expected


@pytest.fixture(scope="module")
def many():
    """Requests and a history, some hundred rows of few entities, its times unique."""
    rng = np.random.default_rng(0)
    second = pd.Timedelta(1, "s")
    history = pd.DataFrame(
        {
            "who": rng.integers(0, 12, 600),
            "happened": BEGIN + second * rng.permutation(40_000)[:600],
            "value": np.arange(600),
        }
    )
    history["ingested"] = history["happened"] + second * rng.exponential(4_000, 600).round()
    asked = pd.DataFrame({"id": range(400), "who": rng.integers(0, 14, 400)})
    asked["asked"] = pd.concat(
        [history["happened"][:100], pd.Series(BEGIN + second * rng.integers(0, 50_000, 300))], ignore_index=True
    )
    return asked, history


@pytest.mark.parametrize(("strictly", "sign"), [(False, ">="), (True, ">")])
def test_as_of_is_duckdbs_asof_join(many, strictly, sign):
    """DuckDB's ASOF JOIN finds the same rows, at and before or strictly before."""
    asked, history = many
    sql = (
        f"SELECT value FROM asked r ASOF LEFT JOIN history h ON r.who = h.who AND r.asked {sign} h.happened ORDER BY id"
    )
    expected = duckdb.sql(sql).fetchall()
    found = sk.as_of(asked, history, **JOIN, columns=["value"], strictly=strictly)["value"]
    assert plain(found) == [v for (v,) in expected] and 50 < found.isna().sum() < 350


def test_as_of_with_ingestion_is_sqls_argmax(many):
    """DuckDB's newest of all rows that had happened and had come, no older than two hours, is the same row."""
    asked, history = many
    sql = """
        SELECT CASE WHEN r.asked - max(happened) <= INTERVAL 2 HOUR THEN arg_max(value, happened) END
        FROM asked r LEFT JOIN history h ON r.who = h.who AND h.happened <= r.asked AND h.ingested <= r.asked GROUP BY id, r.asked
        ORDER BY id
    """
    expected = [v for (v,) in duckdb.sql(sql).fetchall()]
    limits = {"ingested": "ingested", "columns": ["value"]}
    found = plain(sk.as_of(asked, history, **JOIN, **limits, at_most="2h")["value"])
    without = plain(sk.as_of(asked, history, **JOIN, columns=["value"])["value"])
    assert found == expected and found != without and None in found


def test_a_late_event_is_not_known_before_it_comes():
    """By hand: at 1 only the old value has come; at 3 the newer one has; the older one that comes at 4 changes nothing."""
    history = events([("a", -1, -1, 10), ("a", 0, 2, 20), ("a", -2, 4, 30)])
    asked = requests([("a", 1), ("a", 3), ("a", 5)])
    found = sk.as_of(asked, history, **JOIN, ingested="ingested", columns={"value": "then", "happened": "then_at"})
    assert found["then"].tolist() == [10, 20, 20]
    assert found["then_at"].tolist() == times([-1, 0, 0]).tolist()
    assert sk.as_of(asked, history, **JOIN)["value"].tolist() == [20, 20, 20]


def test_as_of_crosses_a_change_of_clocks():
    """Naive times of New York are two hours apart on the wall and one in truth; at_most counts what is true."""
    history = pd.DataFrame({"who": ["a"], "happened": pd.to_datetime(["2024-03-10 01:30"]), "value": [1]})
    asked = pd.DataFrame({"who": ["a", "a"], "asked": pd.to_datetime(["2024-03-10 03:30", "2024-03-10 03:31"])})
    found = sk.as_of(asked, history, **JOIN, at_most="1h", zone="America/New_York")
    assert plain(found["value"]) == [1, None]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_zones_and_units_change_nothing(unit, zone):
    """A moment is the same in any zone and resolution."""
    history = events([("a", -1, None, 10), ("a", 1, None, 20)])
    assert plain(sk.as_of(requests([("a", 0), ("a", 1), ("a", -2)], unit, zone), history, **JOIN)["value"]) == [
        10,
        20,
        None,
    ]


def test_index_rows_and_input_stay():
    """Doubled labels, an order of their own and other columns stay; nothing given is changed; the same comes out twice."""
    asked = (
        requests([("b", 3), ("a", 1), ("z", 2)]).set_index(pd.Index([7, 7, 3], name="n")).assign(other=["x", "y", "z"])
    )
    history = events([("a", 0, 0, 1), ("b", 5, 5, 2)]).assign(big=[2**53 + 1, 5], text=["p", "q"], yes=[True, False])
    lookup = intervals([("a", 0, 2, 1)])
    copies = [t.copy(deep=True) for t in (asked, history, lookup)]
    found = sk.as_of(asked, history, **JOIN, ingested="ingested")
    pd.testing.assert_frame_equal(found[list(asked)], asked)
    assert plain(found["big"]) == [None, 2**53 + 1, None] and plain(found["text"]) == [None, "p", None]
    assert plain(found["yes"]) == [None, True, None] and list(found) == [*asked, "value", "big", "text", "yes"]
    held = sk.look_up(asked, lookup, key="who", time="asked")
    pd.testing.assert_frame_equal(held[list(asked)], asked)
    sk.snapshot(lookup, BEGIN, "who")
    sk.slowly_changing(history, "who", "happened", deleted="yes")
    sk.slowly_changing({BEGIN: history, BEGIN + pd.Timedelta("1D"): history}, "who")
    pd.testing.assert_frame_equal(found, sk.as_of(asked, history, **JOIN, ingested="ingested"))
    for table, copy in zip((asked, history, lookup), copies, strict=True):
        pd.testing.assert_frame_equal(table, copy)


def test_an_empty_history_gives_nulls():
    """And no requests give none."""
    asked = requests([("a", 1)])
    assert plain(sk.as_of(asked, events([]), **JOIN, ingested="ingested", at_most="1h")["value"]) == [None]
    assert plain(sk.look_up(asked, intervals([]), key="who", time="asked")["value"]) == [None]
    assert len(sk.as_of(asked[:0], events([("a", 0, 0, 1)]), **JOIN)) == 0


def test_whole_numbers_and_floats_name_the_same_entity():
    """A null among whole numbers makes floats of them; they are found still."""
    history = events([("a", 0, 0, 5)]).assign(who=[12])
    asked = requests([("a", 1), ("a", 1)]).assign(who=[12.0, None])
    assert plain(sk.as_of(asked, history, **JOIN, columns=["value"])["value"]) == [5, None]


def test_the_time_carried_along_shows_freshness_and_leakage():
    """A join that looks ahead is newer than its request: leakage's finding counts it, and not the right join's."""
    log = examples.table()[["request", "account", "asked", "amount"]]
    named = {"amount": "last_amount", "asked": "last_at"}
    right = sk.as_of(log, log, entity="account", time="asked", happened="asked", columns=named, strictly=True)
    ahead = log.assign(then=log["asked"] + pd.Timedelta("1D"))
    leaky = sk.as_of(ahead, log, entity="account", time="then", happened="asked", columns=named).drop(columns="then")

    def newer(training):
        roles = {"key": "request", "time": "asked", "features": ["last_amount"], "as_of": {"last_amount": "last_at"}}
        case = sk.compare(training, right, **roles)
        return next(f.value for f in sk.check(case) if (f.statistic, f.change) == ("newer", "training"))

    assert newer(right) == 0 and newer(leaky) > 0.05


# -- lookups with history


@LAW
@given(EVENTS, ASKED)
def test_look_up_is_the_row_that_held(rows, asked):
    """The one row with since at or before the request and until after it; a table with two such rows at any time is
    refused, and so is one with a row that ends before it begins."""
    spans = [(w, -99 if a is None else a, 99 if b is None else b, v) for w, a, b, v in rows]
    clash = any(
        w is not None and w == x and max(a, c) < min(b, d)
        for i, (w, a, b, _) in enumerate(spans)
        for x, c, d, _ in spans[:i]
    )
    if clash or any(a > b for _, a, b, _ in spans):
        with pytest.raises(SkewkitError, match=r"still hold when|end before they begin"):
            sk.look_up(requests(asked), intervals(rows), key="who", time="asked")
        return
    expected = [
        next((v for w, a, b, v in spans if who is not None and now is not None and w == who and a <= now < b), None)
        for who, now in asked
    ]
    found = sk.look_up(requests(asked), intervals(rows), key="who", time="asked")
    assert plain(found["value"]) == expected


@st.composite
def lookups(draw):
    """Rows (who, since, until, value) that never clash: cuts of the time of each key, some left out."""
    rows = []
    for who in "abc":
        cuts = sorted(draw(st.sets(st.integers(-5, 5), max_size=5)))
        ends = [*([None] if draw(st.booleans()) else []), *cuts, *([None] if draw(st.booleans()) else [])]
        for since, until in pairwise(ends):
            if draw(st.integers(0, 3)):
                rows.append((who, since, until, draw(st.integers(0, 9))))
    return draw(st.permutations(rows))


@LAW
@given(lookups(), ASKED)
def test_look_up_is_sqls_range_join(rows, asked):
    """DuckDB's join by since <= asked < until finds the same values, gaps, ends and nulls included."""
    table, wanted = intervals(rows), requests(asked).assign(id=range(len(asked)))
    assume(len(table) and len(wanted))
    sql = """
        SELECT value FROM wanted r LEFT JOIN "table" h ON r.who = h.who AND r.asked IS NOT NULL
        AND (valid_from IS NULL OR valid_from <= asked) AND (valid_to IS NULL OR asked < valid_to) ORDER BY id
    """
    con = duckdb.connect()
    con.register("wanted", wanted.astype({"who": "string"}))
    con.register("table", table.astype({"who": "string"}))
    expected = [v for (v,) in con.execute(sql).fetchall()]
    assert plain(sk.look_up(wanted, table, key="who", time="asked")["value"]) == expected


@LAW
@given(lookups(), HOUR.filter(lambda h: h is not None))
def test_snapshot_is_what_look_up_finds_then(rows, hour):
    """A key is in the snapshot exactly when a request of that moment finds it, with the same value."""
    table, when = intervals(rows), BEGIN + pd.Timedelta(hour, "h")
    then = sk.snapshot(table, when, "who")
    asked = requests([(w, hour) for w in "abcz"])
    found = sk.look_up(asked, table, key="who", time="asked").dropna(subset=["value"])
    assert then.set_index("who")["value"].to_dict() == found.set_index("who")["value"].to_dict()
    assert list(then) == ["who", "value"]


@LAW
@given(st.lists(TABLE, min_size=1, max_size=5))
def test_snapshots_come_back(tables):
    """What was made of snapshots gives each back at its moment and until the next, and has no two rows alike in a row."""
    frames = {
        BEGIN + pd.Timedelta(i, "D"): pd.DataFrame(
            [(k, *v) for k, v in sorted(t.items())], columns=["key", "n", "text"]
        ).astype({"n": "int64", "text": object, "key": object})
        for i, t in enumerate(tables)
    }
    lookup = sk.slowly_changing(dict(reversed(frames.items())), "key")
    for when, frame in frames.items():
        for moment in (when, when + pd.Timedelta("23h")):
            then = sk.snapshot(lookup, moment, "key").sort_values("key", ignore_index=True)
            assert [*map(plain, then.to_numpy())] == [*map(plain, frame.to_numpy())]
    assert len(sk.snapshot(lookup, BEGIN - pd.Timedelta("1s"), "key")) == 0
    for (_, one), (_, other) in pairwise(lookup.iterrows()):
        alike = plain(one[["key", "n", "text"]]) == plain(other[["key", "n", "text"]])
        assert not alike or one["valid_to"] < other["valid_from"]


@LAW
@given(lookups())
def test_a_log_of_changes_comes_back(rows):
    """A lookup written as a log of what changed, and what was deleted, is the same lookup again at every moment."""
    table = intervals(rows)
    begun = table.rename(columns={"valid_from": "at"}).drop(columns="valid_to").assign(gone=False)
    ended = table[table["valid_to"].notna()].rename(columns={"valid_to": "at"}).drop(columns="valid_from")
    log = pd.concat([ended.assign(gone=True), begun], ignore_index=True)  # what ends as another begins is only replaced
    again = sk.slowly_changing(log, "who", "at", deleted="gone")
    for hour in np.arange(-6, 6.5, 0.5):
        when = BEGIN + pd.Timedelta(hour, "h")
        one, other = (sk.snapshot(t, when, "who").set_index("who")["value"].to_dict() for t in (table, again))
        assert one == other
    pd.testing.assert_frame_equal(again, sk.slowly_changing(log, "who", "at", deleted="gone"))


def test_a_log_of_changes_by_hand():
    """Ever until changed, changed to the same merged, two at once the last, deleted and back a gap."""
    log = pd.DataFrame(
        {
            "who": ["b", "a", "a", "a", "a", "b", "b"],
            "at": times([None, 0, 1, 2, 2, 3, 5]),
            "rate": [7, 1, 1, 8, 2, 0, 7],
            "gone": [False, False, False, False, False, True, None],
        }
    )
    found = sk.slowly_changing(log, "who", "at", deleted="gone")
    expected = pd.DataFrame(
        {
            "who": ["b", "b", "a", "a"],
            "rate": [7, 7, 1, 2],
            "valid_from": times([None, 5, 0, 2], "ns"),
            "valid_to": times([3, None, 2, None], "ns"),
        }
    )
    pd.testing.assert_frame_equal(found, expected)
    asked = requests([("b", -9), ("b", 3), ("b", 4), ("b", 5), ("a", 0), ("a", 1), ("a", 2), ("a", -1)])
    assert plain(sk.look_up(asked, found, key="who", time="asked")["rate"]) == [7, None, None, 7, 1, 1, 2, None]


def test_a_row_that_never_holds_hides_none():
    """What ends as it begins, amid another's interval or where one begins, in any order of rows, is never found."""
    rows = [("a", 0, 5, 1), ("a", 2, 2, 9), ("a", 0, 0, 9), ("a", 5, 5, 9), ("a", 5, 7, 2)]
    asked = requests([("a", h) for h in (0, 2, 3, 5, 6, 7)])
    for table in (intervals(rows), intervals(rows[::-1])):
        assert plain(sk.look_up(asked, table, key="who", time="asked")["value"]) == [1, 1, 1, 2, 2, None]
        assert sk.snapshot(table, BEGIN + pd.Timedelta("5h"), "who")["value"].tolist() == [2]


def test_an_end_far_off_is_still():
    """Tables that write 9999-12-31 for never hold, in UTC and in a declared zone."""
    for zone in ("", "Europe/Berlin"):
        table = pd.DataFrame(
            {"who": ["a"], "valid_from": [datetime(2024, 1, 1)], "valid_to": [datetime(9999, 12, 31)], "value": [1]}
        )
        table = table.astype({c: "datetime64[us]" for c in ("valid_from", "valid_to")})
        table = (
            table if zone else table.assign(**{c: table[c].dt.tz_localize("UTC") for c in ("valid_from", "valid_to")})
        )
        assert sk.look_up(requests([("a", 0)]), table, key="who", time="asked", zone=zone)["value"].tolist() == [1]


def test_other_names_of_the_interval():
    """``valid`` names a table's own columns, and they are left out of what is joined."""
    table = intervals([("a", 0, 1, 5)]).rename(columns={"valid_from": "begin", "valid_to": "end"})
    found = sk.look_up(requests([("a", 0)]), table, key="who", time="asked", valid=("begin", "end"))
    assert list(found) == ["who", "asked", "value"] and found["value"].tolist() == [5]
    assert list(sk.snapshot(table, BEGIN, "who", valid=("begin", "end"))) == ["who", "value"]


# -- what is refused, and what it says

ONE, OLD = requests([("a", 0)]), events([("a", 0, 0, 1)])
HELD = intervals([("a", 0, 2, 1)])
NAIVE = pd.DataFrame({"who": ["a"], "asked": pd.to_datetime(["2024-11-03 01:30"])})
CLASH = intervals([("Ann-7", 1, None, 1), ("Ann-7", 0, 2, 2)])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: sk.as_of(NAIVE, OLD, **JOIN), r"requests: 'asked' is a naive time.*zone=.*UTC with a Z"),
        (lambda: sk.as_of(NAIVE, OLD, **JOIN, zone="America/New_York"), "'asked' does not exist, or exists twice, in America/New_York"),
        (lambda: sk.as_of(NAIVE, OLD, **JOIN, zone="berlin"), "'berlin' is no time zone.*Europe/Berlin"),
        (lambda: sk.as_of(ONE.assign(asked="soon"), OLD, **JOIN), "'asked' is a text, and a time"),
        (lambda: sk.as_of(ONE, OLD.assign(who=7), **JOIN), "'who' is text in requests and integer in history; write both"),
        (lambda: sk.as_of(ONE.assign(value=1), OLD, **JOIN), r"'value', which is there already.*columns=\{'value': 'value_then'\}"),
        (lambda: sk.as_of(ONE, OLD, **JOIN, columns={"value": "x", "happened": "x"}), "'x', which is there already"),
        (lambda: sk.as_of(ONE, OLD, **JOIN, columns="value"), r"columns='value' was given as text.*\['value'\]"),
        (lambda: sk.as_of(ONE, OLD, **JOIN, columns=["price"]), "columns names 'price'; the table has who, happened"),
        (lambda: sk.as_of(ONE, OLD, **JOIN, ingested="came"), "as_of names 'came'; the table has who, happened"),
        (lambda: sk.as_of(ONE, OLD, **JOIN, at_most="soon"), "at_most='soon' is not a length of time"),
        (lambda: sk.look_up(ONE, HELD.drop(columns="valid_to"), key="who", time="asked"), "the lookup names 'valid_to'"),
        (lambda: sk.look_up(ONE, CLASH, key="who", time="asked"), r"1 rows still hold.*'aaa-9' has \[2024-03-10 06:00:00\+00:00, 2024-03-10 08.*and \[2024-03-10 07:00:00\+00:00, still\).*slowly_changing"),
        (lambda: sk.look_up(ONE, HELD.assign(who=7), key="who", time="asked"), "'who' is text in requests and integer in lookup"),
        (lambda: sk.snapshot(CLASH, BEGIN, "who"), "key 'aaa-9' has"),
        (lambda: sk.snapshot(intervals([("a", 2, 1, 1)]), BEGIN, "who"), r"1 rows end before they begin; key 'a' has \[2024-03-10 08"),
        (lambda: sk.snapshot(HELD, "2024-03-10", "who"), "when='2024-03-10' has no zone"),
        (lambda: sk.snapshot(HELD, None, "who"), "when=None; give a moment"),
        (lambda: sk.slowly_changing(OLD, "who"), "without at=; name its column, or give"),
        (lambda: sk.slowly_changing({}, "who"), "0 snapshots were given; give one at least"),
        (lambda: sk.slowly_changing({BEGIN: OLD}, "who", "happened"), "at or deleted was given with snapshots"),
        (lambda: sk.slowly_changing({BEGIN: pd.concat([OLD, OLD])}, "who"), "holds 1 rows too many, one of key 'a'; give each key once"),
        (lambda: sk.slowly_changing({"2024-03-10": OLD}, "who"), "a snapshot's moment='2024-03-10' has no zone"),
        (lambda: sk.slowly_changing({BEGIN: HELD}, "who"), "a column 'valid_from' already; rename it"),
        (lambda: sk.slowly_changing(OLD.assign(who=None), "who", "happened"), "1 rows have no 'who'; drop them"),
        (lambda: sk.slowly_changing(OLD.assign(gone="no"), "who", "happened", deleted="gone"), "deleted='gone' is text; give a column that is true or false"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_what_to_do(call, says):
    """Each error says what was asked, what there is, and what to do; of a text key it shows the shape alone."""
    with pytest.raises(SkewkitError, match=says) as told:
        call()
    assert "Ann" not in str(told.value)
