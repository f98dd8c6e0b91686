"""A baseline profile, made: every question that the checks ask of training's rows, asked once and kept."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import numpy as np

from .checks.leakage import scores
from .checks.over_time import OverTime, from_to
from .checks.side import Side
from .checks.wobble import wobble
from .load.baseline_file import SELDOM, Baseline, plain_roles, sealed
from .load.case import open_training
from .load.locations import Source
from .origin import called, made_from
from .policy import Policy
from .policy_file import PARTITIONS, read_policy
from .records import TASKS, Case, Finding, Roles, SkewkitError
from .statistics.atoms import EXACTLY
from .statistics.cells import cells, written
from .statistics.clusters import effects, heaviest
from .statistics.sketch import sketch, unsketch
from .tables.engines import Local
from .tables.equality import same
from .threads import side_by_side

SAMPLED = 20_000  # rows that tell in how many two columns agree
HASHES = 1_000  # that training's own column of lineage may hold
STATISTICS = ("null_share", "cells", "shape", "ks")  # that wobble


def baseline(
    training: Source,
    *,
    key: str | None = None,
    entity: str | None = None,
    time: str | None = None,
    label: str | None = None,
    prediction: str | None = None,
    task: str = "binary",
    features: Sequence[str] = (),
    lineage: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
    time_zone: str = "",
    policy: Policy | None = None,
) -> Baseline:
    """The baseline profile of a training table, to save beside the model and to give as ``training`` of `skewkit.compare`.

    The parameters are `compare`'s; ``lineage`` are the columns of hashes. Give the ``entity`` and ``time`` that later checks
    are given, for rows are counted by them. Of the ``policy`` it takes which whole numbers are scored as categories, and which numbers are the same.

    Of numbers and times it holds at most about 2,000 points; of text all values, up to 10,000, those of fewer than ten rows
    as hashes. The same training gives the same ``sha256``.

    Raises SkewkitError for a file, column or time that cannot be used.
    """
    if task not in TASKS:
        raise SkewkitError(f"task {task!r} was asked; there are {', '.join(TASKS)}")
    policy = policy or read_policy()
    roles = Roles(*(c or None for c in (key, entity, time, label, prediction)), (), tuple(features))
    table = open_training(training, roles, tuple(lineage), rename or {}, time_zone)
    roles, kinds = table.roles, table.kinds()
    sha256 = table.sha256()
    found = table.entities()
    made_of = {"uri": table.uri, "rows": len(table), "columns": list(table.columns), "sha256": sha256}
    known = dict(
        side_by_side(lambda f: [(f, _feature(table, f, kinds[f], sha256, policy.near(f)))], roles.features, [table])
    )
    told = scores(Case(table, table, roles=roles, task=task), table, policy.categories)
    return Baseline(
        sealed(
            {
                "when": datetime.now(UTC).isoformat(timespec="seconds"),
                "skewkit": sys.modules[__package__].__version__,
                "made_of": made_of,
                "roles": plain_roles(roles),
                "kinds": kinds,
                "time_span": from_to(table),
                "heaviest": None if found is None else heaviest(found[1]),
                "lineage": {c: _hashes(table, c) for c in lineage},
                "task": task,
                "scores": {f: [s.value, s.n, s.rarer] for f, s in told.items()},
                "agreeing": _agreeing(table, [f for f in roles.features if kinds[f] != "other"]),
                "features": known,
            }
        ),
        roles,
    )


def _feature(table, name, kind, salt, near):
    """All that is kept of one feature."""
    made: dict[str, Any] = {"kind": kind, "rows": {}, "aged": {}, "wobble": {}}
    side = Side(table, name, False)
    allowed = side.reach(near)
    made["spread"], made["rows"] = _held(side, salt, allowed)
    glance = table.glance(name)
    made["glance"] = {"n": glance.n, "nulls": glance.nulls, "constant": bool(glance.constant)}
    if kind in ("text", "number") and side.spread.n:
        counts, n = side.formats(allowed)
        made["formats"] = {"counts": counts, "n": n}
    if kind == "time" and table.kinds().get(table.roles.time) == "time" and name != table.roles.time:
        aged = Side(table, name, True)
        made["age"], made["aged"] = _held(aged, salt, EXACTLY)
    for by in PARTITIONS:
        learnt = {s: wobble(table, Finding("distribution", "total", name, s, 0.0, "", 1), by) for s in STATISTICS}
        made["wobble"][by] = {s: value for s, value in learnt.items() if value is not None}
    return made


def _held(side, salt, allowed):
    """A distribution as it is kept, and as how many draws its rows count."""
    made = sketch(side.spread, salt)
    return made, _rows(side, unsketch(made, side.spread.kind, salt).known(side.spread), allowed)


def _rows(side, kept, allowed):
    """As how many draws its rows count, in all that the checks ask; the cells are those of the distribution as it is kept."""
    if not side.spread.n:
        return {}
    known: dict[str, Any] = {"alike": side.alike(), "scale": [allowed.scale.middle, allowed.scale.spread]}
    if side.spread.kind in ("text", "boolean", "integer"):
        known["alone"] = side.alone()
    if (over := OverTime(side))._looked() is not None:
        known["over_time"] = over.remembered(kept, allowed)
    found = side.table.grouped(side.feature, side.age)
    if found is None:
        return known
    values, present, entities = found
    there, own = entities[present], cells(kept, kept, allowed=allowed)
    known["effects"] = {
        "nulls": _effect(entities, ~present),
        "cells": effects(there, own.index(values), len(own)).tolist(),
    }
    if side.spread.kind in ("text", "number"):
        known["effects"] |= {
            name: _effect(there, which) for name, which in written(values, side.spread.kind, allowed).items()
        }
    return known


def _effect(entities, which):
    return float(effects(entities, which.astype(int), 2)[1]) if len(entities) else 1.0


def _hashes(table, column):
    if column not in table.columns:
        return sorted(made_from(table)[called(column)])
    values = sorted({str(v) for v in table.column(column).dropna().unique()} - {""})
    if len(values) > HASHES:
        raise SkewkitError(f"lineage: {column!r} holds {len(values):,} values; give a column of hashes or versions")
    return values


def _agreeing(table: Local, features):
    """Pairs of columns, and in how many rows they hold the same, told from a sample where there are many; seldom: left out."""
    rows = len(table)
    chosen = np.sort(np.random.default_rng(0).choice(rows, min(rows, SAMPLED), replace=False))
    some = {f: table.column(f).iloc[chosen] for f in features}
    found = []
    for one, other in combinations(features, 2):
        agree = int(same(some[one], some[other]).sum())
        if agree == len(chosen) < rows:
            found.append([one, other, table.agreeing(one, other)])
        elif agree >= SELDOM * len(chosen):
            found.append([one, other, round(agree / len(chosen) * rows)])
    return found
