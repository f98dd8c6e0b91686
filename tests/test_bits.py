"""The common score: by hand, and beside a search of every slice and span."""

from __future__ import annotations

from itertools import combinations
from math import comb, log2

import numpy as np
import pandas as pd
import pytest

from skewkit.diagnosis.bits import NAME, Ground, choose
from skewkit.proposals.clues import Evidence, agree
from skewkit.records import Roles
from skewkit.skews import UnitChange

ROLES = Roles(key="k", time="t", features=("f",))
TWICE = (UnitChange(features=("f",), factor=2.0),)
START = pd.Timestamp("2024-03-01", tz="UTC")


def rows(n, host=None, minutes=None):
    """Requests a minute after each other (or at the ``minutes`` given), with a number and a host."""
    frame = pd.DataFrame(
        {
            "k": np.arange(n),
            "t": START + pd.to_timedelta(np.arange(n) if minutes is None else minutes, "min"),
            "f": np.arange(n) + 1.0,
        }
    )
    return frame if host is None else frame.assign(host=list(host))


def doubled(frame, struck):
    """A feature, the evidence of it where some rows are doubled, and what doubling predicts."""
    before, struck = frame["f"], np.asarray(struck, bool)
    after = before.where(~struck, before * 2)
    return Evidence("f", before, after, frame, ROLES, ~agree(before, after)), before * 2


def ground(frame, time="t"):
    return Ground(frame, time, (), ("k", "t", "f"))


def test_choosing_is_the_logarithm_of_the_binomial():
    """Beside exact whole numbers."""
    for n in (0, 1, 7, 52, 300):
        for k in {0, n // 3, n // 2, n}:
            assert choose(n, k) == pytest.approx(log2(comb(n, k)), abs=1e-9)
    assert choose(np.array([4, 5]), np.array([2, 5])) == pytest.approx([log2(6), 0])


def test_a_value_that_is_any_of_many_takes_the_logarithm_of_how_many():
    """By hand: of four values served that are there once each, log2 5 bits; of two, log2 3."""
    e, _ = doubled(rows(8).assign(f=[0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5]), [1, 1, 1, 1, 0, 0, 0, 0])
    assert e.values == 4
    x, y = np.array([0.5, 1.5, 2.5, 3.5]), np.array([1.0, 3.0, 5.0, 7.0])
    assert not set(x) & set(y)
    # each of the four is there once: the mean of log2(1 / (1/4)) is 2 bits, below log2 5
    assert e.raw == pytest.approx(2.0)
    two = Evidence(
        "f", pd.Series([1.0, 2.0, 3.0]), pd.Series([9.0, 8.0, 3.0]), rows(3), ROLES, np.array([True, True, False])
    )
    assert two.raw == pytest.approx(log2(3))


def test_values_that_are_there_more_often_take_fewer_bits():
    """By hand: served a, a, a, a, b, b, c where x is null; the mean of log2(7/4), log2(7/2) and log2 7, by their rows."""
    after = pd.Series(list("aaaabbc"))
    e = Evidence("f", pd.Series([None] * 7, dtype=object), after, rows(7), ROLES, np.ones(7, bool))
    assert e.raw == pytest.approx((4 * log2(7 / 4) + 2 * log2(7 / 2) + log2(7)) / 7)


def test_whole_numbers_that_moved_by_few_steps_take_the_bits_of_the_steps():
    """By hand: six counts, four of them one more and two of them two more, take the entropy of 2/3 and 1/3."""
    before = pd.Series([10, 20, 30, 40, 50, 60])
    e = Evidence("f", before, before.add([1, 1, 1, 1, 2, 2]), rows(6), ROLES, np.ones(6, bool))
    assert max(1.0, -(2 / 3 * log2(2 / 3) + 1 / 3 * log2(1 / 3))) == e.raw == 1.0
    wide = Evidence("f", before, before.add([1, 2, 3, 4, 1, 2]), rows(6), ROLES, np.ones(6, bool))
    assert wide.raw == pytest.approx(-(2 * 1 / 3 * log2(1 / 3) + 2 * 1 / 6 * log2(1 / 6)))


def test_nothing_writes_down_every_value():
    """By hand: how many of 6 differ, which 2 of them, and each value."""
    e, _ = doubled(rows(6), [1, 0, 0, 1, 0, 0])
    assert ground(e.frame).nothing(e, e.differ) == pytest.approx(log2(7) + log2(15) + 2 * e.raw)


def test_a_skew_that_predicts_every_row_takes_its_name_and_price():
    """By hand: all six rows doubled: the name, the parameter, and that no row of six is wrong."""
    e, predicted = doubled(rows(6), [1] * 6)
    found = ground(e.frame).scored(e, TWICE, 4.0, predicted, e.differ)
    assert found.bits == pytest.approx(NAME + 4.0 + log2(7))
    assert (found.where, found.since, found.until, found.share) == (None, None, None, 1.0)
    assert found.rows.all() and found.acts.all()


def test_an_error_costs_which_row_it_is_and_its_value():
    """By hand: doubled but for one of eight rows, which holds something else."""
    frame = rows(8, minutes=[0] * 8)
    e, predicted = doubled(frame, [1] * 8)
    after = e.after.copy()
    after[5] = 99.0
    odd = Evidence("f", e.before, after, frame, ROLES, np.ones(8, bool))
    found = ground(frame).scored(odd, TWICE, 4.0, predicted, odd.differ)
    assert found.bits == pytest.approx(NAME + 4.0 + log2(9) + log2(8) + odd.raw)
    assert found.rows.tolist() == [True] * 5 + [False] + [True] * 2


def test_fewer_than_three_rows_are_explained_by_nothing():
    """Two rows are a coincidence."""
    e, predicted = doubled(rows(6), [1, 1, 0, 0, 0, 0])
    assert ground(e.frame).scored(e, TWICE, 1.0, predicted, e.differ) is None


def test_a_slice_is_said_where_it_is_cheaper_than_a_share():
    """Twenty rows of one host in sixty are the host's; twenty of any are a share."""
    hosts = np.repeat(list("abc"), 20)
    shuffled = np.random.default_rng(0).permutation(hosts)
    for struck, where in ((shuffled == "b", ("host", "b")), (np.random.default_rng(2).permutation(60) < 20, None)):
        frame = rows(60, shuffled)
        e, predicted = doubled(frame, struck)
        found = ground(frame).scored(e, TWICE, 4.0, predicted, e.differ)
        assert found.where == where and found.since is None and found.until is None
        assert found.share == (1.0 if where else pytest.approx(1 / 3))
        assert (found.rows == struck).all()


def by_force(e, predicted, frame, raw):
    """The fewest bits over all rows and slices, every begin and end at a row that it explains, all of them or a share."""
    n, pending = len(frame), int(e.differ.sum())
    acts = ~agree(predicted, e.before)
    hit, quiet = e.differ & acts & agree(predicted, e.after), acts & ~e.differ
    values = sorted(frame["host"].unique())
    slices = [(np.ones(n, bool), 0.0)]
    for k in (1, 2, 3):
        for chosen in combinations(values, k):
            slices.append((frame["host"].isin(chosen).to_numpy(), 3 + log2(2) + log2(comb(len(values), k))))
    best = np.inf
    for mask, bits in slices:
        for begin in range(n):
            for end in range(begin + 1, n + 1):
                inside = mask & (np.arange(n) >= begin) & (np.arange(n) < end)
                a, b = int((inside & hit).sum()), int((inside & quiet).sum())
                moments = (begin > 0) + (end < n)
                for share in (False, True):
                    wrong = pending - a + (0 if share else b)
                    length = log2(n + 1) + log2(comb(n, wrong)) + wrong * raw
                    length += 3 + log2(a + b + 1) + log2(comb(a + b, a)) if share else 0
                    best = min(best, NAME + 4.0 + bits + length + moments * log2(n))
    return best


@pytest.mark.parametrize("seed", range(40))
def test_the_cheapest_scope_is_the_one_that_a_full_search_finds(seed):
    """Twelve rows, a slice or a span of them struck, of some one more or less: as few bits as the best of all scopes takes."""
    rng = np.random.default_rng(seed)
    frame = rows(12, rng.choice(list("abc"), 12))
    begin = rng.integers(0, 9)
    end = rng.integers(begin + 4, 13)
    struck = (np.arange(12) >= begin) & (np.arange(12) < end) if seed % 2 else (frame["host"] == "a").to_numpy()
    struck = struck.copy()
    if seed % 4 > 1:
        struck[rng.integers(12)] ^= True
    struck[:3] |= struck.sum() < 3
    e, predicted = doubled(frame, struck)
    found = ground(frame).scored(e, TWICE, 4.0, predicted, e.differ)
    assert found.bits == pytest.approx(by_force(e, predicted, frame, e.raw))


def test_a_moment_is_a_row_and_rows_asked_at_once_fall_on_one_side():
    """From the tenth minute on: since is the time of the first row struck, also where others were asked with it."""
    minutes = np.repeat(np.arange(30), 2)
    frame = rows(60, minutes=minutes)
    e, predicted = doubled(frame, minutes >= 10)
    found = ground(frame).scored(e, TWICE, 4.0, predicted, e.differ)
    assert (found.since, found.until) == (START + pd.Timedelta("10min"), None)
    assert (found.rows == (minutes >= 10)).all()
    e, predicted = doubled(frame, minutes < 10)
    found = ground(frame).scored(e, TWICE, 4.0, predicted, e.differ)
    assert (found.since, found.until) == (None, START + pd.Timedelta("10min"))


def test_without_times_there_are_no_moments():
    """No time column, or one moment for all: nothing is said of since when; a null among them hides nothing."""
    frame = rows(60)
    e, predicted = doubled(frame, np.arange(60) >= 30)
    for told, time in (
        (frame, None),
        (frame.assign(t=START), "t"),
    ):
        found = ground(told, time).scored(e, TWICE, 4.0, predicted, e.differ)
        assert (found.since, found.until, found.share) == (None, None, 0.5)
    odd = frame.assign(t=frame["t"].mask(frame["k"] == 3))
    assert ground(odd, "t").scored(e, TWICE, 4.0, predicted, e.differ).since == frame["t"].iloc[30]


def test_what_another_skew_explained_is_no_error_of_this_one():
    """Rows that are not pending count neither as explained nor as left alone."""
    frame = rows(60)
    e, predicted = doubled(frame, [1] * 60)
    pending = np.arange(60) < 30
    found = ground(frame, None).scored(e, TWICE, 4.0, predicted, pending)
    assert (found.rows == pending).all() and found.share == 1.0
    assert found.bits == pytest.approx(NAME + 4.0 + log2(61))


def test_columns_are_slices_where_they_have_few_values():
    """Text and whole numbers of at most fifty values; neither floats, times, constants nor what is kept apart."""
    n = 120
    frame = rows(n, np.repeat("x", n)).assign(
        few=np.arange(n) % 50, many=np.arange(n) % 51, real=0.5, both=np.arange(n) % 2 == 0
    )
    assert set(ground(frame).slices) == {"few", "both"}


def test_whom_says_which_rows_differ_whatever_they_hold():
    """Rows of one host since a minute: both, in fewer bits than any list of rows."""
    frame = rows(200, np.random.default_rng(1).choice(list("abcd"), 200))
    differ = (frame["host"] == "c").to_numpy() & (np.arange(200) >= 80)
    found = ground(frame).whom(differ)
    first = frame.loc[differ, "t"].min()
    assert (found.where, found.since, found.until, found.share) == (("host", "c"), first, None, 1.0)
    assert found.bits < choose(200, differ.sum())
