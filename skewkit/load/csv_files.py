"""CSV files as people have them: read once, as texts, into a file of columns that is gone with the table; then typed.

Types are told by all values, and by the other tables of a case, so that a column is not of one type here and another there.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..records import SkewkitError
from .csv_dialect import SAMPLE, Dialect, Header, header
from .csv_strays import refuse_strays, refuse_total
from .csv_texts import Again, Hashed, Texts, spooled
from .csv_values import Reading, decimals, joined, read, reading_of, verified
from .watched import refuse_changed, stamps, unread


@dataclass(frozen=True, eq=False)
class CsvFile:
    """One file: its columns' names and readings, and its texts in a file of columns."""

    called: str
    names: tuple[str, ...]
    readings: dict[str, Reading]
    rows: int
    texts: Texts
    said: dict[str, Any]

    def column(self, name: str) -> pa.ChunkedArray:
        """One column's texts, shape (rows,)."""
        return self.texts.column(self.names.index(name), self.rows)


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
    try:
        with filesystem.open_input_stream(path, compression=None) as raw:
            stream = io.BufferedReader(Hashed(raw, digest), 1 << 20)
            if path.lower().endswith(".gz"):
                stream = io.BufferedReader(gzip.GzipFile(fileobj=stream), 1 << 20)
            begins = stream.read(SAMPLE)
            found = header(who, begins, len(begins) < SAMPLE, dialect)
            left_out = _unnamed(who, found.names)
            facts, rows, texts, dropped = spooled(who, Again(begins, stream), found)
            while stream.read(1 << 20):  # what a reader left, so that the hash is of the whole file
                pass
    except (OSError, EOFError, zlib.error) as e:
        raise SkewkitError(
            f"{who} cannot be read: {unread(e) or f'is it a whole file of its kind, CSV? ({type(e).__name__})'}"
        ) from None
    if left_out is not None and (wrong := _not_an_index(texts.column(left_out, rows))):
        raise SkewkitError(f"{who}: its column {left_out + 1} has no name, and holds {wrong}; name it, or leave it out")
    shown, readings = decimals(facts), {}
    for i, name in enumerate(found.names):
        if i != left_out:
            told = (facts[i], shown, found.dialect)
            readings[name] = _typed(f"{who}: column {name!r}", name, *told, lambda i=i: texts.column(i, rows))
    places = {c: found.names.index(c) for c in readings}
    refuse_strays(who, readings, lambda c: texts.column(places[c], rows), rows, found.dialect)
    if rows > 1 and not found.dialect.footer:
        last = {c: texts.last(i) for c, i in places.items() if c not in dialect.text and readings[c].kind == "text"}
        refuse_total(who, readings, last, lambda c: texts.column(places[c], rows), rows)
    said = _said(found, readings)
    said |= {"headers_left_out": dropped} if dropped else {}
    said |= {"unnamed_left_out": True} if left_out is not None else {}
    return CsvFile(called, found.names, readings, rows, texts, said)


def _typed(who, name, facts, shown, dialect, texts):
    if name in dialect.text:
        return Reading("text", mixed=True)
    reading = reading_of(who, facts, shown, dialect)
    if reading.kind == "text" and not dialect.time_format:
        return reading
    return verified(reading, texts(), dialect.time_format)


def _said(found: Header, readings) -> dict[str, Any]:
    """How a file was read: as it was said, and as it was found."""
    said = found.dialect.said
    marks = {r.how for r in readings.values() if r.how and r.kind in ("number", "integer")}
    for name, i in (("decimal", 0), ("thousands", 1)):
        if used := sorted({m[i] for m in marks} - {"", "."[i:]}):
            said[name] = used[0]
    if times := sorted({r.how for r in readings.values() if r.how and "time" in r.kind}):
        said["time_format"] = times[0]
    return said | ({"lines_above": found.lines - 1} if found.lines > 1 else {})


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
