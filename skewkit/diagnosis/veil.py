"""Causes as they may be shown: a mapping of codes may hold somebody's own text, and one of entities says who they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from ..evidence import shown
from ..records import Skew

TEXTS = ("mapping", "known", "unknown", "default", "category", "to")  # parameters of an encoding that hold values


def veiled(skew: Skew, evidence: str, sides: tuple[pd.Series, pd.Series]) -> Skew:
    """The skew with what of its parameters may not be shown as its shape alone; itself where all may be.

    ``sides`` are the feature's values, before and after, whose counts say what many rows share. Entities are left out.
    """
    if evidence == "rows" or skew.stem not in ("encoding", "misjoin"):
        return skew
    if skew.stem == "misjoin":
        return replace(skew, others=())
    counts = [side.dropna().astype(object).value_counts().to_dict() for side in sides]
    return replace(skew, **{n: _each(getattr(skew, n), evidence, counts) for n in TEXTS})


def slice_of(where: tuple | None, evidence: str, column: pd.Series | None) -> tuple | None:
    """A column and its value or values as they may be shown; ``column`` are all its values."""
    if where is None or evidence == "rows" or column is None:
        return where
    return where[0], _each(where[1], evidence, [column.dropna().astype(object).value_counts().to_dict()])


def _each(value: Any, evidence: str, counts: list[dict]) -> Any:
    """A value, or each of a tuple's, as it may be shown; so may a text that many rows share, and a number but for counts."""
    if isinstance(value, tuple):
        return tuple(_each(v, evidence, counts) for v in value)
    many = max((c.get(value, 0) for c in counts), default=0)
    if value is None or isinstance(value, bool) or (not isinstance(value, str) and evidence != "counts"):
        return value
    seen = shown(value, evidence, many)
    return "hidden" if seen is None else seen
