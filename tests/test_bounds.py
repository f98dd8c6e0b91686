"""What chance allows: bounds that hold the truth, in closed form, against scipy and simulated worlds."""

from math import log, sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import kl_div
from scipy.stats import binom, binomtest, gamma, ncx2, norm

from skewkit.statistics import bounds, distance
from skewkit.tables.columns import distribution_of


def dist(values):
    return distribution_of(pd.Series(values))


LAW = settings(max_examples=60, deadline=None, derandomize=True)


@LAW
@given(st.integers(1, 5000), st.floats(0, 1), st.sampled_from([0.1, 0.05, 0.01, 1e-4]))
def test_share_bounds_are_clopper_and_pearsons(n, share, level):
    """The bounds of a share equal scipy's exact interval."""
    k = round(share * n)
    exact = binomtest(k, n).proportion_ci(confidence_level=1 - level, method="exact")
    assert bounds.share_bounds(k, n, level) == pytest.approx((exact.low, exact.high), abs=1e-9)


@pytest.mark.parametrize("decimals", [0, 6])
@pytest.mark.parametrize(("n", "m"), [(20, 300), (200, 200)])
def test_ks_radius_covers_chance(n, m, decimals):
    """Samples of one distribution exceed the radius no oftener than the level says, and the radius is no blank cheque."""
    rng = np.random.default_rng(0)
    draws = [[np.round(rng.normal(size=size), decimals) for size in (n, m)] for _ in range(300)]
    apart, radius = np.array([distance.ks(dist(a), dist(b)) for a, b in draws]), bounds.ks_radius(n, m, 0.01)
    assert (apart > radius).mean() <= 0.01
    assert radius < 4 * np.quantile(apart, 0.99)


def test_ks_radius_holds_the_true_distance():
    """The KS distance of two samples lies within the radius of their distributions' own."""
    rng, truth = np.random.default_rng(1), 2 * norm.cdf(0.25) - 1  # half a deviation apart
    off = [distance.ks(dist(rng.normal(size=150)), dist(rng.normal(0.5, size=250))) - truth for _ in range(300)]
    assert (np.abs(off) > bounds.ks_radius(150, 250, 0.01)).mean() <= 0.01


@pytest.mark.parametrize(("n", "m", "level"), [(100, 400, 0.01), (1_000, 1_000, 1e-7), (225_000, 900, 1e-9)])
def test_ks_radius_is_the_convolution_of_both_tails(n, m, level):
    """Against numerical integration of the tail of a sum whose parts are as large as the inequality allows.

    It lies between the radius of one distribution known (no test could be sharper) and both at half the level.
    """
    radius = bounds.ks_radius(n, m, level)
    at = np.linspace(sqrt(log(2) / (2 * n)), radius, 400_001)
    density = 8 * n * at * np.exp(-2 * n * at**2)
    rest = np.minimum(1.0, 2 * np.exp(-2 * m * (radius - at) ** 2))
    tail = np.trapezoid(density * rest, at) + 2 * np.exp(-2 * n * radius**2)
    assert tail == pytest.approx(level, rel=1e-3)
    fewest = min(n, m)
    assert sqrt(log(2 / level) / (2 * fewest)) < radius < sqrt(log(4 / level) / 2) * (n**-0.5 + m**-0.5)
    assert bounds.ks_radius(4 * n, 4 * m, level) == pytest.approx(radius / 2)
    assert bounds.ks_radius(m, n, level) == pytest.approx(radius)


@pytest.mark.parametrize(("p", "q"), [(0.0, 0.0), (0.1, 0.1), (0.02, 0.2), (0.9, 0.4), (1.0, 0.7)])
def test_change_bounds_hold_the_true_change(p, q):
    """The bounds hold |q - p| in all but a level's worth of samples, and say something."""
    rng, level = np.random.default_rng(2), 0.05
    k, j = rng.binomial(300, p, 300), rng.binomial(500, q, 300)
    found = np.array([bounds.change_bounds(x, 300, y, 500, level) for x, y in zip(k, j, strict=True)])
    assert ((found[:, 0] > abs(q - p)) | (found[:, 1] < abs(q - p))).mean() <= level
    assert (found[:, 1] - found[:, 0]).max() < 0.35


def test_change_bounds_tell_a_change_from_none():
    """A large change has a positive lower bound; the same share twice has 0."""
    assert bounds.change_bounds(10, 1000, 200, 1000, 0.01)[0] > 0.1
    assert bounds.change_bounds(200, 1000, 10, 1000, 0.01)[0] > 0.1
    assert bounds.change_bounds(200, 1000, 200, 1000, 0.01)[0] == 0


def test_the_surprise_of_two_shares_is_a_gamma_s_tail():
    """The limit is where (1 + t) exp(-t) has fallen to the level: scipy's Gamma of shape 2."""
    for level in (0.1, 1e-4, 1e-9):
        assert gamma(2).sf(bounds.surprise(level)) == pytest.approx(level, rel=1e-6)


@pytest.mark.parametrize(("p", "q", "n", "m"), [(0.2, 0.2, 40, 60), (0.01, 0.01, 400, 100), (0.5, 0.1, 30, 30)])
def test_no_more_samples_are_surprising_than_the_level_says(p, q, n, m):
    """Every outcome of two small samples, weighed exactly: the chance that the lower bound lies above the true change."""
    level = 0.05
    k, j = np.arange(n + 1), np.arange(m + 1)
    weight = np.outer(binom(n, p).pmf(k), binom(m, q).pmf(j))
    low, high = np.vectorize(lambda x, y: bounds.change_bounds(x, n, y, m, level))(k[:, None], j[None, :])
    assert weight[low > abs(q - p) + 1e-9].sum() <= level
    assert weight[high < abs(q - p) - 1e-9].sum() <= level


@LAW
@given(st.integers(0, 300), st.integers(0, 500), st.sampled_from([0.05, 1e-6]))
def test_the_lower_bound_of_a_change_is_where_it_stops_being_a_surprise(k, j, level):
    """Against a plain grid over both shares: the least change among all pairs that are no surprise."""
    n, m, t = 300, 500, bounds.surprise(level / 2)
    p, q = k / n, j / m
    grid = np.linspace(1e-6, 1 - 1e-6, 401)
    x, y = np.meshgrid(grid, grid, indexing="ij")
    away = (n * kl_div(p, x) + n * kl_div(1 - p, 1 - x)) + (m * kl_div(q, y) + m * kl_div(1 - q, 1 - y))
    inside = away <= t
    if inside.any():
        least = np.abs(y - x)[inside].min()
        assert bounds.change_bounds(k, n, j, m, level)[0] == pytest.approx(least, abs=0.006)


def test_relative_change_by_hand():
    """A share of 4 percent that became 9 has changed by a whole (0.05 + 0.01 to 0.04 + 0.01)."""
    assert bounds.relative(np.array([0.04, 0.0]), np.array([0.09, 0.005])).tolist() == pytest.approx([1.0, 0.5])


@pytest.mark.parametrize(("p", "q"), [((0.5, 0.3, 0.2), (0.5, 0.3, 0.2)), ((0.9, 0.05, 0.05), (0.6, 0.05, 0.35))])
def test_cell_bounds_hold_the_largest_true_change(p, q):
    """In all but a level's worth of samples, up or down; and they say something."""
    rng, level, n, m = np.random.default_rng(3), 0.05, 2_000, 3_000
    truth = bounds.relative(np.array(p), np.array(q)).max()
    levels = np.full(3, level / 3)
    found = np.array(
        [bounds.cell_bounds(rng.multinomial(n, p), n, rng.multinomial(m, q), m, levels) for _ in range(300)]
    )
    assert ((found[:, 0] > truth) | (found[:, 1] < truth)).mean() <= level
    assert found[:, 1].max() < 3 * truth + 1 and (truth == 0 or found[:, 0].min() > truth / 2)


def test_a_cell_of_few_entities_counts_for_little():
    """Fifty rows in a cell that was empty are a change; if they are one entity's, they are none."""
    k, j, levels = np.array([0.0, 10_000]), np.array([50.0, 9_950]), np.full(2, 1e-8)
    assert bounds.cell_bounds(k, 10_000, j, 10_000, levels)[0] > 0
    assert bounds.cell_bounds(k, 10_000, j, 10_000, levels, lambda cell: (1.0, 50.0))[0] == 0


@pytest.mark.parametrize("apart", [0.0, 0.3])
def test_shape_holds_the_true_change(apart):
    """The bounds of the average change hold the truth in all but a level's worth of samples."""
    rng, level, p = np.random.default_rng(4), 0.02, np.full(10, 0.1)
    q = p * (1 + apart * np.array([1, -1] * 5))
    truth = sqrt(4 * ((np.sqrt(q) - np.sqrt(p)) ** 2).sum())
    found = np.array(
        [bounds.shape(rng.multinomial(3_000, p), 3_000, rng.multinomial(5_000, q), 5_000, level) for _ in range(500)]
    )
    assert ((found[:, 1] > truth) | (found[:, 2] < truth)).mean() <= level
    assert truth == pytest.approx(apart, rel=0.02, abs=1e-12)
    assert found[:, 1].min() > 0 if apart else (found[:, 1] == 0).mean() > 0.99


def test_shape_s_bounds_are_wider_than_the_exact_ones():
    """Birge's lemma against scipy's chi square off centre: never sharper, and by no more than half as wide again."""
    for degrees, square, level in ((19, 400.0, 1e-8), (23, 120.0, 1e-6), (3, 90.0, 1e-3)):
        share = 1 / (degrees + 1)
        p = np.full(degrees + 1, share)
        q = p.copy()
        step = brentq(lambda d: _square(p, p + d * np.resize([1, -1], len(p))) - square / 50_000, 0, share)  # noqa: B023
        q = p + step * np.resize([1, -1], len(p))
        value, low, _ = bounds.shape(p * 100_000, 100_000, q * 100_000, 100_000, level)
        assert 50_000 * value**2 == pytest.approx(square, rel=1e-6)
        exact = brentq(lambda c: ncx2(degrees, c).sf(square) - level / 2, 1e-6, square)  # noqa: B023
        assert 50_000 * low**2 <= exact < 2.5 * 50_000 * low**2 + degrees


def _square(p, q):
    return 4 * ((np.sqrt(q) - np.sqrt(p)) ** 2).sum()


def test_small_cells_count_together():
    """Cells of which too few rows are expected are one for the average; a lone small one joins the least of the others."""
    counts = np.array([1000.0, 500, 3, 2, 1])
    merged = bounds._merged(counts, 1506, counts, 1506)[0]
    assert merged.tolist() == [1000, 506]


@pytest.mark.parametrize("seed", range(40))
def test_what_a_sketch_leaves_open_is_taken_off_before_chance(seed):
    """Shares that are off by no more than is said have bounds at least as wide as those of the exact shares, low and high."""
    r = np.random.default_rng(seed)
    n, m, cells, off = 20_000, 15_000, 20, 7e-4
    p = r.dirichlet(np.full(cells, 5.0))
    q = r.dirichlet(2_000 * p) if seed % 2 else np.clip(p * r.choice([0.9, 1.1], cells), 0, 1)
    q = q / q.sum()
    levels = np.full(cells, 1e-7)
    # as unkind as may be: every share pushed away from its counterpart, or towards it
    for push in (1, -1):
        away = push * off * np.sign(p - q)
        told, other = np.clip(p + away, 0, 1), np.clip(q - away, 0, 1)
        low, high = bounds.cell_bounds(told * n, n, other * m, m, levels, off=(off, off))
        exact = bounds.cell_bounds(p * n, n, q * m, m, levels)
        assert low <= exact[0] + 1e-9 and high >= exact[1] - 1e-9
        slack = sum(bounds.root_slack(share, np.full(cells, off)) for share in (told, other))
        _, low, high = bounds.shape(told * n, n, other * m, m, 1e-7, slack)
        _, least, most = bounds.shape(p * n, n, q * m, m, 1e-7)
        assert low <= least + 1e-9 and high >= most - 1e-9


def test_no_doubt_changes_no_bound():
    """off of zero gives what no off gives."""
    k, j = np.array([100.0, 300, 600]), np.array([160.0, 290, 550])
    levels = np.full(3, 1e-4)
    assert bounds.cell_bounds(k, 1_000, j, 1_000, levels) == bounds.cell_bounds(
        k, 1_000, j, 1_000, levels, off=(np.zeros(3), np.zeros(3))
    )
    assert bounds.shape(k, 1_000, j, 1_000, 1e-4) == bounds.shape(k, 1_000, j, 1_000, 1e-4, 0.0)
