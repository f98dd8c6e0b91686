"""A frame, a path, a list of paths or a glob becomes a Table: its schema is read, and its rows are not."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from .engines import Local
from .names import expand
from .records import SkewkitError

FORMATS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv"}

Source = str | os.PathLike | Sequence[str] | pd.DataFrame


def open_table(name: str, source: Source) -> Local:
    """A table over a frame or files, its schema read and its rows not."""
    if isinstance(source, pd.DataFrame):
        if not source.columns.is_unique:
            twice = sorted(set(source.columns[source.columns.duplicated()]))
            raise SkewkitError(f"{name}: column {', '.join(twice)} is there twice; name each column once")
        return Local(source.reset_index(drop=True), name=name, uri=None)
    if isinstance(source, (str, os.PathLike)):
        source = [os.fspath(source)] if source else []
    if (
        not isinstance(source, Sequence)
        or not source
        or not all(isinstance(s, (str, os.PathLike)) and s for s in source)
    ):
        raise SkewkitError(f"{name}={source!r} was given; give a frame, a path, a list of paths, or a glob")
    shown = ", ".join(map(os.fspath, source))
    files = [f for s in source for f in _files(name, os.fspath(s))]
    kinds = {FORMATS.get(Path(f).suffix.lower()) for f in files}
    if None in kinds or len(kinds) > 1:
        raise SkewkitError(
            f"{name}: {shown} holds files of {', '.join(sorted({Path(f).suffix or 'no suffix' for f in files}))}; "
            f"give Parquet (.parquet) or CSV (.csv) files, of one kind"
        )
    try:
        data = ds.dataset(files, format=kinds.pop())
    except (pa.ArrowException, OSError) as e:
        raise SkewkitError(
            f"{name}: {shown} cannot be read ({type(e).__name__}); is it a whole file of its kind?"
        ) from None
    return Local(data, name=name, uri=shown, files=tuple(files))


def _files(name, location):
    """The files at a path or glob, in order of their names."""
    path = expand(location)
    if Path(path).is_dir():
        path = os.path.join(path, "**", "*.parquet")
    found = sorted(f for f in glob.glob(path, recursive=True) if Path(f).is_file())
    if not found:
        raise SkewkitError(
            f"{name}: there is no file at {location}, as seen from the folder of the run; check the path"
        )
    return found
