"""Rows of one entity are alike: by hand, against a bootstrap of entities, and in a check that they must not alarm."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import skewkit as sk
from skewkit.statistics.clusters import alike, heaviest

FEATURES = ["x", "c"]


def test_heaviest_by_hand():
    """Of entities with 1, 2 and 3 rows the average row's has (1 + 4 + 9) / 6; of one row each, 1."""
    assert heaviest(np.array([0, 1, 1, 2, 2, 2])) == pytest.approx(14 / 6)
    assert heaviest(np.arange(50)) == 1 and heaviest(np.zeros(7, int)) == 7


def test_rows_that_are_all_alike_are_one_draw_an_entity():
    """Each entity in one cell: 1 in every cell, and the design effect is the rows an entity."""
    entities = np.repeat(np.arange(40), 5)
    cells = np.repeat(np.arange(40) % 4, 5)
    assert alike(entities, cells, 4).tolist() == pytest.approx([1.0] * 4)
    assert alike(entities, cells, 4, upto=True).tolist() == pytest.approx([1.0, 1.0, 1.0, 0.0])


def test_one_row_an_entity_is_independent():
    """Nothing to be alike with; nor has a cell with all rows, or with none, anything to say."""
    cells = np.random.default_rng(0).integers(0, 3, 500)
    assert alike(np.arange(500), cells, 3).tolist() == [0.0] * 3
    assert alike(np.repeat(np.arange(50), 10), np.zeros(500, int), 2).tolist() == [0.0, 0.0]


def test_two_entities_by_hand():
    """Four rows each, three and one of them in the cell: Cochran's variance over the binomial one.

    p = 1/2, sum (s - p m)^2 = 1 + 1 = 2, M p (1 - p) = 2: an effect of 1, so not alike. With four and none: 8 / 2 = 4, all
    alike. Numbers of entities need not be dense.
    """
    entities = np.repeat([7, 90], 4)
    assert alike(entities, np.array([1, 1, 1, 0, 1, 0, 0, 0]), 2).tolist() == pytest.approx([0.0, 0.0])
    assert alike(entities, np.array([1, 1, 1, 1, 0, 0, 0, 0]), 2).tolist() == pytest.approx([1.0, 1.0])


def test_independent_rows_are_hardly_alike():
    """Entities that say nothing of their rows: near 0, in each cell and up to each."""
    rng = np.random.default_rng(1)
    entities, cells = np.repeat(np.arange(2_000), 10), rng.integers(0, 5, 20_000)
    assert alike(entities, cells, 5).max() < 0.02 and alike(entities, cells, 5, upto=True).max() < 0.02


@pytest.mark.parametrize("icc", [0.1, 0.5, 0.9])
def test_it_finds_the_correlation_within_entities(icc):
    """Each row takes its entity's category with chance sqrt(icc), else one of its own: two rows agree in both by icc.

    The indicator of a cell has then the correlation icc within an entity.
    """
    rng = np.random.default_rng(2)
    entities = np.repeat(np.arange(4_000), 8)
    own, shared = rng.integers(0, 4, len(entities)), rng.integers(0, 4, 4_000)[entities]
    cells = np.where(rng.random(len(entities)) < np.sqrt(icc), shared, own)
    assert alike(entities, cells, 4) == pytest.approx([icc] * 4, abs=0.03)


def test_the_design_effect_is_that_of_a_bootstrap_of_entities():
    """The variance of a cell's share over resampled entities, of uneven sizes, beside that of independent rows."""
    rng = np.random.default_rng(3)
    entities = np.repeat(np.arange(300), rng.integers(1, 30, 300))
    shared = rng.random(300)
    inside = (rng.random(len(entities)) < shared[entities]).astype(int)
    of, held = np.bincount(entities), np.bincount(entities, inside)
    drawn = rng.multinomial(300, np.full(300, 1 / 300), 4_000)
    variance = ((drawn @ held) / (drawn @ of)).var()
    share = inside.mean()
    effect = variance / (share * (1 - share) / len(entities))
    found = 1 + alike(entities, inside, 2)[1] * (heaviest(entities) - 1)
    assert found == pytest.approx(effect, rel=0.15) and found > 4


# -- in a check


def repeated(rows, times, seed):
    """So many rows of a number and a category, each of an entity that has it so many times."""
    rng = np.random.default_rng(seed)
    one = pd.DataFrame(
        {"x": rng.normal(size=rows), "c": rng.choice(list("abc"), rows), "who": np.arange(rows) + seed * rows}
    )
    return one.loc[one.index.repeat(times)].reset_index(drop=True)


def alarms(training, served, **given):
    found = sk.check(sk.compare(training, served, features=FEATURES, **given))
    return [f for f in found if f.verdict and f.verdict.alarm], found


def test_rows_told_twenty_times_alarm_unless_the_entity_is_given():
    """Clean worlds of 300 entities with twenty equal rows each: taken for 6,000 draws they alarm in most, as what they are in none."""
    without = with_ = 0
    for seed in range(12):
        training, served = repeated(300, 20, 2 * seed), repeated(300, 20, 2 * seed + 1)
        without += bool(alarms(training, served)[0])
        with_ += bool(alarms(training, served, entity="who")[0])
    assert with_ == 0 and without > 6


def test_a_finding_says_how_many_its_rows_count_as():
    """Twenty equal rows each: 6,000 count as 300; one row each, as themselves."""
    found = alarms(repeated(300, 20, 0), repeated(300, 20, 1), entity="who")[1]
    for statistic in ("ks", "shape", "cells"):
        finding = next(f for f in found if (f.feature, f.statistic) == ("x", statistic))
        assert finding.n == 6_000 and finding.effective == pytest.approx(300, rel=0.05)
    single = alarms(repeated(6_000, 1, 0), repeated(6_000, 1, 1), entity="who")[1]
    assert {f.effective for f in single} == {None}


def test_a_true_change_of_many_entities_still_alarms():
    """Entities do not blind: half a deviation on 5,000 entities of four rows is seen."""
    training, served = repeated(5_000, 4, 0), repeated(5_000, 4, 1)
    found, _ = alarms(training, served.assign(x=served["x"] + 0.5), entity="who")
    assert ("x", "ks") in {(f.feature, f.statistic) for f in found}


def test_one_giant_entity_in_a_rare_cell_is_one_draw():
    """One customer with a tenth of the rows, a category of its own and nulls: told apart by the entity, an alarm without it."""
    rng = np.random.default_rng(5)
    training, served = (
        pd.DataFrame({"x": rng.normal(size=9_000), "c": rng.choice(list("abc"), 9_000), "who": np.arange(9_000) + at})
        for at in (0, 10_000)
    )
    giant = pd.DataFrame({"x": np.nan, "c": "z", "who": [-1] * 1_000})
    served = pd.concat([served, giant], ignore_index=True)
    blunt, _ = alarms(training, served)
    assert {("c", "unseen"), ("c", "cells"), ("x", "null_share")} <= {(f.feature, f.statistic) for f in blunt}
    assert alarms(training, served, entity="who")[0] == []
    many = served.assign(who=np.where(served["c"] == "z", np.arange(len(served)) + 50_000, served["who"]))
    told, _ = alarms(training, many, entity="who")
    assert {("c", "unseen"), ("x", "null_share")} <= {(f.feature, f.statistic) for f in told}
