"""The worlds: plausible, nothing known after the moment of asking, the same every time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import skewkit as sk
from skewkit.features.definitions import evaluate
from skewkit.records import SkewkitError
from skewkit.scenarios import NAMES
from skewkit.scenarios.__main__ import PLANTS, write
from skewkit.scenarios.payments import COUNTRIES, CUT, FRAUD, HOURS, MATURE, NOW, simulate, world


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


# -- payments


def test_payments_are_the_same_for_a_seed_and_others_for_another():
    """Bit for bit, the order of rows too."""
    once, again, other = simulate(20_000, 3), simulate(20_000, 3), simulate(20_000, 4)
    pd.testing.assert_frame_equal(once, again)
    assert len(other) != len(once) or not other["paid"].equals(once["paid"])


def test_a_world_of_payments_is_made_the_same_again(tmp_path, monkeypatch, payments):
    """In another cache, from the same parameters: features, scores and model."""
    monkeypatch.setenv("SKEWKIT_CACHE", str(tmp_path))
    for mine, theirs in zip(world(events=20_000).tables, payments.tables, strict=True):
        pd.testing.assert_frame_equal(mine, theirs)


@pytest.fixture(scope="module")
def simulated():
    """The payments by themselves, enough of them for shares to be steady."""
    return simulate(60_000, 1)


def test_nothing_of_a_payment_is_known_or_reported_before_it(simulated):
    """And a report comes later still, so that no label is there when the payment is scored."""
    assert (simulated["known"] >= simulated["asked"]).all()
    reports = simulated.dropna(subset=["reported"])
    assert (reports["reported"] > reports["asked"]).all() and len(reports) > 500
    assert simulated["asked"].is_monotonic_increasing and simulated["payment"].is_unique


def test_payments_come_in_by_their_channel(simulated):
    """In the app within a minute or so, online within hours, from a till in the night, and some days late."""
    delay = (simulated["known"] - simulated["asked"]).groupby(simulated["channel_name"])
    assert delay.median()["app"] < pd.Timedelta("1min") < pd.Timedelta("4h") < delay.median()["online"]
    till = simulated[simulated["channel_name"] == "till"]
    night = till.loc[till["home_zone"] == "Asia/Kolkata", "known"].dt.tz_convert("Asia/Kolkata").dt.hour
    assert set(night) == {2, 3}  # where no clock is ever changed
    assert 0.02 < (till["known"] - till["asked"] > pd.Timedelta("30h")).mean() < 0.06


def test_labels_are_missing_where_they_had_not_come(simulated):
    """In the last month before the cut, for training knows none of them, and for the last days of the log."""
    gap = simulated["asked"].between(CUT - MATURE, CUT, inclusive="neither") | (simulated["asked"] > NOW - MATURE)
    assert simulated["fraud"].isna().equals(gap) and set(simulated["fraud"].dropna()) == {0.0, 1.0}
    known = simulated["fraud"].notna()
    late = simulated["reported"] - simulated["asked"] > MATURE
    assert late[known].any() and (simulated.loc[known & late, "fraud"] == 0).all()
    assert simulated.loc[known & ~late, "fraud"].equals(simulated.loc[known & ~late, "reported"].notna().astype(float))


def test_countries_and_fraud_have_their_shares(simulated):
    """Of accounts as the constants say, within five standard errors; of payments about one in fifty is fraud."""
    accounts = simulated.drop_duplicates("account")
    shares = accounts["country_name"].value_counts(normalize=True)
    for country, (share, *_) in COUNTRIES.items():
        assert abs(shares[country] - share) < 5 * (share / len(accounts)) ** 0.5, country
    assert abs(simulated["fraud"].mean() - FRAUD) < 0.004
    assert accounts["monthly_income"].isna().mean() == pytest.approx(0.2, abs=0.06)


def test_categories_have_a_long_tail_and_new_ones_appear(simulated):
    """The hundred most frequent take a third or more, most are seen a few times, and some begin after the cut."""
    counts = simulated["category_name"].value_counts()
    assert counts[:100].sum() > len(simulated) / 3 and (counts < 5).mean() > 0.5
    first = simulated.groupby("category_name")["asked"].min()
    busy = counts.index[counts >= 5]
    assert (first[busy] > CUT).any() and (first < CUT).mean() > 0.7


def test_people_pay_by_the_hours_of_their_own_day(simulated):
    """The local hours of honest payments are spread as HOURS, which a trip's length blurs a little; those of UTC are not."""
    honest = simulated[simulated["reported"].isna()]
    local = pd.concat([t.dt.tz_convert(z).dt.hour for z, t in honest.groupby("home_zone")["asked"]])
    wanted = HOURS / HOURS.sum()

    def off(hours):
        return np.abs(np.bincount(hours, minlength=24) / len(hours) - wanted).sum() / 2

    assert off(local) < 0.04 < 0.15 < off(honest["asked"].dt.hour)


def test_payments_known_later_are_never_read(payments):
    """By the clock of events a batch sees what happened before; cut there, features stay what they were."""
    rows = payments.tables[1].sample(8, random_state=2)
    for key, at in zip(rows["payment"], rows["asked"], strict=True):
        requests = payments.requests[payments.requests["payment"] == key].reset_index(drop=True)
        raw = payments.raw
        known = {
            "payments": raw["payments"][raw["payments"]["happened"] < at].reset_index(drop=True),
            "reports": raw["reports"][raw["reports"]["known"] <= at].reset_index(drop=True),
        }
        again = evaluate(payments.definitions, known, requests, "asked")
        for f in payments.definitions:
            mine, theirs = again[f].astype(float).iloc[0], float(rows.loc[rows["payment"] == key, f].iloc[0])
            assert np.isclose(mine, theirs, equal_nan=True, rtol=1e-6, atol=1e-6), f


def test_payments_replayed_are_the_replayed_table(payments):
    """All of them at once, or a few: the same."""
    rows = payments.tables[1]
    few = rows.sample(200, random_state=3)
    for part in (rows, few):
        again = payments(part)
        assert all(np.allclose(again[f], part[f], equal_nan=True, rtol=1e-9) for f in payments.definitions)
    assert np.array_equal(payments.score(few), few["score"])


def test_payments_before_the_cut_are_training_and_their_vocabulary_is_training_s(payments):
    """No row on both sides; categories that are new in serving are unknown."""
    training, replayed = payments.tables
    assert (
        training["asked"].max() < CUT <= replayed["asked"].min()
        and not training["payment"].isin(replayed["payment"]).any()
    )
    assert (replayed["category"] == -1).mean() > 0.1


def test_the_model_of_payments_is_worth_skewing(payments):
    """Even of twenty thousand payments it learns to rank well above chance."""
    known = payments.tables[1].dropna(subset=["fraud"])
    assert roc_auc_score(known["fraud"], known["score"]) > 0.8


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"size": 9}, "it takes seed, events"),
        ({"events": 100}, "20000 or more"),
        ({"events": "many"}, "20000"),
        ({"seed": -1}, "whole number"),
    ],
)
def test_what_payments_do_not_take_is_refused(wrong, said):
    """The error says what they take."""
    with pytest.raises(SkewkitError, match=said):
        sk.scenario("payments", **wrong)


def test_flights_take_no_parameters():
    """They are real: neither seed nor size is theirs to choose."""
    with pytest.raises(SkewkitError, match="it takes no parameters"):
        sk.scenario("flights", seed=1)


def test_the_files_of_payments_pass_and_fail_as_they_should(tmp_path, payments):
    """Each planted table is a breach, the clean one is none; the time it took is said."""
    said = []
    written = {p.stem: p for p in write("payments", tmp_path, said.append, events=20_000)}
    assert {"training", "replayed", "served"} < set(written) and len(written) == 9 and " s" in said[0]
    roles = {"key": "payment", "entity": "account", "time": "asked", "features": list(payments.roles.features)}
    verdicts = {
        name: sk.check(sk.compare(written["training"], path, written["replayed"], **roles)).by_check()["parity"].name
        for name, path in written.items()
        if name.startswith("served")
    }
    assert verdicts.pop("served") == "ok" and set(verdicts.values()) == {"breach"}


@pytest.mark.parametrize("name", NAMES)
def test_every_scenario_has_its_plants(name):
    """So that its files can be written."""
    assert PLANTS[name]
