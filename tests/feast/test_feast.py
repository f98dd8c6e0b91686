"""Both sides of a real Feast store, its source computed by the offline path of payments: equal; and what goes wrong named."""

from __future__ import annotations

import json
from datetime import timedelta

import pandas as pd
import pytest

import skewkit as sk
from skewkit.parity.feast_store import side
from skewkit.parity.two_paths import round_trip
from skewkit.tables.columns import kind_of
from skewkit.testing import assert_parity

from ..conftest import play

feast = pytest.importorskip(
    "feast", reason="Feast holds pandas below 3, so it has an environment of its own: make feast"
)

ROWS = 4_000  # of the source: requests of payments
NAMES = ["amount", "hour", "last_amount"]  # the fewer, the sooner what differs is explained
TYPES = {"boolean": "Bool", "integer": "Int64", "number": "Float64", "text": "String"}


@pytest.fixture(scope="module")
def source(payments):
    """The features of the last requests of payments as its offline path computes them, by account and time."""
    requests = payments.requests.sort_values("asked").tail(ROWS)
    made = payments(requests)
    beside = requests[["account", "device"]].assign(event_timestamp=requests["asked"])
    return (
        pd.concat([beside, made[NAMES]], axis=1).drop_duplicates(["account", "event_timestamp"]).reset_index(drop=True)
    )


@pytest.fixture
def repo(source, tmp_path):
    """Makes a Feast repo of the source: applied, and materialized until a moment. A frame may stand for the source."""

    def make(until=None, ttl=timedelta(days=400), types=None, held=source):
        held.to_parquet(tmp_path / "source.parquet")
        (tmp_path / "feature_store.yaml").write_text(
            "project: payments\nprovider: local\nregistry: registry.db\n"
            "online_store: {type: sqlite, path: online.db}\noffline_store: {type: file}\n"
            "entity_key_serialization_version: 3\n"
        )
        kinds = {c: TYPES[kind_of(source[c])] for c in source if c != "event_timestamp"}
        schema = [feast.Field(name=c, dtype=getattr(feast.types, t)) for c, t in {**kinds, **(types or {})}.items()]
        account = feast.Entity(name="account", join_keys=["account"], value_type=feast.ValueType.INT64)
        (tmp_path / "online.db").unlink(missing_ok=True)
        (tmp_path / "registry.db").unlink(missing_ok=True)
        file = feast.FileSource(path=str(tmp_path / "source.parquet"), timestamp_field="event_timestamp")
        view = feast.FeatureView(name="requests", entities=[account], ttl=ttl, schema=schema, source=file)
        store = feast.FeatureStore(repo_path=str(tmp_path))
        store.apply([account, view, feast.FeatureService(name="fraud", features=[view])])
        begin = source["event_timestamp"].min() - pd.Timedelta("1D")
        store.materialize(begin.to_pydatetime(), (until or asked(source)).to_pydatetime())
        return f"feast:{tmp_path}#fraud"

    return make


def asked(source):
    """The moment at which every account is asked: just after the last request."""
    return source["event_timestamp"].max() + pd.Timedelta("1s")


@pytest.fixture
def inputs(source):
    """Every account at that moment, and one that nobody knows."""
    accounts = [*sorted(source["account"].unique()), 10**9]
    return pd.DataFrame({"id": range(len(accounts)), "account": accounts, "event_timestamp": asked(source)})


def both(address):
    return side(address, "offline"), side(address, "online")


def alone(address):
    """One feature of the store, for what takes long for each."""
    return address.replace("fraud", "requests:amount")


def differing(found):
    return {f.feature for f in found.differing if f.statistic == "differ"}


def test_both_sides_agree(repo, inputs, source):
    """All that the store holds of every account, numbers, integers, text and nulls, is the same on both sides, and the source's newest."""
    address = repo()
    assert_parity(address, address, inputs, "id", time="event_timestamp")
    made = both(address)[1](inputs)
    newest = source.sort_values("event_timestamp").drop_duplicates("account", keep="last").set_index("account")
    known = made[:-1].reset_index(drop=True)
    wanted = newest.loc[inputs["account"][:-1]].reset_index(drop=True).drop(columns="event_timestamp")
    pd.testing.assert_frame_equal(known[list(wanted)], wanted, check_dtype=False)
    assert made.iloc[-1].isna().all()


def test_a_materialization_that_stopped_early_is_named(repo, inputs, source):
    """Online two days behind: every feature in one cause, staleness by its lag, and the store's own word for it."""
    address = repo(until=asked(source) - pd.Timedelta("2D"))
    found = round_trip(*both(address), inputs, "id", time="event_timestamp", entity="account")
    (fit,) = found.result.diagnosis.fits
    assert (fit.skew, fit.parameters, fit.explained) == ("staleness", {"lag": "2D"}, 1.0)
    assert {"amount", "hour", "last_amount"} <= set(fit.features) <= differing(found)
    late = source[source["event_timestamp"] > asked(source) - pd.Timedelta("2D")]["account"].nunique()
    assert f"{late} of {late} rows that differ ask later" in fit.facts[0]


def test_a_ttl_too_short_is_told(repo, inputs, source):
    """Past the ttl offline is null and online is not: as many rows as have no newer datum, and the error says so."""
    address = alone(repo(ttl=timedelta(days=3)))
    newest = source.groupby("account")["event_timestamp"].max()
    old = int((newest < asked(source) - pd.Timedelta("3D")).sum())
    assert 0 < old < len(newest)
    with pytest.raises(AssertionError, match=rf"ttl of 3 days, 0:00:00, and in {old} of {old} rows that differ"):
        assert_parity(address, address, inputs, "id", time="event_timestamp")


@pytest.mark.parametrize(
    ("declared", "named", "kind"),
    [({"amount": "Int64"}, "precision", "number"), ({"hour": "String"}, "unknown", "integer")],
)
def test_a_declared_type_that_is_not_the_sources_is_named(declared, named, kind, repo, inputs):
    """Online cuts an amount to a whole number, or makes text of an hour: that feature alone, and both types."""
    ((feature, dtype),) = declared.items()
    found = round_trip(*both(repo(types=declared)), inputs, "id", time="event_timestamp")
    assert differing(found) == {feature}
    (fit,) = [f for f in found.result.diagnosis.fits if feature in f.features]
    assert fit.skew == named
    assert f"`requests` declares {feature} as {dtype}, and its source holds {kind}" in fit.facts[0]


def test_ties_are_told(repo, inputs, source):
    """Two rows of one account and moment: where the sides chose another, the fact says how many and what would settle it."""
    twin = source.groupby("account").tail(1).assign(amount=-1.0)
    address = alone(repo(held=pd.concat([source, twin])))
    found = round_trip(*both(address), inputs, "id", time="event_timestamp")
    off = next(f for f in found.differing if f.feature == "amount")
    said = "\n".join(next(f for f in found.result.diagnosis.fits if "amount" in f.features).facts)
    rows = round(off.value * off.n)
    assert f"in {rows} of {rows} rows that differ the source of `requests` has several rows" in said


def test_a_request_of_the_past_is_told(repo, inputs, source):
    """Asked as of last week, online gives what is newer than the request."""
    address, week = alone(repo()), asked(source) - pd.Timedelta("7D")
    found = round_trip(*both(address), inputs.assign(event_timestamp=week), "id", time="event_timestamp")
    assert not found.equal
    assert any("newer than the request" in fact for f in found.result.diagnosis.fits for fact in f.facts)


def test_point_in_time_rows_come_back_in_their_order(repo, source):
    """Offline gives a row for each that is asked: twice the same, before any datum, with a null key; as looked up by hand."""
    offline, _ = both(repo())
    some = source.sample(50, random_state=0)[["account", "event_timestamp"]]
    early = some.head(3).assign(event_timestamp=pd.Timestamp("2000-01-01", tz="UTC"))
    nobody = some.head(1).astype({"account": "Int64"}).assign(account=pd.NA)
    rows = pd.concat([some, some.head(5), early, nobody], ignore_index=True)
    made = offline(rows)["amount"]
    held = source.set_index(["account", "event_timestamp"])["amount"]
    assert made[:55].tolist() == held.loc[list(rows[:55].itertuples(index=False, name=None))].tolist()
    assert made[55:].isna().all()


def test_integers_stay_integers_beside_nulls(repo, inputs):
    """Feast gives a float for each integer once one row has none: nobody knows one account, and hours are integers on both sides."""
    made = [path(inputs) for path in both(repo())]
    assert all(str(m["hour"].dtype) == "Int64" and m["hour"].isna().sum() == 1 for m in made)
    assert all(m["amount"].dtype == "float64" for m in made)


def test_the_notebook_takes_a_store(repo, inputs, source, tmp_path, monkeypatch):
    """By its parameters alone: ok; and a breach, with the store's word in the result, where it is materialized less far."""
    monkeypatch.chdir(tmp_path)
    inputs.to_parquet("inputs.parquet")
    asking = {"inputs": "inputs.parquet", "key": "id", "time": "event_timestamp"}
    address = repo()
    assert play("parity", **asking, offline=address, online=address)["trip"].result.verdict == "ok"
    repo(until=asked(source) - pd.Timedelta("2D"))
    play("parity", **asking, offline=address, online=address)
    result = json.loads((tmp_path / "runs" / "latest" / "result.json").read_text())
    assert result["verdict"] == "breach" and result["fits"][0]["skew"] == "staleness"
    assert "was materialized until" in result["fits"][0]["facts"][0]


def test_what_is_not_there_is_said(repo, inputs, tmp_path):
    """A folder without a store, an address without features, a service and a column that are not there."""
    with pytest.raises(sk.SkewkitError, match=r"no feature_store\.yaml"):
        both(f"feast:{tmp_path}#fraud")
    with pytest.raises(sk.SkewkitError, match="write it like"):
        both(f"feast:{tmp_path}")
    address = repo()
    with pytest.raises(sk.SkewkitError, match="no service 'risk'; it has fraud"):
        both(address.replace("fraud", "risk"))[0](inputs)
    with pytest.raises(sk.SkewkitError, match="the inputs have no account"):
        both(address)[1](inputs.drop(columns="account"))
    assert list(both(address.replace("fraud", "requests:hour,requests:amount"))[1](inputs)) == ["hour", "amount"]


def test_one_side_stands_against_a_function(repo, inputs, source):
    """A team's own code offline, the store online: equal while it reads the same, and told where it does not."""
    newest = source.sort_values("event_timestamp").drop_duplicates("account", keep="last").set_index("account")

    def own(rows):
        return pd.DataFrame({"amount": newest["amount"].reindex(rows["account"]).to_numpy()})

    address = alone(repo())
    assert_parity(own, address, inputs, "id", time="event_timestamp")
    nobody = inputs.assign(account=inputs["account"].where(inputs["id"] > 0))  # floats now, and a null
    with pytest.raises(AssertionError, match="amount: differ"):
        assert_parity(lambda rows: own(rows) * 1.1, address, nobody, "id", time="event_timestamp")
    with pytest.raises(AssertionError, match="amount: differ"):
        assert_parity(lambda rows: own(rows) * 1.1, address, inputs.drop(columns="event_timestamp"), "id")


def test_a_view_computed_on_demand_reads_its_request(repo, inputs, source):
    """A feature of a stored one and of what the request brings: in both sides, row by row, of several requests of one account."""
    address = repo()
    store = feast.FeatureStore(repo_path=address.removeprefix("feast:").partition("#")[0])
    asking = feast.RequestSource(name="asking", schema=[feast.Field(name="paid", dtype=feast.types.Float64)])

    def shares(rows):
        return pd.DataFrame({"share": rows["paid"] / rows["amount"]})

    made = feast.on_demand_feature_view.on_demand_feature_view(
        sources=[store.get_feature_view("requests"), asking],
        schema=[feast.Field(name="share", dtype=feast.types.Float64)],
        mode="pandas",
    )(shares)
    store.apply([made])
    rows = pd.concat([inputs[:-1], inputs[:20]], ignore_index=True).assign(id=range(len(inputs) + 19))
    rows["paid"] = rows["id"] + 1.0
    address = address.replace("fraud", "shares:share,requests:amount")
    assert_parity(address, address, rows, "id", time="event_timestamp")
    found = both(address)[0](rows)
    assert (found["share"] * found["amount"]).round(6).tolist() == rows["paid"].tolist()
