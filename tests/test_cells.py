"""Cells: every row in one of them, edges from the reference alone, frequent values apart; and how values are written."""

from math import inf

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skewkit.statistics.cells import BINS, MOST, cells, formats
from skewkit.tables.columns import distribution_of

LAW = settings(max_examples=60, deadline=None, derandomize=True)
TIED = st.lists(st.integers(-3, 3).map(float) | st.sampled_from([-inf, inf, 0.1]), min_size=1, max_size=60)
ANY = st.lists(st.floats(allow_nan=False), min_size=1, max_size=60)


def dist(values, dtype=None):
    return distribution_of(pd.Series(values, dtype=dtype))


@LAW
@given(TIED | ANY, TIED | ANY)
def test_every_row_is_in_one_cell(a, b):
    """Counting loses no row and counts none twice, on either side, and each cell has a name of its own."""
    shared = cells(dist(a), dist(b))
    for side in (a, b):
        counts = shared.counts(dist(side))
        assert counts.sum() == len(side) and len(counts) == len(shared) and (counts >= 0).all()
        assert np.bincount(shared.index(np.array(side)), minlength=len(shared)).tolist() == counts.tolist()


def test_bins_are_quantiles_of_the_reference():
    """The reference fills its bins evenly, within a row; the other side shows where its rows lie."""
    a, b = dist(np.arange(1000.0)), dist(np.arange(500.0))
    shared = cells(a, b)
    np.testing.assert_allclose(shared.counts(a), 1000 / BINS, atol=1)
    np.testing.assert_allclose(shared.counts(b), [50] * 10 + [0] * 10, atol=1)
    labels = called(shared)
    assert labels[0] == "up to 49" and labels[BINS - 1].startswith("above")


def test_whole_numbers_of_one_side_may_be_fractions_on_the_other():
    """Nulls filled with a mean among whole numbers: the mean is a cell of its own, and no cell counts what is in another."""
    a, b = dist([7, 7, 8, 8, 9]), dist([7.5] * 3 + [7.0] * 2)
    shared = cells(a, b)
    assert shared.atoms.tolist() == [7.0, 7.5, 8.0]
    assert [shared.counts(side)[shared.bins :].tolist() for side in (a, b)] == [[2, 0, 2], [2, 3, 0]]
    assert shared.counts(a)[: shared.bins].sum() == 1 and shared.counts(b)[: shared.bins].sum() == 0


@LAW
@given(ANY, st.lists(st.floats(allow_nan=False), min_size=1, max_size=40, unique=True))
def test_edges_come_from_the_reference_alone(a, b):
    """Whatever single values the other side holds, the bins stay."""
    assert cells(dist(a), dist(b)).edges.tolist() == cells(dist(a), dist(a)).edges.tolist()


def test_a_value_that_is_frequent_on_either_side_is_a_cell():
    """Five percent of zeros among numbers that training never repeats are one cell, empty before."""
    a, b = np.arange(1.0, 1001), np.r_[np.zeros(50), np.arange(1.0, 951)]
    shared = cells(dist(a), dist(b))
    cell = called(shared).index("0.0")
    assert shared.counts(dist(a))[cell] == 0 and shared.counts(dist(b))[cell] == 50


def test_text_cells_are_the_frequent_categories_and_all_others():
    """Of more categories than there are cells, the most frequent keep one each."""
    values = [f"c{i:04d}" for i in range(300) for _ in range(2 + (i < 10) * 50)]
    shared = cells(dist(values), dist(values))
    assert len(shared) == MOST + 1 and called(shared)[0] == "all others"
    assert shared.counts(dist(values))[0] == 2 * (300 - MOST)
    assert set(called(shared)[1:]) >= {f"c{i:04d}" for i in range(10)}


def test_a_few_whole_numbers_are_categories():
    """Each of few whole numbers is a cell if it is there twice; of many only the frequent ones."""
    assert len(cells(dist([1, 1, 2, 2, 3, 3]), dist([1, 1]), categories=3).atoms) == 3
    many = np.repeat(np.arange(3000), 2)
    assert len(cells(dist(many), dist(many), categories=100).atoms) == 0


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([1.0, 2.0, -3.0], {"0 decimals": 3}),
        ([0.1, 0.25, 1234567.5], {"1 decimals": 2, "2 decimals": 1}),
        ([1 / 3, 123456.78], {"7 decimals or more": 1, "2 decimals": 1}),
        ([float(np.float32(0.1))] * 4, {"7 decimals or more": 4}),
        ([inf, -inf, 1.5], {"infinite": 2, "1 decimals": 1}),
        (["Ab", "ab", "AB", "12", "1,2", " x", "", "é"],
         {"upper case": 1, "lower case": 3, "digits only": 1, "with a comma": 1, "with a blank around": 1, "empty": 1, "beyond ASCII": 1}),
    ],
)  # fmt: skip
def test_formats_by_hand(values, wanted):
    """How numbers and text are written, counted over rows."""
    seen, n = formats(dist(values))
    assert n == len(values) and {name: seen[name] for name in wanted} == wanted


def test_formats_are_read_from_a_seeded_sample_of_many_rows():
    """Of more rows than are read, the shares are about the column's, and the same each time."""
    values = np.round(np.random.default_rng(0).normal(size=60_000), 1)
    values[::10] += 1 / 3
    seen, n = formats(dist(values))
    assert n == 20_000 and seen == formats(dist(values))[0]
    assert seen["7 decimals or more"] / n == pytest.approx(0.1, abs=0.01)


def called(shared):
    """What its cells are called, where all may be shown."""
    return shared.labels("rows", np.full(len(shared), 1))


def test_cells_of_times_are_called_by_times_and_what_is_hidden_says_so():
    """A day that many rows hold reads as a day; with counts alone as evidence, a value that few hold reads as hidden."""
    days = pd.Series(pd.to_datetime(["2024-03-01T06:00Z"] * 3 + ["2024-03-02T00:00Z"] * 2))
    shared = cells(distribution_of(days), distribution_of(days))
    assert called(shared)[-2:] == ["2024-03-01 06:00:00 UTC", "2024-03-02 00:00:00 UTC"]
    assert shared.labels("counts", np.full(len(shared), 3))[-1] == "hidden"
    assert shared.labels("counts", np.full(len(shared), 30))[-1] == "2024-03-02 00:00:00 UTC"
    many = pd.Series(pd.date_range("2024-01-01", periods=200, tz="UTC"))
    spans = called(cells(distribution_of(many), distribution_of(many)))
    assert spans[1].startswith("above 2024-01-") and spans[1].endswith(" UTC")
