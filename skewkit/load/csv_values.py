"""What the texts of a CSV column are: one reading of all its values, which never depends on where a value stands."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from ..records import SkewkitError

NULLS = r"(?i:-?nan|null|none|n/?a|#n/a|<na>|nat|\\N)|"  # words for null, or a quoted nothing, where no value is text
WHOLE = r"-?(?:0|[1-9]\d*)"  # a leading zero is an id's, and numbers would lose it
DAY = r"\d{4}-\d\d-\d\d"
CLOCK = r"[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?"
POINT, COMMA = (".", ""), (",", "")
GROUPED = ((".", ","), (",", "."), *((d, t) for t in " '\u00a0\u202f\u2019" for d in ".,"))
DATED = {  # a day and a month in numbers, either of which may stand first
    f"{one}{mark}{other}{mark}%Y{clock}": (mark, clock)
    for one, other in (("%d", "%m"), ("%m", "%d"))
    for mark in "/.-"
    for clock in ("", " %H:%M", " %H:%M:%S")
} | {f"%Y{mark}%m{mark}%d{clock}": (mark, clock) for mark in "/." for clock in ("", " %H:%M", " %H:%M:%S")}
TYPES = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "unsigned": pa.uint64(),
    "number": pa.float64(),
    "naive time": pa.timestamp("us"),
    "time": pa.timestamp("us", "UTC"),
    "text": pa.string(),
}


def _number(decimal, thousands):
    d, t = re.escape(decimal), re.escape(thousands)
    whole = rf"(?:0|[1-9]\d*|[1-9]\d{{0,2}}(?:{t}\d{{3}})+)" if thousands else r"(?:0|[1-9]\d*)"
    return rf"-?(?:{whole}(?:{d}\d*)?|{d}\d+)(?:[eE][+-]?\d+)?|(?i:-?inf(?:inity)?)"


def _dated(form):
    mark, clock = DATED[form]
    day, month = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])"
    one, other = (day, month) if form.startswith("%d") else (month, day)
    hours = {"": "", " %H:%M": r" \d\d:\d\d", " %H:%M:%S": r" \d\d:\d\d:\d\d"}[clock]
    parts = (r"\d{4}", month, day) if form.startswith("%Y") else (one, other, r"\d{4}")
    return re.escape(mark).join(parts) + hours


NUMBERS = {marks: _number(*marks) for marks in (POINT, COMMA, *GROUPED)}
TIMES = {"naive time": rf"{DAY}(?:{CLOCK})?", "time": rf"{DAY}{CLOCK}(?:Z|[+-]\d\d(?::?\d\d)?)"}
PATTERNS = {"boolean": "(?i:true|false)", "integer": WHOLE, **NUMBERS, **TIMES, **{f: _dated(f) for f in DATED}}
USUAL = ("integer", POINT, COMMA, *TIMES)
FOLLOWS = {  # a whole number is one whatever the marks, and thousands need not be split
    "integer": {"integer", *NUMBERS},
    **{marks: {r for r in NUMBERS if r[0] == marks[0]} for marks in (POINT, COMMA)},
    **{t: {t} for t in TIMES},
}
MISTAKEN = {POINT: (",", "."), COMMA: (".", ",")}  # the same characters, read as thousands
SOME = 2_000
LIKE = "|".join(
    rf"(?:{p})" for p in (PATTERNS["boolean"], NUMBERS[POINT], NUMBERS[COMMA], *TIMES.values())
)  # no text, at a glance


def fits(values: pa.Array, pattern: str) -> pa.Array:
    """Which texts are what a pattern says, but for blanks around them."""
    return pc.match_substring_regex(values, rf"^[ \t]*(?:{pattern})[ \t]*$")


@dataclass
class Facts:
    """What every value of one column can be read as, seen a batch at a time."""

    alive: list = field(default_factory=lambda: list(PATTERNS))
    filled: bool = False  # with a value that is no word for null
    blank: bool = False  # with a quoted nothing
    like: bool = False  # some value looks like a number or a time
    longest: int = 0

    def see(self, texts: pa.Array) -> None:
        """Strike out the readings that some value refuses."""
        if self.filled and self.like and not self.alive:
            return  # it is text, whatever comes
        values = _distinct(texts)
        if not len(values) or self._quickly(values):
            return
        null = fits(values, NULLS)
        if pc.any(null).as_py():
            self.blank = self.blank or pc.any(pc.equal(values, "")).as_py()
            values = values.filter(pc.invert(null))
        if len(values) and not self._quickly(values):
            self.filled = True
            self.alive = [r for r in self.alive if pc.all(fits(values, PATTERNS[r])).as_py()]
            self.like = self.like or bool(self.alive) or pc.any(fits(values, LIKE)).as_py()

    def _quickly(self, values):
        """Whether all values are of one of the usual readings; what else they are then follows from it."""
        usual = next((r for r in USUAL if r in self.alive and pc.all(fits(values, PATTERNS[r])).as_py()), None)
        if usual is None:
            return False
        other = MISTAKEN.get(usual)
        doubt = other in self.alive and pc.all(fits(values, PATTERNS[other])).as_py()
        self.alive = [r for r in self.alive if r in FOLLOWS[usual] or (doubt and r == other)]
        self.filled = self.like = True
        if usual == "integer":
            self.longest = max(self.longest, pc.max(pc.binary_length(values)).as_py())
        return True


def _distinct(texts):
    """The texts that are no null, each once where they repeat."""
    some = texts.slice(0, SOME)
    return (pc.unique(texts) if 2 * len(pc.unique(some)) < len(some) else texts).drop_null()


def decimals(facts: Iterable[Facts]) -> set[str]:
    """The decimal marks that the columns of a file show for certain."""
    shown = set()
    for f in facts:
        marks = {r[0] for r in f.alive if r in NUMBERS}
        if "integer" not in f.alive and len(marks) == 1:
            shown |= marks
    return shown


@dataclass(frozen=True)
class Reading:
    """What a column of one file is, and how its values are written: number marks, or a time's format.

    ``kind`` is one of TYPES. ``mixed``: some of a text's values look like numbers or times. ``longest``: in characters.
    ``fine``: a time has nanoseconds. ``blank``: of no value, quoted nothings.
    """

    kind: str
    how: tuple[str, str] | str = ""
    mixed: bool = False
    longest: int = 0
    fine: bool = False
    blank: bool = False

    @property
    def type(self) -> pa.DataType:
        """Arrow's type."""
        return pa.timestamp("ns", TYPES[self.kind].tz) if self.fine else TYPES[self.kind]


def reading_of(who: str, facts: Facts, shown: set[str], dialect) -> Reading:
    """The one reading of a column; refused where numbers have two and neither is certain."""
    if not facts.filled:
        return Reading("null", mixed=True, blank=facts.blank)
    alive = facts.alive
    if "boolean" in alive:
        return Reading("boolean")
    if "integer" in alive:
        return Reading("integer", longest=facts.longest)
    if numbers := [r for r in alive if r in NUMBERS]:
        return _of_numbers(who, numbers, shown, dialect)
    if times := [r for r in alive if r in TIMES]:
        return Reading(times[0])
    if dated := [r for r in alive if r in DATED]:
        if dialect.time_format in dated or len(dated) == 1:
            return Reading("naive time", dialect.time_format if dialect.time_format in dated else dated[0])
        return Reading("text", dated[0], mixed=True)  # which is the day and which the month, no value tells
    return Reading("text", mixed=facts.like, longest=facts.longest)


def _of_numbers(who, numbers, shown, dialect):
    """Numbers, by the marks that were said, that the other columns show, or that a point is where nothing says otherwise."""
    decimal = dialect.decimal or (next(iter(shown)) if len(shown) == 1 else "")
    fit = [r for r in numbers if decimal in ("", r[0]) and (not dialect.thousands or r[1] in ("", dialect.thousands))]
    if not fit:
        return Reading("text", mixed=True)
    if dialect.thousands:
        fit = [r for r in fit if r[1]] or fit
    plain = next((r for r in (POINT, COMMA) if r in fit), None)
    if MISTAKEN.get(plain) in fit and not decimal and (plain == COMMA or shown):
        raise SkewkitError(
            f"{who} holds numbers that read two ways, as 1,234 does; say which, like csv={{thousands: ','}} or "
            f"csv={{decimal: ','}}, or name it in csv={{text: [...]}}"
        )
    return Reading("number", plain or fit[0])


def verified(reading: Reading, texts: pa.ChunkedArray, time_format: str = "") -> Reading:
    """The reading, where Arrow can read every value so without losing a digit: else a wider one."""
    if reading.kind == "text" and time_format:
        reading = replace(reading, kind="naive time", how=time_format)
    if reading.kind == "number" and reading.how and reading.how[1]:
        plain = _plain(texts, *reading.how)
        if pc.all(pc.or_(fits(plain, NULLS), fits(plain, WHOLE))).as_py():
            reading = replace(reading, kind="integer", longest=99)
    tries = [reading]
    if reading.kind == "integer":
        if reading.longest <= 18:
            return reading
        tries += [replace(reading, kind="unsigned")]
    elif "time" in reading.kind:
        tries += [replace(reading, fine=True)]
    else:
        return reading
    for one in tries:
        try:
            read(texts, one, one.type)
            return one
        except pa.ArrowInvalid:
            continue
    return Reading("text", mixed=True)


def joined(a: Reading, b: Reading) -> Reading | None:
    """The reading as whose kind both columns are read; None where their values are of two kinds."""
    if a.kind == b.kind:
        return replace(
            a,
            mixed=a.mixed or b.mixed,
            fine=a.fine or b.fine,
            blank=a.blank or b.blank,
            longest=max(a.longest, b.longest),
        )
    kinds = {a.kind: a, b.kind: b}
    if "null" in kinds:
        return b if a.kind == "null" else a
    if "text" in kinds:
        return kinds["text"] if kinds["text"].mixed else None
    if {*kinds} == {"integer", "number"}:
        return kinds["number"] if kinds["integer"].longest <= 15 else None  # as floats they would lose digits
    return kinds["unsigned"] if {*kinds} == {"integer", "unsigned"} else None


def read(texts: pa.ChunkedArray, reading: Reading, kind: pa.DataType) -> pa.ChunkedArray:
    """The texts of a column of one file, as a type that `joined` allows."""
    if pa.types.is_null(kind):
        return pa.chunked_array([pa.nulls(len(texts))])
    if kind == texts.type:
        return texts
    values = pc.utf8_trim(pc.if_else(fits(texts, NULLS), pa.scalar(None, texts.type), texts), characters=" \t")
    if reading.kind in ("number", "integer") and reading.how:
        values = _plain(values, *reading.how)
    if pa.types.is_boolean(kind):
        values = pc.utf8_lower(values)
    elif reading.how and pa.types.is_timestamp(kind):
        padded = pc.replace_substring_regex(values, pattern=r"\b(\d)\b", replacement=r"0\1")
        values = pc.strptime(padded, format=reading.how, unit="us")
    return pc.cast(values, kind)


def _plain(values, decimal, thousands):
    """Numbers as a program writes them."""
    if thousands:
        values = pc.replace_substring(values, pattern=thousands, replacement="")
    return values if decimal == "." else pc.replace_substring(values, pattern=decimal, replacement=".")
