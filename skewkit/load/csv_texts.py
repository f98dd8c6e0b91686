"""The texts of one CSV file: read as a stream, and kept as columns in a file that is gone with the table."""

from __future__ import annotations

import io
import mmap
import tempfile

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from ..records import SkewkitError
from .csv_dialect import SEPARATORS, not_in
from .csv_values import Facts

BLOCK = 1 << 24  # bytes read at a time; a row is no longer


class Hashed(io.RawIOBase):
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


class Again(io.RawIOBase):
    """A stream from its beginning, of which some was read."""

    def __init__(self, begins, stream):
        self.begins, self.stream, self.quotes = begins, stream, 0

    def readable(self):
        return True

    def readinto(self, into):
        block, self.begins = self.begins[: len(into)], self.begins[len(into) :]
        block = block or self.stream.read(len(into))
        self.quotes += block.count(b'"')
        into[: len(block)] = block
        return len(block)


class Texts:
    """Columns of texts in a file that nobody else sees, and that is gone with this."""

    def __init__(self, file):
        file.flush()
        self.bytes = pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        self.metadata = pq.read_metadata(pa.BufferReader(self.bytes))

    def column(self, place, rows):
        file = pq.ParquetFile(pa.BufferReader(self.bytes), metadata=self.metadata)
        return file.read([str(place)]).column(0).slice(0, rows)

    def last(self, place):
        """The last text of a column."""
        groups = [i for i in range(self.metadata.num_row_groups) if self.metadata.row_group(i).num_rows]
        file = pq.ParquetFile(pa.BufferReader(self.bytes), metadata=self.metadata)
        return file.read_row_group(groups[-1], [str(place)]).column(0)[-1] if groups else pa.scalar(None, pa.string())


def spooled(who, stream, found):
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
    texts = Texts(file)
    if stream.quotes % 2 and any("\n" in (texts.last(i).as_py() or "") for i in range(len(columns))):
        raise SkewkitError(f"{who}: a quote is opened and never closed, in or before its last row; close it")
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
