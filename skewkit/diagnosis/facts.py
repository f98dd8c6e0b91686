"""What can be seen of a difference that no cause reproduces: how many rows, which way, for whom, since when; and the worst rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..evidence import shown
from ..proposals.chances import missed
from ..proposals.clues import Evidence, commonest, floats
from ..records import Case, NotRun
from ..results.words import share
from .bits import Ground
from .veil import slice_of

CLEAR = 0.95  # of the rows, for a fact to be said of them
SURE = 10.0  # bits that saying for whom must save
NAMED = 5  # features that a line names
TEN = 10  # rows shown
BINS = 24  # of a picture


def seen(e: Evidence, ground: Ground, evidence: str) -> tuple[str, ...]:
    """Facts about the rows that differ, the plainest first."""
    told = [f"{share(e.differ.mean())} of the rows looked at"]
    if not e.differ.any():
        return tuple(told)
    x, y = e.numbers
    if len(x) and np.mean(y < x) >= CLEAR:
        told.append(f"served is lower in {share(np.mean(y < x))} of them")
    if len(x) and np.mean(y > x) >= CLEAR:
        told.append(f"served is higher in {share(np.mean(y > x))} of them")
    if e.y.isna().mean() >= CLEAR:
        told.append("served is null")
    value, often = commonest(y)
    if often >= CLEAR:
        told.append(f"served is {value:.10g}")
    step, often = commonest(y - x, 1e-7)
    if often >= CLEAR and len(np.unique(x)) > 1:
        told.append(f"served is {abs(step):.10g} {'more' if step > 0 else 'less'} in nearly all of them")
    for gained, word in ((False, "missed"), (True, "counted twice")):
        if (chance := missed(e, gained)) is not None:
            told.append(f"as if each event were {word} with a chance of {share(chance)}")
    among = set(e.before.dropna().astype(object).unique().tolist())
    if e.values > 10 and np.mean([v in among for v in e.y.dropna().tolist()] or [0]) >= CLEAR:
        told.append("what was served is what other rows should have had")
    whom = ground.whom(e.differ)
    plain = ground._rows(e.differ.sum(), 0.0)
    if whom.bits < plain - SURE:
        if whom.where is not None:
            where = slice_of(whom.where, evidence, e.frame[whom.where[0]])
            values = where[1] if isinstance(where[1], tuple) else (where[1],)
            told.append(f"only where {where[0]} is {' or '.join(map(str, values))}")
        told += [
            f"{word} {when.tz_convert('UTC'):%Y-%m-%d %H:%M} UTC"
            for word, when in (("since", whom.since), ("until", whom.until))
            if when is not None
        ]
    return tuple(told)


def unsearched(features: Sequence[str], most: int) -> tuple[NotRun, ...]:
    """What is said of the features in which no cause was looked for, as the policy searches no more than ``most``."""
    if not features:
        return ()
    names = ", ".join(features[:NAMED]) + (f" and {len(features) - NAMED:,} more" if len(features) > NAMED else "")
    why = f"{names} differ, and no cause was looked for in them: {most:,} features are searched, the worst first"
    return (NotRun("diagnose", why, f"causes: {most + len(features)} in the policy"),)


def rows(case: Case, e: Evidence, chosen: np.ndarray, worst: bool = False) -> tuple[dict[str, Any], ...]:
    """Some rows, as they may be shown: the farthest apart, or the first ones of the ``chosen``."""
    if case.evidence == "counts":
        return ()
    at = np.flatnonzero(chosen)
    x, y = e.before.iloc[at], e.after.iloc[at]
    if worst and e.numeric:
        with np.errstate(invalid="ignore", over="ignore"):
            apart = np.abs(floats(y) - floats(x))
        at = at[np.argsort(-np.where(np.isnan(apart), np.inf, apart), kind="stable")]
    found, r = [], e.roles
    often = [pd.Series(s).astype(object).value_counts() for s in (e.before, e.after)]
    for i in at[: TEN // 2 if worst else TEN]:
        row = {r.key: shown(e.frame[r.key].iloc[i], "rows")} if case.evidence == "rows" and r.key in e.frame else {}
        row |= {r.time: str(e.frame[r.time].iloc[i])} if r.time in e.frame else {}
        for name, side, counts in (("replayed", e.before, often[0]), ("served", e.after, often[1])):
            value = side.iloc[i]
            row[name] = shown(value, case.evidence, 0 if pd.isna(value) else int(counts.get(value, 0)))
        found.append({"feature": e.feature, **row})
    return tuple(found)


def picture(case: Case, e: Evidence) -> dict[str, Any] | None:
    """How the feature is spread over the rows looked at, before and after: counts of bins, or of the commonest values."""
    if e.numeric and e.before.nunique() > BINS:
        both = np.concatenate([floats(e.before), floats(e.after)])
        both = both[np.isfinite(both)]
        if not len(both):
            return None
        low, high = np.quantile(both, [0.005, 0.995])
        with np.errstate(over="ignore", invalid="ignore"):
            edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
        if not (np.diff(edges) > 0).all():  # too far apart, or too near each other, for floats between them
            return None
        counts = {
            n: np.histogram(np.clip(v[np.isfinite(v)], edges[0], edges[-1]), edges)[0].tolist()
            for n, v in (("before", floats(e.before)), ("after", floats(e.after)))
        }
        return {"feature": e.feature, "edges": edges.tolist(), **counts}
    tables = [s.astype(object).where(s.notna(), "null").value_counts() for s in (e.before, e.after)]
    most = {v: max(int(t.get(v, 0)) for t in tables) for v in dict.fromkeys([*tables[0].index, *tables[1].index])}
    both = pd.Series(
        list(most.values()), index=pd.Index(list(most), dtype=object)
    )  # rows that one side alone has of it
    names = sorted(
        both.nlargest(BINS).index,
        key=lambda v: (not isinstance(v, (int, float)), v if isinstance(v, (int, float)) else 0, str(v)),
    )
    drawn: dict[str, list[int]] = {}
    for v in names:
        told = shown(v, case.evidence, int(both[v]))
        label = "others" if told is None else f"{told:.15g}" if isinstance(told, float) else str(told)
        counts = drawn.setdefault(label, [0, 0])
        counts[0], counts[1] = (n + int(t.get(v, 0)) for n, t in zip(counts, tables, strict=True))
    sides = {n: [c[i] for c in drawn.values()] for i, n in enumerate(("before", "after"))}
    return {"feature": e.feature, "labels": list(drawn), **sides}
