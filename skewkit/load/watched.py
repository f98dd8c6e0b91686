"""Files that are the same at every reading: one that changes in between is an error, never two versions in one table."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow.fs import FSSpecHandler, LocalFileSystem, PyFileSystem

from ..records import SkewkitError

ERRORS = (pa.ArrowException, OSError, ValueError)
VERSION = ("size", "ETag", "etag", "generation", "mtime", "LastModified", "last_modified", "updated", "created")


def stamps(filesystem: Any, paths: Sequence[str]) -> list[tuple]:
    """What tells whether each file is still the one it was, without reading it."""
    return [_stamp(filesystem, path) for path in paths]


def _stamp(filesystem, path):
    try:
        if isinstance(filesystem, LocalFileSystem):
            now = os.stat(path)
            return now.st_size, now.st_mtime_ns, now.st_ino
        if isinstance(filesystem, PyFileSystem) and isinstance(filesystem.handler, FSSpecHandler):
            store = filesystem.handler.fs
            store.invalidate_cache(store._parent(path))  # a listing that is kept would tell of the past
            now = store.info(path)
            return tuple(str(now.get(name)) for name in VERSION)
        now = filesystem.get_file_info(path)
        return now.size, now.mtime_ns
    except Exception as e:  # gone, or each store's own error
        return ("gone", type(e).__name__)


def refuse_changed(who: str, filesystem: Any, paths: Sequence[str], called: Sequence[str], then: list[tuple]) -> None:
    """Raise SkewkitError, naming the file, where one is no longer what it was."""
    for path, file, was in zip(paths, called, then, strict=True):
        if _stamp(filesystem, path) != was:
            raise SkewkitError(
                f"{who}: {file} changed while it was read; give a copy or a snapshot that nobody writes to, "
                f"or a version of a table, like delta:PATH@VERSION"
            )


def unread(error: Exception) -> str:
    """Why the system does not give a file's bytes; nothing where it is not the system that refuses."""
    if isinstance(error, PermissionError):
        return "you may not read it; ask for the permission"
    if isinstance(error, FileNotFoundError):
        return "it is listed, and its bytes are not there; fetch them, or leave the file out"
    if not isinstance(error, pa.ArrowException) and isinstance(error, OSError) and error.errno:
        return f"{os.strerror(error.errno)}; check the file"
    return ""


@dataclass(frozen=True, eq=False)
class Watched:
    """A dataset of files whose every answer is of the files as they were when it was opened."""

    name: str
    data: ds.FileSystemDataset
    called: tuple[str, ...]
    then: list[tuple] = field(repr=False)

    @property
    def schema(self) -> pa.Schema:
        """Each column's name and type."""
        return self.data.schema

    def to_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Some columns, or all."""
        return self._same(lambda: self.data.to_table(columns=columns))

    def count_rows(self) -> int:
        """How many rows there are."""
        return self._same(self.data.count_rows)

    def sha256(self) -> str:
        """The hash of all files' bytes, made once."""
        return self._digest

    @cached_property
    def _digest(self):
        return self._same(self._hashed)

    def _hashed(self):
        digest = hashlib.sha256()
        for path in self.data.files:
            with self.data.filesystem.open_input_file(os.fspath(path)) as handle:
                while block := handle.read(1 << 20):
                    digest.update(block)
        return digest.hexdigest()

    def _same(self, ask):
        try:
            answer = ask()
        except ERRORS:
            self._refuse_changed()
            raise
        self._refuse_changed()
        return answer

    def _refuse_changed(self):
        refuse_changed(self.name, self.data.filesystem, self.data.files, self.called, self.then)
