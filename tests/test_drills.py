"""A drill: planted on purpose, measured, and the same every time."""

from __future__ import annotations

import pandas as pd
import pytest

import skewkit as sk
from skewkit.records import SkewkitError

FOUR = (
    {"skew": "time_zone", "serving": "UTC"},
    {"skew": "encoding", "features": ["carrier", "dest"]},
    {"skew": "normalization_window", "features": ["carrier_delay"], "serving": "1D"},
    {"skew": "staleness", "lag": "6h"},
)


@pytest.fixture(scope="module")
def matrix():
    return sk.drill("flights", FOUR, severities=(1.0, 0.0, 0.3), sample=20_000, draws=40)


def test_severity_zero_is_noticed_by_nothing_and_costs_nothing(matrix):
    """On the real model, for every skew, through the whole path."""
    for cell in matrix:
        if cell.severity == 0:
            assert cell.rows == 0 and cell.noticed == ()
            assert all(c.delta == 0 for c in cell.result.impact if c.change == "skew")


def test_parity_notices_each_of_the_four_headline_skews(matrix):
    """At 30 percent of the requests and at all."""
    assert all("parity" in cell.noticed for cell in matrix if cell.severity > 0)


def test_the_four_headline_skews_hurt_and_more_when_there_is_more_of_them(matrix):
    """AUC falls, and falls further at full severity, for every one."""
    frame = matrix.to_frame().pivot(index="skew", columns="severity", values="auc")
    assert (frame[1.0] < frame[0.3]).all() and (frame[0.3] < 0).all()


def test_drift_alarms_without_a_plant_and_is_no_notice(matrix):
    """Autumn is not summer: the distribution check warns on the clean table, and the matrix says so."""
    assert {cell.already for cell in matrix} == {("distribution",)}
    assert matrix[0].severity == 0 and matrix[0].verdict == "warn" and matrix.verdict == "breach"


def test_a_drill_is_the_same_every_time(matrix):
    """Same scenario, skews, severities and seed: the same table, to the last bit."""
    again = sk.drill("flights", FOUR, severities=(0.0, 0.3, 1.0), sample=20_000, draws=40)
    pd.testing.assert_frame_equal(again.to_frame(), matrix.to_frame(), check_exact=True)


def test_another_seed_chooses_other_requests(matrix):
    """The seed decides whose requests are skewed."""
    other = sk.drill("flights", FOUR[0], severities=(0.3,), sample=20_000, draws=5, seed=1)
    assert other[0].rows != matrix[1].rows


def test_a_scope_confines_the_drill(flights):
    """Only one airport's requests, and only in November."""
    scope = sk.Scope(where=("from", "LGA"), since="2013-11-01T00:00:00Z", until="2013-12-01T00:00:00Z")
    (cell,) = sk.drill(flights, FOUR[0], severities=(1.0,), scope=scope, draws=5, sample=20_000)
    changed = cell.result.case.served.frame(["from", "asked", "hour"])
    moved = changed[changed["hour"].to_numpy() != cell.result.case.replayed.column("hour").to_numpy()]
    assert set(moved["from"]) == {"LGA"} and set(moved["asked"].dt.month) == {11} and len(moved) == cell.rows > 0


def test_a_skew_that_cannot_act_is_an_error():
    """Not a quiet row of zeros."""
    with pytest.raises(SkewkitError, match="no feature that it can act on"):
        sk.drill("flights", {"skew": "encoding", "how": "renamed", "category": "no such", "to": "x"}, sample=5_000)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"skew": {"serving": "UTC"}}, "write it like"),
        ({"skew": ["time_zone"]}, "time_zone needs serving"),
        ({"skew": [7]}, "write it like"),
        ({"skew": []}, "one of each"),
        ({"severities": []}, "one of each"),
        ({"severities": ["0.1"]}, "from 0 to 1"),
        ({"severities": [0.1, 2]}, "from 0 to 1"),
        ({"scope": {"share": 0.5}}, "it takes by, where"),
        ({"scope": {"where": "country"}}, "a column and a value"),
        ({"scope": {"since": "2013-10-01"}}, "has no zone"),
        ({"scope": {"where": ["planet", "Mars"]}}, "'planet'"),
        ({"sample": -1}, "number of rows"),
    ],
    ids=str,
)
def test_what_cannot_be_drilled_is_refused(changes, said):
    """Whatever a parameter file may hold: an error that says what there is."""
    with pytest.raises(SkewkitError, match=said):
        sk.drill("flights", **{"skew": FOUR[0], "severities": [0.5], "sample": 3_000, **changes})
