"""Can we go back: every feature version that a model of the last months needs must still be computed, and its values kept."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from .locations import open_table
from .names import expand
from .policy import Policy
from .policy_file import read_policy
from .records import Finding, SkewkitError
from .results import Findings
from .timeline import duration

MODELS = ("model", "version", "deployed", "retired", "needs")
REGISTRY = ("feature", "version", "computed_from", "computed_until", "retained_until")
FOREVER = date.max.toordinal()
DAY = 86_400 * 10**9  # in nanoseconds
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
        return sum(b - a for a, b in _merged((g.since.toordinal(), g.until.toordinal()) for g in self.gaps))

    @property
    def violations(self) -> tuple[DualRun, ...]:
        return tuple(d for d in self.dual_runs if d.missing)

    def to_frame(self) -> pd.DataFrame:
        """A row a gap."""
        return pd.DataFrame(map(asdict, self.gaps), columns=[f.name for f in fields(Gap)])

    def __repr__(self):
        return f"<{len(self.lost)} of {len(self.targets)} models cannot be rolled back to on {self.today}>"

    def _repr_html_(self):
        return f"<p>{escape(repr(self)[1:-1])}.</p>{self.to_frame().to_html(index=False, escape=True)}"


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
    now = _day(today, "today") if today not in (None, "") else datetime.now(UTC).date().toordinal()
    length, beside = (_days(text, name) for text, name in ((window, "window"), (dual, "dual")))
    if length < 1:
        raise SkewkitError(f"window={window!r} was asked; give a day or more, such as 90D")
    begin, known = now - length + 1, _spells(registry)
    every = _models(models)
    spans = [(m, max(m["deployed"], begin), min(now + 1, m["retired"] + length)) for m in every]
    spans = [(m, a, b) for m, a, b in spans if a < b]
    if not spans:
        raise SkewkitError(
            f"none of the {len(every)} models was live between {_date(begin - length)} and {_date(now)}; give the models of "
            f"the last {window}, or another today"
        )
    gaps = tuple(gap for m, a, b in spans for need in m["needs"] for gap in _gaps(m, need, known, a, b, now, length))
    return Rollbacks(
        since=_date(begin),
        today=_date(now),
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
        f"until {_date(model['retired'] + window)}" if model["retired"] < FOREVER else f"while {model['name']} is live"
    )
    for since, until, why in missing(known.get(need), begin, end, model["history"]):
        first = _date(since - model["history"])
        to = "on" if until > now else f"to {_date(until - 1)}"
        verb = f"register {need}, and compute it" if why == "unknown version" else f"compute {need}"
        sentence = f"{verb} by its own definition for the requests from {first} {to}, and keep the values {keep}"
        yield Gap(model["name"], need, _date(since), _date(until), why, sentence)


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
            lost = tuple((_date(a), _date(b), why) for a, b, why in missing(known.get(need), since, until))
            yield DualRun(after["name"], before["name"], need, _date(since), _date(until), lost)


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


# -- the two tables


def rows_of(name: str, source: Any) -> list[dict[str, Any]]:
    """The rows of a small table: a frame, a location of Parquet or CSV files, mappings, or a YAML file of mappings."""
    if isinstance(source, (str, os.PathLike)) and str(source).endswith((".yaml", ".yml")):
        try:
            source = yaml.safe_load(Path(expand(str(source))).read_text("utf-8"))
        except OSError as e:
            raise SkewkitError(
                f"{name}: {source}: {e.strerror}; give the path of a YAML, Parquet or CSV file"
            ) from None
        except (yaml.YAMLError, UnicodeDecodeError) as e:
            raise SkewkitError(f"{name} is not YAML: {e}") from None
        if isinstance(source, Mapping) and set(source) == {name}:
            source = source[name]
    elif not isinstance(source, list):
        source = open_table(name, source).frame().to_dict("records")
    if not isinstance(source, list) or not source or not all(isinstance(row, Mapping) for row in source):
        raise SkewkitError(f"{name} holds no rows; give a list of them, each with its names and values")
    return [dict(row) for row in source]


def _rows(name, source, columns, may=()):
    """The rows, each with these columns; what may be null need not be named."""
    rows = rows_of(name, source)
    for i, row in enumerate(rows, 1):
        if lost := [c for c in columns if c not in row and c not in may]:
            raise SkewkitError(
                f"{name}, row {i} has no {lost[0]}; it has {', '.join(map(str, row))}, and takes {', '.join(columns)}"
            )
    return rows


def _models(source):
    """Each model with its name@version, days as ordinals, needs and history."""
    found = []
    for i, row in enumerate(_rows("models", source, MODELS, may=("retired",)), 1):
        where = f"models, row {i}"
        name = f"{row['model']}@{_version(row, where)}"
        deployed, retired = (_day(row.get(c), f"{where}: {c}", None) for c in ("deployed", "retired"))
        if deployed is None:
            raise SkewkitError(f"{where}: {name} has no day in deployed; give the day on which it was")
        retired = FOREVER if retired is None else retired
        if retired < deployed:
            raise SkewkitError(
                f"{where}: {name} was retired on {_date(retired)}, before it was deployed, {_date(deployed)}"
            )
        history = 0 if _null(row.get("history")) else _days(row["history"], f"{where}: history")
        made = {"model": str(row["model"]), "name": name, "deployed": deployed, "retired": retired}
        found.append({**made, "needs": _needs(row["needs"], f"{where}: {name}"), "history": history})
    names = [m["name"] for m in found]
    if twice := [n for n in names if names.count(n) > 1]:
        raise SkewkitError(f"models has {twice[0]} twice; give a row a model version")
    return found


def _needs(given, where):
    """What a model needs, each feature@version once."""
    listed = given.replace(",", " ").split() if isinstance(given, str) else given
    listed = list(listed) if isinstance(listed, (list, tuple, np.ndarray)) else []
    if not listed:
        raise SkewkitError(f"{where} needs {given!r}; give a list of feature@version")
    for one in listed:
        feature, at, version = str(one).rpartition("@")
        if not (feature and at and version):
            raise SkewkitError(f"{where} needs {one!r}; write it as feature@version, such as pace@1")
    return tuple(dict.fromkeys(map(str, listed)))


def _spells(source) -> dict[str, list[tuple[int, int, int]]]:
    """When each feature@version is computed and kept, as `missing` reads it."""
    known: dict[str, list[tuple[int, int, int]]] = {}
    for i, row in enumerate(_rows("registry", source, REGISTRY, may=("computed_until", "retained_until")), 1):
        where = f"registry, row {i}"
        name = f"{row['feature']}@{_version(row, where)}"
        begin = _day(row["computed_from"], f"{where}: computed_from", None)
        end, kept = (_day(row.get(c), f"{where}: {c}", FOREVER) for c in ("computed_until", "retained_until"))
        if begin is not None and end < begin:
            raise SkewkitError(f"{where}: {name} is computed until {_date(end)}, before it begins, {_date(begin)}")
        spells = known.setdefault(name, [])
        if begin is not None:
            spells.append((begin, end, kept))
    return {name: sorted(spells) for name, spells in known.items()}


def _version(row, where):
    version = row["version"]
    if _null(version) or isinstance(version, (bool, float, np.floating)):
        raise SkewkitError(
            f"{where}: version={version!r} was given; write it as text, for a number loses its last zeros"
        )
    return str(version)


def _null(value) -> bool:
    return value is None or value == "" or (not isinstance(value, (list, tuple, np.ndarray)) and bool(pd.isna(value)))


def _day(value, where, null=None):
    """A day as an ordinal."""
    if _null(value):
        return null
    try:
        if isinstance(value, (bool, int, float, np.number)):
            raise ValueError
        stamp = pd.Timestamp(value)
        stamp = stamp if stamp.tzinfo is None else stamp.tz_convert("UTC").tz_localize(None)
    except (ValueError, TypeError):
        raise SkewkitError(f"{where}={value!r} is not a day; write it like 2026-08-31") from None
    if stamp != stamp.normalize():
        raise SkewkitError(f"{where}={value!r} is within a day; days are whole, in UTC: write it like 2026-08-31")
    return stamp.toordinal()


def _days(text, name):
    length = duration(text, name)
    if length % DAY:
        raise SkewkitError(f"{name}={text!r} is not of whole days; write it like 30D")
    return length // DAY


def _date(day: int) -> date:
    return date.fromordinal(min(max(day, 1), FOREVER))
