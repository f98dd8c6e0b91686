"""An engine computes the same features: DuckDB over tables drawn at random and over both worlds, Spark over one."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import skewkit as sk
from skewkit.features.compiled import compiled
from skewkit.features.definitions import LocalTime, evaluate

from .test_online import DEFINITIONS, alike, turned, worlds

ibis = pytest.importorskip("ibis")
KNOBS = st.fixed_dictionaries(
    {},
    optional={
        "clock": st.sampled_from(["ingestion", "event", "stream"]),
        "lag": st.sampled_from(["1h", "5h"]),
        "snapshot": st.sampled_from(["1h", "1D"]),
        "edge": st.sampled_from(["30min"]),
        "horizon": st.sampled_from(["3h"]),
        "counted": st.sampled_from([2.0]),
    },
)


def put(con, folder, **tables):
    """Frames as tables of an engine, through files."""
    made = {}
    for name, frame in tables.items():
        path = folder / f"{name}.parquet"
        times = {c: "datetime64[us, UTC]" for c in frame if getattr(frame[c].dtype, "tz", None) is not None}
        words = {c: "string" for c in frame if frame[c].dtype == object}
        frame.astype(times | words).to_parquet(path)
        made[name] = con.read_parquet(path, table_name=f"t_{name}")
    return made


def computed(con, folder, definitions, raw, requests, asked, key):
    """What an engine makes of the definitions, in the order of the requests."""
    there = put(con, folder, **raw, requests=requests)
    made = compiled(definitions, {t: there[t] for t in raw}, there["requests"], asked, key)
    return made.to_pandas().set_index(key).loc[requests[key]].reset_index(drop=True)


@settings(max_examples=15, deadline=None, phases=[p for p in Phase if p is not Phase.shrink])
@given(world=worlds(), knobs=KNOBS)
def test_duckdb_gives_what_memory_gives(world, knobs, tmp_path_factory):
    """Every definition with every knob that no order of rows decides, on tables with nulls, ties and late events."""
    paid, requests = world
    paid = paid.drop_duplicates(["who", "known"]).drop_duplicates(["who", "happened"])  # of a tie either is the newest
    requests = requests.assign(key=range(len(requests)), zone=requests["zone"].replace("-05:30", "America/Caracas"))
    definitions = turned(knobs) | {"there": LocalTime(source="asked", part="hour", zone="-05:30")}
    there = computed(
        ibis.duckdb.connect(), tmp_path_factory.mktemp("d"), definitions, {"paid": paid}, requests, "asked", "key"
    )
    assert alike(evaluate(definitions, {"paid": paid}, requests, "asked"), there) == []


@pytest.mark.parametrize("name", ["flights", "payments"])
def test_duckdb_computes_a_world_s_features(name, tmp_path, request):
    """A thousand requests of each world, every feature."""
    world = request.getfixturevalue(name)
    some = world.requests.iloc[:: len(world.requests) // 1_000].reset_index(drop=True)
    there = computed(
        ibis.duckdb.connect(), tmp_path, world.definitions, world.raw, some, world.roles.time, world.roles.key
    )
    assert alike(evaluate(world.definitions, world.raw, some, world.roles.time), there) == []


def test_spark_computes_a_world_s_features(spark, payments, tmp_path):
    """Two hundred requests of payments, every feature."""
    some = payments.requests.iloc[:: len(payments.requests) // 200].reset_index(drop=True)
    there = computed(spark, tmp_path, payments.definitions, payments.raw, some, "asked", payments.roles.key)
    assert alike(evaluate(payments.definitions, payments.raw, some, "asked"), there) == []


@pytest.mark.parametrize("knob", [{"ttl": "1h"}, {"counted": 1.5}])
def test_what_depends_on_the_order_of_rows_is_refused(knob, tmp_path):
    """A cache, and a share of events counted twice, are for memory."""
    import pandas as pd

    at = pd.to_datetime(["2024-01-01"], utc=True)
    raw = {"paid": pd.DataFrame({"who": ["u"], "amount": [1.0], "happened": at, "known": at})}
    requests = pd.DataFrame({"key": [1], "who": ["u"], "asked": at})
    one = {"count": turned(knob)["count"]}
    with pytest.raises(sk.SkewkitError, match="order of rows"):
        computed(ibis.duckdb.connect(), tmp_path, one, raw, requests, "asked", "key")


def test_every_definition_is_compiled():
    """None is missing above."""
    kinds = {type(d) for d in DEFINITIONS.values()}
    from skewkit.features import definitions as features

    every = {v for v in vars(features).values() if isinstance(v, type) and issubclass(v, features.Definition)}
    assert kinds == every - {features.Definition, features.AsOf}
