"""Can we go back: every feature version that a model of the last months needs must still be computed, and its values kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from html import escape
from itertools import pairwise
from typing import Any

import pandas as pd

from ..policy import Policy
from ..policy_file import read_policy
from ..records import Finding, SkewkitError
from ..results.results import Findings
from .registries import FOREVER, dated, day, days, read_models, read_registry

SHOWN = 20  # rows of a finding's detail


@dataclass(frozen=True)
class Gap:
    """Days on which a model cannot be rolled back to, for one feature version that it needs: ``until`` is left out.

    ``why`` is unknown version, never computed (by then), stopped, not retained, or too little history. ``backfill`` closes it.
    """

    model: str
    needs: str
    since: date
    until: date
    why: str
    backfill: str


@dataclass(frozen=True)
class DualRun:
    """A breaking change: ``model`` came without what the ``before`` it needs; from ``since``, ``until`` left out, that must run beside.

    ``missing`` are the days of it (from, until, why) on which it did not, or by the registry will not.
    """

    model: str
    before: str
    needs: str
    since: date
    until: date
    missing: tuple[tuple[date, date, str], ...]


@dataclass(frozen=True)
class Rollbacks:
    """What can be gone back to on each day from ``since`` to ``today``.

    ``models`` are those of the window; ``targets`` those of them that are to be gone back to today.
    """

    since: date
    today: date
    models: tuple[str, ...]
    targets: tuple[str, ...]
    gaps: tuple[Gap, ...]
    dual_runs: tuple[DualRun, ...]

    @property
    def lost(self) -> tuple[str, ...]:
        """The models that cannot be rolled back to today."""
        open_ = {g.model for g in self.gaps if g.until > self.today}
        return tuple(m for m in self.targets if m in open_)

    @property
    def days(self) -> int:
        """The days of the window, today among them."""
        return (self.today - self.since).days + 1

    @property
    def days_without(self) -> int:
        """On how many days of the window some model could not be rolled back to."""
        return _days(self.gaps)

    @property
    def violations(self) -> tuple[DualRun, ...]:
        return tuple(d for d in self.dual_runs if d.missing)

    @property
    def versions(self) -> pd.DataFrame:
        """A row a model version of the window: whether it is to be gone back to today and can be, its days without, and why."""
        rows = []
        for name in self.models:
            own = [g for g in self.gaps if g.model == name]
            can = name not in self.lost if name in self.targets else None  # retired for longer than the window
            why = ", ".join(dict.fromkeys(f"{g.needs} {g.why}" for g in own))
            rows.append({"model": name, "target": can is not None, "can": can, "days_without": _days(own), "why": why})
        return pd.DataFrame(rows, columns=["model", "target", "can", "days_without", "why"])

    def to_frame(self) -> pd.DataFrame:
        """A row a gap."""
        return pd.DataFrame(map(asdict, self.gaps), columns=[f.name for f in fields(Gap)])

    def __repr__(self):
        return f"<{len(self.lost)} of {len(self.targets)} models cannot be rolled back to on {self.today}>"

    def _repr_html_(self):
        tables = (t.to_html(index=False, escape=True) for t in (self.versions, self.to_frame()))
        return f"<p>{escape(repr(self)[1:-1])}.</p>{''.join(tables)}"


def rollback_gaps(models: Any, registry: Any, today: Any = None, window: str = "90D", dual: str = "30D") -> Rollbacks:
    """Whether each model could be rolled back to on each day of the ``window`` that ends with ``today``, and what is missing.

    ``models`` has a row a model version: model, version, deployed, retired (null: live), needs (a list of feature@version;
    as text, apart by commas or spaces), and where features need values of days before, history: how long, such as 30D.
    ``registry`` has rows of feature, version, computed_from (null: never), computed_until (null: still), retained_until (null: forever); a version
    that stopped and began again has several. Each is a frame, a Parquet or CSV location, rows, or a YAML file of rows.
    All days are whole, in UTC; what ends on a day does not hold on it. ``today``: the day it is, where not given.

    A model is to be gone back to from the day it is deployed until it has been retired for a window. On such a day each version
    it needs must be computed, on that day and on those of its history, and the values of all these days be kept. Where a
    model version comes without what the version before it needs, that must run on for ``dual``, by the registry as it stands.
    Raises SkewkitError for a table that cannot be read so, and where no model is of the window.
    """
    now = day(today, "today") if today not in (None, "") else datetime.now(UTC).date().toordinal()
    length, beside = (days(text, name) for text, name in ((window, "window"), (dual, "dual")))
    if length < 1:
        raise SkewkitError(f"window={window!r} was asked; give a day or more, such as 90D")
    begin, known = now - length + 1, read_registry(registry)
    every = read_models(models)
    spans = [(m, max(m["deployed"], begin), min(now + 1, m["retired"] + length)) for m in every]
    spans = [(m, a, b) for m, a, b in spans if a < b]
    if not spans:
        raise SkewkitError(
            f"none of the {len(every)} models was live between {dated(begin - length)} and {dated(now)}; give the models of "
            f"the last {window}, or another today"
        )
    gaps = tuple(gap for m, a, b in spans for need in m["needs"] for gap in _gaps(m, need, known, a, b, now, length))
    return Rollbacks(
        since=dated(begin),
        today=dated(now),
        models=tuple(m["name"] for m, _, _ in spans),
        targets=tuple(m["name"] for m, _, b in spans if b > now),
        gaps=gaps,
        dual_runs=tuple(_dual_runs(every, known, begin, beside)),
    )


def rollback(found: Rollbacks, policy: Policy | None = None) -> Findings:
    """The findings of `rollback_gaps`, judged: irreversible, days_without, and dual_run where a change was breaking."""
    policy = policy or read_policy()
    open_ = [g for g in found.gaps if g.until > found.today]
    share = len(found.lost) / len(found.targets) if found.targets else 0.0
    made = [
        _finding("irreversible", share, "share of models", len(found.targets), map(asdict, open_)),
        _finding("days_without", found.days_without, "days", found.days, map(asdict, found.gaps)),
    ]
    if found.dual_runs:
        rows = (
            {"model": d.model, "before": d.before, "needs": d.needs, "since": a, "until": b, "why": why}
            for d in found.violations
            for a, b, why in d.missing
        )
        share = len(found.violations) / len(found.dual_runs)
        made.append(_finding("dual_run", share, "share of what must run beside", len(found.dual_runs), rows))
    return Findings(map(policy.judge, made))


def _finding(statistic, value, unit, n, rows):
    rows = [{k: str(v) for k, v in row.items()} for row in rows]
    return Finding("rollback", "deployed", None, statistic, float(value), unit, n, detail=tuple(rows[:SHOWN]) or None)


# -- by intervals: days are ordinals, an end is left out


def _gaps(model, need, known, begin, end, now, window) -> Iterator[Gap]:
    keep = (
        f"until {dated(model['retired'] + window)}" if model["retired"] < FOREVER else f"while {model['name']} is live"
    )
    for since, until, why in missing(known.get(need), begin, end, model["history"]):
        first = dated(since - model["history"])
        to = "on" if until > now else f"to {dated(until - 1)}"
        verb = f"register {need}, and compute it" if why == "unknown version" else f"compute {need}"
        sentence = f"{verb} by its own definition for the requests from {first} {to}, and keep the values {keep}"
        yield Gap(model["name"], need, dated(since), dated(until), why, sentence)


def missing(
    spells: Sequence[tuple[int, int, int]] | None, begin: int, end: int, history: int = 0
) -> list[tuple[int, int, str]]:
    """The days from ``begin``, ``end`` left out, on which a version is not there: (from, until, why), as ordinals.

    ``spells`` are (computed_from, computed_until, retained_until), sorted; None: the registry has no such version. It is
    there on a day when this day and all of the ``history`` days before are computed, by spells whose values are kept on it.
    What is so changes only where a spell begins or ends, where one did ``history`` days before, or where values go.
    """
    marks = {
        begin,
        *(m for a, b, kept in spells or () for m in (a, a + history, b, b + history, kept) if begin < m < end),
    }
    found: list[tuple[int, int, str]] = []
    edges = [*sorted(marks), end]
    for since, until in pairwise(edges):
        why = _why(spells, since, history)
        if why and found and found[-1][1:] == (since, why):
            found[-1] = (found[-1][0], until, why)
        elif why:
            found.append((since, until, why))
    return found


def _why(spells, day, history):
    """Why a version is not there on a day; None where it is."""
    if spells is None:
        return "unknown version"
    if _covered((s for s in spells if s[2] > day), day - history, day):
        return None
    if _covered(spells, day - history, day):
        return "not retained"
    if _covered(spells, day, day):
        return "too little history"
    return "stopped" if any(a < b <= day for a, b, _ in spells) else "never computed"


def _covered(spells, first, last):
    """Whether every day from the first to the last is in some spell; they are sorted."""
    for a, b, _ in spells:
        if a > first:
            break
        first = max(first, b)
    return first > last


def _dual_runs(models, known, begin, beside) -> Iterator[DualRun]:
    """What must run beside each model version that comes without something the one before it needs, from the window on."""
    order = sorted(models, key=lambda m: (m["model"], m["deployed"]))
    for before, after in pairwise(order):
        since, until = after["deployed"], after["deployed"] + beside
        if before["model"] != after["model"] or until <= begin:
            continue
        for need in (n for n in before["needs"] if n not in after["needs"]):
            lost = tuple((dated(a), dated(b), why) for a, b, why in missing(known.get(need), since, until))
            yield DualRun(after["name"], before["name"], need, dated(since), dated(until), lost)


def _days(gaps: Iterable[Gap]) -> int:
    """On how many days there is any of these gaps."""
    return sum(b - a for a, b in _merged((g.since.toordinal(), g.until.toordinal()) for g in gaps))


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans that touch or overlap as one."""
    last = None
    for a, b in sorted(spans):
        if last and a <= last[1]:
            last = (last[0], max(last[1], b))
            continue
        if last:
            yield last
        last = (a, b)
    if last:
        yield last
