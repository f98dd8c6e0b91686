"""Hours of one series and machines of one plant: no clean run alarms, independent ones are ok, and a fault is found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import skewkit as sk
from skewkit.statistics.dependence import DAY, dependence

from .bench.dependent import CELLS, START, hourly, series, verdict

HOUR = DAY // 24


def test_independent_rows_are_so_many_draws():
    rng = np.random.default_rng(0)
    assert dependence(np.arange(2_000) * HOUR, rng.integers(0, 4, 2_000), 4).tolist() == [1.0] * 4


def test_a_series_has_at_least_its_design_effect():
    """The sign of a Gaussian AR(1): correlations (2 / pi) asin(phi^k), summed, by hand; an upper bound of it that leaves a hundred draws."""
    x = series(24 * 365, 0.9, np.random.default_rng(1))
    true = 1 + 2 * (2 / np.pi * np.arcsin(0.9 ** np.arange(1, 400))).sum()
    found = dependence(np.arange(len(x)) * HOUR, (x > 0).astype(int), 2)
    assert true < found[1] < len(x) / 80


@pytest.mark.parametrize("name", CELLS)
def test_clean_runs_do_not_alarm(name):
    told = [verdict(name, seed) for seed in range(4)]
    assert "alarm" not in told
    if name.startswith("machines"):
        assert set(told) == {"ok"}


def test_a_fault_in_a_long_series_is_found():
    """A year at phi 0.9 about 10: twice the values, and a tenth of nulls where there were none."""
    training, served = hourly(10 + series(24 * 393, 0.9, np.random.default_rng(2)), 24 * 365)
    lost = np.random.default_rng(3).random(len(served)) < 0.1
    for broken, statistic in ((served["x"] * 2, "cells"), (served["x"].mask(lost), "null_share")):
        found = sk.check(sk.compare(training, served.assign(x=broken), features=["x"], time="time"))
        assert statistic in {f.statistic for f in found if f.verdict and f.verdict.alarm}


@pytest.mark.parametrize("hours", [1, 24])
def test_a_short_window_has_one_weekday_and_one_month(hours):
    """What every day and hour of training shows is no alarm and has no cause."""
    n = 24 * 700
    at = pd.Series(START + pd.to_timedelta(np.arange(n), unit="h"))
    hot = series(n, 0.95, np.random.default_rng(4))
    frame = pd.DataFrame(
        {"time": at, "hour": at.dt.hour, "weekday": at.dt.day_of_week, "month": at.dt.strftime("%b"), "temp": hot}
    )
    frame["holiday"] = (at.dt.day_of_year % 29 == 0).astype(int)
    case = sk.compare(frame[: n - 48], frame[n - 48 : n - 48 + hours], time="time")
    assert not [f for f in sk.check(case) if f.verdict and f.verdict.alarm] and not sk.diagnose(case).fits
