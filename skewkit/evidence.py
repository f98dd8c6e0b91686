"""What of the data itself may be shown: rows as they are, masked, or counts alone."""

from __future__ import annotations

from typing import Any
from unicodedata import category

import numpy as np
import pandas as pd

SHOWS = ("rows", "masked", "counts")
MANY = 10  # rows that share a value, for it to be nobody's own


def shown(value: Any, evidence: str, rows: int = 1) -> Any:
    """A value as it may be shown, plain for JSON, where ``rows`` rows hold it; None where it may not.

    Masked text keeps its shape alone, letters as a and digits as 9, unless many rows share it; numbers and times stay.
    """
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return None
    plain = value.item() if hasattr(value, "item") else value
    plain = plain if isinstance(plain, (bool, int, float, str)) else str(plain)
    if evidence == "rows" or rows >= MANY:
        return plain
    if evidence == "counts":
        return None
    return mask(plain) if isinstance(plain, str) else plain


def said(value: Any, kind: str, evidence: str, rows: int = 1) -> str:
    """How a value of a column of a kind (`columns.KINDS`) is written beside a number: a time as one, ``hidden`` what is."""
    found = shown(value, evidence, rows)
    if found is None:
        return "hidden"
    if "time" not in kind:
        return str(found)
    when = str(np.datetime64(int(found), "us")).replace("T", " ")
    return f"{when.removesuffix('.000000')}{' UTC' if kind == 'time' else ''}"


def mask(text: str) -> str:
    """Text's shape: letters as a, digits as 9, the rest as it is; at most 40 characters of it."""
    plain = {"L": "a", "M": "a", "N": "9"}  # letters, the marks upon them, and numbers, of any script
    return "".join(plain.get(category(c)[0], c) for c in text[:40])
