"""Raw events beside the tables: what is read, under which names, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from skewkit.features.definitions import Rolling, evaluate
from skewkit.load.event_tables import read_events
from skewkit.records import Roles, SkewkitError

ROLES = Roles(key="request", entity="account", time="asked")
REQUESTS = ("request", "account", "asked", "shop")
FRAME = pd.DataFrame(
    {
        "account_id": [1, 1, 2],
        "at": pd.to_datetime(["2024-01-01T10:00Z", "2024-01-01T11:00Z", None], utc=True).tz_convert("Asia/Tokyo"),
        "came": pd.to_datetime(["2024-01-01T10:05Z", "2024-01-01T12:00Z", "2024-01-02T00:00Z"], utc=True),
        "paid": [5, 7, 9],
        "online": [True, False, True],
        "shop": ["a", "b", None],
    }
)
TOLD = {"table": FRAME, "entity": {"account": "account_id"}, "happened": "at", "known": "came"}


def read(told=TOLD, requests=REQUESTS, **given):
    """The one table of events."""
    (found,) = read_events({"payments": told}, requests, ROLES, **given).values()
    return found


def test_events_as_they_are_read():
    """Clocks in UTC, entities under the requests' names, and the numbers that are left as floats; the frame stays."""
    before = FRAME.copy(deep=True)
    found = read()
    assert list(found) == ["happened", "known", "account", "paid", "online"]
    assert found["happened"].tolist()[:2] == [pd.Timestamp("2024-01-01T10:00Z"), pd.Timestamp("2024-01-01T11:00Z")]
    assert str(found["happened"].dt.tz) == str(found["known"].dt.tz) == "UTC" and found["happened"].isna()[2]
    assert found["account"].tolist() == [1, 1, 2] and found["account"].dtype == "category"
    assert (found["paid"].tolist(), found["online"].tolist()) == ([5.0, 7.0, 9.0], [1.0, 0.0, 1.0])
    pd.testing.assert_frame_equal(FRAME, before)


def test_one_table_needs_no_name():
    """Given directly, it is called events."""
    assert list(read_events(TOLD, REQUESTS, ROLES)) == ["events"]
    assert list(read_events({"a": TOLD, "b": TOLD}, REQUESTS, ROLES)) == ["a", "b"]


def test_events_without_ingestion_time_are_known_when_they_happened():
    """And values may be named."""
    found = read({**TOLD, "known": None, "values": ["paid"]})
    assert found["known"].equals(found["happened"]) and list(found) == ["happened", "known", "account", "paid"]


def test_events_of_files(tmp_path):
    """From Parquet, integers beside a null too, they are those of the frame."""
    FRAME.assign(paid=pd.array([5, None, 9], "Int64")).to_parquet(tmp_path / "events.parquet")
    found = read({**TOLD, "table": str(tmp_path / "events.parquet")})
    np.testing.assert_array_equal(found["paid"], [5, np.nan, 9])
    assert found["known"].equals(read()["known"])


def test_the_entity_of_the_case_is_the_events_too():
    """Not given, it is the requests' own where the events have it, after renaming; else, and with [], all are one series."""
    own = {k: v for k, v in TOLD.items() if k != "entity"}
    assert "account" not in read(own)
    assert read(own, rename={"account_id": "account"})["account"].tolist() == [1, 1, 2]
    alone = read({**own, "entity": [], "values": "paid"}, rename={"account_id": "account"})
    assert list(alone) == ["happened", "known", "paid"]
    assert list(read({**TOLD, "entity": ["shop"]}))[2] == "shop"


def test_naive_times_have_the_declared_zone():
    """Ten o'clock in Tokyo is one at night in UTC; undeclared it is refused."""
    naive = {**TOLD, "table": FRAME.assign(at=pd.Timestamp("2024-01-01T10:00"))}
    assert read(naive, time_zone="Asia/Tokyo")["happened"][0] == pd.Timestamp("2024-01-01T01:00Z")
    with pytest.raises(SkewkitError, match=r"'at' is a naive time.*time_zone="):
        read(naive)


def test_events_are_what_features_read():
    """A count by the event's clock and by its arrival, of events that were read."""
    raw = {"payments": read()}
    asked = pd.DataFrame({"account": [1, 2], "asked": pd.to_datetime(["2024-01-01T11:30Z"] * 2, utc=True)})
    count = {"table": "payments", "by": "account", "value": "paid", "how": "count", "window": "1D"}
    both = {c: Rolling(clock=c, **count) for c in ("event", "ingestion")}
    assert evaluate(both, raw, asked, "asked").to_numpy().tolist() == [[2, 1], [0, 0]]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"table": None}, "needs table="),
        ({"happened": None, "known": None}, "needs happened=.*it has account_id"),
        ({"happened": "when"}, "no column 'when'; it has account_id"),
        ({"known": "paid"}, "'paid' is a integer, and a time"),
        ({"entity": {"customer": "account_id"}}, "requests have no column 'customer'.*they have request"),
        ({"entity": "account"}, "no column 'account'; it has account_id"),
        ({"values": ["shop"]}, "'shop' is text, and a value is a number"),
        ({"values": ["spent"]}, "no column 'spent'"),
        ({"table": FRAME[["account_id", "at", "came"]]}, "no column of numbers besides account_id"),
        ({"entity": {"shop": "account_id"}, "table": FRAME.assign(shop=1.0)}, "a value is called 'shop'"),
        ({"colour": "red"}, "was given 'colour'; it takes table"),
    ],
)
def test_what_cannot_be_read_is_refused(wrong, says):
    """Each error says what was asked and what there is."""
    assert len(read()) == 3
    with pytest.raises(SkewkitError, match=says):
        read({**TOLD, **wrong})


@pytest.mark.parametrize("wrong", [{}, "events.parquet", None])
def test_events_are_a_mapping(wrong):
    """A location alone does not say which columns are what."""
    with pytest.raises(SkewkitError, match="maps a table's name"):
        read_events(wrong, REQUESTS, ROLES)
