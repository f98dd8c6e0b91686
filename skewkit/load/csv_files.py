"""CSV files as people have them: read once, as texts, into a file of columns that is gone with the table; then typed.

Types are told by all values, and by the other tables of a case, so that a column is not of one type here and another there.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import mmap
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from ..records import SkewkitError
from .csv_dialect import SAMPLE, SEPARATORS, Dialect, header, not_in
from .csv_values import DATED, LIKE, NULLS, NUMBERS, Facts, Reading, decimals, fits, joined, read, reading_of, verified
from .watched import refuse_changed, stamps

BLOCK = 1 << 24  # bytes read at a time; a row is no longer
TOTAL = r"(?i:(?:grand |sub)?totals?|sum|summe|gesamt(?:summe)?|insgesamt|somme|suma|totale)"
FEW = 0.01  # of a column's rows: so few that are no number, among numbers of many values, are no kind of their own
MANY = 100


class _Hashed(io.RawIOBase):
    """A stream of bytes, each of which is hashed as it is read."""

    def __init__(self, stream, digest):
        self.stream, self.digest = stream, digest

    def readable(self):
        return True

    def readinto(self, into):
        block = self.stream.read(len(into))
        self.digest.update(block)
        into[: len(block)] = block
        return len(block)


@dataclass(frozen=True, eq=False)
class CsvFile:
    """One file: its columns' names and readings, and its texts in a file of columns."""

    called: str
    names: tuple[str, ...]
    readings: dict[str, Reading]
    rows: int
    texts: _Texts
    said: dict[str, Any]

    def column(self, name: str) -> pa.ChunkedArray:
        """One column's texts, shape (rows,)."""
        return self.texts.column(self.names.index(name), self.rows)


class _Texts:
    """Columns of texts in a file that nobody else sees, and that is gone with this."""

    def __init__(self, file):
        file.flush()
        self.bytes = pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        self.metadata = pq.read_metadata(pa.BufferReader(self.bytes))

    def column(self, place, rows):
        file = pq.ParquetFile(pa.BufferReader(self.bytes), metadata=self.metadata)
        return file.read([str(place)]).column(0).slice(0, rows)


@dataclass(frozen=True, eq=False)
class CsvTable:
    """What `engines.Local` asks of a dataset, of CSV files with the same columns; ``readings`` are the columns' by name."""

    files: tuple[CsvFile, ...]
    readings: dict[str, Reading] = field(repr=False)
    digest: str

    @property
    def schema(self) -> pa.Schema:
        """Each column's name and type."""
        return pa.schema(
            [(n, pa.string() if r.kind == "null" and r.blank else r.type) for n, r in self.readings.items()]
        )

    def count_rows(self) -> int:
        """How many rows there are."""
        return sum(f.rows for f in self.files)

    def to_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Some columns, or all."""
        names = self.schema.names if columns is None else list(columns)
        schema = pa.schema([self.schema.field(n) for n in names])
        return pa.table([self._column(n, schema.field(n).type) for n in names], schema=schema)

    def _column(self, name, kind):
        parts = [read(f.column(name), f.readings[name], kind) for f in self.files]
        return pa.chunked_array([chunk for p in parts for chunk in p.chunks], kind)

    def sha256(self) -> str:
        """The hash of the bytes that were read."""
        return self.digest

    @property
    def told(self) -> dict[str, Any]:
        """How the files were read, for the result: each way once, with the columns of numbers and times written their own way."""
        said = [f.said for f in self.files]
        return {"csv": said[0] if all(s == said[0] for s in said) else {"files": len(said), **said[0], "mixed": True}}


def open_csv(name: str, paths: Iterable[tuple[str, str]], filesystem: Any, dialect: Dialect) -> CsvTable:
    """A table of CSV files, given by their paths and how errors call them; every file is read, once."""
    digest, files = hashlib.sha256(), []
    for path, called in paths:
        then = stamps(filesystem, [path])
        files.append(_opened(f"{name}: {called}", path, called, filesystem, dialect, digest))
        refuse_changed(name, filesystem, [path], [called], then)
    readings = dict(files[0].readings)
    for file in files[1:]:
        for column in dict.fromkeys((*readings, *file.readings)):
            if (column in readings) != (column in file.readings):
                has, lacks = (files[0], file) if column in readings else (file, files[0])
                raise SkewkitError(
                    f"{name}: column {column!r} is in {has.called} and not in {lacks.called}; "
                    f"write it into all of them, or give the files that have it apart"
                )
            both = joined(readings[column], file.readings[column])
            if both is None:
                raise SkewkitError(
                    f"{name}: column {column!r} is {readings[column].type} in {files[0].called} and "
                    f"{file.readings[column].type} in {file.called}; write it as one type in all of them, "
                    f"leave the odd file out, or give csv={{text: [{column}]}}"
                )
            readings[column] = both
    return CsvTable(tuple(files), readings, digest.hexdigest())


def alike(tables: dict[str, Any]) -> dict[str, Any]:
    """The tables of a case, each CSV column read as the column of its name in the others is, where its values can be."""
    shared: dict[str, Reading | None] = {}
    for table in tables.values():
        for column, found in _readings(table).items():
            held = shared.get(column, found)
            shared[column] = held and found and joined(held, found)
    made = dict(tables)
    for name, table in tables.items():
        if isinstance(source := getattr(table, "source", None), CsvTable):
            agreed = {table.names.get(c, c): shared[c] for c in table.columns if shared[c] is not None}
            made[name] = replace(table, source=replace(source, readings={**source.readings, **agreed}), memo={})
    return made


def _readings(table):
    """How a table's columns are read, by their names here: where it has types of its own, as these."""
    if isinstance(source := getattr(table, "source", None), CsvTable):
        return {c: source.readings[table.names.get(c, c)] for c in table.columns}
    return {c: Reading(k, mixed=k == "text") if k != "other" else None for c, k in table.kinds().items()}


def _opened(who, path, called, filesystem, dialect, digest):
    with filesystem.open_input_stream(path, compression=None) as raw:
        stream = io.BufferedReader(_Hashed(raw, digest), 1 << 20)
        if path.lower().endswith(".gz"):
            stream = io.BufferedReader(gzip.GzipFile(fileobj=stream), 1 << 20)
        begins = stream.read(SAMPLE)
        found = header(who, begins, len(begins) < SAMPLE, dialect)
        left_out = _unnamed(who, found.names)
        facts, rows, texts, dropped = _spooled(who, _Again(begins, stream), found)
        while stream.read(1 << 20):  # what a reader left, so that the hash is of the whole file
            pass
    if left_out is not None and (wrong := _not_an_index(texts.column(left_out, rows))):
        raise SkewkitError(f"{who}: its column {left_out + 1} has no name, and holds {wrong}; name it, or leave it out")
    shown = decimals(facts)
    readings, places = {}, [i for i in range(len(found.names)) if i != left_out]
    for i in places:
        column = found.names[i]
        if column in dialect.text:
            readings[column] = Reading("text", mixed=True)
            continue
        reading = reading_of(f"{who}: column {column!r}", facts[i], shown, dialect)
        if reading.kind != "text" or dialect.time_format:
            reading = verified(reading, texts.column(i, rows), dialect.time_format)
        readings[column] = reading
    _refuse_strays(who, found, readings, lambda c: texts.column(found.names.index(c), rows), rows, dialect)
    said = {**replace(found.dialect, null=(), text=()).said, **dialect.said}
    marks = {r.how for r in readings.values() if r.how and r.kind in ("number", "integer")}
    said |= {
        n: m for n, i in (("decimal", 0), ("thousands", 1)) for m in sorted({h[i] for h in marks} - {"", "."[i:]})[:1]
    }
    times = sorted({r.how for r in readings.values() if r.how and "time" in r.kind})
    said |= {"time_format": times[0]} if times else {}
    said |= {"headers_left_out": dropped} if dropped else {}
    said |= {"lines_above": found.lines - 1} if found.lines > 1 else {}
    said |= {"unnamed_left_out": True} if left_out is not None else {}
    return CsvFile(called, found.names, readings, rows, texts, said)


class _Again(io.RawIOBase):
    """A stream from its beginning, of which some was read."""

    def __init__(self, begins, stream):
        self.begins, self.stream = begins, stream

    def readable(self):
        return True

    def readinto(self, into):
        block, self.begins = self.begins[: len(into)], self.begins[len(into) :]
        block = block or self.stream.read(len(into))
        into[: len(block)] = block
        return len(block)


def _unnamed(who, names):
    """The place of a column without a name, if there is one; refused where a name is there twice, or several are empty."""
    twice = sorted({n for n in names if n and names.count(n) > 1})
    if twice:
        raise SkewkitError(f"{who}: column {', '.join(twice)} is there twice; name each column once")
    empty = [i for i, n in enumerate(names) if not n]
    if len(empty) > 1:
        raise SkewkitError(f"{who}: {len(empty)} columns have no name, the first is column {empty[0] + 1}; name them")
    return empty[0] if empty else None


def _not_an_index(column):
    """What a column without a name holds; nothing where it is empty, or numbers the rows as data frames do."""
    if column.null_count == len(column):
        return ""
    rows = pa.array(range(len(column))).cast(pa.string())
    return "" if column.null_count == 0 and pc.all(pc.equal(column, rows)).as_py() else "more than the rows' numbers"


def _spooled(who, stream, found):
    """What the values of each column can be, how many rows there are, their texts in a file, and headers left out."""
    columns = [str(i) for i in range(len(found.names))]
    facts, rows, dropped, dialect = [Facts() for _ in columns], 0, 0, found.dialect
    file = tempfile.TemporaryFile(prefix="skewkit-")  # noqa: SIM115  it lives as long as the table
    schema = pa.schema([(c, pa.string()) for c in columns])
    wrong: list = []

    def odd(row):
        if dialect.comment and row.text.startswith(dialect.comment):
            return "skip"
        wrong.append(row)
        return "skip" if dialect.footer else "error"

    try:
        with pq.ParquetWriter(file, schema, compression="lz4", write_statistics=False) as writer:
            for batch in _batches(stream, columns, found, odd):
                batch, repeated = _without_headers(batch, found.names, dialect.comment)
                for f, c in zip(facts, batch.columns, strict=True):
                    f.see(c)
                writer.write_batch(batch)
                rows, dropped = rows + len(batch), dropped + repeated
    except (pa.ArrowException, ValueError, OSError, EOFError) as e:
        raise _trouble(who, e, wrong, found) from None
    last = found.lines + rows + dropped + len(wrong)
    if len(wrong) > dialect.footer or any(row.number + dialect.footer <= last for row in wrong):
        raise _trouble(who, None, wrong, found)
    texts = _Texts(file)
    if dialect.footer:
        rows = max(0, rows + len(wrong) - dialect.footer)
        facts = [_facts(texts.column(i, rows)) for i in range(len(columns))]
    return facts, rows, texts, dropped


def _facts(column):
    facts = Facts()
    for chunk in column.chunks:
        facts.see(chunk)
    return facts


def _batches(stream, columns, found, odd):
    encoding = "utf8" if found.dialect.encoding in ("utf-8", "utf-8-sig") else found.dialect.encoding
    return pacsv.open_csv(
        pa.PythonFile(io.BufferedReader(stream, 1 << 20), "r"),
        read_options=pacsv.ReadOptions(
            column_names=columns, skip_rows=found.lines, encoding=encoding, block_size=BLOCK, use_threads=False
        ),
        parse_options=pacsv.ParseOptions(
            delimiter=found.dialect.separator, newlines_in_values=True, invalid_row_handler=odd
        ),
        convert_options=pacsv.ConvertOptions(
            column_types={c: pa.string() for c in columns},
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=["", *found.dialect.null],
        ),
    )


def _without_headers(batch, names, comment):
    """The rows, but for those that say the header again, and comments; how many of the former there were."""
    first = batch.column(0)
    if comment:
        begins = pc.fill_null(pc.starts_with(first, pattern=comment), False)
        batch = batch.filter(pc.invert(begins))
        first = batch.column(0)
    if len(names) < 2 or not names[0] or not (again := pc.fill_null(pc.equal(first, names[0]), False)).true_count:
        return batch, 0
    for name, column in zip(names[1:], batch.columns[1:], strict=True):
        again = pc.and_(again, pc.fill_null(pc.equal(column, name), not name))
    return batch.filter(pc.invert(again)), again.true_count


def _trouble(who, error, wrong, found):
    """What is the matter with a file; of Arrow's text the numbers alone, for it shows the rows."""
    said, separator = str(error), found.dialect.separator
    mark = SEPARATORS.get(separator, repr(separator))
    if wrong:
        row = wrong[0]
        return SkewkitError(
            f"{who}: row {row.number} (the header is {found.lines}) has {row.actual_columns} values, and the header "
            f"{row.expected_columns}, by the separator {mark}; quote values that hold a {mark}, write the row whole, or, "
            f"if it is a total at the end, give csv={{footer: 1}}"
        )
    if "invalid UTF8" in said or isinstance(error, UnicodeError):
        return not_in(who, found.dialect.encoding)
    if "straddling" in said:
        return SkewkitError(
            f"{who}: a quote is opened and not closed, or a row is beyond {BLOCK:,} bytes; write it again"
        )
    return SkewkitError(
        f"{who}: is it a whole file of its kind, CSV in {found.dialect.encoding}? ({type(error).__name__})"
    )


def _refuse_strays(who, found, readings, column, rows, dialect):
    """Raise SkewkitError for a total at the end, and for the odd row without a number in a column of numbers."""
    strays: dict[str, Any] = {}
    nothing_else = "|".join([LIKE, NULLS, *NUMBERS.values(), r"\d+"])
    for name, reading in readings.items():
        if reading.kind != "text" or not reading.mixed or name in dialect.text or reading.how in DATED:
            continue
        texts = column(name)
        bad = pc.fill_null(pc.invert(fits(texts, nothing_else)), False)
        count = pc.sum(bad).as_py() or 0
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
    if rows > 1 and not found.dialect.footer:
        _refuse_total(who, readings, column, rows)


def _is_total(value):
    return re.fullmatch(rf"\s*(?:{TOTAL})\s*:?\s*", value.as_py() or "") is not None


def _refuse_total(who, readings, column, rows):
    """Raise SkewkitError where the last row is called a total, and lacks some other column's value that all others have."""
    for name, reading in readings.items():
        if reading.kind == "text" and _is_total((texts := column(name))[rows - 1]):
            lacking = (
                c for c in readings if c != name and (t := column(c)).null_count == 1 and not t[rows - 1].is_valid
            )
            if pc.sum(pc.equal(texts, texts[rows - 1])).as_py() == 1 and next(lacking, None):
                raise SkewkitError(
                    f"{who}: its last row, {rows} below the header, is called a total in column {name!r}; "
                    f"give csv={{footer: 1}} to leave it out, or csv={{text: [{name}]}} to keep it"
                )
