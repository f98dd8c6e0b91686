"""Bounds that may be looked at always: by hand, against scipy, and over a thousand streams that are looked at every step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta, binom, norm

from skewkit.statistics.sequential import difference_bounds, evidence, kept, quantile_bounds, share_bounds

LEVEL = 0.05
COUNTS = st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def streams(share, steps=1_000, runs=1_000, seed=0):
    """How many of the first n rows were counted, at every n, shape (runs, steps); ``share`` a number, or one a step."""
    return (np.random.default_rng(seed).random((runs, steps)) < share).cumsum(axis=1)


@pytest.mark.parametrize(("k", "n", "p"), [(0, 10, 0.2), (7, 20, 0.1), (3, 200, 0.001), (90, 100, 0.5), (20, 20, 0.3)])
def test_the_evidence_is_the_integral_that_it_says(k, n, p):
    """Scipy's quadrature of the likelihood ratio over the part of the prior above p."""
    prior = beta(0.5, 0.5)

    def ratio(t):  # with x = 1 - (1 - p) t^2 the prior's pole at 1 is gone
        x = 1 - (1 - p) * t * t
        jacobian = 2 * (1 - p) * t
        return np.exp(binom.logpmf(k, n, x) - binom.logpmf(k, n, p)) * prior.pdf(x) * jacobian

    area = quad(ratio, 0, 1, limit=500)[0] / prior.sf(p)
    assert evidence(k, n, p) == pytest.approx(np.log(area), abs=1e-6)


def test_one_request_by_hand():
    """One of one, tested at one half: the mean of 2x over the upper half of the arcsine law is 1 + 2 / pi."""
    assert evidence(1, 1, 0.5) == pytest.approx(np.log(1 + 2 / np.pi), abs=1e-12)


def test_nothing_is_known_before_the_first_request():
    """From 0 to 1."""
    low, high = share_bounds([0, 0], [0, 0], LEVEL)
    assert low.tolist() == [0, 0] and high.tolist() == [1, 1]


@pytest.mark.parametrize("share", [0.002, 0.1, 0.5])
def test_a_thousand_streams_looked_at_every_step_hardly_ever_miss(share):
    """The share of streams in which either bound is ever on the wrong side stays within the level; a fixed bound's does not."""
    counts, n = streams(share), np.arange(1, 1_001)
    refuted = [
        evidence(k, n, p).max(axis=1) >= np.log(2 / LEVEL) for k, p in ((counts, share), (n - counts, 1 - share))
    ]
    missed = np.mean(refuted[0] | refuted[1])
    assert missed <= LEVEL
    fixed = binom.sf(counts - 1, n, share).min(axis=1) < LEVEL / 2
    assert fixed.mean() > 2 * max(missed, LEVEL / 2)  # what looking at every step does to a p-value


def test_the_bounds_are_where_the_evidence_reaches_the_level():
    """Both ends of the interval, put back into the evidence."""
    k, n = np.array([3, 40, 999]), np.array([900, 400, 1_000])
    low, high = share_bounds(k, n, LEVEL)
    np.testing.assert_allclose(evidence(k, n, low), np.log(2 / LEVEL), atol=1e-6)
    np.testing.assert_allclose(evidence(n - k, n, 1 - high), np.log(2 / LEVEL), atol=1e-6)


@given(COUNTS, st.sampled_from([1e-6, 1e-3, 0.05]))
def test_bounds_hold_what_was_seen_and_lie_within_0_and_1(count, level):
    """Whatever is counted; and a stricter level gives wider ones."""
    k, n = count
    low, high = share_bounds(k, n, level)
    assert 0 <= low <= k / n <= high <= 1
    wide = share_bounds(k, n, level / 10)
    assert wide[0] <= low + 1e-9 and high <= wide[1] + 1e-9


def test_a_share_that_moves_from_hour_to_hour_but_never_above_alarms_no_more():
    """The lower bound passes the highest share of any step with at most its level, in whatever order the steps come."""
    for seed, shares in enumerate(
        (np.tile([0.0, 0.2], 500), np.repeat([0.01, 0.2], 500), 0.2 * np.linspace(0, 1, 1_000))
    ):
        counts = streams(shares, seed=seed)
        assert np.mean(evidence(counts, np.arange(1, 1_001), 0.2).max(axis=1) >= np.log(1 / LEVEL)) <= LEVEL


def test_a_real_change_is_found_soon():
    """At 20 percent against a limit of 10 nearly all of 1,000 streams are certain within 1,000 requests, half within 300."""
    found = evidence(streams(0.2), np.arange(1, 1_001), 0.1) >= np.log(2 / LEVEL)
    assert found.any(axis=1).mean() > 0.99
    assert np.median(np.where(found.any(axis=1), found.argmax(axis=1), 1_000)) < 300


def test_a_difference_of_two_streams_hardly_ever_alarms_and_is_found():
    """No difference, even where both sides' shares swing together from hour to hour; and one of five percent."""
    n = np.arange(50, 1_001, 50)
    swing = np.repeat(np.tile([0.02, 0.3], 10), 50)
    for share, later, most, least in ((0.1, 0.1, LEVEL, 0), (swing, swing, LEVEL, 0), (0.02, 0.12, 1, 0.95)):
        k, j = streams(share, seed=1)[:, n - 1], streams(later, seed=2)[:, n - 1]
        alarmed = [difference_bounds(k[i], n, j[i], n, LEVEL)[0].max() > 0 for i in range(300)]
        assert least <= np.mean(alarmed) <= most


def test_what_was_refuted_stays_so():
    """Running bounds by hand; crossed, the upper one gives way."""
    low, high = kept(np.array([0.0, 0.3, 0.1, 0.2]), np.array([1.0, 0.8, 0.9, 0.2]))
    assert low.tolist() == [0.0, 0.3, 0.3, 0.3] and high.tolist() == [1.0, 0.8, 0.8, 0.3]


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_a_quantile_looked_at_often_is_hardly_ever_missed(q):
    """500 lognormal streams at 12 looks; the interval is within that of shares at the same ranks, and narrows."""
    rng, truth, missed = np.random.default_rng(3), float(np.exp(norm.ppf(q))), 0
    for _ in range(500):
        took = rng.lognormal(size=1_200)
        spans = [quantile_bounds(np.sort(took[:n]), q, LEVEL) for n in range(100, 1_201, 100)]
        missed += any(not low <= truth <= high for low, high in spans)
    assert missed / 500 <= LEVEL
    ordered = np.arange(1.0, 10_001)
    low, high = quantile_bounds(ordered, q, LEVEL)
    counts = np.array([low, high - 1])
    assert share_bounds(counts, 10_000, LEVEL)[1][0] >= q >= share_bounds(counts, 10_000, LEVEL)[0][1]
    assert share_bounds(low - 1, 10_000, LEVEL)[1] < q < share_bounds(high, 10_000, LEVEL)[0]


def test_a_quantile_of_few_is_unbounded():
    """Ten values say nothing of the slowest hundredth; and all alike, both bounds are that value."""
    assert quantile_bounds(np.arange(10.0), 0.99, LEVEL)[1] == np.inf
    assert quantile_bounds(np.full(2_000, 7.0), 0.5, LEVEL) == (7.0, 7.0)
