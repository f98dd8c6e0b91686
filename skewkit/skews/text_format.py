"""Text, a number or a date that serving writes or reads in another format."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..proposals.clues import decimals
from ..records import NotApplicable, Skew, SkewkitError

NUMBER = re.compile(r"[+-]?[0-9]*\.[0-9]+([eE][+-]?[0-9]+)?")
DAY = re.compile(r"\A([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|1[0-2])(?![0-9])")
YEARS = (1678, 2261)  # in which every day is one to the nanosecond


def decimal_comma(value: Any) -> Any:
    if isinstance(value, float):
        return value if value != value else repr(float(value)).replace(".", ",")
    return value.replace(".", ",") if NUMBER.fullmatch(value) else value


def day_month(value: Any) -> Any:
    """A date, a time or text with day and month exchanged, where that is another date; all else as it is."""
    if isinstance(value, str):
        return DAY.sub(r"\1-\3-\2", value)
    if value is pd.NaT or value.day > 12 or getattr(value, "tzinfo", None) or not YEARS[0] <= value.year <= YEARS[1]:
        return value
    return value.replace(month=value.day, day=value.month)


def no_separator(value: Any) -> Any:
    """A number without its decimal point, as money with two decimals is written: 12.5 becomes 1250."""
    return float(f"{value:.2f}".replace(".", "")) if isinstance(value, float) and value == value else value


WRITTEN: dict[str, Callable] = {
    "decimal_comma": decimal_comma,
    "latin1": lambda text: text.encode("utf-8", "surrogatepass").decode("latin-1"),
    "upper": str.upper,
    "lower": str.lower,
    "title": str.title,
    "trailing_blank": lambda text: f"{text} ",
    "day_month": day_month,
    "nfd": lambda text: unicodedata.normalize("NFD", text),
    "no_separator": no_separator,
}
SAID = {
    "decimal_comma": "with a decimal comma",
    "latin1": "UTF-8 read as Latin-1",
    "upper": "in capitals",
    "lower": "in small letters",
    "title": "with capital initials",
    "trailing_blank": "with a blank at the end",
    "day_month": "with day and month exchanged",
    "nfd": "with accents as characters of their own",
    "no_separator": "with the decimal separator lost",
}
READ: dict[str, Callable] = {  # what was served, as training had it
    "latin1": lambda text: text.encode("latin-1").decode("utf-8", "surrogatepass"),
    "trailing_blank": lambda text: text.removesuffix(" "),
    "day_month": day_month,
}
TAKES = {"no_separator": float, "decimal_comma": (str, float), "day_month": (str, dt.date)}  # beside text


@dataclass(frozen=True, kw_only=True)
class TextFormat(Skew):
    """What ``how`` says happens to each text; nulls, and values of another type, stay.

    "latin1": its UTF-8 bytes are read as Latin-1, é as Ã©. "upper", "lower", "title". "trailing_blank": a blank at the
    end. "nfd": accents are characters of their own, which looks the same. "decimal_comma": 12.5 becomes the text 12,5;
    a column of floats becomes text, and a model that reads numbers fails on it. "no_separator": a number that is written
    with two decimals loses the point between, so that it is a hundred times as large. "day_month": day and month are
    exchanged where the day is at most 12, of dates and times without a zone, and of text that begins like 2024-03-05.
    """

    how: str

    family = "code"
    choices = ("how", tuple(WRITTEN))

    def __post_init__(self):
        super().__post_init__()
        if self.how not in WRITTEN:
            raise SkewkitError(f"how={self.how!r} was asked of text_format; there are {', '.join(WRITTEN)}")

    def acts_on(self, frame, roles):
        return tuple(f for f in roles.features if f in frame and self._can(frame[f]) and self._changes(frame[f]))

    def inject(self, frame, roles, seed=0):
        return self._each(frame, self.features or self.acts_on(frame, roles), WRITTEN[self.how])

    def undo(self, frame, roles, seed=0):
        if self.how not in READ:
            return super().undo(frame, roles, seed)
        there = tuple(f for f in roles.features if f in frame and self._can(frame[f]))
        try:
            return self._each(frame, self.features or there, READ[self.how])
        except UnicodeError as e:
            raise NotApplicable(f"a text was never read as Latin-1 ({e}); give a scope without it") from e

    @classmethod
    def propose(cls, e):
        if e.kinds[1] in ("text", "other") or e.kinds == ("naive time", "naive time"):
            yield from ((cls(features=(e.feature,), how=how), 3) for how in WRITTEN if how != "no_separator")
        elif e.kinds == ("number", "number") and decimals(e.numbers[0], 2) == 2:
            yield (
                cls(features=(e.feature,), how="no_separator"),
                8,
            )  # a likelier one than a point that is lost is a unit

    def says(self, alike=True):
        return f"is written otherwise: {SAID[self.how]}"

    @classmethod
    def examples(cls):
        yield cls(features=("city",), how="latin1")
        yield cls(features=("amount",), how="decimal_comma")
        yield cls(features=("city", "country"), how="lower")
        yield cls(features=("city",), how="upper")
        yield cls(features=("country",), how="title")
        yield cls(features=("country",), how="trailing_blank")
        yield cls(features=("date",), how="day_month")
        yield cls(features=("city",), how="nfd")

    def _can(self, column):
        naive = column.dtype.kind == "M" and getattr(column.dtype, "tz", None) is None
        number = column.dtype.kind == "f"
        also = {"decimal_comma": number, "no_separator": number, "day_month": naive}
        if self.how == "no_separator":
            return number
        return column.dtype.kind == "O" or also.get(self.how, False)

    def _values(self, column, write):
        """Each value as ``write`` makes it, where it takes its type."""
        takes = TAKES.get(self.how, str)
        return [write(v) if isinstance(v, takes) else v for v in column.astype(object)]

    def _changes(self, column):
        after = self._values(column, WRITTEN[self.how])
        return any(a is not b and a != b for a, b in zip(column.astype(object), after, strict=True))

    def _each(self, frame, names, write):
        columns = {}
        for f in names:
            dtype = frame[f].dtype
            if not self._can(frame[f]):
                raise NotApplicable(f"{f!r} is {dtype}, in which {self.how} changes nothing; name another feature")
            same = pd.api.types.is_string_dtype(dtype) or dtype.kind == "M" or self.how == "no_separator"
            kept = dtype if same else object
            columns[f] = pd.Series(self._values(frame[f], write), frame.index, kept)
        return pd.DataFrame(columns, index=frame.index)
