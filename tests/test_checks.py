"""What the checks see, what they are blind to, and how the policy judges: clean controls first."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import skewkit as sk
from skewkit import examples
from skewkit.records import Verdict
from skewkit.skews import SKEWS

from .conftest import ROLES

EXAMPLES = [s for kind in SKEWS.values() for s in kind.examples()]
NAMES = ("schema", "distribution", "parity", "leakage")


def case(training, served, replayed=None, **changes):
    return sk.compare(training, served, replayed, **{**ROLES, **changes})


def verdicts(findings):
    return {name: str(v) for name, v in findings.by_check().items()}


def alarms(findings, **wanted):
    """(feature, statistic) of the findings that are not ok, with the given fields."""
    return {
        (f.feature, f.statistic) for f in findings if f.verdict and all(getattr(f, k) == v for k, v in wanted.items())
    }


@pytest.fixture(scope="module")
def big():
    """Enough rows for every check to be sure: two samples of one world."""
    replayed = examples.table(12_000, seed=2)
    replayed["request"] += 10**6
    return examples.table(12_000, seed=1), replayed


@pytest.fixture(scope="module")
def steady(big):
    training, replayed = big
    return sk.check(case(training, replayed, replayed))


def test_a_clean_log_is_ok(big, steady):
    """Served as replayed, and replayed like training: every check is silent, on every feature."""
    assert steady.verdict == "ok" and verdicts(steady) == dict.fromkeys(NAMES, "ok")
    differ = [f for f in steady if f.statistic == "differ"]
    assert [f.feature for f in differ] == [*examples.FEATURES, *examples.ROLES.compared] and all(
        f.value == 0 and 0 < f.high < 0.01 for f in differ
    )


@pytest.mark.parametrize("skew", EXAMPLES, ids=str)
def test_severity_zero_is_noticed_by_nothing_and_full_severity_by_parity(skew, big, steady):
    """The law of every drill, on a table where every example acts; a changed table may be schema's to notice.

    An order of columns and a column that is no feature are nobody's to judge, unless the policy says so.
    """
    training, replayed = big
    harmless = skew.stem == "schema_change" and skew.how in ("reordered", "extra")
    for share, noticed in ((0.0, False), (1.0, not harmless)):
        served = sk.inject(replayed, skew, sk.Scope(share=share), examples.ROLES)
        found = sk.check(case(training, served, replayed))
        seen = {c for c, verdict in found.by_check().items() if verdict > steady.by_check()[c]}
        assert bool(seen & ({"parity", "schema"} if skew.whole else {"parity"})) == noticed
        if not noticed:
            assert found.by_check() == steady.by_check()


def test_parity_names_the_features_that_were_skewed_and_no_other(big):
    """One skewed column, one finding of parity beside the fleet's."""
    training, replayed = big
    served = replayed.assign(
        amount=np.where(replayed["request"] % 50 == 0, replayed["amount"] * 12, replayed["amount"])
    )
    found = sk.check(case(training, served, replayed))
    assert alarms(found, check="parity", verdict=Verdict.breach) == {("amount", "differ")}
    (finding,) = [f for f in found if (f.feature, f.statistic) == ("amount", "differ")]
    assert (
        finding.value == pytest.approx((replayed["request"] % 50 == 0).mean())
        and finding.low < finding.value < finding.high
    )
    assert finding.runbook == "runbooks/parity.md" and finding.threshold == 0.0001


def test_drift_warns_at_most_and_is_no_breach_of_parity(big):
    """The world changes and both pipelines agree: reported as drift, and only as drift."""
    training, replayed = big
    moved = replayed.assign(amount=replayed["amount"] * 3, country="US")
    found = sk.check(case(training, moved, moved))
    assert found.verdict == "warn"
    assert {f.change for f in found if f.verdict} == {"drift"}
    assert ("amount", "ks") in alarms(found) and verdicts(found)["parity"] == "ok"


def test_drift_and_skew_at_once_are_told_apart(big):
    """Amounts drift, merchants are skewed: each is reported as what it is."""
    training, replayed = big
    replayed = replayed.assign(amount=replayed["amount"] * 3)
    served = replayed.assign(merchant=(replayed["merchant"] + 1) % 4)
    found = sk.check(case(training, served, replayed))
    assert ("amount", "ks") in alarms(found, change="drift") and ("amount", "ks") not in alarms(found, change="skew")
    assert ("merchant", "differ") in alarms(found, change="skew", verdict=Verdict.breach)


def test_without_a_replay_the_change_is_measured_and_its_split_is_not(big):
    """Training against served is the total change; parity has not run, and the result says what to give."""
    training, served = big
    result = sk.examine(case(training, served.assign(amount=served["amount"] * 3)))
    assert {f.change for f in result.findings} == {"total", "training"} and result.verdict == "breach"
    assert {n.step for n in result.not_run} >= {"parity", "impact"} and any("replay" in n.give for n in result.not_run)


def test_a_permutation_is_seen_by_parity_alone(big, steady):
    """Exchanging two equally frequent codes leaves every marginal: the distribution check is blind, and says nothing."""
    training, replayed = big
    served = replayed.assign(merchant=replayed["merchant"].replace({1: 2, 2: 1}))
    found = sk.check(case(training, served, replayed))
    noticed = {name for name, v in found.by_check().items() if v > steady.by_check()[name]}
    assert noticed == {"parity"}


def test_nulls_are_a_channel_of_their_own(big):
    """Five percent of values lost: the values that remain are spread as before, the null share is not."""
    training, replayed = big
    served = replayed.assign(amount=replayed["amount"].mask(replayed["request"] % 20 == 0))
    found = sk.check(case(training, served, replayed))
    assert ("amount", "null_share") in alarms(found, change="skew")
    assert ("amount", "ks") not in alarms(found)


def test_a_null_agrees_only_with_a_null():
    """Null against value differs, null against null does not."""
    frame = pd.DataFrame({"k": range(4_000), "x": np.where(np.arange(4_000) % 2, np.nan, 1.0)})
    features = {"key": "k", "features": ["x"]}
    same, other = frame, frame.assign(x=frame["x"].fillna(0.0))
    counts = [
        next(f.value for f in sk.check(sk.compare(frame, s, frame, **features)) if f.statistic == "differ")
        for s in (same, other)
    ]
    assert counts == [0.0, 0.5]


def test_unseen_categories_are_counted(big):
    """A category that training never had is found, with its share of the rows."""
    training, replayed = big
    new = replayed.assign(country=np.where(replayed["request"] % 25 == 0, "FR", replayed["country"]))
    found = sk.check(case(training, new, new))
    finding = next(f for f in found if (f.feature, f.statistic, f.change) == ("country", "unseen", "drift"))
    assert finding.value == pytest.approx((replayed["request"] % 25 == 0).mean()) and finding.verdict == Verdict.warn


@pytest.mark.parametrize(
    ("statistic", "change"),
    [
        ("missing", lambda t: t.drop(columns="amount")),
        ("retyped", lambda t: t.assign(amount=t["amount"].astype(str))),
        ("constant", lambda t: t.assign(amount=0.0)),
        ("constant", lambda t: t.assign(amount=np.nan)),
    ],
)
def test_facts_of_schema_breach(statistic, change, big):
    """A column missing, of another type, or turned constant is a breach, without any statistics."""
    training, replayed = big
    found = sk.check(case(training, change(replayed), replayed))
    assert ("amount", statistic) in alarms(found, check="schema", verdict=Verdict.breach)
    assert all(f.feature == "amount" for f in found if f.check == "schema" and f.verdict)


def test_a_rare_flag_that_no_row_of_a_few_has_is_not_constant():
    """Of one row in a thousand, five hundred requests mostly have none: chance, and no fault. Of a tenth, none is a fault."""
    for share, constant in ((0.001, False), (0.1, True)):
        training = pd.DataFrame({"x": np.arange(50_000) % 7, "vip": (np.arange(50_000) < share * 50_000).astype(int)})
        served = training.tail(500).assign(vip=0)
        found = sk.check(sk.compare(training, served, features=["x", "vip"]))
        assert (("vip", "constant") in alarms(found, check="schema")) == constant


def test_integers_that_became_floats_are_not_retyped(big):
    """pandas turns integers into floats at the first null; the null share says so, the type does not."""
    training, replayed = big
    served = replayed.assign(recent_count=replayed["recent_count"].astype(float))
    assert sk.check(case(training, served, replayed)).verdict == "ok"


def test_keys_that_cannot_be_paired_are_findings_and_parity_runs_on_the_rest(big):
    """Missing, extra and double keys are each counted; the other rows still agree."""
    training, replayed = big
    served = pd.concat([replayed.iloc[1_000:], replayed.iloc[2_000:2_100]], ignore_index=True)
    served.loc[0, "request"] = 1
    found = {
        f.statistic: f for f in sk.check(case(training, served, replayed)) if f.check == "parity" and f.feature is None
    }
    assert found["missing_keys"].value == 1_001 / 12_000 and found["missing_keys"].verdict == Verdict.breach
    assert found["extra_keys"].value == 1 / 11_100
    assert found["duplicate_keys"].value == 200 / 12_000 and found["duplicate_keys"].verdict == Verdict.breach
    rest = [f for f in sk.check(case(training, served, replayed)) if f.statistic == "differ"]
    assert all(f.n == 12_000 - 1_001 - 100 and f.value == 0 for f in rest)


def test_the_fleet_rule_counts_features_and_excuses_none(big):
    """Five of the features broken in most rows: one finding more, and five of their own."""
    training, replayed = big
    broken = ["amount", "recent_amount", "recent_count", "hour", "weekday"]
    found = sk.check(case(training, replayed.assign(**{c: replayed[c] + 1 for c in broken}), replayed))
    fleet = next(f for f in found if f.statistic == "fleet")
    assert fleet.value == 5 / len(examples.FEATURES) and fleet.verdict == Verdict.breach
    assert {f for f, s in alarms(found, check="parity") if s == "differ"} == set(broken)


def test_float_noise_within_the_tolerance_is_agreement(big):
    """Noise of 1e-7 is none, noise of 1e-3 is."""
    training, replayed = big
    for noise, differs in ((1e-7, 0.0), (1e-3, 1.0)):
        served = replayed.assign(amount_scaled=replayed["amount_scaled"] + noise)
        found = sk.check(case(training, served, replayed))
        assert next(f.value for f in found if (f.feature, f.statistic) == ("amount_scaled", "differ")) == differs


def test_too_little_data_is_inconclusive_and_not_ok():
    """Sixty rows that agree do not show that at most one in a hundred differs."""
    few = examples.table(60)
    findings = sk.check(case(few, few, few))
    assert findings.verdict == "inconclusive"


@pytest.mark.parametrize(
    "thing", [lambda i: [i, 1.5], lambda i: bytes([i]), lambda i: {"a": i}], ids=["list", "bytes", "mapping"]
)
def test_what_has_no_order_is_compared_as_equal_or_not(thing):
    """Lists, bytes and mappings: equal ones are ok and others a breach, with a replay and without."""
    rows = np.arange(20_000)
    frame, other = (pd.DataFrame({"k": rows, "x": [thing(v) for v in values]}) for values in (rows % 5, rows % 3))
    for more in ([frame], []):
        assert sk.check(sk.compare(frame, frame, *more, key="k", features=["x"])).verdict == "ok"
        assert sk.check(sk.compare(frame, other, *more, key="k", features=["x"])).verdict == "breach"


def test_clean_splits_raise_no_alarm():
    """Two hundred clean comparisons of ten features each, at three sizes: not one alarm."""
    raised = []
    for seed in range(66):
        for n in (500, 2_000, 6_000):
            a, b = examples.table(n, seed=seed), examples.table(n, seed=10_000 + seed)
            found = sk.check(sk.compare(a, b, features=["amount", "merchant", "country", "recent_count"]))
            raised += [f for f in found if f.verdict in (Verdict.warn, Verdict.breach)]
    assert raised == []


def _clean(kind, rng):
    """Two tables of one world, and what to say of them, in which a check once alarmed for nothing."""
    if kind == "a category each user has alone":
        own = rng.integers(0, 50_000, (2, 2_000))
        a, b = (pd.DataFrame({"u": np.repeat(np.arange(2_000), 10), "x": np.repeat(o, 10).astype(str)}) for o in own)
    elif kind == "about as many values as rows in a thousand":
        a, b = (pd.DataFrame({"u": np.arange(26_000), "x": rng.integers(0, 950, 26_000)}) for _ in range(2))
    elif kind == "one user":
        a, b = (pd.DataFrame({"u": 0, "x": rng.normal() + rng.normal(size=3_000)}) for _ in range(2))
    elif kind == "one user with most of the rows":
        users = np.r_[np.repeat(np.arange(500), 2), np.full(9_000, 999)]
        a, b = (pd.DataFrame({"u": users, "x": rng.normal(size=1_000)[users]}) for _ in range(2))
    elif kind == "rare flags":
        flags = [pd.DataFrame({"x": rng.random(n) < 0.01, "y": rng.random(n) < 0.01}) for n in (20_000, 50)]
        a, b = (t.assign(u=np.arange(len(t))) for t in flags)
    else:
        x = np.where(rng.random(3_000) < 0.9, np.nan, rng.normal(size=3_000))
        a = pd.DataFrame({"u": np.arange(3_000), "x": x})
        b = pd.DataFrame({"u": np.arange(5), "x": pd.Series([None] * 5, dtype=object)})
    return a, b, {"entity": "u", "features": [c for c in a if c != "u"]}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "kind",
    [
        "a category each user has alone",
        "about as many values as rows in a thousand",
        "one user",
        "one user with most of the rows",
        "rare flags",
        "a rare value that five rows do not have",
    ],
)
def test_odd_but_clean_tables_raise_no_alarm(kind, seed):
    """Few or unequal entities, values picked by chance, samples too small to hold what is rare."""
    a, b, roles = _clean(kind, np.random.default_rng(seed))
    assert not [f for f in sk.check(sk.compare(a, b, **roles)) if f.verdict and f.verdict.alarm]


def test_one_row_of_few_is_no_broken_fleet():
    """Of eight requests one differs in one feature: more than a tenth of the rows, and no sign of a fleet that is broken."""
    frame = pd.DataFrame({"key": range(8), **{f"x{i}": np.arange(8.0) + i * i for i in range(10)}})
    served = frame.assign(x0=frame["x0"].where(frame["key"] > 0, -1.0))
    found = sk.check(sk.compare(frame, served, frame, key="key", features=[f"x{i}" for i in range(10)]))
    assert next(f.value for f in found if f.statistic == "fleet") == 0


def test_times_are_compared_by_how_long_before_the_request_they_lie():
    """Another month holds no time of this one, and that is no change; a clock four hours off is, by just that much."""
    rng = np.random.default_rng(0)

    def table(month, hours=0):
        asked = pd.Timestamp(f"2024-{month:02}-01", tz="UTC") + pd.to_timedelta(
            rng.integers(0, 28 * 86_400, 6_000), "s"
        )
        seen = asked - pd.to_timedelta(rng.exponential(86_400, 6_000), "s") + pd.Timedelta(hours=hours)
        return pd.DataFrame({"asked": asked, "seen": seen.tz_convert("America/New_York")})

    roles = {"time": "asked", "features": ["seen"]}
    training = table(1)
    assert sk.check(sk.compare(training, table(3), **roles)).verdict == "ok"
    found = {f.statistic: f for f in sk.check(sk.compare(training, table(3, hours=4), **roles))}
    assert found["ks"].verdict > Verdict.ok
    assert found["wasserstein"].unit == "seconds" and found["wasserstein"].value == pytest.approx(4 * 3600, rel=0.2)
    assert found["mean_shift"].value == pytest.approx(-4 / 24, abs=0.05)


@pytest.mark.parametrize("seed", [0, 22, 27])
def test_users_who_each_write_in_their_own_way_raise_no_alarm(seed):
    """Each user rounds to decimals of their own: few users, so that frequent values and formats differ by chance."""
    rng = np.random.default_rng(seed)

    def table():
        user, places, x = rng.integers(0, 150, 3_000), rng.integers(0, 4, 150), rng.normal(size=3_000)
        return pd.DataFrame({"user": user, "x": [round(v, n) for v, n in zip(x, places[user], strict=True)]})

    a, b = table(), table()
    assert any(f.verdict.alarm for f in sk.check(sk.compare(a, b, features=["x"])) if f.verdict)
    assert not any(f.verdict.alarm for f in sk.check(sk.compare(a, b, features=["x"], entity="user")) if f.verdict)


def test_three_thousand_equal_pairs_are_enough():
    """Where the rows are the same, their spread is too: the pairs settle it long before two samples would."""
    frame = examples.table(3_000, seed=3)
    assert sk.check(case(frame, frame, frame)).verdict == "ok"
