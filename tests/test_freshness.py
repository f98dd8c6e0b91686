"""Ages, misses and fetches of the served values, by hand and against scipy; and what moves with the error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats

import skewkit as sk
from skewkit import examples
from skewkit.records import SkewkitError
from skewkit.statistics import bounds

from .conftest import ROLES

N = 3_000
SINCE = pd.Timestamp("2024-03-01T00:00Z")


def dated(n=N, seed=0, **seconds):
    """A table and, beside each named feature, the time of its newest datum: so many seconds before the request."""
    frame = examples.table(n, seed)
    return frame.assign(**{f"{f}_at": frame["asked"] - pd.to_timedelta(s, "s") for f, s in seconds.items()})


def log(frame, seconds=60.0, feature="income", **columns):
    """The freshness table of a feature for these requests."""
    times = frame["asked"] - pd.to_timedelta(seconds, "s")
    return pd.DataFrame({"request": frame["request"], "feature": feature, "value_time": times, **columns})


def found(training, served, replayed=None, check="freshness", **given):
    case = sk.compare(training, served, replayed, **{**ROLES, **given})
    return {(f.feature, f.statistic, f.change): f for f in sk.check(case) if f.check == check}


def test_a_fresh_log_is_ok():
    """Clean control: ages of the same spread on all three sides, all dated, all logged."""
    rng = np.random.default_rng(0)
    sides = [dated(20_000, s, income=rng.exponential(100, 20_000)) for s in (1, 2)]
    facts = found(
        sides[0], sides[1], sides[1], as_of={"income": "income_at"}, freshness=log(sides[1], feature="amount")
    )
    assert {k[1] for k in facts} >= {"age_p95", "age_p99", "undated", "unlogged", "age_change"}
    assert {str(f.verdict) for f in facts.values()} == {"ok", "None"}
    assert {k[2] for k in facts if k[1] == "age_change"} == {"drift", "skew"}


def test_nothing_is_said_without_the_inputs():
    """No finding, and one line of what to give."""
    frame = examples.table(500)
    result = sk.examine(sk.compare(frame, frame, **ROLES))
    assert "freshness" not in result.findings.by_check()
    assert [n.give for n in result.not_run if n.step == "freshness"] == ["freshness, or as_of"]


def test_ages_by_hand():
    """Ages of 1 to 3,000 s: the 95th in 100 is 2,850, the 99th 2,970; the oldest rows are shown."""
    order = np.random.default_rng(0).permutation(N) + 1
    frame = dated(income=order)
    facts = found(frame, frame, as_of={"income": "income_at"}, evidence="rows")
    assert [facts["income", s, "served"].value for s in ("age_p95", "age_p99")] == [2_850.0, 2_970.0]
    finding = facts["income", "age_p95", "served"]
    assert finding.unit == "seconds" and finding.n == N and finding.verdict is None
    assert [d["seconds"] for d in finding.detail] == [3_000, 2_999, 2_998, 2_997, 2_996]
    oldest = frame.iloc[int(np.argmax(order))]
    assert finding.detail[0] == {
        "request": oldest["request"], "asked": oldest["asked"].isoformat(), "seconds": 3_000.0
    }  # fmt: skip


@pytest.mark.parametrize(("n", "q"), [(20, 0.95), (1_000, 0.95), (1_000, 0.99), (7, 0.5)])
def test_quantiles_agree_with_numpy_and_their_bounds_with_the_binomial(n, q):
    """The inverted CDF; and by brute force the innermost two order statistics that miss with at most the level."""
    ordered, level = np.sort(np.random.default_rng(n).exponential(1, n)), 0.02
    assert bounds.quantile(ordered, q) == np.quantile(ordered, q, method="inverted_cdf")
    low, high = bounds.quantile_bounds(ordered, q, level)
    below = [r for r in range(1, n + 1) if scipy.stats.binom.cdf(r - 1, n, q) <= level / 2]
    above = [s for s in range(1, n + 1) if scipy.stats.binom.sf(s - 1, n, q) <= level / 2]
    assert low == (ordered[max(below) - 1] if below else -np.inf)
    assert high == (ordered[min(above) - 1] if above else np.inf)


def test_quantile_bounds_hold_as_often_as_they_say():
    """Of 2,000 samples of 300, at most one in ten misses, ties or not."""
    rng = np.random.default_rng(1)
    for draw, true in ((lambda: rng.exponential(1, 300), -np.log(0.05)), (lambda: rng.integers(0, 10, 300), 9)):
        found = [bounds.quantile_bounds(np.sort(draw()), 0.95, 0.1) for _ in range(2_000)]
        assert np.mean([not low <= true <= high for low, high in found]) <= 0.1


@pytest.mark.parametrize(
    ("seconds", "n", "verdict"), [(30, N, "ok"), (90, N, "breach"), (30, 60, "inconclusive"), (90, 60, "breach")]
)
def test_a_limit_of_one_s_own_judges_the_age(tmp_path, seconds, n, verdict):
    """Within, beyond; and 60 rows cannot bound a 95th percentile from above, nor need they where all are too old."""
    path = tmp_path / "policy.yaml"
    path.write_text("features: {income: {limits: {freshness.age_p95: {tolerated: 60, material: 300}}}}")
    frame = dated(n, income=seconds)
    case = sk.compare(frame, frame, **{**ROLES, "as_of": {"income": "income_at"}})
    result = sk.examine(case, sk.read_policy(str(path)))
    finding = next(f for f in result.findings if f.statistic == "age_p95")
    assert str(finding.verdict) == verdict
    if verdict == "inconclusive":
        assert finding.high == np.inf and 60 < finding.needs < 2_000


def test_a_bound_that_is_infinite_is_null_in_the_result(tmp_path, monkeypatch):
    """JSON has no infinity."""
    import json

    from skewkit.report.run import begin

    monkeypatch.chdir(tmp_path)
    frame = dated(60, income=30)
    run = begin("check")
    case = sk.compare(frame, frame, **{**ROLES, "as_of": {"income": "income_at"}, "freshness": log(frame)})
    run.finish(sk.examine(case, draws=20))
    made = json.loads((tmp_path / "runs" / "latest" / "result.json").read_text(), parse_constant=pytest.fail)
    assert {f["high"] for f in made["findings"] if f["statistic"] == "age_p95"} == {None}
    assert [i["rows"] for i in made["inputs"] if i["role"] == "freshness"] == [60]


# -- times


def test_clocks_that_change_and_zones_that_differ_make_no_age():
    """Request in New York's wall clock across the change of 10 March, value in Berlin's and in UTC: 60 s each."""
    frame = dated(income=60, amount=60)
    turned = frame.assign(
        asked=frame["asked"].dt.tz_convert("America/New_York"),
        income_at=frame["income_at"].dt.tz_convert("Europe/Berlin"),
    )
    facts = found(frame, turned, as_of={"income": "income_at", "amount": "amount_at"})
    assert {facts[f, s, "served"].value for f in ("income", "amount") for s in ("age_p95", "age_p99")} == {60.0}
    assert len(set(turned["asked"].map(lambda t: t.utcoffset()))) == 2


@pytest.mark.parametrize("side", ["training", "served"])
def test_a_time_without_a_zone_is_refused(side):
    """In any table, and in training's own request times too."""
    frame = dated(300, income=60)
    for column in ("income_at", "asked"):
        naive = frame.assign(**{column: frame[column].dt.tz_localize(None)})
        sides = {"training": frame, "served": frame, side: naive}
        with pytest.raises(SkewkitError, match=f"{side}: '{column}' is a naive time"):
            sk.compare(**sides, **{**ROLES, "as_of": {"income": "income_at"}})
    with pytest.raises(SkewkitError, match="freshness: 'value_time' is a naive time"):
        table = log(frame)
        table["value_time"] = table["value_time"].dt.tz_localize(None)
        sk.compare(frame, frame, **ROLES, freshness=table)


def test_a_datum_of_the_year_9999_is_no_overflow():
    """Never, as some stores write it, in microseconds."""
    far = pd.Series([pd.Timestamp("9999-12-31", tz="UTC")] * 300).astype("datetime64[us, UTC]")
    frame = examples.table(300).assign(income_at=far)
    assert found(frame, frame, as_of={"income": "income_at"})["income", "age_p99", "served"].value < -2e11


def test_values_without_a_time_are_counted_and_nulls_are_not():
    """300 of 3,000 values have no time: of those, 100 are null and need none."""
    frame = dated(income=60)
    served = frame.assign(
        income_at=frame["income_at"].mask(frame.index < 300), income=frame["income"].mask(frame.index < 100)
    )
    finding = found(frame, served, as_of={"income": "income_at"})["income", "undated", "served"]
    assert (finding.value, finding.n) == (200 / 2_900, 2_900) and str(finding.verdict) == "breach"
    assert (finding.low, finding.high) == pytest.approx(
        bounds.share_bounds(200, 2_900, 0.01 / (365 * (12 * 14 * 3 + 8)))
    )


def test_negative_ages_are_ages():
    """A datum newer than the request pulls the quantile below zero, and is not dropped."""
    frame = dated(income=-5)
    assert found(frame, frame, as_of={"income": "income_at"})["income", "age_p95", "served"].value == -5.0


# -- the freshness table


def test_fetches_by_hand():
    """Ages of 60 s, one fetch in four a miss, 1 to 3,000 ms; the keys in another order, as text in a file, all the same."""
    frame = examples.table(N)
    hit = np.arange(N) % 4 != 0
    table = log(frame, hit=hit, fetch_ms=np.arange(N) + 1).sample(frac=1, random_state=0)
    facts = found(frame, frame, freshness=table)
    values = {
        s: facts["income", s, "served"].value for s in ("age_p95", "miss_rate", "fetch_p95", "fetch_p99", "unlogged")
    }
    assert values == {"age_p95": 60.0, "miss_rate": 0.25, "fetch_p95": 2_850.0, "fetch_p99": 2_970.0, "unlogged": 0.0}
    assert facts["income", "fetch_p95", "served"].unit == "ms" and {k[0] for k in facts} == {"income"}


def test_the_table_may_be_files(tmp_path):
    """By a glob of two Parquet files."""
    frame = examples.table(600)
    for name, rows in (("a", slice(0, 200)), ("b", slice(200, None))):
        log(frame.iloc[rows], seconds=7.0, hit=True).to_parquet(tmp_path / f"{name}.parquet", index=False)
    facts = found(frame, frame, freshness=str(tmp_path / "*.parquet"))
    assert facts["income", "age_p99", "served"].value == 7.0 and facts["income", "unlogged", "served"].value == 0


def test_requests_without_one_row_are_unlogged():
    """100 have no row, 50 have two of which none is known to be the served one; other requests' rows do not count."""
    frame = examples.table(N)
    table = pd.concat(
        [log(frame.iloc[100:]), log(frame.iloc[100:150], seconds=1e6), log(examples.table(9).assign(request=-1))]
    )
    facts = found(frame, frame, freshness=table)
    finding = facts["income", "unlogged", "served"]
    assert finding.value == 150 / N and str(finding.verdict) == "breach"
    assert facts["income", "age_p99", "served"].value == 60.0 and facts["income", "age_p99", "served"].n == N - 150


def test_keys_beside_a_null_still_meet():
    """A null among the served keys turns them into floats; that request is unlogged, and no other."""
    frame = examples.table(N)
    served = frame.assign(request=frame["request"].astype(float).mask(frame.index == 7))
    facts = found(frame, served, freshness=log(frame))
    assert facts["income", "unlogged", "served"].value == 1 / N


def test_a_cut_in_time_cuts_the_table_too():
    """Half of the requests are asked for: none of them is unlogged."""
    frame = examples.table(N)
    table = log(frame, seconds=np.where(frame["asked"] < SINCE, 1e6, 60.0))
    facts = found(frame, frame, freshness=table, since=SINCE)
    assert facts["income", "age_p99", "served"].value == 60.0 and facts["income", "unlogged", "served"].value == 0
    assert facts["income", "unlogged", "served"].n == (frame["asked"] >= SINCE).sum() < N


REFUSED = {
    "another key": (lambda t: t.rename(columns={"request": "id"}), "freshness has no column 'request'"),
    "no value_time": (lambda t: t.drop(columns="value_time"), "freshness has no column 'value_time'"),
    "keys as text": (
        lambda t: t.assign(request=t["request"].astype(str)),
        "'request' is text in freshness and integer",
    ),
    "an unknown feature": (lambda t: t.assign(feature="incme"), "freshness names 'incme'.*there are hour"),
    "hits as text": (lambda t: t.assign(hit="yes"), "'hit' is text; write it as boolean"),
    "milliseconds as text": (lambda t: t.assign(fetch_ms="1"), "'fetch_ms' is text; write it as number"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_table_that_would_say_nothing_is_refused(what):
    """With what there is."""
    change, said = REFUSED[what]
    frame = examples.table(300)
    with pytest.raises(SkewkitError, match=said):
        sk.compare(frame, frame, **ROLES, freshness=change(log(frame)))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"as_of": {"incme": "income_at"}}, "as_of names 'incme', which is no feature"),
        ({"as_of": {"income": "gone"}}, "no table has 'gone', named as as_of of 'income'"),
        ({"as_of": {"income": "amount"}}, "'amount' is a feature, and was given as as_of of 'income'"),
        ({"as_of": {"income": "income_at"}, "time": None}, "without time="),
        ({"as_of": ["income_at"]}, "it holds names and values"),
        ({"freshness": examples.table(9), "key": None}, "without key= and time="),
    ],
)
def test_what_cannot_be_dated_is_refused(given, said):
    """A misspelt name would silently do nothing."""
    frame = dated(300, income=60)
    with pytest.raises(SkewkitError, match=said):
        sk.compare(frame, frame, **{**ROLES, **given})


def test_as_of_columns_are_no_features():
    """Where features are not named, the times beside them are left out."""
    frame = dated(300, income=60)
    case = sk.compare(frame, frame, key="request", time="asked", as_of={"income": "income_at"})
    assert "income_at" not in case.roles.features and "income" in case.roles.features


# -- against training, and with the error


def test_ages_other_than_training_s_are_told():
    """Served 300 s behind training's replay: total without a replay, skew with one; KS is scipy's."""
    rng = np.random.default_rng(3)
    was, now = rng.exponential(100, 20_000), rng.exponential(100, 20_000) + 300
    training, replayed, served = (
        dated(20_000, 1, income=was),
        dated(20_000, 2, income=was),
        dated(20_000, 2, income=now),
    )
    alone = found(training, served, as_of={"income": "income_at"})["income", "age_change", "total"]
    assert alone.value == pytest.approx(scipy.stats.ks_2samp(was.round(6), now.round(6)).statistic, abs=1e-4)
    assert str(alone.verdict) == "breach"  # above the material 0.10, whatever the world did
    facts = found(training, served, replayed, as_of={"income": "income_at"})
    assert {k[2]: str(f.verdict) for k, f in facts.items() if k[1] == "age_change"} == {"drift": "ok", "skew": "breach"}


def bucketed(hours=30, follows=True, seed=0):
    """Requests of so many hours, 100 each, in which age and error rise together, or the age does not."""
    rng = np.random.default_rng(seed)
    hour = np.repeat(np.arange(hours), 100)
    frame = examples.table(len(hour), seed)
    frame["asked"] = SINCE + pd.to_timedelta(hour * 3_600 + rng.integers(0, 3_600, len(hour)), "s")
    frame["fraud"] = (rng.random(len(hour)) < 0.5).astype(int)
    frame["score"] = np.where(frame["fraud"] == 1, 1 - hour / 100, hour / 100)
    age = 60.0 * (hour + 1 if follows else rng.permutation(hours)[hour])
    return frame.assign(income_at=frame["asked"] - pd.to_timedelta(age, "s")), hour


def test_an_age_that_rises_with_the_error_is_described():
    """Every hour older and worse: a rank correlation of 1 over 30 hours, not judged, with the worst hours."""
    frame, _ = bucketed()
    finding = found(frame, frame, as_of={"income": "income_at"})["income", "moves_with_error", "served"]
    assert (finding.value, finding.n, finding.verdict) == (pytest.approx(1.0), 30, None) and finding.low > 0.9
    worst = finding.detail[0]
    assert (worst["since"], worst["age_p95"], worst["rows"]) == ("2024-03-02T05:00:00+00:00", 1_800.0, 100)
    assert worst["error"] == pytest.approx(0.29**2)


def test_an_age_that_does_not_move_with_the_error_is_told_so():
    """The control: an order at random gives what scipy gives, and bounds around zero."""
    frame, hour = bucketed(follows=False)
    finding = found(frame, frame, as_of={"income": "income_at"})["income", "moves_with_error", "served"]
    ages = (frame["asked"] - frame["income_at"]).dt.total_seconds().groupby(hour).first()
    assert finding.value == pytest.approx(scipy.stats.spearmanr(ages, np.arange(30)).statistic)
    assert finding.low < 0 < finding.high


def test_misses_that_rise_with_the_error_are_described():
    """A cache that misses more each hour, from the freshness table alone."""
    frame, hour = bucketed()
    table = log(frame, hit=np.tile(np.arange(100), 30) >= hour)
    finding = found(frame, frame, freshness=table)["income", "misses_move_with_error", "served"]
    assert finding.value == pytest.approx(1.0) and finding.detail[0]["miss_rate"] == 0.29
    assert ("income", "moves_with_error", "served") not in found(frame, frame, freshness=table)  # 60 s all along


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.drop(columns="fraud"),
        lambda f: f.assign(fraud=np.nan),
        lambda f: f.assign(fraud=f["fraud"].map({0: "no", 1: "yes"})),
        lambda f: f.iloc[:700],
    ],
    ids=["no labels", "labels to come", "labels as text", "seven hours"],
)
def test_without_labelled_hours_nothing_is_made_up(change):
    """Ages are still told; what moves with the error is not, and the result says what to give."""
    frame, _ = bucketed()
    case = sk.compare(frame, change(frame), **{**ROLES, "as_of": {"income": "income_at"}})
    statistics = {f.statistic for f in sk.check(case) if f.check == "freshness"}
    assert "age_p95" in statistics and "moves_with_error" not in statistics
    from skewkit.checks.freshness import absent

    assert ["labels" in n.give for n in absent(case)] == [True]


def test_rank_bounds_by_hand():
    """Fisher's z of 0.5 over 30 pairs: 0.5493 with a deviation of sqrt(1.06 / 27); nothing is known of three pairs."""
    radius = 1.959964 * np.sqrt(1.06 / 27)
    assert bounds.rank_bounds(0.5, 30, 0.05) == pytest.approx(np.tanh([0.549306 - radius, 0.549306 + radius]), abs=1e-6)
    assert bounds.rank_bounds(0.5, 3, 0.05) == (-1.0, 1.0) and bounds.rank_bounds(1.0, 8, 1e-6)[0] < 0.6
