"""Features that a served row's own times give again: there a replay is at hand, though none was given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ..proposals.zones import LOOKS, different, matches, read, readings, sources
from ..records import Case, SkewkitError
from ..scope import with_columns
from ..tables.engines import Local
from ..tables.joins import paired
from ..timeline import zone

EXACT = 0.9995  # of training's rows, that a reading must reproduce


def rebuilt(case: Case) -> Case | None:
    """The case with what served's own times give as its replay, and those features alone; None where there are none.

    A feature counts that is a part of a time (or days since another) in every row of training, read in some zone or
    in the zone that a column of the row names.
    """
    if case.roles.key is None or not len(case.training) or not len(case.served):
        return None
    training, served = (_times(t, case.roles.features) for t in (case.training, case.served))
    found = {}
    for f in case.roles.features:
        if f in training and f in served and training[f].dtype.kind in "iufM":
            reading = _reading(training, served, f, case.roles.time)
            if reading is not None:
                found[f] = read(served, *reading).set_axis(served.index)
    if not found:
        return None
    roles = replace(case.roles, features=tuple(found))
    sides = [Local(with_columns(served, made), roles, name) for name, made in (("replayed", found), ("served", {}))]
    try:
        pairs = paired(*sides)
    except SkewkitError:  # keys that name no single row
        return None
    return replace(case, replayed=sides[0], served=sides[1], pairs=pairs, roles=roles, model=None)


def _times(table, features):
    """The rows of a table, with those columns that can be read or name a zone."""
    kinds = table.kinds()
    return table.frame([c for c in table.columns if kinds[c] != "other"])


def _reading(training, served, feature, first):
    """The reading of a time that a feature is in training, and the zone: of several the one that served follows best.

    None where it is none: a zone that only nearly fits may be another's, and what differs then is this one's error.
    """
    some = training.iloc[np.unique(np.linspace(0, len(training) - 1, LOOKS).astype(int))]
    if getattr(some[feature].dtype, "tz", None) is not None or some[feature].nunique() < 2:
        return None
    few, found = some.iloc[:: max(1, len(some) // 50)], []
    later = served.iloc[np.unique(np.linspace(0, len(served) - 1, LOOKS).astype(int))]
    for source in (c for c in sources(some, first) if c in served):
        for r in readings(some, some[feature], source):
            for z in (*different(some[source]), *_zoned(some)):
                fits = matches(few, r, z, few[feature]) >= EXACT and matches(some, r, z, some[feature]) >= EXACT
                if fits and all(c in served for c in r[1:] if c) and (z in served or z not in some):
                    found.append((matches(later, r, z, later[feature]), -len(found), r, z))
    return max(found)[2:] if found else None


def _zoned(frame):
    """The columns of text that name zones."""
    return [c for c in frame if pd.api.types.infer_dtype(frame[c], skipna=True) == "string" and _is_zone(frame[c])]


def _is_zone(column):
    try:
        return all(zone(v) for v in column.dropna().unique()[:20]) and bool(column.notna().all())
    except SkewkitError:
        return False
