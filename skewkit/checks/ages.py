"""How old each value was when it was asked for: the time of the request less the time of the value's newest datum."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..records import Case
from ..statistics.distributions import Distribution

WORST = 5  # rows that a finding shows


def ages(case: Case, name: str, feature: str) -> pd.Series | None:
    """A feature's ages in one table of a case, in seconds, on the row numbers of that table.

    A value without a time is NaN; a negative age is of a datum newer than the request. The freshness table, where it has
    the feature, says more of the served than the column beside it. None: nothing dates it there.
    """
    table, column = case.tables.get(name), case.as_of.get(feature)
    if name == "served" and (log := fetched(case, feature)) is not None:
        dated = log["value_time"]
    elif table is not None and column in table.columns:
        dated = table.column(column)
    else:
        return None
    times, dated = asked(case, name), instants(dated)
    if times is None:
        return None
    rows = times.index.intersection(dated.index)
    return (times[rows] - dated[rows]).dt.total_seconds()


def asked(case: Case, name: str) -> pd.Series | None:
    """When each request of a table was made, on its row numbers; a replay without times takes those of the served."""
    time, table = case.roles.time, case.tables.get(name)
    if table is None or time is None:
        return None
    if time in table.columns:
        return instants(table.column(time))
    if name != "replayed" or case.pairs is None:
        return None
    return instants(case.served.column(time)).iloc[case.pairs.after].set_axis(case.pairs.before)


def fetched(case: Case, feature: str) -> pd.DataFrame | None:
    """What the freshness table has of a feature, on the row numbers of the served; None where it never names it.

    A request with two rows is left out, for which of them was served is not known.
    """
    log, key = case.freshness, case.roles.key
    if log is None:
        return None
    if "fetched" not in log.memo:
        whole = log.frame([c for c in (key, "feature", "value_time", "hit", "fetch_ms") if c in log.columns])
        parts = whole.dropna(subset=[key]).groupby("feature", observed=True)
        log.memo["fetched"] = {f: rows[~rows[key].duplicated(keep=False)].set_index(key) for f, rows in parts}
    if feature not in log.memo["fetched"]:
        return None
    found, keys = log.memo["fetched"][feature], case.served.column(key).dropna()
    at = found.index.get_indexer(pd.Index(keys))
    return found.take(at[at >= 0]).set_axis(keys.index[at >= 0])


def instants(times: pd.Series) -> pd.Series:
    """Times in UTC, to the microsecond, which reach far enough that no difference of two overflows."""
    return pd.to_datetime(times, utc=True).astype("datetime64[us, UTC]")


def spread(seconds: pd.Series) -> Distribution:
    """Ages as a distribution; a value without a time is a null."""
    there = seconds.dropna().to_numpy()
    values, counts = np.unique(there, return_counts=True)
    return Distribution("number", values, np.cumsum(counts), len(there), len(seconds) - len(there))


def rows(case: Case, name: str, seconds: pd.Series, called: str) -> tuple[Mapping[str, object], ...]:
    """The first few rows of a series of seconds, each with its time, and its key where rows may be shown; counts: none."""
    if case.evidence == "counts":
        return ()
    shown, table = seconds.head(WORST), case.tables[name]
    named = (case.roles.key, case.roles.time) if case.evidence == "rows" else (case.roles.time,)
    given = [(c, table.column(c)[shown.index]) for c in named if c in table.columns]
    return tuple(
        {**{c: _plain(column[at]) for c, column in given}, called: round(float(value), 6)}
        for at, value in shown.items()
    )


def _plain(value):
    """A value as JSON holds it."""
    if pd.isna(value):
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value
