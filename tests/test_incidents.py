"""Reported failures, played: every file can run, six of them do, and what is said of them is computed by hand once."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
import yaml

import skewkit as sk
from skewkit.drills.mitigation import HOWS
from skewkit.notebook import checked, declared, find
from skewkit.records import Cost, SkewkitError
from skewkit.results.incidents import summary, table
from skewkit.results.results import Impact
from skewkit.skews import read
from skewkit.statistics.metrics import NAMES, stem

from .conftest import ROOT

FILES = sorted((ROOT / "notebooks" / "params" / "incidents").glob("*.yaml"))
SMALL = {"seeds": [0, 1], "simulated": {"events": 40_000}, "sample": 0, "draws": 40}


def asked(name):
    """What a file asks of `skewkit.drill`."""
    path = next(p for p in FILES if p.stem == name)
    return yaml.safe_load(path.read_text())


def played(name):
    """The incident on a small world, with two seeds."""
    given = asked(name)
    return sk.drill(given.pop("scenario"), given.pop("skew"), **{**given, **SMALL})


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_file_can_be_run(path):
    """Its parameters are those of the notebook, its skews can be made, its metric and mitigations exist."""
    values = checked(yaml.safe_load(path.read_text()), declared(find("drill")), "drill")
    for one in values["skew"]:
        for skew in one if isinstance(one, list) else [one]:
            assert read(skew).stem
    assert set(values["mitigations"]) <= set(HOWS) and len(values["seeds"]) >= 5
    assert values["incident"]["reported"] and stem(values["incident"].get("metric", "auc")) in NAMES
    assert path.read_text().startswith("# ")


def test_the_incidents_that_practitioners_report_have_a_file_each():
    """Twenty-eight, of which nine bear a figure."""
    figures = [p.stem for p in FILES if "figure" in asked(p.stem)["incident"]]
    assert len(FILES) == 28 and len(figures) == 9


def test_no_scenario_refers_to_an_incident():
    """A world that knew what is played in it could make any figure come out."""
    for path in (ROOT / "skewkit" / "scenarios").glob("*.py"):
        text = path.read_text()
        assert not [f.stem for f in FILES if f.stem in text] and "incident" not in text


HURT = ("fraud-late-events", "environment-mix", "window-30d-7d", "device-update", "dataset-rollback")


@pytest.mark.parametrize("name", HURT)
def test_an_incident_hurts_is_noticed_and_is_mended(name):
    """With both seeds the metric falls, parity notices, nothing notices at severity 0, and the mitigation leaves no damage."""
    drill = played(name)
    one = drill.incident
    assert len(one["values"]) == 2 and max(one["values"]) < 0
    assert all(c.noticed == () for c in drill if c.severity == 0 or c.mitigation)
    assert "parity" in one["noticed"] and one["fires"] is not None
    assert one["mitigated"] and all(abs(left) < 1e-12 for left in one["mitigated"].values())
    assert one["offline"] is not None


def test_the_placebo_raises_nothing():
    """Nothing is planted: no check notices, nothing is lost, and nothing breaches."""
    drill = played("placebo")
    assert all(c.noticed == () and c.rows == 0 for c in drill)
    assert drill.verdict != "breach" and drill.incident["mean"] == 0 and drill.incident["fires"] is None


def test_drift_is_not_called_skew(flights):
    """Autumn is not summer: the clean log warns of drift, and of no skew."""
    given = asked("drift-not-skew")
    drill = sk.drill(flights, given["skew"], given["severities"], sample=20_000, draws=5)
    assert drill.verdict == "warn"
    found = [f for c in drill for f in c.result.findings if f.verdict and f.verdict.alarm]
    assert found and {f.change for f in found} == {"drift"}


# -- what is said of an incident, by hand


def cell(seed, delta, mitigation=None, severity=1.0, before=0.9, needs=500, fires=100, name="x"):
    costs = Impact([Cost("auc", "skew", before, before + delta, delta, delta - 0.01, delta + 0.01, None, 99, needs)])
    regimes = {
        r: {"fires": {"parity": fires} if fires else {}, "already": ()} for r in ("training and served", "with events")
    }
    return SimpleNamespace(
        name=name, seed=seed, severity=severity, mitigation=mitigation, noticed=("parity",), regimes=regimes,
        result=SimpleNamespace(impact=costs),
        fires=lambda regime: min(regimes[regime]["fires"].values(), default=None),
    )  # fmt: skip


def test_the_figure_of_an_incident_by_hand():
    """The mean over the seeds of the change at full severity; it lands within a factor of 1.5 of what was reported."""
    cells = [cell(0, 0.0, severity=0.0), cell(0, -0.10), cell(1, -0.14), cell(1, -0.5, name="another")]
    one = summary(cells, "down by 0.1", "auc", figure=[-0.1])
    assert one["values"] == [-0.10, -0.14] and one["mean"] == pytest.approx(-0.12)
    assert (one["low"], one["high"]) == pytest.approx((-0.15, -0.1 / 1.5)) and one["landed"] is True
    assert (one["from"], one["to"], one["needs"], one["fires"]) == (-0.14, -0.10, 500, 100)
    assert summary(cells, "down by 0.3", "auc", figure=[-0.3])["landed"] is False
    assert summary(cells, "no figure", "auc")["landed"] is None


def test_a_relative_and_a_remaining_figure_by_hand():
    """Relative to what it was before; and what a mitigation leaves of it, over the requests that it was measured on."""
    cells = [cell(0, -0.09), cell(0, -0.08), cell(0, -0.02, mitigation="retrain")]
    relative = summary([cell(0, -0.09)], "x", "auc", "relative", figure=[-0.05, -0.1])
    assert relative["values"] == pytest.approx([-0.1]) and relative["landed"]
    remaining = summary(cells, "about halves", "auc", "remaining", figure=[0.5])
    assert remaining["values"] == pytest.approx([0.25]) and not remaining["landed"]
    assert remaining["mitigated"] == pytest.approx({"retrain": -0.02})


def test_a_seed_in_which_it_never_happened_is_never():
    """The requests until a check fires are the most of any seed, and none when in one seed it stayed silent."""
    assert summary([cell(0, -0.1, fires=100), cell(1, -0.1, fires=400)], "x", "auc")["fires"] == 400
    assert summary([cell(0, -0.1), cell(1, -0.1, fires=None)], "x", "auc")["fires"] is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"metric": "auk"}, "metric 'auk'"),
        ({"metric": "auc", "measure": "ratio"}, "measure 'ratio'"),
        ({"figure": [0.1]}, "and their metric"),
        ({"metric": "auc", "figure": [-0.1, 0.1]}, "two ends of a range"),
    ],
    ids=str,
)
def test_an_incident_that_cannot_be_measured_is_refused(given, said):
    """With what there is instead."""
    with pytest.raises(SkewkitError, match=said):
        summary([cell(0, -0.1)], "x", **given)


def test_the_table_shows_what_was_reported_and_measured():
    """One line an incident, its figure and whether it lands."""
    one = summary([cell(0, -0.1), cell(0, 0.0, mitigation="recompute")], "down by 0.1", "auc", figure=[-0.1])
    text = table({"my-incident": {"incident": one}})
    assert re.search(
        r"my-incident \| down by 0.1 \| AUC -0.1000 \(-0.1000 to -0.1000\) \| yes \| recompute: \+0.0000", text
    )
