"""Causes that are facts of the columns: missing, renamed, new, swapped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from ..proposals.clues import agree
from ..records import Case, Skew
from ..results.causes import Fit
from ..scope import Scope
from ..skews import SKEWS

WINDOW = re.compile(r"(?P<name>.+?)_?(?P<count>[0-9]+)_?(?P<unit>min|h|hours?|d|days?|D|w|weeks?)")
TELLING = 20  # rows with another value than the commonest, at least
LOOKS = 2_000  # rows that tell whether a new column is a missing one


def columns(case: Case) -> Iterator[Fit]:
    """The features that served has not, under their new names where their values are there; copies that are new. Another order of the columns does no harm."""
    pairs, schema = case.pairs, SKEWS["schema_change"]
    here, there = pairs.tables
    new = [c for c in there.columns if c not in here.columns and c not in case.training.columns]
    causes: dict[str, dict] = {"missing": {}, "renamed": {}, "extra": {}}
    for f in (f for f in case.roles.features if f in here.columns and f not in there.columns):
        twin = next((c for c in new if _holds(pairs, f, c)), None)
        how = "missing" if twin is None else "renamed"
        causes[how][f] = schema(features=(f,), how=how, to=() if twin is None else (twin,))
        new = [c for c in new if c != twin]
    for c in new:
        if (f := next((f for f in case.roles.features if f in here.columns and _holds(pairs, f, c)), None)) is not None:
            causes["extra"][f] = schema(features=(f,), how="extra", to=(c,))
    for found in causes.values():
        if found:
            yield Fit(found, Scope(), pairs.n, pairs.n, None, bits=float(pairs.n))


def _holds(pairs, feature, column):
    """Whether a new column of served holds what a feature should, where that is not its commonest value."""
    before = pairs.tables[0].column(feature).take(pairs.before[:LOOKS]).reset_index(drop=True)
    after = pairs.tables[1].column(column).take(pairs.after[:LOOKS]).reset_index(drop=True)
    commonest = before.mode(dropna=False)
    told = ~agree(before, pd.Series([commonest.iloc[0]] * len(before))) if len(commonest) else np.zeros(0, bool)
    same = agree(before, after)
    return told.sum() >= TELLING and same.mean() > 0.99 and same[told].mean() > 0.99


def together(fits: list[Fit]) -> list[Fit]:
    """Features that were read from each other are one cause: two have changed places, and more of them in a ring."""
    reads = {
        f: s.to[0] for fit in fits for f, s in fit.causes.items() if fit.skew == "schema_change" and s.how == "misread"
    }
    for ring in _rings(reads):
        parts = [fit for fit in fits if fit.skew == "schema_change" and set(fit.features) & set(ring)]
        fits = [fit for fit in map(partial(_without, ring), fits) if fit is not None]
        how = {"how": "swapped"} if len(ring) == 2 else {"how": "misread", "to": tuple(reads[f] for f in ring)}
        causes = dict.fromkeys(ring, SKEWS["schema_change"](features=ring, **how))
        bits, rows = sum(p.bits or 0 for p in parts), max(p.rows for p in parts)
        fits.append(replace(parts[0], causes=causes, told={}, bits=bits, rows=rows))
    return fits


def _rings(reads: dict[str, str]) -> Iterator[tuple[str, ...]]:
    """The features that, each followed to the one it was read from, come back to the first; in the table's order."""
    known: set[str] = set()
    for first in reads:
        path, f = [first], reads[first]
        while f in reads and f not in path and f not in known:
            path.append(f)
            f = reads[f]
        if f == first and len(path) > 1:
            yield tuple(f for f in reads if f in path)
        known |= set(path)


def _without(features: tuple[str, ...], fit: Fit) -> Fit | None:
    """A fit of the other features alone, None where there is no other; only what was misread is taken from it."""
    if fit.skew != "schema_change":
        return fit
    left, told = ({f: s for f, s in part.items() if f not in features} for part in (fit.causes, fit.told))
    return replace(fit, causes=left, told=told) if left else None


def sibling(skew: Skew) -> Skew | None:
    """A feature read from its own sibling of another window: the same table as its own over that window; None where it is none."""
    if skew.stem != "schema_change" or skew.how != "misread" or len(skew.features) != 1:
        return None
    mine, theirs = (WINDOW.fullmatch(n) for n in (skew.features[0], skew.to[0]))
    if not mine or not theirs or mine["name"] != theirs["name"]:
        return None
    unit = {"m": "min", "d": "D", "w": "W", "h": "h"}.get(theirs["unit"].lower()[0], "D")
    return SKEWS["normalization_window"](features=skew.features, serving=f"{theirs['count']}{unit}")
