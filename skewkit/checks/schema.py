"""Facts about columns: there or not, of which kind, turned constant or into another's twin, in which order. No statistics."""

from __future__ import annotations

import numpy as np

from ..records import Case, Finding, NotRun
from ..statistics.bounds import share_bounds
from ..statistics.distributions import held
from .contract import contract
from .over_time import OverTime
from .side import Side

UNIQUE = 100  # rows, at least, that each hold another value, for a column to look like a key


def schema(case: Case, policy):
    """For each feature: missing, retyped, constant, twin (1 or 0); for each two tables: new, reordered; and the contract.

    Whole and other numbers are one kind here: pandas itself turns integers into floats at the first null, and the null
    share says so; so are booleans and numbers that are 1 or 0. A twin holds, row for row, what another feature holds, and did
    not before. Categories recoded have the same labels under other codes, for a model that reads these.
    """
    names = {id(t): n for n, t in case.tables.items()}
    for change, (before, after) in case.changes.items():
        was, now = (case.kinds[names[id(t)]] for t in (before, after))
        n = len(after)
        shared = [f for f in case.roles.features if f in was and f in now]
        for f in case.roles.features:
            if f in was:
                yield _fact(change, f, "missing", f not in now, n)
            if f in was and f in now:
                yield _fact(change, f, "retyped", _retyped(before, after, f), n, {"before": was[f], "after": now[f]})
                if recoded := _recoded(before, after, f):
                    yield Finding("schema", change, f, "recoded", 1.0, "yes or no", n, detail=recoded)
        level = policy.level(case)
        for f in shared:
            turned = after.glance(f).constant and not before.glance(f).constant
            turned = turned and not _chance(_held(before, after, f), before, after, level, _dependent(before, after, f))
            yield _fact(change, f, "constant", turned, n)
        twins = after.twins(shared)
        twins = {
            f: g
            for f, g in twins.items()
            if not _chance(before.agreeing(g, f), before, after, level, _dependent_twins(before, after, f, g))
        }
        for f in shared:
            yield _fact(change, f, "twin", f in twins, n, {"of": twins.get(f)})
        # a label, a score or a time may stand on one side alone; only features are a promise
        new = [f for f in case.roles.features if f in now and f not in was]
        detail = tuple({"column": f} for f in new[:5]) or None
        yield Finding("schema", change, None, "new", float(len(new)), "features", n, detail=detail)
        order = [[c for c in t.columns if c in case.roles.features and c in was and c in now] for t in (before, after)]
        yield _fact(change, None, "reordered", order[0] != order[1], n)
    yield from contract(case.at_hand, policy)


def absent(case: Case):
    """What stands in another place, where nobody judges it; and columns that look like a key or a time, and have no part."""
    for before, after in case.changes.values():
        one, other = (
            [c for c in t.columns if c in case.roles.features and c in o.columns]
            for t, o in ((before, after), (after, before))
        )
        if one != other:
            why = f"the columns of {after.name} stand in another order than those of {before.name}; no model that reads by name minds"
            yield NotRun("schema.reordered", why, "a limit for schema.reordered in the policy, if yours reads by place")
            break
    for part, looks in (("key", _looks_like_a_key), ("time", _looks_like_a_time)):
        if getattr(case.roles, part) is None and (found := [f for f in case.roles.features if looks(case, f)]):
            why = f"{', '.join(found[:5])}: looks like a {part}, and was compared as a feature"
            yield NotRun(part, why, f"{part}: {found[0]}; or features without it")


def _looks_like_a_key(case, feature):
    """Whether each row of every table holds a value of its own: a whole number or a text."""
    tables = case.at_hand.tables.values()
    if any(len(t) < UNIQUE or t.kinds().get(feature) not in ("integer", "text") for t in tables):
        return False
    return all(t.glance(feature).n == len(t) and t.column(feature).is_unique for t in tables)


def _looks_like_a_time(case, feature):
    return all("time" in t.kinds().get(feature, "") for t in case.tables.values())


def _retyped(before, after, feature):
    """Whether a column is of another kind; one that holds no value has none."""
    kinds = {t.kinds()[feature].replace("integer", "number") for t in (before, after)}
    if len(kinds) == 1 or not all(t.glance(feature).n for t in (before, after)):
        return False
    return kinds != {"boolean", "number"} or not all(_is_1_or_0(t, feature) for t in (before, after))


def _is_1_or_0(table, feature):
    return bool(held(table.distribution(feature).values, np.array([0, 1])).all())


def _recoded(before, after, feature):
    """The labels of a column of categories that have other codes than before."""
    was, now = ({label: code for code, label in enumerate(t.categories(feature))} for t in (before, after))
    other = [label for label in was if label in now and was[label] != now[label]]
    return tuple({"label": str(v), "before": was[v], "after": now[v]} for v in other[:5])


def _held(before, after, feature):
    """In how many rows before the one value stood that all rows hold after."""
    was, now = (t.distribution(feature) for t in (before, after))
    was = was.known(now)
    return int(was.counts[held(was.values, now.values)].sum() if now.n else was.nulls)


def _dependent(before, after, feature):
    """By how much the rows of each are fewer draws for the one value that all rows hold after, for a day has one weekday."""
    over, now = OverTime(Side(before, feature, False), after), after.distribution(feature)
    over.side.spread = over.side.spread.known(now)
    if not now.n:
        return over.on(over.where(lambda values, present: ~present, "nulls"))
    return over.on(over.where(lambda values, present: held(values, now.values)))


def _dependent_twins(before, after, one, other):
    """The same for two columns to hold the same, for in a short window a day of the month may be the day of the week."""
    return OverTime(Side(before, one, False), after).agreeing(other)


def _chance(rows, before, after, level, fewer=(1.0, 1.0)):
    """Whether so few rows may all be as so many were before: a rare flag is seldom seen, and that is no fault.

    ``fewer`` is by how much the rows of each are fewer draws.
    """
    share = share_bounds(rows / fewer[0], len(before) / fewer[0], level)[1]
    return share ** (len(after) / fewer[1]) > level


def _fact(change, feature, statistic, is_so, n, detail=None):
    shown = (detail,) if is_so and detail else None
    return Finding("schema", change, feature, statistic, float(is_so), "yes or no", n, detail=shown)
