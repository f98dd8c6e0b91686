"""The flights: real data, nothing known after the moment of asking, the same every time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import skewkit as sk
from skewkit.features import evaluate
from skewkit.records import SkewkitError
from skewkit.scenarios import NAMES
from skewkit.scenarios.__main__ import write


def test_training_is_february_to_august_and_serving_the_rest_of_the_year(flights):
    """By the local date of departure's asking, with no row on both sides."""
    training, replayed = (t["asked"].dt.tz_convert("America/New_York") for t in flights.tables)
    assert (training.dt.month.min(), training.dt.month.max()) == (2, 8)
    assert (replayed.dt.month.min(), replayed.dt.month.max()) == (9, 12)
    assert len(training) + len(replayed) > 300_000


def test_the_clock_is_the_real_one(flights):
    """336,776 departures were written on New York's wall clock; the hour feature is that of the schedule, all year."""
    scheduled = pd.Timestamp("2013-11-03T12:00Z")  # the day clocks went back
    rows = flights.tables[1]
    near = rows[(rows["departs"] - scheduled).abs() < pd.Timedelta("2D")]
    wall = near["departs"].dt.tz_convert("America/New_York")
    assert (near["hour"] == wall.dt.hour).all() and near["hour"].min() >= 5
    offsets = (near["departs"].dt.hour - near["hour"]) % 24
    assert set(offsets) == {4, 5}


def test_nothing_is_known_after_the_moment_of_asking(flights, few):
    """Cut every raw table at a request's own time: its features stay what they were."""
    for at in few["asked"].sample(12, random_state=1):
        rows = few[few["asked"] == at]
        requests = flights.requests.set_index("request", drop=False).loc[rows["request"]].reset_index(drop=True)
        known = {name: t[t["known"] <= at].reset_index(drop=True) for name, t in flights.raw.items()}
        again = evaluate(flights.definitions, known, requests, "asked")
        for f in flights.definitions:
            assert np.allclose(
                again[f].to_numpy(float), rows[f].to_numpy(float), equal_nan=True, rtol=1e-6, atol=1e-6
            ), f


def test_a_flight_without_an_arrival_stays_with_a_null_label(flights):
    """9,430 flights of the year have none; those since February are here, unlabelled."""
    labels = pd.concat([t["late"] for t in flights.tables])
    assert 8_000 < labels.isna().sum() < 9_430 and set(labels.dropna()) == {0.0, 1.0}


def test_vocabularies_come_from_training_alone(flights):
    """A destination first served in autumn is unknown."""
    training, replayed = flights.tables
    assert (replayed["dest"] == -1).any() and not (training["dest"] == -1).any()


def test_the_model_is_worth_skewing(flights):
    """Clean, it ranks well above chance on rows it never saw; and it is the model that logged the scores."""
    replayed = flights.tables[1]
    known = replayed[replayed["late"].notna()]
    assert roc_auc_score(known["late"], known["score"]) > 0.68
    assert np.array_equal(flights.score(replayed.head(500)), replayed["score"].head(500))


def test_the_offline_scores_are_of_rows_the_validated_model_had_not_seen(flights):
    """August alone has them: a model of February to July made them."""
    scored = flights.tables[0].dropna(subset=["score"])["asked"].dt.tz_convert("America/New_York")
    assert set(scored.dt.month) == {8}


def test_a_replay_without_knobs_is_the_replayed_table(flights, few):
    """The scenario recomputes what it served, and its two dotted functions agree with it."""
    from skewkit.scenarios.flights import replay, score

    again = flights(few)
    assert all(np.array_equal(again[f], few[f], equal_nan=True) for f in flights.definitions)
    assert np.array_equal(replay(few)["score"], few["score"]) and np.array_equal(score(few), few["score"])


def test_requests_it_never_had_are_refused(flights, few):
    """A key from elsewhere cannot be replayed."""
    with pytest.raises(SkewkitError, match="its own tables"):
        flights(few.assign(request=10**9))


def test_what_is_computed_is_kept_and_the_same_again(tmp_path, monkeypatch, flights):
    """Made anew in another cache: the same tables and scores; nothing half-made is left."""
    monkeypatch.setenv("SKEWKIT_CACHE", str(tmp_path))
    from skewkit.scenarios.flights import world

    fresh = world()
    for mine, theirs in zip(fresh.tables, flights.tables, strict=True):
        pd.testing.assert_frame_equal(mine, theirs)
    assert [p.name.startswith("flights-") for p in tmp_path.iterdir()] == [True]
    assert {p.name for p in next(tmp_path.iterdir()).iterdir()} == {
        "training.parquet",
        "replayed.parquet",
        "model.skops",
    }


def test_the_files_it_writes_pass_and_fail_as_they_should(tmp_path, flights):
    """Served as replayed but for drift; with clocks in UTC, a breach; and no file says which was planted."""
    written = {p.stem: p for p in write("flights", tmp_path)}
    roles = {"key": "request", "time": "asked", "features": list(flights.roles.features)}
    clean = sk.check(sk.compare(written["training"], written["served"], written["replayed"], **roles, sample=20_000))
    skewed = sk.check(
        sk.compare(written["training"], written["served_time_zone"], written["replayed"], **roles, sample=20_000)
    )
    assert clean.verdict in ("ok", "warn") and skewed.verdict == "breach"
    import pyarrow.parquet as pq

    assert all(b"skew" not in (pq.read_schema(p).metadata or {}).get(b"pandas", b"") for p in written.values())


def test_an_unknown_scenario_is_refused():
    """The error lists the ones there are."""
    with pytest.raises(SkewkitError, match="flights"):
        sk.scenario("trains")
    assert "flights" in NAMES
