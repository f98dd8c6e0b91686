"""Can we go back: intervals by hand and against a loop over days; after a backfill the old model scores as it did; the gate."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skewkit as sk
from skewkit.gate.retention import rollback, rollback_gaps
from skewkit.records import Verdict

TODAY = date(2026, 9, 30)


def day(text):
    return date.fromisoformat(f"2026-{text}")


def model(version, deployed, retired=None, needs=("pace@1",), name="fraud", **more):
    days = {"deployed": deployed and day(deployed), "retired": retired and day(retired)}
    return {"model": name, "version": str(version), **days, "needs": list(needs), **more}


def spell(feature, version, begin, end=None, kept=None):
    days = [d and day(d) for d in (begin, end, kept)]
    return {
        "feature": feature,
        "version": str(version),
        **dict(zip(("computed_from", "computed_until", "retained_until"), days, strict=True)),
    }


def gaps(models, registry, **given):
    """The gaps as (model, needs, since, until, why)."""
    found = rollback_gaps(models, registry, TODAY, **given).gaps
    return [(g.model, g.needs, f"{g.since:%m-%d}", f"{g.until:%m-%d}", g.why) for g in found]


def judged(found):
    return {f.statistic: (f.value, f.n, str(f.verdict)) for f in rollback(found)}


# -- by hand; the window of 90 days that ends on 30 September begins on 3 July


def test_what_is_computed_and_kept_can_be_gone_back_to():
    """The control: two models, the older retired in August, all that they need computed to this day: nothing to say."""
    models = [model(1, "03-01", "08-15"), model(2, "08-15", needs=["pace@1", "income@2"])]
    found = rollback_gaps(models, [spell("pace", 1, "02-01"), spell("income", 2, "08-01")], TODAY)
    assert found.gaps == () and found.lost == () and found.days_without == 0 and found.dual_runs == ()
    assert found.since == day("07-03") and found.days == 90 and found.targets == ("fraud@1", "fraud@2")
    assert judged(found) == {"irreversible": (0, 2, "ok"), "days_without": (0, 90, "ok")}


def test_a_version_that_stopped_leaves_its_model_without():
    """pace@1 stops on 1 September: from then on the retired model is lost, 30 days of September, and the backfill says so."""
    models = [model(1, "03-01", "08-15"), model(2, "08-15", needs=["pace@2"])]
    registry = [spell("pace", 1, "02-01", "09-01"), spell("pace", 2, "08-01")]
    found = rollback_gaps(models, registry, TODAY)
    (gap,) = found.gaps
    assert (gap.model, gap.needs, gap.since, gap.until, gap.why) == (
        *("fraud@1", "pace@1"),
        *(day("09-01"), day("10-01"), "stopped"),
    )
    assert gap.backfill == (
        "compute pace@1 by its own definition for the requests from 2026-09-01 on, and keep the values until 2026-11-13"
    )
    assert found.lost == ("fraud@1",) and found.days_without == 30
    assert found.versions.to_dict("records") == [
        {"model": "fraud@1", "target": True, "can": False, "days_without": 30, "why": "pace@1 stopped"},
        {"model": "fraud@2", "target": True, "can": True, "days_without": 0, "why": ""},
    ]
    assert judged(found) == {
        "irreversible": (0.5, 2, "breach"),
        "days_without": (30, 90, "warn"),
        "dual_run": (1.0, 1, "breach"),  # 17 of 30 days
    }


def test_each_reason_by_name():
    """Unknown, never, stopped, not kept, too little history: each with its own days."""
    live = [model(1, "06-01", needs=["a@1", "b@1", "c@1", "d@1", "e@1"], history="10D")]
    registry = [
        spell("a", 2, "01-01"),
        spell("b", 1, None),
        spell("c", 1, "01-01", "08-01"),
        spell("d", 1, "01-01", None, "09-20"),
        spell("e", 1, "07-05"),
    ]
    assert gaps(live, registry) == [
        ("fraud@1", "a@1", "07-03", "10-01", "unknown version"),
        ("fraud@1", "b@1", "07-03", "10-01", "never computed"),
        ("fraud@1", "c@1", "08-01", "10-01", "stopped"),
        ("fraud@1", "d@1", "09-20", "10-01", "not retained"),
        ("fraud@1", "e@1", "07-03", "07-05", "never computed"),
        ("fraud@1", "e@1", "07-05", "07-15", "too little history"),
    ]
    told = {g.needs: g.backfill for g in rollback_gaps(live, registry, TODAY).gaps}
    assert told["a@1"].startswith("register a@1, and compute it") and "while fraud@1 is live" in told["a@1"]
    assert "from 2026-06-25 to 2026-07-14" in told["e@1"]  # ten days before the first of them


def test_a_model_is_asked_about_from_its_deployment_until_a_window_after_it_was_retired():
    """Retired on 1 June, it may be forgotten 90 days later, on 30 August; deployed in September, it is not asked of before."""
    nothing = [spell("other", 1, "01-01")]
    assert gaps([model(1, "03-01", "06-01")], nothing) == [("fraud@1", "pace@1", "07-03", "08-30", "unknown version")]
    assert gaps([model(2, "09-10")], nothing) == [("fraud@2", "pace@1", "09-10", "10-01", "unknown version")]
    found = rollback_gaps([model(1, "03-01", "06-01"), model(2, "09-10", needs=["other@1"])], nothing, TODAY)
    assert found.targets == ("fraud@2",) and found.lost == () and found.days_without == 58
    rows = found.versions.set_index("model")  # what was retired for longer than the window is not asked for any more
    assert rows["can"].to_dict() == {"fraud@1": None, "fraud@2": True} and rows["days_without"].tolist() == [58, 0]
    assert judged(found)["irreversible"] == (0, 1, "ok") and judged(found)["days_without"][2] == "warn"


def test_a_spell_that_ends_as_the_next_begins_is_one():
    """No day between them is missing, and history reaches across; a day left out between them is missing."""
    whole = [spell("pace", 1, "01-01", "08-01"), spell("pace", 1, "08-01")]
    assert gaps([model(1, "03-01", history="20D")], whole) == []
    torn = [spell("pace", 1, "01-01", "08-01"), spell("pace", 1, "08-02")]
    assert gaps([model(1, "03-01")], torn) == [("fraud@1", "pace@1", "08-01", "08-02", "stopped")]
    assert gaps([model(1, "03-01", history="2D")], torn) == [
        ("fraud@1", "pace@1", "08-01", "08-02", "stopped"),
        ("fraud@1", "pace@1", "08-02", "08-04", "too little history"),
    ]


def test_the_old_version_runs_beside_a_new_model_for_thirty_days():
    """Retired after 30 days it is well, a day earlier the last day is named; what both models need is no breaking change."""
    models = [model(1, "03-01", "08-15", ["pace@1", "b@1"]), model(2, "08-15", needs=["pace@2", "b@1"])]
    steady = [spell("b", 1, "01-01"), spell("pace", 2, "08-01")]
    well = rollback_gaps(models, [*steady, spell("pace", 1, "01-01", "09-14")], TODAY)
    assert [(d.needs, d.since, d.until) for d in well.dual_runs] == [("pace@1", day("08-15"), day("09-14"))]
    assert well.violations == () and judged(well)["dual_run"] == (0, 1, "ok")
    short = rollback_gaps(models, [*steady, spell("pace", 1, "01-01", "09-13")], TODAY)
    assert [d.missing for d in short.violations] == [((day("09-13"), day("09-14"), "stopped"),)]
    assert rollback_gaps(models, [*steady, spell("pace", 1, "01-01", "09-13")], TODAY, dual="29D").violations == ()


def test_a_stop_that_is_planned_within_the_dual_run_is_told_before_it_comes():
    """The new model went live today and the old version is to stop in a week: nothing is lost yet, and it is a breach."""
    models = [model(1, "03-01", "09-30"), model(2, "09-30", needs=["pace@2"])]
    found = rollback_gaps(models, [spell("pace", 1, "01-01", "10-07"), spell("pace", 2, "09-01")], TODAY)
    assert found.gaps == () and found.violations[0].missing == ((day("10-07"), day("10-30"), "stopped"),)
    assert rollback(found).verdict == "breach"


# -- in any file


def test_frames_files_and_rows_say_the_same(tmp_path):
    """YAML, Parquet, CSV, frames and rows of the same two tables."""
    models = [model(1, "03-01", "08-15"), model(2, "08-15", needs=["pace@2", "b@1"])]
    registry = [spell("pace", 1, "02-01", "09-01"), spell("pace", 2, "08-01"), spell("b", 1, "01-01", None, "09-25")]
    wanted = rollback_gaps(models, registry, TODAY)
    assert len(wanted.gaps) == 2
    import yaml

    frames = [pd.DataFrame(t) for t in (models, registry)]
    assert rollback_gaps(*frames, TODAY) == wanted
    for name, table, frame in zip(("models", "registry"), (models, registry), frames, strict=True):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({name: table}))
        frame.to_parquet(tmp_path / f"{name}.parquet")
        texts = frame.assign(needs=frame["needs"].map(" ".join)) if "needs" in frame else frame
        texts.to_csv(tmp_path / f"{name}.csv", index=False)
    for kind in ("yaml", "parquet", "csv"):
        paths = [str(tmp_path / f"{name}.{kind}") for name in ("models", "registry")]
        assert rollback_gaps(*paths, "2026-09-30") == wanted, kind


GOOD = ([model(1, "03-01")], [spell("pace", 1, "01-01")])


@pytest.mark.parametrize(
    ("models", "registry", "given", "says"),
    [
        ([model(1, "03-01", needs=["pace"])], None, {}, "feature@version"),
        ([model(1, "03-01", needs=[])], None, {}, "needs"),
        ([model(1, None)], None, {}, "no day in deployed"),
        ([model(1, "03-01", "02-01")], None, {}, "before it was deployed"),
        ([model(1, "03-01"), model(1, "04-01")], None, {}, "twice"),
        ([{"model": "fraud"}], None, {}, "row 1 has no version"),
        ([{**model(1, "03-01"), "version": 1.1}], None, {}, "as text"),
        ([{**model(1, "03-01"), "deployed": "spring"}], None, {}, "is not a day"),
        ([{**model(1, "03-01"), "deployed": 20260301}], None, {}, "is not a day"),
        ([{**model(1, "03-01"), "deployed": "2026-03-01T12:00"}], None, {}, "within a day"),
        ([model(1, "01-01", "03-01")], None, {}, "none of the 1 models"),
        ([], None, {}, "no rows"),
        (None, [spell("pace", 1, "03-01", "02-01")], {}, "before it begins"),
        (None, [{"feature": "pace", "version": "1"}], {}, "no computed_from"),
        (None, "gone.yaml", {}, "No such file"),
        (None, None, {"window": "0D"}, "a day or more"),
        (None, None, {"window": "36h"}, "whole days"),
        (None, None, {"dual": "a month"}, "length of time"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_do(models, registry, given, says):
    """Each by its row and what it holds."""
    with pytest.raises(sk.SkewkitError, match=says):
        rollback_gaps(GOOD[0] if models is None else models, GOOD[1] if registry is None else registry, TODAY, **given)


def test_a_file_that_is_no_yaml_is_refused_by_its_line(tmp_path):
    """And nothing of what it holds is shown."""
    (tmp_path / "models.yaml").write_text("models:\n  - {model: secret, version\n")
    with pytest.raises(sk.SkewkitError, match="is not YAML, at line 3") as told:
        rollback_gaps(str(tmp_path / "models.yaml"), GOOD[1], TODAY)
    assert "secret" not in str(told.value)


# -- against a loop over days

DAYS = st.integers(-40, 40).map(lambda n: TODAY + timedelta(days=n))
MAYBE = st.none() | DAYS
NEEDS = [f"{f}@{v}" for f in "ab" for v in (1, 2)]


@st.composite
def spells_(draw):
    feature, version = draw(st.sampled_from("ab")), str(draw(st.integers(1, 2)))
    begin, end, kept = draw(MAYBE), draw(MAYBE), draw(MAYBE)
    if begin and end and end < begin:
        begin, end = end, begin
    made = {"computed_from": begin, "computed_until": end, "retained_until": kept}
    return {"feature": feature, "version": version, **made}


@st.composite
def models_(draw):
    found = []
    for version, name in enumerate(draw(st.lists(st.sampled_from(["x", "y"]), min_size=1, max_size=3))):
        deployed, retired = draw(DAYS), draw(MAYBE)
        if retired and retired < deployed:
            deployed, retired = retired, deployed
        needs = draw(st.lists(st.sampled_from(NEEDS), min_size=1, max_size=2, unique=True))
        history = f"{draw(st.integers(0, 6))}D"
        made = {"deployed": deployed, "retired": retired, "needs": needs, "history": history}
        found.append({"model": name, "version": str(version), **made})
    return found


def there(rows, one, history):
    """Whether a version is there on a day, day by day of its history."""

    def on(d):
        return any(
            r["computed_from"] is not None
            and r["computed_from"] <= d
            and (r["computed_until"] is None or d < r["computed_until"])
            and (r["retained_until"] is None or one < r["retained_until"])
            for r in rows
        )

    return all(on(one - timedelta(days=n)) for n in range(history + 1))


@settings(max_examples=300, deadline=None)
@given(models_(), st.lists(spells_(), min_size=1, max_size=6), st.integers(1, 30), st.integers(0, 20))
def test_the_intervals_are_what_a_loop_over_days_finds(models, registry, window, dual):
    """Each model, need and day of the window by itself; and each day of each dual run."""
    days = [TODAY - timedelta(days=n) for n in range(window)]

    def asked(m, d):
        return m["deployed"] <= d and (m["retired"] is None or d < m["retired"] + timedelta(days=window))

    def rows(need):
        return [r for r in registry if f"{r['feature']}@{r['version']}" == need]

    try:
        found = rollback_gaps(models, registry, TODAY, f"{window}D", f"{dual}D")
    except sk.SkewkitError:
        assert not any(asked(m, d) for m in models for d in days)
        return
    wanted = {
        (f"{m['model']}@{m['version']}", need, d)
        for m in models
        for need in m["needs"]
        for d in days
        if asked(m, d) and not there(rows(need), d, int(m["history"][:-1]))
    }
    told = [
        (g.model, g.needs, g.since + timedelta(days=n)) for g in found.gaps for n in range((g.until - g.since).days)
    ]
    assert sorted(told) == sorted(wanted)  # no day twice
    assert found.days_without == len({d for *_, d in wanted})
    assert set(found.lost) == {name for name, _, d in wanted if d == TODAY}
    for run in found.dual_runs:
        lost = {a + timedelta(days=n) for a, b, _ in run.missing for n in range((b - a).days)}
        length = (run.until - run.since).days
        beside = [run.since + timedelta(days=n) for n in range(length)]
        assert length == dual and lost == {d for d in beside if not there(rows(run.needs), d, 0)}


@settings(max_examples=100, deadline=None)
@given(models_(), st.lists(spells_(), min_size=1, max_size=6))
def test_the_backfill_of_each_gap_closes_it(models, registry):
    """The days that each sentence names, computed and kept: no gap is left, and nothing else is needed."""
    try:
        found = rollback_gaps(models, registry, TODAY)
    except sk.SkewkitError:
        return
    filled = list(registry)
    for gap in found.gaps:
        first = re.search(r"for the requests from (\S+) (?:to (\S+),|on,)", gap.backfill)
        feature, _, version = gap.needs.partition("@")
        last = first[2] and date.fromisoformat(first[2]) + timedelta(days=1)
        days = {"computed_from": first[1], "computed_until": last, "retained_until": None}
        filled.append({"feature": feature, "version": version, **days})
    again = rollback_gaps(models, filled, TODAY)
    assert again.gaps == () and again.lost == () and again.days_without == 0


def test_findings_are_judged_by_the_policy():
    """A gap that is accepted decides nothing; the runbook is the skew's page."""
    found = rollback_gaps([model(1, "03-01")], [spell("pace", 2, "01-01")], TODAY)
    first = rollback(found)[0]
    assert (first.verdict, first.runbook, first.change) == (Verdict.breach, "runbooks/rollback.md", "deployed")
    assert first.detail[0]["backfill"].startswith("register pace@1")
