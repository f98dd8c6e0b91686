"""Facts about columns: there or not, of which kind, turned constant or into another's twin, in which order. No statistics."""

from __future__ import annotations

import numpy as np

from ..records import Case, Finding
from ..statistics.bounds import share_bounds
from .contract import contract
from .over_time import OverTime
from .side import Side


def schema(case: Case, policy):
    """For each feature: missing, retyped, constant, twin (1 or 0); for each two tables: new, reordered; and the contract.

    Whole and other numbers are one kind here: pandas itself turns integers into floats at the first null, and the null
    share says so. A twin holds, row for row, what another feature holds, and did not before.
    """
    names = {id(t): n for n, t in case.tables.items()}
    for change, (before, after) in case.changes.items():
        was, now = (case.kinds[names[id(t)]] for t in (before, after))
        n = len(after)
        shared = [f for f in case.roles.features if f in was and f in now and "other" not in (was[f], now[f])]
        for f in case.roles.features:
            if f in was:
                yield _fact(change, f, "missing", f not in now, n)
            if f in was and f in now:
                retyped = _plain(was[f]) != _plain(now[f]) and not _empty(before, f, was) and not _empty(after, f, now)
                yield _fact(change, f, "retyped", retyped, n, {"before": was[f], "after": now[f]})
        level = policy.level(case)
        for f in shared:
            turned = after.glance(f).constant and not before.glance(f).constant
            turned = turned and not _chance(_held(before, after, f), before, after, level, _dependent(before, after, f))
            yield _fact(change, f, "constant", turned, n)
        twins = after.twins(shared)
        twins = {f: g for f, g in twins.items() if not _chance(before.agreeing(g, f), before, after, level)}
        for f in shared:
            yield _fact(change, f, "twin", f in twins, n, {"of": twins.get(f)})
        # a label, a score or a time may stand on one side alone; only features are a promise
        new = [f for f in case.roles.features if f in now and f not in was]
        detail = tuple({"column": f} for f in new[:5]) or None
        yield Finding("schema", change, None, "new", float(len(new)), "features", n, detail=detail)
        order = [[c for c in t.columns if c in case.roles.features and c in was and c in now] for t in (before, after)]
        yield _fact(change, None, "reordered", order[0] != order[1], n)
    yield from contract(case.at_hand, policy)


def _plain(kind):
    return "number" if kind == "integer" else kind


def _empty(table, feature, kinds):
    """Whether a column holds no value, and so has no type."""
    return kinds[feature] != "other" and table.glance(feature).n == 0


def _held(before, after, feature):
    """In how many rows before the one value stood that all rows hold after."""
    was, now = (t.distribution(feature) for t in (before, after))
    was = was.known(now)
    return int(was.counts[np.isin(was.values, now.values)].sum() if now.n else was.nulls)


def _dependent(before, after, feature):
    """By how much the rows of each are fewer draws for the one value that all rows hold after, for a day has one weekday."""
    over, now = OverTime(Side(before, feature, False), after), after.distribution(feature)
    held = over.side.spread.known(now)
    over.side.spread = held
    if not now.n:
        return over.on(over.where(lambda values, present: ~present, "nulls"))
    return over.on(over.where(lambda values, present: np.isin(values, now.values)))


def _chance(rows, before, after, level, fewer=(1.0, 1.0)):
    """Whether so few rows may all be as so many were before: a rare flag is seldom seen, and that is no fault.

    ``fewer`` is by how much the rows of each are fewer draws.
    """
    share = share_bounds(rows / fewer[0], len(before) / fewer[0], level)[1]
    return share ** (len(after) / fewer[1]) > level


def _fact(change, feature, statistic, is_so, n, detail=None):
    shown = (detail,) if is_so and detail else None
    return Finding("schema", change, feature, statistic, float(is_so), "yes or no", n, detail=shown)
