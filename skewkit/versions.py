"""A table as it was at a version: a Delta table, or files that DVC keeps."""

from __future__ import annotations

import os
import re

import pandas as pd
import pyarrow.dataset as ds
from pyarrow.fs import FileType

from .engines import Local
from .files import found_in, opened, over
from .names import expand, optional
from .records import SkewkitError, moment

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
    if asked := expand(version):
        table = _delta(deltalake, shown, where, _version(table, asked, shown))
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
    try:
        return deltalake.DeltaTable(where, version=version)
    except deltalake.exceptions.TableNotFoundError:
        raise SkewkitError(
            f"{shown} is no Delta table, as seen from the folder of the run; give the folder that holds _delta_log"
        ) from None
    except Exception as e:
        at = "" if version is None else f" at version {version}"
        raise SkewkitError(f"{shown} cannot be read{at} ({type(e).__name__}); is its _delta_log whole?") from None


def _version(table, asked, shown):
    """The version that is asked for by its number, or by a time at which it was the newest."""
    commits = sorted((c["version"], c.get("inCommitTimestamp", c.get("timestamp"))) for c in table.history())
    first, last = commits[0][0], table.version()
    if re.fullmatch(r"\d+", asked):
        if not first <= int(asked) <= last:
            raise SkewkitError(f"{shown} was asked at version {asked}; there are versions {first} to {last}")
        return int(asked)
    when = moment(asked, f"{shown}@")
    if undated := [v for v, written in commits if written is None]:
        raise SkewkitError(f"{shown}: its log does not say when version {undated[0]} was written; give a version")
    times = [(v, pd.Timestamp(written, unit="ms", tz="UTC")) for v, written in commits]
    if not (then := [v for v, written in times if written <= when]):
        raise SkewkitError(
            f"{shown} was asked as of {asked}; its first version there is, {first}, is of {times[0][1].isoformat()}"
        )
    return max(then)


def open_dvc(name: str, location: str) -> Local:
    """``dvc:PATH@REV``: files that DVC keeps, as a tag, branch or commit of the git repository of the current folder has them.

    ``dvc:PATH`` is the working copy's: the file that lies there, or where none does what its .dvc file names.
    """
    api = optional("dvc.api", "dvc", f"{name}: {location} is read")
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    path, rev = _parted(location.removeprefix("dvc:"))
    try:
        root = Repo.find_root()
        store = api.DVCFileSystem(root, rev=expand(rev) or None, skip_instance_cache=True)  # a tag may have moved
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
    return opened(name, files, f"dvc:{path}{commit}")


def _parted(text):
    """What stands before the last @, and what after it."""
    path, at, version = text.rpartition("@")
    return (path, version) if at else (text, "")
