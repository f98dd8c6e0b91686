"""A case within each value of its segments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ..records import Case, NotRun
from .pairs import Pairs

VALUES = 12  # of a segment, most frequent first
FEWEST = 200  # rows a segment's value needs


def frequent(column: pd.Series) -> list:
    """The values of a segment that are looked at: the most frequent, each of enough rows, in the order of their names."""
    counts = column.value_counts()
    return sorted(counts[counts >= FEWEST].index[:VALUES], key=str)


def within(case: Case) -> dict[str, Case]:
    """The case within each frequent value of each segment, by "column=value".

    Where the requests were replayed, a request belongs to the value that it was replayed with, on both sides (as served, if
    the replay has no such column): a fault in the segment itself moves no row. A segment that training does not have is left
    out: see `absent`. Of tables that stay in an engine, the rows at hand are looked at.
    """
    case, found = case.at_hand, {}
    for column in (c for c in case.roles.segments if c in case.training.columns):
        asked = case.replayed if case.replayed is not None and column in case.replayed.columns else case.served
        for value in frequent(asked.column(column)):
            tables = _tables(case, column, value)
            if all(len(t) for t in tables.values()):
                pairs = Pairs(tables["replayed"], tables["served"]) if "replayed" in tables else None
                found[f"{column}={value}"] = replace(case, **tables, pairs=pairs, past=None)
    return found


def absent(case: Case):
    """The segments that no check can look into."""
    case = case.at_hand
    if alone := [c for c in case.roles.segments if c not in case.training.columns]:
        yield NotRun("by_segment", f"training has no rows with {', '.join(alone)}", "a training table with the segment")


def _tables(case, column, value):
    rows = {n: _where(t, column, value) for n, t in case.tables.items() if column in t.columns}
    if case.replayed is not None:
        told, other = ("replayed", "served") if "replayed" in rows else ("served", "replayed")
        keys, others = (case.tables[n].column(case.roles.key) for n in (told, other))
        inside, elsewhere = keys[rows[told]], keys[~rows[told]]
        own = rows.get(other, np.zeros(len(others), bool))
        rows[other] = (others.isin(inside) | (own & ~others.isin(elsewhere))).to_numpy(bool)
    return {n: t.where(rows[n]) for n, t in case.tables.items()}


def _where(table, column, value):
    return (table.column(column) == value).fillna(False).to_numpy(bool)
