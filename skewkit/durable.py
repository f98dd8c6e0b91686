"""A file that is there whole or not at all, after a power cut too, and an error without the data in its text."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def named(error: Exception) -> str:
    """An error without its text, which may show the data."""
    code = getattr(error, "errno", None)
    return f"{type(error).__name__}: {os.strerror(code)}" if code else type(error).__name__


def write(path: Path, text: str) -> None:
    """A text's file, as `put` writes it."""
    put(path, lambda aside: aside.write_text(text, "utf-8"))


def put(path: Path, make: Callable[[Path], object]) -> None:
    """A file made aside, on the disk, and then renamed into place: nobody reads half of it, whatever ends this."""
    aside = path.with_name(f".{path.name}.aside")
    try:
        make(aside)
        synced(aside)
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)  # the room of a full disk
        raise


def synced(path: Path) -> None:
    """A file's bytes, or a folder's names, on the disk."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
