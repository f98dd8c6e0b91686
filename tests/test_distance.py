"""Distances against hand counts, scipy, and simulated truth."""

from math import inf, log

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy, ks_2samp, norm, wasserstein_distance

from skewkit.statistics import distance
from skewkit.statistics.cells import cells
from skewkit.statistics.distributions import Distribution
from skewkit.tables.columns import distribution_of

LAW = settings(max_examples=60, deadline=None, derandomize=True)
TIED = st.lists(st.integers(-3, 3).map(float) | st.sampled_from([-inf, inf, 0.1]), min_size=1, max_size=40)
ANY = st.lists(st.floats(allow_nan=False), min_size=1, max_size=40)


def dist(values, dtype=None):
    """The distribution of a list."""
    return distribution_of(pd.Series(values, dtype=dtype))


def counted(a, b):
    """Row counts of two samples in the cells of the first."""
    a, b = dist(a), dist(b)
    shared = cells(a, b)
    return shared.counts(a), shared.counts(b)


@pytest.mark.filterwarnings("ignore:divide by zero")
@LAW
@given(TIED | ANY, TIED | ANY)
def test_ks_is_scipys(a, b):
    """KS equals scipy's statistic for any two samples, with ties and infinities."""
    theirs = ks_2samp(a, b, method="asymp").statistic  # older scipy has no value where there are infinities
    assert np.isnan(theirs) or distance.ks(dist(a), dist(b)) == pytest.approx(theirs, abs=1e-12)


def test_ks_of_constants():
    """Two constants lie apart by one if they differ and by nothing if they agree."""
    assert distance.ks(dist([2.0] * 5), dist([2.0] * 9)) == 0
    assert distance.ks(dist([2.0] * 5), dist([3.0] * 9)) == 1


def test_ks_of_categories_by_hand():
    """Over text, KS runs in alphabetical order: a and b hold 3/4 of one side and 1/4 of the other."""
    assert distance.ks(dist(list("aabc")), dist(list("bccc"))) == pytest.approx(0.5)


@LAW
@given(ANY, st.lists(st.floats(allow_nan=False), min_size=1, max_size=10), st.sampled_from(["left", "right"]))
def test_cdf_is_a_share_of_rows(sample, at, side):
    """The CDF is the share of rows at or below a point, or below it from the left."""
    sample, at = np.array(sample), np.array(sample[:3] + at)
    share = [(sample <= x).mean() if side == "right" else (sample < x).mean() for x in at]
    np.testing.assert_allclose(distance.cdf(dist(sample), at, side), share, atol=1e-12)


@LAW
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=12))
def test_js_is_scipys(counts):
    """JS is the square of scipy's base-2 distance, empty cells included."""
    p, q = np.array([*counts, (1, 1)], float).T
    with np.errstate(invalid="ignore"):
        expected = np.nan_to_num(jensenshannon(p, q, base=2)) ** 2
    assert distance.js(p, q) == pytest.approx(expected, abs=1e-12)


def test_js_of_strangers_is_one_bit():
    """Distributions that share no cell are one bit apart, whatever their sizes."""
    assert distance.js(np.array([3.0, 0.0]), np.array([0.0, 8.0])) == pytest.approx(1.0, abs=1e-12)


def test_psi_by_hand():
    """Every cell counts half a row more: 50 and 50 of 101 against 30 and 70."""
    p, q = (50.5 / 101, 50.5 / 101), (30.5 / 101, 70.5 / 101)
    expected = sum((y - x) * log(y / x) for x, y in zip(p, q, strict=True))
    assert distance.psi(np.array([50, 50]), np.array([30, 70])) == pytest.approx(expected, abs=1e-12)
    assert expected == pytest.approx(0.166, abs=1e-3)


@LAW
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12), st.integers(1, 1000))
def test_psi_is_zero_only_without_change(counts, more):
    """Identical counts give a PSI of 0, and a row moved to a new cell gives more."""
    p = np.array([*counts, more])
    assert distance.psi(p, p) == 0
    assert distance.psi(np.r_[p, 0], np.r_[p[:-1], 0, more]) > 0


@LAW
@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=12))
def test_psi_is_symmetric_and_finite(counts):
    """PSI reads the same both ways, and no empty cell makes it infinite."""
    p, q = np.array(counts).T
    assert 0 <= distance.psi(p, q) < inf
    assert distance.psi(p, q) == pytest.approx(distance.psi(q, p), abs=1e-12)


@LAW
@given(st.lists(st.sampled_from("abcd"), max_size=20), st.lists(st.sampled_from("abcdef"), max_size=20))
def test_unseen_counts_rows(a, b):
    """Unseen is the number of rows, not of values, that the reference never holds."""
    assert distance.unseen(dist(a, object), dist(b, object)) == sum(x not in a for x in b)


@LAW
@given(TIED | ANY, TIED | ANY)
def test_wasserstein_is_scipys_on_finite_values(a, b):
    """The area between both, in the column's own unit; what is infinite has no area and is left out."""
    a, b = ([x for x in side if abs(x) < 1e150] for side in (a, b))
    if a and b:
        assert distance.wasserstein(dist(a), dist(b)) == pytest.approx(wasserstein_distance(a, b), rel=1e-12, abs=1e-12)


@LAW
@given(st.lists(st.integers(-5, 5).map(float) | st.just(inf), min_size=1, max_size=40))
def test_moments_are_numpys(values):
    """Mean and standard deviation of the finite values."""
    finite = np.array([v for v in values if v < inf])
    if len(finite):
        assert distance.moments(dist(values)) == pytest.approx((finite.mean(), finite.std()), abs=1e-12)


@LAW
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=12))
def test_kl_and_tv_by_hand(counts):
    """KL is scipy's relative entropy of the smoothed shares, TV half the summed differences of the plain ones."""
    p, q = np.array(counts, float).T + 1
    smooth = [(c + 0.5) / (c + 0.5).sum() for c in (p, q)]
    assert distance.kl(p, q) == pytest.approx(entropy(smooth[1], smooth[0]), abs=1e-12)
    assert distance.tv(p, q) == pytest.approx(np.abs(p / p.sum() - q / q.sum()).sum() / 2, abs=1e-12)


def test_an_outlier_does_not_flatten_psi():
    """One value of 1e4 among the served rows leaves the PSI of a shift of one deviation as it was."""
    a = norm.ppf(np.arange(0.5, 2000) / 2000)
    plain, outlying = (distance.psi(*counted(a, b)) for b in (a + 1, np.r_[a[1:] + 1, 1e4]))
    assert plain > 0.8
    assert outlying == pytest.approx(plain, abs=0.01)


def test_an_empty_bin_stays_moderate():
    """Two bins that lose all their rows are a clear change, and not an explosion."""
    a = np.arange(10_000.0)
    assert 0.2 < distance.psi(*counted(a, a[(a < 3000) | (a >= 4000)])) < 1.0


@pytest.mark.parametrize("now", [5.0, -5.0])
def test_psi_sees_a_constant_move_either_way(now):
    """A constant that moves has a large PSI, upwards and downwards."""
    assert distance.psi(*counted([0.0] * 100, [now] * 100)) > 1


def test_a_huge_column_held_by_its_values_is_not_written_out_as_rows():
    """Ten thousand million rows of three values against a few rows: by hand, in the memory of a few rows."""
    huge = Distribution("number", np.array([0.0, 1.0, 2.0]), np.array([4, 8, 10]) * 10**9, 10**10, 0)
    few = distribution_of(pd.Series([0.0, 0.5, 0.7, 1.5, 2.0]))
    assert few.ends is None  # its rows as they stand
    distance_, where, area = distance.apart(huge, few)
    # F is .4 from 0, .8 from 1, 1 from 2; G is .2 from 0, .4 from .5, .6 from .7, .8 from 1.5, 1 from 2
    assert distance_ == pytest.approx(0.2) and where in (0.0, 0.7, 1.0)
    assert area == pytest.approx(0.2 * 0.5 + 0.0 * 0.2 + 0.2 * 0.3 + 0.2 * 0.5 + 0.0 * 0.5)
