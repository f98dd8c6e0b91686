"""The policy: verdicts, acceptances, tolerances of a feature's own, certificates, what would settle it, and the error budget."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

import skewkit as sk
from skewkit import examples
from skewkit.policy import KEYS, TESTS
from skewkit.records import Finding, SkewkitError, Tolerance, Verdict
from skewkit.results.results import Findings
from skewkit.statistics import bounds
from skewkit.tables.equality import same

from .conftest import ROLES

TODAY = date(2026, 3, 1)


def case(training, served, replayed=None, **changes):
    return sk.compare(training, served, replayed, **{**ROLES, **changes})


@pytest.fixture
def policy(tmp_path):
    """A policy from the text of a file of one's own, on a day that is given."""

    def read(text="", today=TODAY):
        path = tmp_path / "policy.yaml"
        path.write_text(text or "{}")
        return sk.read_policy(str(path), today)

    return read


@pytest.fixture(scope="module")
def off():
    """Six thousand requests: x is off by one in a tenth of the rows of DE, y agrees."""
    rng = np.random.default_rng(0)
    replayed = pd.DataFrame({"k": range(6_000), "x": rng.normal(size=6_000), "y": rng.normal(size=6_000)})
    replayed["c"] = np.where(np.arange(6_000) % 2, "DE", "US")
    wrong = (replayed["c"] == "DE") & (replayed["k"] % 5 == 0)
    served = replayed.assign(x=replayed["x"] + wrong)
    return sk.compare(replayed, served, replayed, key="k", features=["x", "y"], segments=["c"])


def of(findings, feature, statistic="differ", segment=None):
    (found,) = [f for f in findings if (f.feature, f.statistic, f.segment) == (feature, statistic, segment)]
    return found


def finding(low, high, change="skew", check="distribution", statistic="ks"):
    return Finding(check, change, "x", statistic, (low + high) / 2, "share", 1_000, low, high)


@pytest.mark.parametrize(
    ("change", "check", "statistic", "low", "high", "verdict"),
    [
        ("skew", "distribution", "ks", 0.021, 0.2, "breach"),
        ("skew", "distribution", "ks", 0.019, 0.09, "ok"),
        ("skew", "distribution", "ks", 0.019, 0.11, "inconclusive"),
        ("drift", "distribution", "ks", 0.9, 1.0, "warn"),
        ("drift", "distribution", "ks", 0.0, 1.0, "ok"),
        ("total", "distribution", "ks", 0.06, 0.09, "warn"),
        ("total", "distribution", "ks", 0.11, 0.3, "breach"),
        ("skew", "parity", "differ", 0.0011, 0.002, "breach"),
        ("skew", "parity", "differ", 0.0, 0.011, "inconclusive"),
        ("total", "schema", "missing", 1.0, 1.0, "breach"),
        ("drift", "schema", "missing", 1.0, 1.0, "warn"),
    ],
)
def test_verdicts_by_hand(change, check, statistic, low, high, verdict):
    """Above the tolerated by more than chance allows, possibly above the material, or neither."""
    judged = sk.read_policy().judge(finding(low, high, change, check, statistic))
    assert str(judged.verdict) == verdict
    assert (judged.runbook is None) == (verdict == "ok")


def test_a_statistic_without_bounds_is_described_and_not_judged():
    """PSI and JS have no interval, so they get no verdict, however large."""
    judged = sk.read_policy().judge(Finding("distribution", "skew", "x", "psi", 99.0, "nats", 1_000))
    assert judged.verdict is None and judged.threshold is None


def test_a_policy_file_changes_what_it_names(tmp_path):
    """One limit in a file of one's own; every other stays."""
    path = tmp_path / "policy.yaml"
    path.write_text(
        "limits:\n  parity.differ: {tolerated: 0.005}\n  distribution.ks.drift: {tolerated: 0.9, material: 0.95}\nscores: {top: 0.2}\n"
    )
    own, default = sk.read_policy(str(path)), sk.read_policy()
    assert own.limits["parity.differ"] == {"tolerated": 0.005, "material": 0.01}
    assert own.limits["distribution.ks.drift"] == {"tolerated": 0.9, "material": 0.95}
    assert own.limits["distribution.ks"] == default.limits["distribution.ks"] and own.scores.top == 0.2
    assert str(own.judge(finding(0.8, 0.85, "drift")).verdict) == "ok"


@pytest.mark.parametrize(
    "text",
    [
        "alfa: 0.05",
        "limits: {parity.difer: {tolerated: 0.1}}",
        "limits: {parity.differ: {tolerate: 0.1}}",
        "limits: {distribution.ks.skewed: {tolerated: 0.1}}",
        "scores: {topp: 0.2}",
        "alpha: 1e-3",
        "- a list",
        "a: [",
        "limits: {parity.differ: 0.1}",
        "limits: [a]",
        "limits: {parity.differ: {tolerated: 1e-3}}",
        "limits: {parity.differ: {tolerated: 0.2}}",
        "looks: 0",
        "tolerance: .nan",
        "version: 9",
        "scores: {top: 10}",
        "scores: {threshold: high}",
    ],
)
def test_a_policy_that_would_do_nothing_is_refused(tmp_path, text):
    """A misspelt threshold must not leave the default in force without a word."""
    (tmp_path / "policy.yaml").write_text(text)
    with pytest.raises(SkewkitError, match=r"policy"):
        sk.read_policy(str(tmp_path / "policy.yaml"))


def test_the_error_level_is_shared_by_all_that_can_alarm():
    """Bonferroni by hand: alpha over a year's looks, so many statistics a feature and change, eight a case, and what stands beside."""
    training, policy = examples.table(500), sk.read_policy()
    assert policy.level(case(training, training, training)) == pytest.approx(
        policy.alpha / (policy.looks * (TESTS * len(examples.FEATURES) * 2 + KEYS + len(examples.ROLES.compared) + 1))
    )


@pytest.mark.parametrize(
    "text",
    [
        "accepted: [{check: parity, statistic: difer, until: 2027-01-01, reason: r, owner: o}]",
        "accepted: [{check: partiy, statistic: differ, until: 2027-01-01, reason: r, owner: o}]",
        "accepted: [{check: parity, statistic: differ, until: 2027-01-01, owner: o}]",
        "accepted: [{check: parity, statistic: differ, until: 2027-01-01, reason: '', owner: o}]",
        "accepted: [{check: parity, statistic: differ, until: 2027-01-01, reason: r}]",
        "accepted: [{check: parity, statistic: differ, reason: r, owner: o}]",
        "accepted: [{check: parity, statistic: differ, until: soon, reason: r, owner: o}]",
        "accepted: [{check: parity, statistic: differ, until: 2027-01-01, reason: r, owner: o, change: skewed}]",
        "accepted: [{check: parity, statistic: differ, until: 2027-01-01, reason: r, owner: o, colour: red}]",
        "accepted: [all of it]",
        "features: {x: {absolut: 1}}",
        "features: {x: {absolute: -1}}",
        "features: {x: {ulp: .inf}}",
        "features: {x: {ulp: 1.0e+17}}",
        "features: {x: 0.1}",
        "features: {x: {limits: {parity.differs: {tolerated: 0.1}}}}",
        "features: {x: {limits: {parity.differ: {tolerated: 0.9}}}}",
        "features: {x: {limits: {distribution.psi: {tolerated: 0.1}}}}",
        "certify: 0",
        "certify: 2",
        "certify: true",
        "partitions: month",
        "by_segment: 1",
    ],
)
def test_what_nobody_answers_for_or_does_nothing_is_refused(policy, text):
    """An acceptance without a day, a reason or an owner; a number, name or change that would do nothing."""
    with pytest.raises(SkewkitError, match=r"policy"):
        policy(text)


# -- accepted


def accepting(**about):
    entry = {"check": "parity", "statistic": "differ", "until": "2026-04-01", "reason": "known", "owner": "Ana"} | about
    return f"accepted:\n  - {{{', '.join(f'{k}: {v}' for k, v in entry.items())}}}\n"


def test_an_accepted_finding_is_marked_and_decides_nothing(off, policy):
    """It keeps its verdict and says until when, why and who; the run, and its check, are as if it were not there."""
    plain, told = sk.check(off, policy()), sk.check(off, policy(accepting(feature="x")))
    assert plain.verdict == "breach" and plain.by_check()["parity"] == Verdict.breach
    marked = [f for f in told if f.accepted]
    assert [(f.feature, f.statistic, str(f.verdict)) for f in marked] == [("x", "differ", "breach")]
    assert marked[0].accepted == "until 2026-04-01: known (Ana)"
    rest = Findings(f for f in told if (f.feature, f.statistic) != ("x", "differ"))
    assert told.verdict == rest.verdict and told.by_check() == rest.by_check()
    assert [f for f in told if not f.accepted] == [f for f in plain if (f.feature, f.statistic) != ("x", "differ")]


def test_what_is_ok_bears_no_mark(off, policy):
    """An acceptance of a finding that is well says nothing."""
    assert not [f for f in sk.check(off, policy(accepting(feature="y"))) if f.accepted]


def test_until_its_day_and_no_longer(off, policy):
    """The last day on which it is accepted is the one before; from then on the result says that it is over."""
    for today, accepted in ((date(2026, 3, 31), True), (date(2026, 4, 1), False), (date(2026, 5, 1), False)):
        read = policy(accepting(feature="x"), today)
        assert bool(of(sk.check(off, read), "x").accepted) == accepted
        assert [(n.step, "that day has come" in n.reason) for n in read.over()] == [("accept", True)] * (not accepted)
        told = [n for n in sk.examine(off, read).not_run if n.step == "accept"]
        assert len(told) == (not accepted) and all("known" in n.reason and "Ana" in n.reason for n in told)


@pytest.mark.parametrize(
    ("about", "fits"),
    [
        ({}, True),
        ({"feature": "x"}, True),
        ({"feature": "y"}, False),
        ({"change": "skew"}, True),
        ({"change": "drift"}, False),
        ({"segment": "c=DE"}, True),
        ({"segment": "c=US"}, False),
        ({"statistic": "fleet"}, False),
        ({"check": "distribution", "statistic": "ks"}, False),
        ({"feature": "x", "change": "skew", "segment": "c=DE"}, True),
        ({"feature": "x", "change": "drift", "segment": "c=DE"}, False),
    ],
)
def test_a_field_that_is_not_given_fits_any(policy, about, fits):
    """Each of feature, change and segment narrows what is accepted."""
    finding = Finding("parity", "skew", "x", "differ", 0.5, "share of rows", 900, 0.4, 0.6, segment="c=DE")
    assert bool(policy(accepting(**about)).judge(finding).accepted) == fits


def test_what_is_accepted_is_not_noticed(off, policy):
    """A drill counts alarms that somebody would be woken by."""
    from skewkit.drills.noticing import noticed

    frame = off.training.frame()
    clean = sk.check(sk.compare(frame, frame, frame, key="k", features=["x", "y"]), policy())
    everything = (
        accepting(feature="x")
        + "".join(
            accepting(check="distribution", statistic=s).removeprefix("accepted:\n") for s in ("ks", "shape", "cells")
        )
        + accepting(statistic="fleet").removeprefix("accepted:\n")
    )
    seen = [noticed(sk.check(off, policy(text)).by_check(), clean.by_check()) for text in ("", everything)]
    assert "parity" in seen[0] and seen[1] == ()


# -- a feature's own tolerance


def agree(a, b, dtype=float, **tolerance):
    sides = [pd.Series(np.array(side, dtype=d)) for side, d in zip((a, b), np.broadcast_to(dtype, 2), strict=True)]
    return same(*sides, Tolerance(**tolerance)).tolist()


MOST, LEAST = np.finfo(float).max, 5e-324


def test_absolute_and_relative_by_hand():
    """|a - b| <= absolute + relative |a|, at its edge too (in numbers that floats hold); nothing agrees by chance of a zero."""
    assert agree([1.0, 1.0, -8.0], [1.25, 1.5, -8.25], absolute=0.25) == [True, False, True]
    assert agree([8.0, -8.0, 0.0], [10.0, -10.5, 1e-9], relative=0.25) == [True, False, False]
    assert agree([8.0, 0.0], [10.5, 0.5], relative=0.25, absolute=0.5) == [True, True]
    assert agree([1.0, 2.0], [1.0, np.nextafter(2.0, 3)]) == [True, False]


def test_ulp_counts_the_floats_between():
    """Neighbours are one apart, across a power of two and across zero; both zeros are one number."""
    up = np.nextafter
    assert agree([1.0, 2.0, -1.0], [up(1.0, 2), up(2.0, 0), up(-1.0, -2)], ulp=1) == [True] * 3
    assert agree([1.0], [up(up(1.0, 2), 2)], ulp=1) == [False] and agree([1.0], [up(up(1.0, 2), 2)], ulp=2) == [True]
    assert agree([0.0, LEAST, LEAST, 0.0], [-0.0, 0.0, -LEAST, 2 * LEAST], ulp=1) == [True, True, False, False]
    assert agree([LEAST], [-LEAST], ulp=2) == [True]


def test_infinities_and_ends_are_no_neighbours():
    """An infinity agrees with itself alone; the largest and the smallest float are not next to each other, whatever the ulp."""
    inf = np.inf
    ends = ([inf, -inf, inf, MOST, MOST], [inf, -inf, -inf, inf, -MOST])
    for tolerance in ({"ulp": 2**53}, {"relative": 1.0, "absolute": 1.0}):
        assert agree(*ends, **tolerance)[:4] == [True, True, False, False]
    assert agree([MOST, -MOST], [-MOST, MOST], ulp=2**53) == [False, False]
    assert agree([MOST], [-MOST], np.float64, relative=0.0, absolute=0.0) == [False]


def test_a_float_is_of_the_coarser_width():
    """Of 32 bits on one side, the floats between are counted in 32 bits; of 64 on both they are millions."""
    a, b = [np.float32(0.1), np.float32(0.1)], [0.1, np.nextafter(np.float32(0.1), np.float32(1))]
    assert agree(a, b, (np.float32, np.float64), ulp=1) == [True, True]
    assert agree(a, b, (np.float32, np.float64), ulp=0) == [False, False]
    assert agree(a, b, (np.float64, np.float64), ulp=1) == [False, False]
    lowest = np.float32(1e-45)
    assert agree([0.0, lowest], [-lowest, -lowest], np.float32, ulp=1) == [True, False]
    large = np.finfo(np.float32).max
    assert agree([large], [-large], np.float32, ulp=2**31) == [False]


def test_a_feature_has_its_own_tolerance_and_the_others_keep_theirs(off, policy):
    """x may be off by one, then nothing differs; what is given for it replaces the tolerance whole."""
    shares = [of(sk.check(off, policy(text)), "x").value for text in ("", "features: {x: {absolute: 1.0001}}")]
    assert shares == [0.1, 0.0]
    read = policy("features: {x: {ulp: 4}, y: {limits: {parity.differ: {tolerated: 0.5, material: 0.6}}}}")
    default = Tolerance(of_spread=read.tolerance)
    assert read.near("x") == Tolerance(0, 0, 4) and read.near("y") == read.near("z") == default


def test_a_feature_has_its_own_limits(off, policy):
    """Half of x's rows may differ; a null is described only; and one change alone may have its own."""
    assert str(of(sk.check(off, policy()), "x").verdict) == "breach"
    wide = of(sk.check(off, policy("features: {x: {limits: {parity.differ: {tolerated: 0.5, material: 0.6}}}}")), "x")
    assert (str(wide.verdict), wide.threshold) == ("ok", 0.5)
    for text in ("features: {x: {limits: {parity.differ: null}}}", "limits: {parity.differ: null}"):
        told = of(sk.check(off, policy(text)), "x")
        assert told.verdict is None and told.threshold is None and told.value == 0.1
    assert of(sk.check(off, policy("features: {x: {limits: {parity.differ: null}}}")), "y").verdict is not None
    one = policy("features: {x: {limits: {distribution.ks.drift: {tolerated: 0.3, material: 0.4}}}}")
    kinds = {c: one.limit(Finding("distribution", c, "x", "ks", 0, "", 1))["tolerated"] for c in ("drift", "skew")}
    assert kinds == {"drift": 0.3, "skew": one.limits["distribution.ks"]["tolerated"]}


def test_a_described_statistic_can_be_judged(off, policy):
    """PSI with a limit of one's own, which has both its numbers."""
    found = of([f for f in sk.check(off, policy("limits: {distribution.psi: {tolerated: 0.001, material: 0.01}}")) if f.change == "skew"], "x", "psi")  # fmt: skip
    assert str(found.verdict) == "breach" and found.threshold == 0.001


# -- certified


@pytest.mark.parametrize(("k", "n", "certified"), [(0, 6_000, True), (0, 200, None), (60, 6_000, False)])
def test_parity_is_certified_refuted_or_wants_more_rows(policy, k, n, certified):
    """At a hundredth: six thousand that agree certify it, two hundred do not settle it, and one in a hundred refutes a thousandth."""
    frame = pd.DataFrame({"k": range(n), "x": np.arange(n, dtype=float)})
    share = 0.01 if k == 0 else 0.001
    read = policy(f"certify: {share}")
    given = {"key": "k", "features": ["x"]}
    compared = sk.compare(frame, frame.assign(x=frame["x"] + (frame["k"] < k)), frame, **given)
    found = sk.check(compared, read)
    (finding,) = [f for f in found if f.statistic == "certified"]
    assert found.certified is certified and finding.value == k / n and finding.threshold == share
    assert str(finding.verdict) == {True: "ok", None: "inconclusive", False: "breach"}[certified]
    assert finding.high == pytest.approx(beta.ppf(1 - read.alpha, k + 1, n - k))
    low = beta.ppf(read.level(compared) / 2, k, n - k + 1) if k else 0.0
    assert finding.low == pytest.approx(low)
    if certified is None:  # the rule of three: ln(alpha) / ln(1 - share) rows without a fault
        assert np.log(read.alpha) / np.log(1 - share) == pytest.approx(finding.needs, rel=0.1)


def test_certified_counts_rows_in_which_any_feature_differs(policy):
    """Two features off in other rows add up; not asked, it is described and says nothing."""
    frame = pd.DataFrame({"k": range(1_000), "x": 1.0, "y": 1.0})
    served = frame.assign(x=1.0 + (frame["k"] < 10), y=1.0 + (frame["k"] >= 985))
    found = sk.check(sk.compare(frame, served, frame, key="k", features=["x", "y"]), policy())
    (finding,) = [f for f in found if f.statistic == "certified"]
    assert finding.value == 0.025 and finding.verdict is None and found.certified is None


# -- what would settle it


def grown(kind, n):
    """A finding whose bounds are of n rows: a KS distance, a share, or a change of a null share."""
    if kind == "ks":
        between = lambda t: (max(0.0, 0.01 - (r := bounds.ks_radius(n * t, n * t, 1e-6))), 0.01 + r)  # noqa: E731
        return Finding("distribution", "skew", "x", "ks", 0.01, "share", n, *between(1), grown=between)
    if kind == "differ":
        between = lambda t: bounds.share_bounds(0.0001 * n * t, n * t, 1e-6)  # noqa: E731
        return Finding("parity", "skew", "x", "differ", 0.0001, "share of rows", n, *between(1), grown=between)
    between = lambda t: bounds.change_bounds(0.02 * n * t, n * t, 0.03 * n * t, n * t, 1e-6)  # noqa: E731
    return Finding("distribution", "skew", "x", "null_share", 0.01, "share of rows", n, *between(1), grown=between)


@pytest.mark.parametrize("kind", ["ks", "differ", "null_share"])
@pytest.mark.parametrize("n", [60, 300])
def test_needs_is_about_the_fewest_rows_that_settle_it(policy, kind, n):
    """At so many rows the same value is judged; at a tenth fewer it is not; and it is written in two digits."""
    read = policy()
    asked = read.judge(grown(kind, n))
    assert asked.verdict == Verdict.inconclusive and asked.needs > n and asked.grown is None
    assert len(str(asked.needs).rstrip("0")) <= 2
    verdicts = [read.judge(grown(kind, rows)).verdict for rows in (asked.needs, int(0.9 * asked.needs))]
    assert verdicts[0] != Verdict.inconclusive and verdicts[1] == Verdict.inconclusive


def test_what_no_number_of_rows_would_settle_needs_none(policy):
    """A value between tolerated and material settles from either side; one on the tolerated, that is the material, from none."""
    read = policy("certify: 0.5")
    finding = Finding(
        "parity", "skew", None, "certified", 0.5, "share of rows", 100, 0.4, 0.6, grown=lambda t: (0.4, 0.6)
    )
    assert read.judge(finding).verdict == Verdict.inconclusive and read.judge(finding).needs is None


# -- the budget, the promise, and what training wobbles by


def test_the_budget_is_split_over_the_segments(off, policy):
    """Two segments and the whole are three groups: a third of the level, by hand and in the bounds of a check."""
    from dataclasses import replace

    read = policy()
    assert replace(read, groups=3).level(off) == pytest.approx(read.level(off) / 3)
    split = policy("by_segment: true")
    n, k = 6_000, 600
    alone, shared = (of(sk.check(off, p), "x") for p in (read, split))
    for finding, groups in ((alone, 1), (shared, 3)):
        assert (finding.low, finding.high) == pytest.approx(bounds.share_bounds(k, n, read.level(off) / groups))


def test_the_promise_says_its_numbers(off, policy):
    """In a sentence and apart, of this policy and this case; the level times tests and looks is alpha."""
    read = policy("alpha: 0.05\nlooks: 52")
    told = sk.examine(off, read).promise
    assert "the 2 features alarms at any of 52 looks is at most 5%" in told["sentence"]
    assert (told["alpha"], told["looks"], told["features"]) == (0.05, 52, 2)
    assert told["level"] * told["tests"] * told["looks"] == pytest.approx(0.05)
    assert "at one look" not in told["sentence"]
    assert "alarms at any of one look" in policy("looks: 1").promise(off)["sentence"]
    assert sk.examine(off, policy("by_segment: true")).promise["tests"] == 3 * policy().tests(off)


def test_wobble_raises_what_is_tolerated_and_never_above_what_is_material(policy):
    """A quarter more than the wobble, where that is more than the limit; at most what must not be missed."""
    read = policy("limits: {distribution.ks: {tolerated: 0.02, material: 0.1}}")
    for wobble, tolerated in ((None, 0.02), (0.0, 0.02), (0.01, 0.02), (0.04, 0.05), (0.079, 0.09875), (3.0, 0.1)):
        finding = Finding("distribution", "total", "x", "ks", 0.2, "share", 900, 0.06, 0.3, wobble=wobble)
        judged = read.judge(finding)
        assert judged.threshold == pytest.approx(tolerated)
        assert str(judged.verdict) == ("warn" if tolerated < 0.06 else "inconclusive")


def test_a_rule_for_a_feature_that_is_not_there_is_told(tmp_path):
    """A name that is misspelt in the policy would do nothing, and the result says so; one that is there says nothing."""
    (tmp_path / "p.yaml").write_text("features: {amuont: {absolute: 0.5}}\n")
    frame = pd.DataFrame({"amount": np.arange(100.0)})
    case = sk.compare(frame, frame)
    (told,) = (n for n in sk.examine(case, sk.read_policy(str(tmp_path / "p.yaml"))).not_run if n.step == "policy")
    assert "'amuont'" in told.reason
    (tmp_path / "p.yaml").write_text("features: {amount: {absolute: 0.5}}\n")
    assert not [n for n in sk.examine(case, sk.read_policy(str(tmp_path / "p.yaml"))).not_run if n.step == "policy"]
