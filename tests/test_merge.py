"""One pass over two sorted columns: compiled or not it gives the same bits, and what scipy gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp, wasserstein_distance

from skewkit.statistics import merge

LAW = settings(max_examples=300, deadline=None, derandomize=True)
FLOATS = st.lists(st.floats(-1e6, 1e6) | st.sampled_from([-0.0, 0.0, 1.5, 1e300, -1e300]), min_size=1, max_size=40)
WHOLE = st.lists(st.integers(-(2**62), 2**62) | st.integers(0, 3), min_size=1, max_size=40)


def by_hand(a, b):
    """The same, from the definition: in whole numbers, value by value."""
    n, m, most, where, area = len(a), len(b), 0, None, 0.0
    at = np.union1d(a, b)
    gaps = [abs(int((a <= x).sum()) * m - int((b <= x).sum()) * n) for x in at]
    for x, gap in zip(at, gaps, strict=True):
        if gap > most:
            most, where = gap, x
    for i in range(len(at) - 1):
        area += (float(at[i + 1]) - float(at[i])) * gaps[i]
    return most / (n * m), where, area / (n * m)


@pytest.mark.parametrize("block", [1, 3, 1 << 15])
@LAW
@given(FLOATS, FLOATS)
def test_every_way_gives_the_same_bits(block, a, b):
    """Blocks of any size, the compiled pass, and the definition: equal, not just close."""
    a, b = np.sort(np.array(a)), np.sort(np.array(b))
    same(a, b, block)


@LAW
@given(WHOLE, WHOLE)
def test_whole_numbers_too_large_for_a_float_are_told_apart(a, b):
    """int64 stays int64."""
    same(np.sort(np.array(a)), np.sort(np.array(b)), 7)


def same(a, b, block):
    """The law of both tests above."""
    compiled = merge._compiled()
    assert compiled is not None, "numba is in the test extra"
    n, m = len(a), len(b)
    most, where, area = compiled(a, b)
    kept, merge.BLOCK = merge.BLOCK, block
    try:
        blocks = merge._blocks(a, b)
        swept = merge.sweep(a, b)
    finally:
        merge.BLOCK = kept
    distance, at, under = by_hand(a, b)
    assert (most, area) == (blocks[0], blocks[2]) and most / (n * m) == swept[0] == distance
    assert swept[2] == under and (most == 0 or where == blocks[1] == swept[1] == at)


@pytest.mark.parametrize("n", [5_000, 20_000])  # below and above what is worth compiling
def test_it_is_scipys_distance(n):
    """Two samples of other sizes, ties among them; scipy adds up in another order."""
    r = np.random.default_rng(0)
    a, b = np.sort(np.round(r.normal(size=n), 2)), np.sort(r.normal(0.1, size=n // 3))
    distance, _, area = merge.sweep(a, b)
    assert distance == pytest.approx(ks_2samp(a, b).statistic, abs=1e-15)
    assert area == pytest.approx(wasserstein_distance(a, b), rel=1e-12)


def test_tables_of_other_types_are_compared_as_numbers():
    """Whole numbers against fractions, and infinities, of which there is no area."""
    assert merge.sweep(np.array([1, 2]), np.array([1.5, 2.5]))[0] == 0.5
    distance, _, area = merge.sweep(np.array([-np.inf, 0.0]), np.array([0.0, np.inf]))
    assert distance == 0.5 and not np.isfinite(area)
