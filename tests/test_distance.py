"""Distances against hand counts, scipy, and simulated truth."""

from math import inf, log

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import binomtest, ks_2samp, norm

from skewkit import distance
from skewkit.engines import distribution_of

LAW = settings(max_examples=60, deadline=None, derandomize=True)
TIED = st.lists(st.integers(-3, 3).map(float) | st.sampled_from([-inf, inf, 0.1]), min_size=1, max_size=40)
ANY = st.lists(st.floats(allow_nan=False), min_size=1, max_size=40)


def dist(values, dtype=None):
    """The distribution of a list."""
    return distribution_of(pd.Series(values, dtype=dtype))


def numeric_psi(a, b):
    """The PSI of two samples of numbers, in the bins of the first."""
    return distance.psi(*distance.cells(dist(a), dist(b), False))


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
@given(TIED | ANY, TIED | ANY)
def test_cells_hold_every_row_once(a, b):
    """Binning loses no row and counts none twice, on either side."""
    p, q = distance.cells(dist(a), dist(b), False)
    assert len(p) == len(q) and (p >= 0).all() and (q >= 0).all()
    assert (p.sum(), q.sum()) == (len(a), len(b))


def test_bins_are_the_references_deciles():
    """The reference fills its ten bins evenly, within a row; the other side shows where its rows lie."""
    p, q = distance.cells(dist(np.arange(1000.0)), dist(np.arange(500.0)), False)
    np.testing.assert_allclose(p, 100, atol=1)
    np.testing.assert_allclose(q, [100] * 5 + [0] * 5, atol=1)


def test_an_outlier_does_not_flatten_psi():
    """One value of 1e4 among the served rows leaves the PSI of a shift of one deviation as it was."""
    a = norm.ppf(np.arange(0.5, 2000) / 2000)
    plain, outlying = numeric_psi(a, a + 1), numeric_psi(a, np.r_[a[1:] + 1, 1e4])
    assert plain > 0.8
    assert outlying == pytest.approx(plain, abs=0.01)


def test_an_empty_bin_stays_moderate():
    """A decile that loses all its rows is a clear change, and not an explosion."""
    a = np.arange(10_000.0)
    assert 0.2 < numeric_psi(a, a[(a < 3000) | (a >= 4000)]) < 1.0


@pytest.mark.parametrize("now", [5.0, -5.0])
def test_psi_sees_a_constant_move_either_way(now):
    """A constant that moves has a large PSI, upwards and downwards."""
    assert numeric_psi([0.0] * 100, [now] * 100) > 1


def test_text_cells_are_the_categories_of_both():
    """Over text there is one cell a category of either side, in alphabetical order."""
    p, q = distance.cells(dist(list("abb")), dist(list("bcc")), True)
    assert (p.tolist(), q.tolist()) == ([1, 2, 0], [0, 1, 2])


@LAW
@given(st.lists(st.sampled_from("abcd"), max_size=20), st.lists(st.sampled_from("abcdef"), max_size=20))
def test_unseen_counts_rows(a, b):
    """Unseen is the number of rows, not of values, that the reference never holds."""
    assert distance.unseen(dist(a, object), dist(b, object)) == sum(x not in a for x in b)


@LAW
@given(st.integers(1, 5000), st.floats(0, 1), st.sampled_from([0.1, 0.05, 0.01, 1e-4]))
def test_share_bounds_are_clopper_and_pearsons(n, share, level):
    """The bounds of a share equal scipy's exact interval."""
    k = round(share * n)
    exact = binomtest(k, n).proportion_ci(confidence_level=1 - level, method="exact")
    assert distance.share_bounds(k, n, level) == pytest.approx((exact.low, exact.high), abs=1e-9)


@pytest.mark.parametrize("decimals", [0, 6])
@pytest.mark.parametrize(("n", "m"), [(20, 300), (200, 200)])
def test_ks_radius_covers_chance(n, m, decimals):
    """Samples of one distribution exceed the radius no oftener than the level says, and the radius is no blank cheque."""
    rng = np.random.default_rng(0)
    draws = [[np.round(rng.normal(size=size), decimals) for size in (n, m)] for _ in range(300)]
    apart, radius = np.array([distance.ks(dist(a), dist(b)) for a, b in draws]), distance.ks_radius(n, m, 0.01)
    assert (apart > radius).mean() <= 0.01
    assert radius < 4 * np.quantile(apart, 0.99)


def test_ks_radius_holds_the_true_distance():
    """The KS distance of two samples lies within the radius of their distributions' own."""
    rng, truth = np.random.default_rng(1), 2 * norm.cdf(0.25) - 1  # half a deviation apart
    off = [distance.ks(dist(rng.normal(size=150)), dist(rng.normal(0.5, size=250))) - truth for _ in range(300)]
    assert (np.abs(off) > distance.ks_radius(150, 250, 0.01)).mean() <= 0.01


def test_ks_radius_by_hand():
    """The radius is the inequality's for each sample at half the level, and shrinks with the root of the rows."""
    assert distance.ks_radius(100, 400, 0.01) == pytest.approx(
        (log(2 / 0.005) / 200) ** 0.5 + (log(2 / 0.005) / 800) ** 0.5
    )
    assert distance.ks_radius(400, 400, 0.01) == pytest.approx(distance.ks_radius(100, 100, 0.01) / 2)
    assert distance.ks_radius(100, 100, 0.001) > distance.ks_radius(100, 100, 0.01)


@pytest.mark.parametrize(("p", "q"), [(0.0, 0.0), (0.1, 0.1), (0.02, 0.2), (0.9, 0.4), (1.0, 0.7)])
def test_share_change_bounds_hold_the_true_change(p, q):
    """The bounds hold |q - p| in all but a level's worth of samples, and say something."""
    rng, level = np.random.default_rng(2), 0.05
    k, j = rng.binomial(300, p, 300), rng.binomial(500, q, 300)
    bounds = np.array([distance.share_change_bounds(x, 300, y, 500, level) for x, y in zip(k, j, strict=True)])
    assert ((bounds[:, 0] > abs(q - p)) | (bounds[:, 1] < abs(q - p))).mean() <= level
    assert (bounds[:, 1] - bounds[:, 0]).max() < 0.3


def test_share_change_bounds_tell_a_change_from_none():
    """A large change has a positive lower bound; the same share twice has 0."""
    assert distance.share_change_bounds(10, 1000, 200, 1000, 0.01)[0] > 0.1
    assert distance.share_change_bounds(200, 1000, 10, 1000, 0.01)[0] > 0.1
    assert distance.share_change_bounds(200, 1000, 200, 1000, 0.01)[0] == 0
