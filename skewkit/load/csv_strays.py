"""Rows that are no rows: totals and other headers among the numbers of a CSV file, refused by row and column."""

from __future__ import annotations

import re
from typing import Any

import pyarrow.compute as pc

from ..records import SkewkitError
from .csv_values import COMMA, DATED, LIKE, NULLS, NUMBERS, POINT, fits, read

TOTAL = r"(?i:(?:grand |sub)?totals?|sum|summe|gesamt(?:summe)?|insgesamt|somme|suma|totale)"
FEW = 0.01  # of a column's rows: so few that are no number, among numbers of many values, are no kind of their own
MANY = 100


def refuse_strays(who: str, readings: dict[str, Any], column: Any, rows: int, dialect: Any) -> None:
    """Raise SkewkitError for a total at the end, and for the odd row without a number in a column of numbers."""
    strays: dict[str, Any] = {}
    nothing_else = "|".join([LIKE, NULLS, *NUMBERS.values(), r"\d+"])
    for name, reading in readings.items():
        if reading.kind != "text" or not reading.mixed or name in dialect.text or reading.how in DATED:
            continue
        texts = column(name)
        bad = pc.fill_null(pc.invert(fits(texts, nothing_else)), False)
        count = pc.sum(bad).as_py() or 0
        if not count and _in_two_ways(texts):
            raise SkewkitError(
                f"{who}: column {name!r} holds numbers with a point and with a comma, as 1.5 and 2,5 are; write one, or "
                f"give csv={{text: [{name}]}}"
            )
        if 0 < count <= max(1, FEW * rows):
            strays[name] = (count, pc.index(bad, True).as_py(), texts)
    at = [first for _, first, _ in strays.values()]
    for name, (count, first, texts) in strays.items():
        total = first == rows - 1 and _is_total(texts[rows - 1])
        last = count == 1 and first == rows - 1 >= MANY  # seldom by chance
        if total or last or at.count(first) > 1 or len(pc.unique(texts)) > MANY:
            hint = (
                "a total at the end: give csv={footer: 1}"
                if total
                else (
                    f"a header or a total in between: write it out; a word for null: give csv={{null: [...]}}; "
                    f"text: give csv={{text: [{name}]}}"
                )
            )
            raise SkewkitError(
                f"{who}: column {name!r} holds numbers or times, but for {count} of {rows:,} rows, first in row "
                f"{first + 1} below the header; if that is {hint}"
            )


def _in_two_ways(texts):
    """Whether all texts are numbers, and yet not by one decimal mark."""
    ways = [NUMBERS[POINT], NUMBERS[COMMA]]
    return all(
        pc.all(fits(texts, "|".join([NULLS, *some]))).as_py() is wanted
        for some, wanted in ((ways, True), (ways[:1], False), (ways[1:], False))
    )


def _is_total(value):
    return re.fullmatch(rf"\s*(?:{TOTAL})\s*:?\s*", value.as_py() or "") is not None


def refuse_total(who: str, readings: dict[str, Any], last: dict[str, Any], column: Any, rows: int) -> None:
    """Raise SkewkitError where the last row is called a total, and lacks a value that all others have, or holds their sum."""
    for name, value in last.items():
        if _is_total(value):
            texts = column(name)
            others = (c for c in readings if c != name)
            once = pc.sum(pc.equal(texts, value)).as_py() == 1
            if once and any(_sums_up(column(c), readings[c], rows) for c in others):
                raise SkewkitError(
                    f"{who}: its last row, {rows} below the header, is called a total in column {name!r}; "
                    f"give csv={{footer: 1}} to leave it out, or csv={{text: [{name}]}} to keep it"
                )


def _sums_up(texts, reading, rows):
    """Whether the last value alone is null, or is the sum of the others."""
    if texts.null_count == 1 and not texts[rows - 1].is_valid:
        return True
    if reading.kind not in ("integer", "number"):
        return False
    values = read(texts, reading, reading.type)
    total, last = pc.sum(values.slice(0, rows - 1)).as_py(), values[rows - 1].as_py()
    return total is not None and last is not None and abs(total - last) <= 1e-9 * abs(last)
