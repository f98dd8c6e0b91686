"""The explorer's controls, each moved over its range; and the tour, cell by cell."""

from __future__ import annotations

import re

import pytest

from skewkit.skews import SKEWS
from skewkit.widgets import explore

from .conftest import chromium, play


@pytest.fixture(scope="module")
def explorer():
    return explore(sample=6_000)


@pytest.mark.parametrize("stem", SKEWS)
def test_every_skew_and_way_to_be_wrong_is_shown(explorer, stem):
    """Each choice plants, draws and measures, or says that no feature is of its kind; none ends in an error."""
    explorer.skew.value = stem
    explorer.severity.value = 1
    pictures = []
    for value in explorer.wrong.options:
        explorer.wrong.value = value
        if "no feature that it can act on" in explorer.said.value:
            continue
        drawn = "<img alt=" in explorer.picture.value or "nothing to draw" in explorer.picture.value
        assert drawn and "parity" in explorer.said.value, explorer.said.value
        notices = "(parity|schema)" if SKEWS[stem].whole else "parity"
        assert re.search(rf"{notices}</code>: <strong>noticed", explorer.said.value), (stem, value)
        pictures.append(explorer.cost.value)
    assert pictures and (len(pictures) == len(set(pictures)) or SKEWS[stem].whole)  # a model may read two alike


def test_numbers_that_became_text_are_not_drawn(explorer):
    """Half of them text: the checks say so, and the picture that there is none."""
    explorer.skew.value = "text_format"
    explorer.severity.value, explorer.wrong.value = 0.5, "decimal_comma"
    assert "parity</code>: <strong>noticed" in explorer.said.value and "nothing to draw" in explorer.picture.value


def test_the_severity_moves_the_cost(explorer):
    """Over the whole slider: nothing at 0, more further up, and the checks fall silent at 0."""
    explorer.skew.value = "staleness"
    explorer.wrong.value = "6h"
    costs = []
    for severity in explorer.severity.options:
        explorer.severity.value = severity
        moved = next(line for line in explorer.cost.value.split("<tr>") if "that moved" in line)
        costs.append(float(re.findall(r"<td>(-?[\d.]+)</td>", moved)[2]))
    assert costs[0] == 0 and costs == sorted(costs) and costs[-1] > 0.3
    explorer.severity.value = 0
    assert "noticed" not in explorer.said.value


def test_a_skew_of_a_whole_table_is_offered_all_or_nothing(explorer):
    """Its slider has two ends; that of any other skew has the steps between again."""
    explorer.skew.value = "staleness"
    explorer.severity.value = 0.25
    explorer.skew.value = "rollback"
    assert explorer.severity.options == (0, 1) and explorer.severity.value == 1 and "noticed" in explorer.said.value
    explorer.skew.value = "staleness"
    assert 0.25 in explorer.severity.options


def test_every_feature_can_be_looked_at(explorer):
    """Each feature offered is drawn before and after, with a text that names it."""
    explorer.skew.value = "time_zone"
    explorer.severity.value = 0.5
    assert {"hour", "weekday"} <= set(explorer.feature.options)
    for feature in explorer.feature.options:
        explorer.feature.value = feature
        assert f"Distribution of {feature}: replayed" in explorer.picture.value


def test_the_choice_of_a_feature_stays_while_the_severity_moves(explorer):
    """A person who looks at one feature keeps looking at it."""
    explorer.skew.value = "time_zone"
    explorer.feature.value = "weekday"
    explorer.severity.value = 0.25
    assert explorer.feature.value == "weekday"


def test_the_tour_runs_from_end_to_end(capsys):
    """Every cell, in order; the last drill notices nothing at severity 0 and something at 1."""
    names = play("tour")
    assert names["drill"][0].noticed == () and "parity" in names["drill"][-1].noticed
    assert names["findings"].verdict == "breach" and names["impact"].get("auc").delta < 0


def test_the_explorer_works_in_jupyterlab(tmp_path):
    """In a real browser: open the notebook, run it, move the slider, and see the cost change."""
    arguments = chromium()
    from .lab import explored

    before, after, errors = explored(tmp_path, arguments)
    assert "parity" in before and before != after and errors == []
