"""What differs between served and replayed beside the features: the prediction, the request's time, entity, segments, label."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from ..policy import Policy
from ..records import Case, Finding
from ..results.causes import Fit
from ..results.words import share
from ..scope import Scope
from ..timeline import since_1970

CLEAR = 0.95  # of the rows, for a fact to be said of them
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))  # seconds, and how they are said


def columns(case: Case, policy: Policy) -> Iterator[Fit]:
    """A fit without a skew for each such column of which more rows differ than may, with what can be seen of it."""
    there = [t.columns for t in case.pairs.tables]
    for c in (c for c in case.roles.compared if all(c in columns for columns in there)):
        found = case.pairs.agreement(c, policy.near(c), c == case.roles.label)
        limit = policy.limit(Finding("parity", "skew", c, "differ", 0.0, "", 1)) or {}
        if found.differ > limit.get("tolerated", 0) * found.n:
            yield Fit({c: None}, Scope(), found.differ, found.n, 0.0, facts=tuple(_facts(case, policy, c, found)))


def _facts(case, policy, column, found):
    if column == case.roles.prediction:
        here, there = case.pairs.tables
        features = {f: policy.near(f) for f in case.roles.features if f in here.columns and f in there.columns}
        alone, _ = case.pairs.alone(column, policy.near(column), features)
        if alone >= CLEAR * found.differ:
            yield "the features agree where it differs, so that it is the model, its version or the service"
        elif alone:
            yield f"the features agree in {share(alone / found.differ)} of these rows"
        else:
            yield "features differ in the same rows"
    elif column == case.roles.time:
        yield from _shifted(*(side[found.rows] for side in case.pairs.columns(column)))
    yield f"{share(found.differ / found.n)} of the rows"


def _shifted(before, after):
    """By how much a time is early or late in nearly all rows, if by the same."""
    both = (before.notna() & after.notna()).to_numpy(bool)
    (was, _), (now, _) = (since_1970(side[both]) for side in (before, after))
    apart = pd.Series(now - was).value_counts(normalize=True)
    if len(apart) and apart.iloc[0] >= CLEAR and apart.index[0]:
        unit, name = next(u for u in UNITS if apart.index[0] % u[0] == 0)
        length = f"{abs(int(apart.index[0])) // unit:,} {name}"
        yield f"served is {length} {'later' if apart.index[0] > 0 else 'earlier'} in {share(apart.iloc[0])} of them"
