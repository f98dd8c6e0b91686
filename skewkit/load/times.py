"""When a request was made, where that is written as a text or a number: read where its format is certain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..records import SkewkitError
from ..tables.columns import kind_of
from ..tables.engines import Local
from .csv_dialect import Dialect
from .csv_values import DATED, Facts, Reading, read, reading_of, verified

UNITS = ("s", "ms", "us", "ns")
MICROS = {"s": 1_000_000, "ms": 1_000, "us": 1}


def missing(kind: str) -> str:
    """What to give so that a column of a kind is a time."""
    if kind == "naive time":
        return "give time_zone=, the zone it was written in, or write it in UTC with a Z"
    if kind in ("integer", "number"):
        return f"give time_format=, its unit since 1970 in UTC: {', '.join(UNITS)}; or write it in UTC with a Z"
    if kind == "text":
        return "give time_format=, how it is written, like %d/%m/%Y %H:%M; or write it in UTC with a Z"
    return "name another column, or write it in UTC with a Z"


def timed(table: Any, time_format: str = "") -> Any:
    """The table with its time read from text or numbers, where it is written so and its format is certain.

    Raises SkewkitError where the day and the month cannot be told apart, or ``time_format`` does not fit.
    """
    column = getattr(table.roles, "time", None)
    if not isinstance(table, Local) or column not in table.columns:
        return table
    kind = table.kinds()[column]
    if kind not in ("text", "integer", "number") or table.column(column).isna().all():
        return table
    values = table.column(column)
    if kind == "text" or "%" in time_format:
        found = _of_text(table.name, values if kind == "text" else values.astype("Int64").astype(str), time_format)
    else:
        found = AsTime("time", unit=time_format) if time_format in UNITS else None
    return table if found is None else replace(table, timing=found, memo={})


@dataclass(frozen=True)
class AsTime:
    """How a column is read as a time: by the reading of its texts, or as a number of units since 1970."""

    kind: str
    reading: Reading | None = None
    unit: str = ""

    def __call__(self, column: pd.Series) -> pd.Series:
        """The times of a column, on its index."""
        made = self._numbers(column) if self.reading is None else read(_texts(column), self.reading, self.reading.type)
        times = made.to_pandas()
        times.index = column.index
        return times.rename(column.name)

    def _numbers(self, column):
        present = column.notna().to_numpy(bool)
        unit, factor = ("ns", 1) if self.unit == "ns" else ("us", MICROS[self.unit])
        whole = np.zeros(len(column), np.int64)
        values = column[present]
        if kind_of(column) == "integer":
            whole[present] = values.to_numpy(np.int64) * factor
        else:
            whole[present] = np.rint(values.to_numpy(float) * factor).astype(np.int64)
        return pa.array(whole, mask=~present).cast(pa.timestamp(unit, "UTC"))


def _texts(column):
    values = column.astype(object)
    return pa.chunked_array([pa.array(values.where(values.notna(), None), pa.string())])


def _of_text(name, values, time_format):
    """How texts are times; None where they are none, or not for certain."""
    texts, facts = _texts(values), Facts()
    for chunk in texts.chunks:
        facts.see(chunk)
    dialect = Dialect(time_format=time_format)
    reading = verified(reading_of(f"{name}: column {values.name!r}", facts, set(), dialect), texts, time_format)
    other = time_format and reading.how in DATED and reading.how != time_format
    if "time" in reading.kind and not other:
        return AsTime(reading.kind, reading)
    if time_format:
        raise SkewkitError(
            f"{name}: time_format={time_format!r} does not fit every value of {values.name!r}; give the one they are in"
        )
    if reading.how in DATED:
        both = " or ".join(f for f in facts.alive if f in DATED)
        raise SkewkitError(
            f"{name}: {values.name!r} does not tell the day from the month, for none of its values is above 12 in "
            f"either place; give time_format={both}"
        )
    return None
