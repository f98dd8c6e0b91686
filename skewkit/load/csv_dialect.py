"""How a CSV file is written: its encoding, separator and header, found where they are certain, or as they were said."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from ..records import SkewkitError

SAMPLE = 1 << 20  # bytes that tell the separator; values are looked at throughout
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
MARKS = {  # what a file in these encodings begins with; UTF-32 first, because UTF-16's mark begins its own
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True)
class Dialect:
    """How files are written; what is empty is found in each file.

    ``skip`` and ``footer`` are lines above the header and rows at the end to leave out. Lines that begin with ``comment``
    are left out. ``null`` are further words for null, ``text`` the columns to read as text, ``time_format`` the format of
    times, as `datetime.strptime` takes it.
    """

    separator: str = ""
    decimal: str = ""
    thousands: str = ""
    encoding: str = ""
    comment: str = ""
    skip: int = 0
    footer: int = 0
    null: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    time_format: str = ""

    @property
    def said(self) -> dict[str, Any]:
        """What is not empty, as JSON holds it."""
        held = ((f.name, getattr(self, f.name)) for f in fields(self))
        return {n: list(v) if isinstance(v, tuple) else v for n, v in held if v}


NAMES = tuple(f.name for f in fields(Dialect))


def dialects(given: Any, tables: Sequence[str]) -> dict[str, Dialect]:
    """The dialect of each table, from one for all of them or a mapping by the tables' names."""
    if not given:
        given = {}
    if not isinstance(given, Mapping):
        raise SkewkitError(f"csv={given!r} was given; it holds names and values, like {{separator: ';', decimal: ','}}")
    if by_table := [n for n in given if n in tables]:
        if len(by_table) < len(given):
            other = next(n for n in given if n not in tables)
            raise SkewkitError(f"csv was given {other!r} beside {by_table[0]!r}; name only tables: {', '.join(tables)}")
        return {n: _dialect(f"csv of {n}", told) for n, told in given.items()}
    return dict.fromkeys(tables, _dialect("csv", given))


def _dialect(who, told):
    if not isinstance(told, Mapping):
        raise SkewkitError(f"{who}={told!r} was given; it takes {', '.join(NAMES)}")
    if unknown := [n for n in told if n not in NAMES]:
        raise SkewkitError(f"{who} was given {unknown[0]!r}; it takes {', '.join(NAMES)}")
    values = {n: _value(who, n, v) for n, v in told.items() if v is not None}
    made = Dialect(**values)
    if made.encoding:
        try:
            made = replace(made, encoding=codecs.lookup(made.encoding).name)
            "x".encode(made.encoding)
        except (LookupError, ValueError):
            raise SkewkitError(
                f"{who}: Python knows no text encoding {made.encoding!r}; it is one like utf-8, utf-16, latin-1 or cp1252"
            ) from None
    marks = [m for m in (made.separator, made.decimal or ".", made.thousands) if m]
    if len(set(marks)) < len(marks) and made.decimal + made.thousands:
        raise SkewkitError(
            f"{who}: separator, decimal and thousands are {', '.join(map(repr, marks))}; "
            f"give each a character of its own"
        )
    return made


def _value(who, name, value):
    wanted = Dialect.__dataclass_fields__[name].default
    if isinstance(wanted, tuple):
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, (list, tuple)) or not all(isinstance(t, str) for t in texts):
            raise SkewkitError(f"{who}: {name}={value!r} was given; it is a list of texts")
        return tuple(texts)
    if isinstance(value, bool) or not isinstance(value, type(wanted)) or (name in ("skip", "footer") and value < 0):
        raise SkewkitError(
            f"{who}: {name}={value!r} was given; it is {'text' if wanted == '' else 'a number of lines'}"
        )
    if name in ("separator", "decimal", "thousands") and value and not _is_mark(name, value):
        like = ";" if name == "separator" else ","
        raise SkewkitError(f"{who}: {name}={value!r} was given; it is one character, like {like}")
    return value


def _is_mark(name, value):
    """Whether a text is one character that can stand between values, or in a number."""
    if name == "thousands" and value in ("\u00a0", "\u202f", "\u2019"):
        return True
    return len(value) == 1 and value.isascii() and not value.isalnum() and value not in '\n\r"-'


@dataclass(frozen=True)
class Header:
    """A file's column names, how many lines end with them, and the dialect that the file is in."""

    names: tuple[str, ...]
    lines: int
    dialect: Dialect


def header(who: str, begins: bytes, whole: bool, dialect: Dialect) -> Header:
    """The header of a file that begins so; ``whole``: these bytes are all.

    Raises SkewkitError, naming the encoding, separator or line, where more than one reading is possible.
    """
    mark = next((name for bom, name in MARKS.items() if begins.startswith(bom)), "")
    dialect = replace(dialect, encoding=dialect.encoding or mark or _unmarked(who, begins))
    text = _decoded(who, begins, dialect.encoding, whole).lstrip("\ufeff")
    lines = list(io.StringIO(text, newline=""))
    if len(lines) > 1 and not whole:
        lines = lines[:-1]
    above = dialect.skip
    if not above and lines and lines[0].lower().startswith("sep=") and len(lines[0].strip("\r\n")) == 5:
        above, dialect = 1, replace(dialect, separator=dialect.separator or lines[0][4])  # a spreadsheet's own line
    first, comments = above, []
    while first < len(lines) and (not lines[first].strip("\r\n ") or lines[first].startswith(dialect.comment or "#")):
        comments += [lines[first]] if lines[first].strip() else []
        first += 1
    below = lines[first:] if not dialect.comment else [x for x in lines[first:] if not x.startswith(dialect.comment)]
    if not below and comments and not dialect.comment:  # a header like "#id", and nothing else
        raise _perhaps_a_header(who, comments[-1])
    dialect = replace(dialect, separator=dialect.separator or _separator(who, below, first))
    rows = csv.reader(below, delimiter=dialect.separator)
    try:
        names = next(rows, None)
    except csv.Error as e:
        raise SkewkitError(f"{who}: its header cannot be read ({e}); is it a whole CSV file?") from None
    if names is None:
        raise SkewkitError(f"{who} is empty, without even a header; write it again, or leave it out")
    alike = comments and len(next(csv.reader(comments[-1:], delimiter=dialect.separator))) == len(names)
    if alike and not dialect.comment:
        raise _perhaps_a_header(who, comments[-1])
    return Header(tuple(n.strip() for n in names), first + rows.line_num, dialect)


def _perhaps_a_header(who, line):
    return SkewkitError(
        f"{who}: its line {line.strip()[:40]!r} is a comment or the header; "
        f"give csv={{comment: '#'}} where it is a comment, or write the header without #"
    )


def _unmarked(who, begins):
    if b"\0" in begins[:1000]:
        raise SkewkitError(
            f"{who} holds null bytes and no byte order mark; if its encoding is UTF-16, give csv={{encoding: utf-16-le}}"
        )
    return "utf-8"


def _decoded(who, begins, encoding, whole):
    try:
        return codecs.getincrementaldecoder(encoding)().decode(begins, whole)
    except ValueError:
        raise not_in(who, encoding) from None


def not_in(who: str, encoding: str) -> SkewkitError:
    """What to say of bytes that are not of an encoding."""
    if encoding in ("utf-8", "utf-8-sig"):
        return SkewkitError(
            f"{who} is not a UTF-8 file: give its encoding, like csv={{encoding: cp1252}} (Windows) or latin-1, "
            f"or write it in UTF-8; which of them it is, its bytes do not tell"
        )
    return SkewkitError(f"{who} is not in the encoding {encoding}; give another, like csv={{encoding: utf-8}}")


def _separator(who, lines, above):
    """The one separator by which all rows have as many values, or nearly all and the header."""
    shapes = {s: found for s in SEPARATORS if (found := _widths(lines, s)) and found[0] > 1}
    sure = [s for s, (_, share, _) in shapes.items() if share == 1]
    if not sure:
        sure = [s for s, (wide, share, top) in shapes.items() if share > 0.5 and top == wide]
    if len(sure) > 1:
        both = " and ".join(SEPARATORS[s] for s in sure)
        raise SkewkitError(
            f"{who} can be read by more than one separator ({both}); say which, like csv={{separator: {sure[0]!r}}}"
        )
    if sure:
        return sure[0]
    if wrong := [(share, s) for s, (wide, share, top) in shapes.items() if share > 0.5 and top != wide]:
        s = max(wrong)[1]
        wide, _, top = shapes[s]
        raise SkewkitError(
            f"{who}: line {above + 1} has {top} values, and the lines below {wide}, by the separator {SEPARATORS[s]}; "
            f"where it is a title, give csv={{skip: {above + 1}}}; else write a header of {wide} names, "
            f"or quote values that hold a {SEPARATORS[s]}"
        )
    return ","


def _widths(lines, separator):
    """How many values most rows have, the share of rows that do, and how many the first has."""
    try:
        widths = [len(r) for r in csv.reader(lines, delimiter=separator) if r]
    except csv.Error:
        return None
    if not widths:
        return None
    counts = Counter(widths)
    wide = max(counts, key=lambda w: (counts[w], w == widths[0]))
    return wide, counts[wide] / len(widths), widths[0]
