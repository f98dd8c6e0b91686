"""Each check within each value of a segment: a fault is found where it is, and the segment itself may be at fault."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

import skewkit as sk
from skewkit.tables.segments import FEWEST, VALUES, frequent, within

ROLES = {"key": "k", "features": ["x", "y"], "segments": ["country"]}
COUNTRIES = ["DE", "US", "IN"]


def requests(rows=9_000, seed=0, countries=COUNTRIES):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"k": np.arange(rows) + seed * rows, "x": rng.normal(size=rows), "y": rng.normal(size=rows)})
    return frame.assign(country=np.resize(countries, rows))


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    path = tmp_path_factory.mktemp("p") / "policy.yaml"
    path.write_text("by_segment: true")
    return sk.read_policy(str(path), date(2026, 1, 1))


def alarms(findings):
    return {(f.feature, f.statistic, f.segment) for f in findings if f.verdict and f.verdict.alarm}


@pytest.fixture(scope="module")
def clean():
    return requests(seed=0), requests(seed=1)


def test_a_clean_log_is_ok_in_every_segment(clean, policy):
    """The control: each check runs on the whole and in each of three countries, and none alarms."""
    training, replayed = clean
    found = sk.check(sk.compare(training, replayed, replayed, **ROLES), policy)
    assert {f.segment for f in found} == {None, *(f"country={c}" for c in COUNTRIES)} and alarms(found) == set()
    counts = [sum(f.segment == s for f in found) for s in (None, "country=DE", "country=IN", "country=US")]
    assert len(set(counts)) == 1 and counts[0] > 20


def test_a_fault_of_one_segment_is_found_there_and_in_no_other(clean, policy):
    """A quarter of DE's values off: DE says so, with DE's share; US and IN are well; so is the policy without segments blind to where."""
    training, replayed = clean
    wrong = (replayed["country"] == "DE") & (replayed["k"] % 4 == 0)
    case = sk.compare(training, replayed.assign(x=replayed["x"] + 5.0 * wrong), replayed, **ROLES)
    found = sk.check(case, policy)
    assert {s for _, _, s in alarms(found)} == {None, "country=DE"} and {f for f, *_ in alarms(found) if f} == {"x"}
    shares = {f.segment: f.value for f in found if (f.feature, f.statistic) == ("x", "differ")}
    assert shares["country=DE"] == pytest.approx(3 * shares[None]) == pytest.approx(wrong.sum() / 3_000)
    assert shares["country=US"] == shares["country=IN"] == 0
    assert {f.segment for f in sk.check(case)} == {None}


def test_without_a_replay_each_segment_is_beside_its_own_training(clean, policy):
    """Segments that lie apart in training too do not alarm; DE's alone moved does, with no replay to pair by."""
    training, served = (t.assign(x=t["x"] + 3 * (t["country"] == "US")) for t in clean)
    assert alarms(sk.check(sk.compare(training, served, **ROLES), policy)) == set()
    moved = served.assign(y=served["y"] + (served["country"] == "DE"))
    found = alarms(sk.check(sk.compare(training, moved, **ROLES), policy))
    assert {s for _, _, s in found} == {None, "country=DE"}


def test_the_error_budget_is_split(clean, policy):
    """Bounds are wider with segments than without, by the level of a fourth."""
    training, served = clean
    case = sk.compare(training, served, **ROLES)
    alone, shared = (
        next(f for f in sk.check(case, p) if (f.feature, f.statistic, f.segment) == ("x", "null_share", None))
        for p in (sk.read_policy(), policy)
    )
    assert shared.high > alone.high
    assert sk.examine(case, policy).promise["level"] == pytest.approx(sk.read_policy().level(case) / 4)


def test_a_fault_in_the_segment_itself_moves_no_row(clean, policy):
    """Serving writes DE as US, or as a name of its own: rows stay with the country they were replayed with, and only it differs."""
    training, replayed = clean
    for wrong in ("US", "Deutschland"):
        served = replayed.assign(country=replayed["country"].replace("DE", wrong))
        roles = {**ROLES, "features": ["x", "y", "country"]}
        case = sk.compare(training, served, replayed, **roles)
        parts = within(case)
        assert {s: len(p.served) for s, p in parts.items()} == {f"country={c}": 3_000 for c in COUNTRIES}
        assert all(p.pairs.n == 3_000 and p.pairs.missing == p.pairs.extra == 0 for p in parts.values())
        found = sk.check(case, policy)
        differ = {(f.feature, f.segment): f.value for f in found if f.statistic == "differ" and f.value}
        assert differ == {("country", None): pytest.approx(1 / 3), ("country", "country=DE"): 1.0}


def test_a_replay_without_the_segment_is_cut_by_its_keys(clean, policy):
    """Rows go with the country they were served with: no request of another is missed."""
    training, replayed = clean
    case = sk.compare(training, replayed, replayed.drop(columns="country"), **ROLES)
    assert all(len(p.replayed) == len(p.served) == 3_000 for p in within(case).values())
    assert alarms(sk.check(case, policy)) == set()


def test_rows_that_one_side_lacks_stay_in_their_segment(clean):
    """A request that was never replayed is served where its log says, and one that was never logged is replayed where it was."""
    training, replayed = clean
    case = sk.compare(training, replayed.iloc[300:], replayed.iloc[:-600], **ROLES)
    for part in within(case).values():
        assert (len(part.served), len(part.replayed), part.pairs.n) == (2_900, 2_800, 2_700)
        assert (part.pairs.missing, part.pairs.extra) == (100, 200)


def test_a_segment_that_training_lacks_is_told(clean, policy):
    """No check looks into it, and the result says what to give; without segments asked for it says nothing."""
    training, served = clean
    case = sk.compare(training.drop(columns="country"), served, **ROLES)
    assert within(case) == {}
    told = [n for n in sk.examine(case, policy).not_run if n.step == "by_segment"]
    assert len(told) == 1 and "country" in told[0].reason and "training" in told[0].give
    assert not [n for n in sk.examine(case).not_run if n.step == "by_segment"]


def test_small_values_are_left_out_and_many_are_too(clean):
    """A value needs two hundred rows, and the twelve most frequent are looked at, in the order of their names."""
    column = pd.Series(["a"] * FEWEST + ["b"] * (FEWEST - 1) + [None] * 900)
    assert frequent(column) == ["a"]
    many = pd.Series(np.repeat([f"c{i:02d}" for i in range(20)], np.arange(220, 200, -1)))
    assert frequent(many) == [f"c{i:02d}" for i in range(VALUES)]
    training, served = clean
    rare = np.where(served["k"] % 100 == 0, "XX", served["country"])
    parts = within(sk.compare(training, served.assign(country=rare), **ROLES))
    assert set(parts) == {f"country={c}" for c in COUNTRIES}
