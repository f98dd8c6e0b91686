"""Causes as they may be shown: a mapping of codes may hold somebody's own text, and one of entities says who they are."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pandas as pd

from .evidence import shown
from .records import Skew

TEXTS = ("mapping", "known", "unknown", "default", "category", "to")  # parameters of an encoding that hold values


def veiled(skew: Skew, evidence: str, sides: tuple[pd.Series, pd.Series]) -> Skew:
    """The skew with what of its parameters may not be shown as its shape alone; itself where all may be.

    ``sides`` are the feature's values, before and after, whose counts say what many rows share. Entities are left out.
    """
    if evidence == "rows" or skew.stem not in ("encoding", "misjoin"):
        return skew
    if skew.stem == "misjoin":
        return replace(skew, others=())
    counts = Counter()
    for side in sides:
        counts.update(side.dropna().astype(object).value_counts().to_dict())
    return replace(skew, **{n: _each(getattr(skew, n), evidence, counts) for n in TEXTS})


def _each(value: Any, evidence: str, counts: Counter) -> Any:
    """A value, or each of a tuple's, as it may be shown; a number stays, and so does a text that many rows share."""
    if isinstance(value, tuple):
        return tuple(_each(v, evidence, counts) for v in value)
    if not isinstance(value, str):
        return value
    seen = shown(value, evidence, counts.get(value, 0))
    return "hidden" if seen is None else seen
