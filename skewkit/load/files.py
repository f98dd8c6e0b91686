"""Files of one kind, here or in an object store, become one dataset: each file's schema is read, and no row."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow.fs import FileSystem, FSSpecHandler, LocalFileSystem, PyFileSystem

from ..names import expand, optional
from ..records import SkewkitError
from ..tables.columns import arrow_kind
from ..tables.engines import Local
from .copies import refuse as refuse_copies
from .csv_dialect import Dialect
from .csv_files import open_csv
from .watched import ERRORS, Watched, stamps, unread

FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "csv",
    ".tsv.gz": "csv",
    ".arrow": "ipc",
    ".feather": "ipc",
    ".ipc": "ipc",
}
READERS = {"parquet": ds.ParquetFileFormat, "ipc": ds.IpcFileFormat}
CALLED = {"parquet": "Parquet", "ipc": "Arrow"}


@dataclass(frozen=True)
class Files:
    """Files of one file system, and what an error calls each: by its location, so that a ${NAME} in it stays unsaid."""

    filesystem: FileSystem
    paths: tuple[str, ...]
    called: tuple[str, ...]


def find(name: str, locations: Sequence[str]) -> Files:
    """The files at paths, folders and globs, each location's in order of their names; of one file system.

    A location with a scheme (``s3://bucket/log/*.parquet``) is read through fsspec. Raises SkewkitError where there is
    no file, or nothing that could look for it.
    """
    found = [_find(name, location) for location in locations]
    if any(f.filesystem != found[0].filesystem for f in found):
        raise SkewkitError(f"{name}: {', '.join(locations)} are in different places; give files of one place")
    return Files(found[0].filesystem, *(tuple(x for f in found for x in getattr(f, n)) for n in ("paths", "called")))


def _find(name, location):
    path = expand(location)
    if "://" in path:
        return found_in(_store(name, location, path), name, location)
    try:
        return _files(name, location, path, LocalFileSystem(), _Here, os.fspath)
    except (ValueError, OSError) as e:
        raise SkewkitError(f"{name}: {location!r} is no path that can be looked for ({type(e).__name__})") from None


class _Here:
    """What fsspec's file systems do, for the folder of the run."""

    isdir, isfile, exists = os.path.isdir, os.path.isfile, os.path.exists

    @staticmethod
    def glob(path, detail):
        found = glob.glob(path, recursive=True)
        return {f: {"type": "file" if os.path.isfile(f) else "directory"} for f in found}


def _store(name, location, path):
    """The file system that a scheme names."""
    fsspec = optional("fsspec", "cloud", f"{name}: {location} is read")
    scheme = path.partition("://")[0]
    try:
        return fsspec.core.url_to_fs(path)[0]
    except ImportError as e:  # its text says which package to install
        raise SkewkitError(f"{name}: {location} needs the package for {scheme}://: {e}") from None
    except Exception as e:  # each protocol has errors of its own, whose text may show what ${NAME} stands for
        known = ", ".join(p for p in ("s3", "gs", "abfs", "https") if p in fsspec.available_protocols())
        raise SkewkitError(
            f"{name}: fsspec cannot open {location} ({type(e).__name__}); it knows {known} and more: "
            f"check what stands before ://, and that its package can sign in"
        ) from None


def found_in(store: Any, name: str, location: str, path: str = "", called: Callable[[str], str] | None = None) -> Files:
    """The files of an fsspec file system at a path, folder or glob: ``path``, or what ``location`` spells."""
    stripped = store._strip_protocol
    try:
        return _files(
            name,
            location,
            path or stripped(expand(location)),
            PyFileSystem(FSSpecHandler(store)),
            store,
            stripped,
            called,
        )
    except SkewkitError:
        raise
    except Exception as e:  # each store has errors of its own, whose text may show what ${NAME} stands for
        raise SkewkitError(
            f"{name}: {location} cannot be listed ({type(e).__name__}); check the path, and that you may read it"
        ) from None


def _files(name, location, path, filesystem, store, stripped, called=None):
    """The files at a path, folder or glob of one place."""
    folder = store.isdir(path)
    if folder:
        path = path.rstrip("/") + "/**/*.parquet"
    found = (
        [path]
        if store.isfile(path)
        else sorted(f for f, info in store.glob(path, detail=True).items() if info["type"] == "file")
    )
    if not found:
        hint = "give a glob for files that do not end in .parquet" if folder else "check the path"
        raise SkewkitError(f"{name}: there is no file at {location}, as seen from the folder of the run; {hint}")
    if any(store.exists(f"{parent}/_delta_log") for parent in {_table(f) for f in found}):
        raise SkewkitError(
            f"{name}: {location} is in a Delta table, whose files hold deleted rows as well; give delta:PATH of its folder"
        )
    return Files(filesystem, tuple(found), tuple(map(called or partial(_called, location, stripped, found), found)))


def _table(file):
    """The folder of a file, or of the table whose partitions (day=2024-06-01) it lies in."""
    parent = os.path.dirname(file) or "."
    while "=" in os.path.basename(parent):
        parent = os.path.dirname(parent) or "."
    return parent


def _called(location, stripped, found, file):
    """A file by its location, with ${NAME} as it was written."""
    if "${" not in location:
        scheme = location.partition("://")[0] + "://" if "://" in location else ""
        return scheme + (file.lstrip("/") if scheme else file)
    known = location[: location.rindex("}") + 1]
    begins = stripped(expand(known))
    return known + file[len(begins) :] if file.startswith(begins) else f"file {found.index(file) + 1} of {location}"


def opened(name: str, files: Files, uri: str, csv: Dialect = Dialect()) -> Local:
    """A table over files of one format and one schema, but for numbers of other widths, and columns that are all null."""
    kinds = {_format(f) for f in files.paths}
    if None in kinds or len(kinds) > 1:
        ends = sorted({os.path.splitext(f)[1] or "no suffix" for f in files.paths})
        raise SkewkitError(
            f"{name}: {uri} holds files of {', '.join(ends)}; "
            f"give Parquet (.parquet), CSV (.csv, .csv.gz) or Arrow (.arrow, .feather) files, of one kind"
        )
    (kind,) = kinds
    if kind == "csv":
        data = open_csv(name, zip(files.paths, files.called, strict=True), files.filesystem, csv)
        return Local(data, name=name, uri=uri, files=files.paths, filesystem=files.filesystem)
    then = stamps(files.filesystem, files.paths)
    reader = READERS[kind]()
    schemas = [
        _inspected(name, reader, kind, files.filesystem, *f) for f in zip(files.paths, files.called, strict=True)
    ]
    refuse_copies(name, uri, schemas)
    schema = _one(name, schemas, files.called)
    data = ds.FileSystemDataset.from_paths(list(files.paths), schema=schema, format=reader, filesystem=files.filesystem)
    return over(name, data, files.called, uri, CALLED[kind], then)


def over(
    name: str,
    data: ds.FileSystemDataset,
    called: Sequence[str],
    uri: str,
    kind: str = "Parquet",
    then: list[tuple] | None = None,
) -> Local:
    """A table over a dataset of files, whose errors name the file; ``then``: their `stamps` before a schema was read."""
    once(name, data.schema.names)
    then = stamps(data.filesystem, data.files) if then is None else then
    explain = partial(_explained, data, tuple(called), kind)
    source = Watched(name, data, tuple(called), then)
    return Local(source, name=name, uri=uri, files=tuple(data.files), filesystem=data.filesystem, explain=explain)


def once(name: str, columns: Sequence[Any]) -> None:
    """Refuse columns of one name."""
    if twice := sorted(str(c) for c, times in Counter(columns).items() if times > 1):
        raise SkewkitError(f"{name}: column {', '.join(twice)} is there twice; name each column once")


def _format(file):
    return next((kind for suffix, kind in FORMATS.items() if file.lower().endswith(suffix)), None)


def _inspected(name, reader, kind, filesystem, path, called):
    """One file's schema."""
    try:
        schema = reader.inspect(path, filesystem)
        once(f"{name}: {called}", schema.names)
        return schema
    except ERRORS as e:
        raise SkewkitError(f"{name}: {called} cannot be read: {_trouble(e, kind, filesystem, path)}") from None


def _explained(data, called, kind, error, columns):
    """Which file of a dataset an error was about, and what is the matter with it."""
    for fragment, file in zip(data.get_fragments(), called, strict=True):
        try:
            fragment.to_table(schema=data.schema, columns=columns)
        except ERRORS as e:
            return f"{file}: {_trouble(e, kind, data.filesystem, fragment.path, columns)}"
    return type(error).__name__


def _trouble(error, kind, filesystem, path, columns=()):
    """What is the matter with a file and what to do; of Arrow's text the numbers alone, for it shows the rows."""
    said = str(error)
    if known := unread(error):
        return known
    if re.search(r"not in range|would lose data|out of bounds|overflow", said):
        return f"{', '.join(columns) or 'a column'} holds values beyond the type of the other files; write one type"
    if filesystem.get_file_info(path).size == 0:
        return "it is empty, without even a header; write it again, or leave it out"
    return f"is it a whole file of its kind, {CALLED.get(kind, kind)}? ({type(error).__name__})"


def _one(name, schemas, called):
    """The one schema of all files; the columns are the first file's."""
    types = {f.name: (f.type, called[0]) for f in schemas[0]}
    for schema, file in zip(schemas[1:], called[1:], strict=True):
        for column in dict.fromkeys((*types, *schema.names)):
            if (column in types) != (column in schema.names):
                has, lacks = (called[0], file) if column in types else (file, called[0])
                raise SkewkitError(
                    f"{name}: column {column!r} is in {has} and not in {lacks}; "
                    f"write it into all of them, or give the files that have it apart"
                )
            held, since = types[column]
            found = schema.field(column).type
            if (both := wider(held, found)) is None:
                raise SkewkitError(
                    f"{name}: column {column!r} is {held} in {since} and {found} in {file}; "
                    f"write it as one type in all of them, or leave the odd file out"
                )
            types[column] = (both, since if both == held else file)
    return pa.schema([(column, held) for column, (held, _) in types.items()])


def wider(a, b):
    """The type that holds the values of both, unchanged; None where there is none."""
    if a == b:
        return a
    a, b = (t.value_type if pa.types.is_dictionary(t) else t for t in (a, b))
    if pa.types.is_null(a) or pa.types.is_null(b):
        return b if pa.types.is_null(a) else a
    if pa.types.is_decimal(a) != pa.types.is_decimal(b) and not (pa.types.is_integer(a) or pa.types.is_integer(b)):
        return None  # a decimal is no float
    kinds = {arrow_kind(a), arrow_kind(b)}
    if kinds == {"text"}:
        return pa.large_string()
    if kinds == {"time"}:
        b = pa.timestamp(b.unit, a.tz)  # the same instants, whatever the zone they are shown in
    elif len(kinds) > 1 and kinds != {"integer", "number"}:
        return None
    try:
        return pa.unify_schemas([pa.schema([("x", t)]) for t in (a, b)], promote_options="permissive").field("x").type
    except pa.ArrowException:
        return None
