"""Tables that an engine holds answer as the same tables do in memory: DuckDB exactly, Spark within its stated error."""

from dataclasses import replace

import ibis
import numpy as np
import pandas as pd
import pytest

import skewkit as sk
from skewkit.load.databases import open_database, open_ibis
from skewkit.records import Roles, SkewkitError, Tolerance
from skewkit.report.run import inputs
from skewkit.statistics import distance
from skewkit.tables import lazy
from skewkit.tables.engines import Local
from skewkit.tables.joins import paired
from skewkit.tables.lazy import Lazy

N = 6_000
ROLES = Roles("key", "user", "asked", features=("x", "few", "whole", "text", "flag", "seen", "gone"))


def table(seed=0, shift=0.0):
    """Every kind of column, with nulls, infinities, ties and an age."""
    r = np.random.default_rng(seed)
    asked = pd.Timestamp("2024-03-01", tz="UTC") + pd.to_timedelta(np.arange(N) * 977, unit="s")
    frame = pd.DataFrame(
        {
            "key": np.arange(N) + 10**6,
            "user": r.integers(0, 900, N),
            "asked": asked,
            "x": r.standard_normal(N) + shift,
            "few": r.choice([0.5, 1.5, 2.5], N, p=[0.6, 0.3, 0.1]),
            "whole": r.integers(0, 50, N),
            "text": r.choice(["b", "a", "é", "z z"], N, p=[0.5, 0.3, 0.15, 0.05]),
            "flag": r.random(N) < 0.3,
            "seen": asked - pd.to_timedelta(r.integers(0, 86_400, N), unit="s"),
            "gone": [None] * N,
        }
    ).astype({"gone": float})
    frame.loc[::7, "x"] = np.nan
    frame.loc[1::7, "text"] = None
    frame.loc[3, "x"] = np.inf
    return frame


@pytest.fixture(params=["duckdb", "pyspark"])
def engine(request):
    """An engine that reads Parquet files."""
    if request.param == "pyspark":
        return request.getfixturevalue("spark")
    return ibis.duckdb.connect()


def held(engine, frame, folder, name="table", roles=ROLES):
    """A frame as a table of an engine, and in memory."""
    path = folder / f"{name}.parquet"
    frame.astype({"gone": "float64"} if "gone" in frame else {}).to_parquet(path, coerce_timestamps="us")
    found = open_ibis(name, engine.read_parquet(path))
    return replace(found, roles=roles), Local(frame, roles, name)


def test_an_engine_answers_as_memory_does(engine, tmp_path):
    """Kinds, rows and each column's spread: equal in DuckDB, and in Spark off by no more than the gap that it states."""
    there, here = held(engine, table(), tmp_path)
    assert there.columns == here.columns and len(there) == len(here)
    assert there.kinds() == {**here.kinds()}
    for f in ROLES.features:
        for age in (False, True) if f == "seen" else (False,):
            a, b = here.distribution(f, age), there.distribution(f, age)
            assert (a.kind, a.n, a.nulls) == (b.kind, b.n, b.nulls), f
            if there.engine == "duckdb" or f in ("text", "whole", "flag"):  # counted by value
                assert a.values.tolist() == b.values.tolist() and a.upto.tolist() == b.upto.tolist() and not b.gap
            elif a.n:
                assert 0 < b.gap < 4e-4
                assert distance.apart(distance.finite(a), distance.finite(b))[0] <= b.gap + 1 / N, f


def skewed(frame, seed=1):
    """What was served: a tenth of ``x`` wrong, two texts renamed, one row lost, one more, one twice."""
    served = frame.copy()
    off = np.random.default_rng(seed).random(len(frame)) < 0.1
    served.loc[off, "x"] += 1
    served.loc[served["text"] == "z z", "text"] = "zz"
    served.loc[5, "whole"] = 99
    extra = served.tail(1).assign(key=1)
    return pd.concat([served.iloc[1:], extra, served.tail(1)], ignore_index=True)


def both(engine, folder, **given):
    """The same case in an engine and in memory."""
    frames = {"training": table(1), "replayed": table(2), "served": skewed(table(2))}
    roles = {"key": "key", "entity": "user", "time": "asked", "features": list(ROLES.features)}
    tables = {}
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet", coerce_timestamps="us")
        tables[name] = engine.read_parquet(folder / f"{name}.parquet")
    return sk.compare(**tables, **roles, **given), sk.compare(**frames, **roles, **given)


def test_pairs_are_joined_in_the_engine(engine, tmp_path):
    """Missing, extra and double keys, and how many rows differ in each feature, are those of memory."""
    there, here = (case.pairs for case in both(engine, tmp_path))
    for what in ("n", "missing", "extra"):
        assert getattr(there, what) == getattr(here, what), what
    assert tuple(there.duplicates) == tuple(here.duplicates) and tuple(there.nulls) == tuple(here.nulls)
    near = {f: Tolerance(1e-6, 1e-6) for f in ROLES.features}
    assert there.compare(near) == here.compare(near) > 0
    for f in near:
        assert there.agreement(f, near[f]).differ == here.agreement(f, near[f]).differ, f
    a, b = (p.mismatches("text", near["text"]).astype(object) for p in (there, here))
    assert sorted(map(tuple, a.to_numpy().tolist()), key=str) == sorted(map(tuple, b.to_numpy().tolist()), key=str)


def test_a_check_in_an_engine_gives_the_findings_of_memory(engine, tmp_path):
    """Every finding of schema, distribution and parity is there, with its verdict; a sketched value within its gap."""
    there, here = (sk.check(case) for case in both(engine, tmp_path))
    about = [(f.check, f.change, f.feature, f.statistic) for f in here]
    assert [(f.check, f.change, f.feature, f.statistic) for f in there] == about
    assert there.verdict == here.verdict
    for a, b in zip(here, there, strict=True):
        if b.statistic in ("formats", "wasserstein") or a.value == b.value:
            continue
        assert engine.name == "pyspark", (a, b)
        assert a.check == "distribution" and abs(a.value - b.value) < 0.1, (a, b)
        if a.low is not None and a.statistic == "ks":
            assert b.low <= a.low + 1e-12 and b.high >= a.value - 1e-12


def test_rows_between_two_times_are_chosen_in_the_engine(engine, tmp_path):
    """since and until keep the rows that memory keeps, of both tables."""
    since, until = "2024-03-10T00:00:00Z", "2024-04-20T06:00:00Z"
    there, here = both(engine, tmp_path, since=since, until=until)
    assert {n: len(t) for n, t in there.tables.items()} == {n: len(t) for n, t in here.tables.items()}
    assert 0 < len(there.served) < N
    with pytest.raises(SkewkitError, match=r"no row since .*; its times run from 2024"):
        both(engine, tmp_path, since="2030-01-01T00:00:00Z")


def test_a_sample_of_an_engine_is_read_into_memory(engine, tmp_path):
    """sample= gives tables in memory of about so many rows, the same keys of both; so replay functions work too."""
    there, _ = both(engine, tmp_path, sample=1_500)
    assert isinstance(there.served, Local) and 1_200 < len(there.served) < 1_800
    assert there.pairs.n > 0.98 * len(there.replayed)
    with pytest.raises(SkewkitError, match="sample="):
        sk.compare(there_frame(engine, tmp_path), there_frame(engine, tmp_path), replay=lambda f: f, key="key")


def there_frame(engine, folder):
    """A small table of the engine."""
    table().to_parquet(folder / "small.parquet", coerce_timestamps="us")
    return engine.read_parquet(folder / "small.parquet")


def test_tables_in_two_places_are_not_paired(tmp_path):
    """One table in memory and the other in an engine is an error that says what to do."""
    with pytest.raises(SkewkitError, match="in memory; give both in one place, or sample="):
        sk.compare(table(), there_frame(ibis.duckdb.connect(), tmp_path), table(), key="key")
    with pytest.raises(SkewkitError, match="by other connections"):
        paired(*(lazy.Lazy(there_frame(ibis.duckdb.connect(), tmp_path), ROLES) for _ in range(2)))


def test_what_looks_at_rows_takes_a_sample_and_says_so(monkeypatch, tmp_path):
    """The result says of which tables how many rows were looked at; result.json names the engine and its gap."""
    monkeypatch.setattr(lazy, "ROWS", 1_000)
    there, _ = both(ibis.duckdb.connect(), tmp_path, label="flag", prediction="few")
    result = sk.examine(there)
    (told,) = (n for n in result.not_run if n.step == "every row")
    assert "of the 6,001 rows of served" in told.reason
    assert 700 < len(there.at_hand.served) < 1_300 and there.at_hand.pairs.n > 600
    assert {(i["role"], i.get("engine"), i["sha256"]) for i in inputs(there)} >= {("served", "duckdb", None)}
    with pytest.raises(SkewkitError, match="a drill plants in memory; give sample="):
        sk.own(served=there_frame(ibis.duckdb.connect(), tmp_path), key="key")


def test_keys_of_other_types_and_columns_of_any_name(engine, tmp_path):
    """A key that is text on one side is refused as in memory; a feature may be called key, and the key anything."""
    frame = table().rename(columns={"key": "the request", "whole": "key", "x": "a b"})
    frame.to_parquet(tmp_path / "odd.parquet", coerce_timestamps="us")
    odd = engine.read_parquet(tmp_path / "odd.parquet")
    case = sk.compare(odd, odd, odd, key="the request", features=["key", "a b"])
    assert sk.check(case).verdict == "ok" and case.pairs.n == N
    renamed = sk.compare(odd, odd, odd, key="id", rename={"the request": "id", "a b": "ab"}, features=["ab"])
    assert renamed.pairs.n == N and renamed.served.columns[0] == "id"
    text = odd.mutate(**{"the request": odd["the request"].cast("string")})
    with pytest.raises(SkewkitError, match="integer in replayed and text in served; write both as one type"):
        sk.compare(odd, text, odd, key="the request", features=["a b"])


def test_what_an_engine_says_of_its_errors_holds_no_secret(tmp_path, monkeypatch):
    """The first line of the error, and in it the name of what was read from the environment, not what it stands for."""
    monkeypatch.setenv("TOKEN", "hunter2")
    asked = "duckdb://#SELECT 1 / CAST('${TOKEN}' AS INTEGER) AS x FROM range(10)"
    with pytest.raises(SkewkitError, match=r"\$\{TOKEN\}") as e:
        sk.check(sk.compare(asked, asked, features=["x"]))
    assert "hunter2" not in str(e.value)


def many(asked, **roles):
    """A table of DuckDB from a query, with a small sample at hand."""
    return replace(open_database("t", f"duckdb://#{asked}"), roles=Roles(**roles))


def test_the_rows_at_hand_are_a_fair_sample_of_any_table(monkeypatch):
    """Rows that repeat themselves, have no key, or share a null key: about as many as asked, and as mixed as all are."""
    monkeypatch.setattr(lazy, "ROWS", 5_000)
    tables = {
        "few combinations": many("SELECT 'eu' a, range % 2 AS odd FROM range(60000)"),
        "null keys": many(
            "SELECT CASE WHEN range % 3 > 0 THEN range END AS k, range % 2 AS odd FROM range(60000)", key="k"
        ),
        "one row again and again": many("SELECT 1 AS odd FROM range(60000)"),
    }
    for name, t in tables.items():
        odd = t.at_hand.column("odd")
        assert 4_600 < len(odd) < 5_400, name
        assert name == "one row again and again" or 0.46 < odd.mean() < 0.54, name
    nulls = tables["null keys"].at_hand.column("k").isna().mean()
    assert 0.3 < nulls < 0.37
    people = many(
        "SELECT CASE WHEN range % 10 = 0 THEN range % 900 END AS who, range AS x FROM range(60000)", entity="who"
    )
    assert 4_000 < len(people._by_entity) < 6_000
    with pytest.raises(SkewkitError, match="name a key that tells them apart"):
        monkeypatch.setattr(lazy, "ROWS", 1)
        len(many("SELECT 7 AS k, range AS x FROM range(60000)", key="k").at_hand)


def test_a_small_log_beside_a_huge_replay_is_paired(monkeypatch, tmp_path):
    """The rows of the replay that are at hand are those of the log at hand."""
    monkeypatch.setattr(lazy, "ROWS", 500)
    whole = table()
    con = ibis.duckdb.connect()
    whole.to_parquet(tmp_path / "whole.parquet")
    whole.head(150).to_parquet(tmp_path / "part.parquet")
    large, small = (con.read_parquet(tmp_path / f"{n}.parquet") for n in ("whole", "part"))
    case = sk.compare(large, small, large, key="key", features=["x"])
    assert sk.check(case).verdict in ("ok", "breach") and case.at_hand.pairs.n == 150


def test_a_declared_zone_moves_the_bounds_of_a_naive_time(tmp_path):
    """since in New York's clock keeps the rows that memory keeps."""
    at = pd.date_range("2024-06-01", periods=48, freq="h")
    pd.DataFrame({"key": np.arange(48), "at": at, "x": 1.0 * np.arange(48)}).to_parquet(tmp_path / "t.parquet")
    path = str(tmp_path / "t.parquet")
    given = {
        "key": "key",
        "time": "at",
        "time_zone": "America/New_York",
        "since": "2024-06-02T04:00:00Z",
        "features": ["x"],
    }
    asked = f"duckdb://#SELECT * FROM '{path}'"
    assert len(sk.compare(path, path, **given).served) == len(sk.compare(asked, asked, **given).served) == 24


def test_columns_may_be_called_as_the_join_calls_its_own():
    """No name of a feature is taken for the other side's."""
    odd = many(
        "SELECT range AS key, range * 1.5 AS x, range % 7 AS a0, range % 5 AS b0, 1.0 AS _key_ FROM range(5000)"
    ).source
    case = sk.compare(odd, odd, odd, key="key", features=["x", "a0", "b0", "_key_"])
    assert not [f for f in sk.check(case) if f.check == "parity" and f.value]


def test_what_is_asked_row_by_row_is_not_taken_from_an_engine():
    """A freshness table and a baseline's training are refused, with what to give."""
    t = many("SELECT range AS key, range * 1.5 AS x, 'x' AS feature, now() AS value_time FROM range(500)").source
    with pytest.raises(SkewkitError, match=r"freshness stays in duckdb.* files"):
        sk.compare(t, t, key="key", features=["x"], freshness=t)
    with pytest.raises(SkewkitError, match=r"training stays in duckdb.* files"):
        sk.baseline(t, features=["x"])


def test_no_secret_in_what_a_case_looks_like(monkeypatch):
    """Neither its repr nor an error's cut shows what ${NAME} stands for; nor does an error show what rows hold."""
    monkeypatch.setenv("TOKEN", "hunter2hunter2")
    asked = "duckdb://#SELECT range AS x FROM range(10) WHERE '${TOKEN}' <> ''"
    assert "hunter2" not in repr(sk.compare(asked, asked, features=["x"]))
    for pad in range(150, 215, 5):
        with pytest.raises(SkewkitError) as e:
            sk.check(sk.compare(*[f"duckdb://#SELECT CAST('{'a' * pad}${{TOKEN}}' AS INT) AS x"] * 2, features=["x"]))
        assert "hunt" not in str(e.value)
    with pytest.raises(SkewkitError) as e:
        sk.check(
            sk.compare(*["duckdb://#SELECT CAST(w AS INT) AS x FROM (SELECT 'ana@x.org' AS w)"] * 2, features=["x"])
        )
    assert "did not answer" in str(e.value) and "@x.org' to" not in str(e.value)


def test_a_database_is_named_by_a_url(tmp_path, monkeypatch):
    """A table or a query behind #, its secrets read from the environment and shown nowhere; a file is only read."""
    import duckdb

    path = tmp_path / "features.duckdb"
    with duckdb.connect(str(path)) as con:
        con.register("made", table().drop(columns="gone"))
        con.execute("CREATE TABLE served AS SELECT * FROM made")
    before = path.read_bytes()
    monkeypatch.setenv("FOLDER", str(tmp_path))
    url = "duckdb://${FOLDER}/features.duckdb"
    case = sk.compare(
        f"{url}#served", f"{url}#SELECT * FROM served WHERE whole < 49", key="key", features=["x", "text"]
    )
    assert (len(case.training), case.training.uri) == (N, f"{url}#served") and 0 < len(case.served) < N
    assert sk.check(case).verdict == "ok" and path.read_bytes() == before
    wrong = {
        f"{url}#gone": "no table or query .* it has served",
        f"{url}#SELECT nothing FROM served": "no table or query",
        "duckdb://${FOLDER}/nowhere.duckdb#t": "no connection to",
        "nosuch://host/db#t": "no connection to|needs",
    }
    for asked, why in wrong.items():
        with pytest.raises(SkewkitError, match=why) as e:
            sk.compare(asked, table())
        assert str(tmp_path) not in str(e.value)


def test_files_can_be_asked_through_duckdb(tmp_path):
    """duckdb:// with a query over Parquet files, in no database at all."""
    table().to_parquet(tmp_path / "served.parquet")
    found = sk.compare(table(), f"duckdb://#SELECT key, x FROM '{tmp_path}/*.parquet'", features=["x"])
    assert isinstance(found.served, Lazy) and sk.check(found).verdict == "ok"
