"""A cause taken off: what was served, with the rows that a skew explains put right from the replay."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..injection import Skews, everywhere, together
from ..proposals.clues import agree
from ..records import Replay, Roles, SkewkitError, needs
from ..scope import Scope


def corrected(
    replayed: pd.DataFrame,
    served: pd.DataFrame,
    skew: Skews,
    scope: Scope = Scope(),
    roles: Roles = Roles(),
    replay: Replay | None = None,
) -> pd.DataFrame:
    """A copy of ``served`` in which the rows that ``skew`` explains hold what was replayed.

    A row is explained where it lies in ``scope`` (but for its share: which requests were struck is seen in the rows), is
    other than replayed, and is as the skew would have made it. Rows are paired by ``roles.key``, which must be unique; a
    request that was not replayed stays. Raises SkewkitError for a column that is not there.
    """
    if roles.key is None:
        raise SkewkitError("corrected pairs rows by their key; give roles with key=")
    needs(replayed, [roles.key], "corrected")
    needs(served, [roles.key], "corrected")
    if served[roles.key].duplicated().any() or replayed[roles.key].duplicated().any():
        raise SkewkitError(f"{roles.key!r} is not unique; give each request once")
    features = tuple(dict.fromkeys(f for one in together(skew) for f in (one.features or one.acts_on(replayed, roles))))
    made = everywhere(replayed, skew, roles, replay)
    at = pd.Index(replayed[roles.key]).get_indexer(served[roles.key])
    there = np.flatnonzero(at >= 0)
    inside = Scope(where=scope.where, since=scope.since, until=scope.until).rows(replayed, roles)[at[there]]
    mended = served.copy()
    for f in features:
        before, after = (t[f].take(at[there]).reset_index(drop=True) for t in (replayed, made))
        now = served[f].take(there).reset_index(drop=True)
        hit = there[inside & agree(now, after) & ~agree(now, before)]
        column = served[f].astype(object).to_numpy(copy=True)
        column[hit] = replayed[f].astype(object).to_numpy()[at[hit]]
        mended[f] = pd.Series(column, served.index, dtype=object).infer_objects()
    return mended
