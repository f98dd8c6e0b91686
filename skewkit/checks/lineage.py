"""Which definitions, vocabulary, model and environment were served, by the hashes that were logged. The cheapest fact.

And whether the model bears the hashes that its training table bears.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from ..evidence import shown
from ..origin import called, made_from
from ..records import Case, Finding, NotRun
from ..statistics import bounds
from .ages import WORST, instants


def lineage(case: Case, policy):
    """For each logged hash: the share of rows whose hash is not training's, and the share that have none.

    For each hash that both training and the model bear: whether the model was made from another.
    """
    training, model = made_from(case.training), made_from(case.model)
    for name in sorted(training.keys() & model.keys()):
        other = sorted(model[name] - training[name])
        told = tuple({"value": value, "of": "the model"} for value in other) or None
        yield Finding("lineage", "total", name, "model_differs", float(bool(other)), "0 or 1", 1, detail=told)
    for column in case.lineage:
        logged, agreed = _hashes(case.served, column), _agreed(case, column)
        if not agreed:
            continue
        rows, there = len(case.served), len(logged)
        other = logged[~logged.isin(agreed)]
        if there:
            share = len(other) / there
            yield Finding(
                "lineage", "total", column, "differ", share, "share of rows", there, detail=_values(case, other)
            )
        none, level = rows - there, policy.level(case)
        yield Finding(
            *("lineage", "total", column, "unlogged", none / rows, "share of rows", rows),
            *bounds.share_bounds(none, rows, level),
            grown=lambda times, k=none, n=rows, level=level: bounds.share_bounds(k * times, n * times, level),
        )


def absent(case: Case) -> Iterator[NotRun]:
    """What could not be compared, and what to give."""
    if not case.lineage and not made_from(case.training).keys() & made_from(case.model).keys():
        yield NotRun("lineage", "no column of the log holds a hash of what was deployed", "lineage, and sk.fingerprint")
    for column in case.lineage:
        if not _agreed(case, column):
            yield NotRun("lineage", f"training's column {column!r} holds no hash", f"lineage: {{{column}: its value}}")


def _agreed(case, column):
    """What may have been served: what was given, or what training's own column holds, or training bears, or the model."""
    given = case.lineage[column]
    if given is not None and given != "" and given != []:
        return {str(v) for v in (given if isinstance(given, (list, tuple)) else [given])}
    if column in case.training.columns:
        return set(_hashes(case.training, column))
    return next(
        (made[called(column)] for made in map(made_from, (case.training, case.model)) if called(column) in made), set()
    )


def _hashes(table, column):
    """The hashes that are there, as text: a whole number that nulls have turned into a float is whole again."""
    values = table.column(column).dropna()
    if values.dtype.kind == "f" and (values % 1 == 0).all():
        values = values.astype("int64")
    values = values.astype(object).map(str)
    return values[values != ""]


def _values(case, other):
    """Each other hash, the most frequent first: how often, and when it was first and last seen."""
    time = case.roles.time
    times = instants(case.served.column(time)) if time and len(other) else pd.Series(pd.NaT, other.index)
    found = []
    for value, count in other.value_counts().head(WORST).items():
        seen = times[other.index[other == value]].dropna()
        first, last = (seen.min().isoformat(), seen.max().isoformat()) if len(seen) else (None, None)
        found.append({"value": shown(value, case.evidence, count), "rows": int(count), "first": first, "last": last})
    return tuple(found) or None
