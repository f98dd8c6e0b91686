"""A frame, an Arrow table, files, a version of a table or a database's becomes a Table: its rows are not read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from ..records import SkewkitError
from ..tables.engines import Local
from ..tables.lazy import Lazy
from .copies import refuse as refuse_copies
from .csv_dialect import Dialect
from .databases import is_database, is_ibis, open_database, open_ibis
from .files import find, once, opened
from .versioned import open_delta, open_dvc

Source = str | os.PathLike | Sequence[str] | pd.DataFrame | pa.Table | ds.Dataset | pa.RecordBatchReader | Any


def open_table(name: str, source: Source, csv: Dialect = Dialect()) -> Local | Lazy:
    """A table over a frame, an Arrow table or files, its schema read and its rows not; for what it may be see the README.

    A text is a path, a folder, a glob, ``scheme://bucket/path``, ``delta:PATH@VERSION``, ``dvc:PATH@REV``, or a database's
    ``SCHEME://...#TABLE``, with a query in place of the table; an Ibis table stays in its engine. Raises
    SkewkitError, naming the file and the column, for what cannot be read as one table; nothing is changed. CSV files are
    read whole, for their types are told by all their values; ``csv`` says how they are written.
    """
    if isinstance(source, os.PathLike):
        source = os.fspath(source)
    if _paths(source) and not isinstance(source, str) and len(source) == 1:
        source = os.fspath(source[0])
    for fits, opens in OPENERS:
        if fits(source):
            return opens(name, source, csv) if opens in READ_CSV else opens(name, source)
    shown = repr(source) if isinstance(source, (str, bytes, Sequence, int, float)) else f"a {type(source).__name__}"
    raise SkewkitError(
        f"{name}={shown} was given; give a frame, a path, a list of paths, a glob, or an Arrow table or dataset"
    )


def _frame(name, frame):
    if isinstance(frame.columns, pd.MultiIndex):
        raise SkewkitError(
            f"{name}: its columns have {frame.columns.nlevels} levels, like {frame.columns[0]!r}; give each one name, like "
            f"frame.columns = ['_'.join(map(str, c)) for c in frame.columns]"
        )
    once(name, frame.columns)
    if odd := [c for c in frame.columns if not isinstance(c, str)]:
        texts = [str(c) for c in frame.columns]
        if twice := [c for c in odd if texts.count(str(c)) > 1]:
            raise SkewkitError(f"{name}: columns {twice[0]!r} and {str(twice[0])!r} are the same as text; rename one")
        frame = frame.set_axis(texts, axis=1)
    return Local(frame.reset_index(drop=True), name=name, uri=None)


def _lazy(name, frame):
    raise SkewkitError(f"{name} is a LazyFrame, which holds no rows yet; collect it, or give the file it scans")


def _arrow(name, source):
    """What Arrow's interface gives; a stream is read whole, for it can be read but once."""
    try:
        data = source if isinstance(source, ds.Dataset) else ds.dataset(pa.table(source))
    except Exception as e:  # whatever stands behind the interface
        raise SkewkitError(
            f"{name} is a {type(source).__name__} that Arrow cannot read as a table ({type(e).__name__}); "
            f"give a table with columns"
        ) from None
    refuse_copies(name, f"a {type(source).__name__}", [data.schema])
    once(name, data.schema.names)
    if isinstance(source, pa.RecordBatchReader) and not data.count_rows():
        raise SkewkitError(
            f"{name}: the stream has no rows, or was read before; give the table that reader.read_all() gives"
        )
    return Local(data, name=name, uri=None)


def _files(name, source, csv):
    locations = [source] if isinstance(source, str) else list(map(os.fspath, source))
    if alone := [s for s in locations if s.startswith(("delta:", "dvc:"))]:
        raise SkewkitError(f"{name}: {alone[0]} is a table by itself; give it alone, and not in a list")
    return opened(name, find(name, locations), ", ".join(locations), csv)


def _begins(prefix):
    return lambda source: isinstance(source, str) and source.startswith(prefix)


def _paths(source):
    texts = [source] if isinstance(source, str) else source
    return isinstance(texts, Sequence) and bool(texts) and all(isinstance(t, (str, os.PathLike)) and t for t in texts)


# What a source is, and what opens it; the first that fits does. An Ibis table speaks Arrow as well: it would come whole.
OPENERS = (
    (lambda source: isinstance(source, Local), lambda name, table: replace(table, name=name)),
    (lambda source: isinstance(source, pd.DataFrame), _frame),
    (is_ibis, open_ibis),
    (is_database, open_database),
    (lambda source: type(source).__name__ == "LazyFrame", _lazy),
    (lambda source: isinstance(source, ds.Dataset) or hasattr(source, "__arrow_c_stream__"), _arrow),
    (_begins("delta:"), open_delta),
    (_begins("dvc:"), open_dvc),
    (_paths, _files),
)
READ_CSV = (_files, open_dvc)
