"""What training's own days wobble by: learnt near the truth and never above it, and only where it helps."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import skewkit as sk
from skewkit.checks.wobble import FEWEST, wobble
from skewkit.records import Finding, Roles
from skewkit.tables.engines import Local

START = pd.Timestamp("2024-01-01", tz="UTC")  # a Monday
ROLES = Roles(time="t", features=("x", "c"))


def world(days=30, rows=2_000, means=None, nulls=None, seed=0):
    """So many rows a day: x normal about the day's mean, null in the day's share; c is a where x is above 0, else b."""
    rng = np.random.default_rng(seed)
    means = np.zeros(days) if means is None else np.resize(means, days)
    day = np.repeat(np.arange(days), rows)
    x = rng.normal(means[day])
    frame = pd.DataFrame({"t": START + pd.to_timedelta(day * 86_400 + rng.integers(0, 86_400, len(day)), "s"), "x": x})
    frame["c"] = np.where(x > 0, "a", "b")
    if nulls is not None:
        frame["x"] = frame["x"].mask(rng.random(len(day)) < np.resize(nulls, days)[day])
    return frame


def learnt(frame, feature="x", statistic="ks", by="day", roles=ROLES):
    return wobble(Local(frame, roles), Finding("distribution", "total", feature, statistic, 0.0, "", 1), by)


def apart(mean):
    """How far normals whose means are so far apart lie, by KS."""
    return 2 * norm.cdf(mean / 2) - 1


def test_days_that_do_not_wobble_teach_nothing():
    """The clean control: one distribution on every day, each statistic 0."""
    frame = world(nulls=[0.1])
    found = {s: learnt(frame, f, s) for f in "xc" for s in ("ks", "shape", "cells", "null_share")}
    assert found == dict.fromkeys(found, 0.0)


def test_what_is_learnt_is_near_the_true_wobble_and_not_above_it():
    """Means of 0 and a half by turns: KS and the nulls by hand; below the truth by what chance may do on 5,000 rows a day."""
    frame = world(rows=5_000, means=[0.0, 0.5], nulls=[0.1, 0.2])
    assert apart(0.5) * 0.6 < learnt(frame) <= apart(0.5)
    assert 0.05 < learnt(frame, statistic="null_share") <= 0.1
    both = np.array([[0.5, 0.5], [norm.cdf(0.5), norm.cdf(-0.5)]])  # the shares of a and b
    change = max((np.abs(q - p) / (p + 0.01)).max() for p, q in (both, both[::-1]))
    assert 0.6 * change < learnt(frame, "c", "cells") <= change
    shape = np.sqrt(4 * ((np.sqrt(both[1]) - np.sqrt(both[0])) ** 2).sum())
    assert 0.5 * shape < learnt(frame, "c", "shape") <= shape


def test_it_is_hardly_ever_above_the_largest_true_distance():
    """Forty worlds whose days wander: a twentieth of them at most may learn more than any two neighbours lie apart."""
    above = 0
    for seed in range(40):
        means = np.random.default_rng(1_000 + seed).normal(0, 0.1, 10)
        above += learnt(world(10, 400, means, seed=seed)) > apart(np.abs(np.diff(means)).max())
    assert above <= 2


def test_small_days_do_not_blind():
    """Days of thirty rows lie far apart by chance alone: next to nothing is learnt from that."""
    frame = world(rows=30)
    found = {s: learnt(frame, f, s) for f in "xc" for s in ("ks", "cells", "shape")}
    assert max(found.values()) == 0.0


def test_too_few_days_or_no_times_teach_nothing():
    """Five days, no column of times, times without a zone, a column that cannot be compared: None, and not 0."""
    frame = world(days=FEWEST)
    assert learnt(frame) == 0.0
    assert learnt(world(days=FEWEST - 1)) is None
    assert learnt(frame, roles=Roles(features=("x",))) is None
    assert learnt(frame.drop(columns="t")) is None
    assert learnt(frame.assign(t=frame["t"].dt.tz_localize(None))) is None
    assert learnt(frame.assign(x=[[1]] * len(frame))) is None
    assert learnt(frame, feature="gone") is None
    assert learnt(frame, statistic="unseen") is None


def test_weeks_begin_on_monday_and_do_not_see_the_days():
    """Weekends differ from weekdays, week resembles week: days wobble, weeks do not; and five weeks are too few."""
    means = [0, 0, 0, 0, 0, 1, 1]
    frame = world(days=49, rows=600, means=means)
    assert learnt(frame, by="day") > 0.5 * apart(1) and learnt(frame, by="week") == 0.0
    assert learnt(world(days=35, rows=600, means=means), by="week") is None
    shifted = world(days=49, rows=600, means=np.repeat([0, 1, 0, 1, 0, 1, 0], 7))
    assert learnt(shifted, by="week") > 0.7 * apart(1)


def test_a_day_without_a_value_does_not_stop_the_rest():
    """A day of nulls alone: the share of nulls wobbled by all, and the spread of that day cannot be told."""
    frame = world(days=10, nulls=[0, 0, 0, 0, 1, 0, 0, 0, 0, 0])
    assert learnt(frame, statistic="null_share") > 0.8 and learnt(frame) is None


# -- in a check


@pytest.fixture(scope="module")
def weekly():
    """Training of six weeks with other weekends; served is a weekend alone."""
    means = [0, 0, 0, 0, 0, 0.15, 0.15]
    training = world(days=42, rows=5_000, means=means)
    served = world(days=2, rows=20_000, means=[0.15], seed=1)
    return training, served.assign(t=served["t"] + pd.Timedelta(days=47))


def check(training, served, *replayed, text="{}", tmp_path=None, **given):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    given = {"features": ["x"], "time": "t"} | given
    return sk.check(sk.compare(training, served, *replayed, **given), sk.read_policy(str(path), date(2026, 1, 1)))


def ks(findings, change="total"):
    return next(f for f in findings if (f.statistic, f.change) == ("ks", change))


def test_what_training_s_own_days_do_is_no_alarm(weekly, tmp_path):
    """A weekend is one that training has had: no alarm with or without what the days taught, for a day's rows are alike."""
    for text in ("{}", "partitions: null"):
        found = ks(check(*weekly, text=text, tmp_path=tmp_path))
        assert not found.verdict.alarm and found.effective < found.n / 10


def test_a_change_beyond_the_wobble_still_alarms(weekly, tmp_path):
    """A whole deviation is far more than weekends do, and more than is material whatever was learnt."""
    training, served = weekly
    found = ks(check(training, served.assign(x=served["x"] + 1.0), tmp_path=tmp_path))
    assert str(found.verdict) == "breach" and found.wobble > 0.02


def test_a_day_like_every_other_of_training_is_no_alarm(tmp_path):
    """Days a whole deviation apart by turns: one of the higher ones says nothing for sure."""
    training = world(days=10, means=[0.0, 1.0])
    found = ks(check(training, world(days=1, rows=20_000, means=[1.0], seed=3), tmp_path=tmp_path))
    assert str(found.verdict) == "inconclusive"


def test_skew_is_given_no_tolerance_by_the_wobble(weekly, tmp_path):
    """The same requests on both sides: what weekends do excuses drift, and not the service."""
    training, replayed = (t.assign(k=np.arange(len(t))) for t in weekly)
    served = replayed.assign(x=replayed["x"] + 0.15)
    found = check(training, served, replayed, key="k", tmp_path=tmp_path)
    assert str(ks(found, "drift").verdict) == "ok"
    assert ks(found, "skew").wobble is None and str(ks(found, "skew").verdict) == "breach"
    assert ks(found, "skew").threshold == sk.read_policy().limits["distribution.ks"]["tolerated"]
