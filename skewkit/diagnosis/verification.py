"""A cause that was found on some rows, measured on all of them: how much it explains, for whom, since when, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..costs import cost
from ..injection import turned
from ..policy import Policy
from ..proposals.clues import agree
from ..records import Case, Cost, SkewkitError
from ..scope import Scope, with_columns
from ..statistics.metrics import headline
from ..tables.engines import Local
from ..tables.pairs import Pairs
from .bits import Rival
from .specimens import GLANCED, Specimens

REPLAYED = 200_000  # requests, at most, that are all replayed to measure a cause
ALL = 0.995  # of the rows in scope: what chance misses of so many is no share
DRAWS = 100  # replicates for the interval of what one cause costs
NEAR = 40  # parts of the span of time, in one of which an onset is looked for


@dataclass(frozen=True)
class Measured:
    """One feature's cause on ``rows`` of the pairs: what differs, what it reproduces, and where it leaves all as it is."""

    rows: np.ndarray
    differ: np.ndarray
    hit: np.ndarray
    quiet: np.ndarray
    acts: np.ndarray
    times: pd.Series | None


def measured(sample: Specimens, feature: str, rival: Rival) -> Measured:
    """A cause on every pair; one that looks at other rows, or turns a knob, on the rows of whole entities."""
    case = sample.case
    knobs = any(turned(s, case.roles, case.replay) for s in rival.skews)
    wide = any("ttl" in s.knobs() if knobs else s.wide for s in rival.skews)
    rows = sample.whole if wide or (knobs and case.pairs.n > REPLAYED) else np.arange(case.pairs.n)
    sides = [s.iloc[rows].reset_index(drop=True) for s in sample.sides(feature)]
    before, after = sides
    differ = ~agree(before, after)
    times = (
        sample.column(case.roles.time).iloc[rows].reset_index(drop=True) if case.roles.time in sample.table else None
    )
    if rival.predicted is None:
        return Measured(rows, differ, differ, ~differ, differ, times)
    everything = len(rows) == case.pairs.n
    narrow = len(sample.whole) < len(rows) or (len(sample.features) > GLANCED and not knobs and not wide)
    table = sample.all_rows(feature, rival, knobs) if everything and narrow else sample.table
    predicted = before
    for skew in rival.skews:
        predicted = sample.everywhere(with_columns(table, {feature: predicted}), feature, skew)
    acts = ~agree(predicted, before)
    inside = np.ones(len(rows), bool)
    if rival.where is not None:
        inside &= Scope(where=rival.where).rows(table, case.roles)
    return Measured(
        rows, differ, inside & differ & acts & agree(predicted, after), inside & acts & ~differ, inside & acts, times
    )


def scoped(rival: Rival, found: Measured, side: str, weights: np.ndarray, elsewhere: np.ndarray) -> Scope:
    """For whom and since when, to the row; ``weights`` says of every pair how many it stands for among those looked at."""
    since, until, hit, quiet = rival.since, rival.until, found.hit, found.quiet
    if found.times is not None:
        span = found.times.max() - found.times.min()
        if since is not None:
            near = found.times[
                hit & (found.times > since - span / NEAR).to_numpy(bool) & (found.times <= since).to_numpy(bool)
            ]
            since = near.min() if len(near) else since
        if until is not None:
            near = found.times[hit & ((found.times - until).abs() < span / NEAR).to_numpy(bool)]
            until = found.times[found.times > near.max()].min() if len(near) else until
    if rival.predicted is None:
        return Scope(where=rival.where, since=since, until=until, side=side)
    inside = within(found, since, until)
    weight = weights[found.rows]
    quiet = quiet | (found.acts & elsewhere & ~hit)  # what another cause struck, this one has not
    struck, calm = weight[hit & inside].sum(), weight[quiet & inside].sum()
    share = struck / max(struck + calm, 1)
    return Scope(
        share=1.0 if rival.share >= 1 or share >= ALL else float(share),
        where=rival.where,
        since=since,
        until=until,
        side=side,
    )


def within(found: Measured, since: Any, until: Any) -> np.ndarray:
    """Which of the rows were asked in a span of time."""
    inside = np.ones(len(found.rows), bool)
    if since is not None:
        inside &= (found.times >= since).to_numpy(bool)
    if until is not None:
        inside &= (found.times < until).to_numpy(bool)
    return inside


def price(case: Case, policy: Policy, sample: Specimens, struck: Mapping[str, np.ndarray], seed: int) -> Cost | None:
    """What one cause alone does to the model: served as it is, beside served with these rows of these features put right.

    ``struck`` are the numbers of the pairs that it hit, by feature. None where nothing can score both.
    """
    if case.model is None:
        return None
    r = case.roles
    columns = [c for c in dict.fromkeys((*r.others, *r.features, case.cost.get("amount"))) if c]
    take = sample.whole
    before, after = (f.iloc[take].reset_index(drop=True) for f in case.pairs.frames(columns))
    right, wrong = (after, before) if sample.side == "serving" else (before, after)
    mended = right.copy()
    for feature, rows in struck.items():
        hit = np.isin(take, rows)
        mended[feature] = right[feature].astype(object).where(~hit, wrong[feature].astype(object)).infer_objects()
    sides = [right, mended] if sample.side == "training" else [mended, right]
    for s in sides:
        for c in (c for c in r.others if c in after and c not in s):
            s[c] = after[c]
    tables = [Local(s, r, n) for s, n in zip(sides, ("replayed", "served"), strict=True)]
    alone = replace(case, replayed=tables[0], served=tables[1], pairs=Pairs(*tables), roles=replace(r, segments=()))
    try:
        costs, _ = cost(alone, policy, seed, DRAWS)
    except (SkewkitError, ValueError, TypeError):
        return None
    there = {c.metric: c for c in costs if c.change == "skew"}
    return next((there[m] for m in headline(there)), None)
