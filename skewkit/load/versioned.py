"""A table as it was at a version: a Delta table, or files that DVC keeps."""

from __future__ import annotations

import json
import os
import re

import pandas as pd
import pyarrow.dataset as ds
from pyarrow.fs import FileSelector, FileType, PyFileSystem

from ..names import expand, optional
from ..records import SkewkitError, moment
from ..tables.engines import Local
from .csv_dialect import Dialect
from .files import found_in, opened, over

REWRITE = (
    "write it without (in Delta: ALTER TABLE ... DROP FEATURE), or give deltalake.DeltaTable(PATH).scan().read_all()"
)


def open_delta(name: str, location: str) -> Local:
    """``delta:PATH`` as it is, ``delta:PATH@12`` at a version, or ``delta:PATH@2024-06-01T00:00:00Z`` as it stood then.

    The table's ``uri`` holds the version that was read. When a version was written is what its own commit says.
    """
    deltalake = optional("deltalake", "delta", f"{name}: {location} is read")
    path, version = _parted(location.removeprefix("delta:"))
    if "/" in version or "\\" in version:  # an @ in the path, as in s3://user@host/table
        path, version = f"{path}@{version}", ""
    shown, where = f"{name}: delta:{path}", expand(path)
    table = _delta(deltalake, shown, where)
    if version:
        table = _delta(deltalake, shown, where, _version(table, version, shown))
    mapped = table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none"
    features = {"columnMapping"} if mapped else set()  # of readers of version 2, which list no features
    if features := features | ({"columnMapping", "deletionVectors"} & {*(table.protocol().reader_features or ())}):
        raise SkewkitError(f"{shown} uses {' and '.join(sorted(features))}, which cannot be read by column; {REWRITE}")
    try:
        data = table.to_pyarrow_dataset()
        parts = sorted(data.get_fragments(), key=lambda part: part.path)  # in the log's order they are new first
        data = ds.FileSystemDataset(parts, data.schema, data.format, data.filesystem)
        gone = [f.path for f in data.filesystem.get_file_info(data.files) if f.type == FileType.NotFound]
    except Exception as e:  # its errors have no base of their own, and their text shows what ${NAME} stands for
        raise SkewkitError(f"{shown}@{table.version()} cannot be read ({type(e).__name__}); {REWRITE}") from None
    if gone:
        raise SkewkitError(
            f"{shown}@{table.version()} names {len(gone)} files that are gone ({gone[0]}), as after a vacuum; "
            f"give a later version"
        )
    return over(name, data, [f"delta:{path}/{f}" for f in data.files], f"delta:{path}@{table.version()}")


def _delta(deltalake, shown, where, version=None):
    none = f"{shown} is no Delta table, as seen from the folder of the run; give the folder that holds _delta_log"
    if "://" not in where and not os.path.isdir(os.path.join(where, "_delta_log")):
        raise SkewkitError(none)  # older releases of deltalake would make the folder
    try:
        return deltalake.DeltaTable(where, version=version)
    except deltalake.exceptions.TableNotFoundError:
        raise SkewkitError(none) from None
    except Exception as e:
        at = "" if version is None else f" at version {version}"
        raise SkewkitError(f"{shown} cannot be read{at} ({type(e).__name__}); is its _delta_log whole?") from None


def _version(table, asked, shown):
    """The version that is asked for by its number, or by a time at which it was the newest."""
    from deltalake.fs import DeltaStorageHandler

    number, asked = expand(asked), f"{shown} was asked at {asked}"
    log = PyFileSystem(DeltaStorageHandler(table.table_uri))
    names = [f.base_name for f in log.get_file_info(FileSelector("_delta_log"))]
    last = table.version()
    begins = [int(n[:20]) for n in names if re.match(r"0{20}\.json$|\d{20}\.checkpoint", n)]
    first = min(begins, default=last)
    if re.fullmatch(r"[0-9]+", number):
        if not first <= int(number) <= last:
            raise SkewkitError(f"{asked}; there are versions {first} to {last}")
        return int(number)
    try:
        when = moment(number)
    except SkewkitError:
        when = None
    if when is None:
        raise SkewkitError(
            f"{asked}, which is neither a version nor a time with its zone; write it like @12 or @2024-06-01T00:00:00Z"
        )
    for version in range(last, first - 1, -1):
        if (commit := _written(log, version)) is None:
            raise SkewkitError(f"{asked}; its log does not say when version {version} was written; give a version")
        if commit <= when:
            return version
    raise SkewkitError(f"{asked}; the first version, {first}, was written at {commit.isoformat()}; give a later time")


def _written(log, version):
    """When a version was written, by its own commit; None where that is gone or does not say.

    deltalake's history counts commits from the newest, and gives the wrong version beyond one that says nothing.
    """
    try:
        with log.open_input_file(f"_delta_log/{version:020d}.json") as file:
            lines = [json.loads(line) for line in file.read().splitlines() if line.strip()]
    except (OSError, ValueError):
        return None
    said = next((line["commitInfo"] for line in lines if "commitInfo" in line), {})
    written = said.get("inCommitTimestamp", said.get("timestamp"))
    return None if written is None else pd.Timestamp(written, unit="ms", tz="UTC")


def open_dvc(name: str, location: str, csv: Dialect = Dialect()) -> Local:
    """``dvc:PATH@REV``: files that DVC keeps, as a tag, branch or commit of the git repository of the current folder has them.

    ``dvc:PATH`` is the working copy's: the file that lies there, or where none does what its .dvc file names.
    """
    api = optional("dvc.api", "dvc", f"{name}: {location} is read")
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    path, rev = _parted(location.removeprefix("dvc:"))
    try:
        root = Repo.find_root()
        store = api.DVCFileSystem(root, rev=expand(rev) or None)
        commit = f"@{store.repo.get_rev()}" if rev else ""
    except DvcException as e:
        raise SkewkitError(
            f"{name}: {location} cannot be read ({type(e).__name__}); run in a git repository with DVC, "
            f"and give a tag, branch or commit that it has after @"
        ) from None
    within = os.path.relpath(os.path.realpath(expand(path)), os.path.realpath(root)).replace(os.sep, "/")
    if within.startswith(".."):
        raise SkewkitError(f"{name}: dvc:{path} is outside of the repository of the current folder; give a path in it")
    files = found_in(store, name, location, f"/{within}", lambda file: f"dvc:{file.lstrip('/')}{commit}")
    return opened(name, files, f"dvc:{path}{commit}", csv)


def _parted(text):
    """What stands before the last @, and what after it."""
    path, at, version = text.rpartition("@")
    return (path, version) if at else (text, "")
