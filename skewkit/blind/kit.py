"""A drill's folder, written aside and renamed into place: what the team has in the open, and what is sealed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd

from ..durable import synced, write
from ..load.copies import as_copy
from ..notebook import find
from .participant import participant
from .script import script
from .seal import Lock, joined

Hours = list[tuple[pd.DataFrame, pd.DataFrame]]  # served and replayed, of each hour


@contextmanager
def aside(folder: Path) -> Iterator[Path]:
    """A folder that is in its place, on the disk, once the block ends well; else there is nothing of it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    hidden = folder.with_name(f".{folder.name}.aside")
    shutil.rmtree(hidden, ignore_errors=True)  # of a start that was killed
    hidden.mkdir()
    try:
        yield hidden
        for path in hidden.rglob("*"):
            synced(path)
        hidden.rename(folder)
        synced(folder.parent)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise


def lay_open(
    at: Path, folder: Path, told: Mapping[str, Any], training: pd.DataFrame, history: pd.DataFrame, model: Path | None
) -> None:
    """What all may read, under ``at``, of the drill that will be in ``folder``."""
    drill = told["drill"]
    (at / "training.parquet").write_bytes(as_copy(training, drill))
    for name in ("served", "replayed"):
        (at / name).mkdir()
        (at / name / "history.parquet").write_bytes(as_copy(history, drill))
    if model is not None:
        shutil.copyfile(model, at / "model.skops")
    (at / "script.md").write_text(script(told, folder.as_posix()), "utf-8")
    nbformat.write(participant(find("quarterly"), folder.as_posix()), at / "participant.ipynb")
    write(at / "drill.json", json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def lay_sealed(at: Path, drill: str, hours: Hours, truth: bytes, lock: Lock) -> None:
    """The truth and the hours that have not come, under ``at``, for the passphrase to open."""
    (at / "sealed").mkdir()
    contents = [joined(as_copy(_as_written(s, r), drill), as_copy(r, drill)) for s, r in hours]
    room = 1 << max(map(len, contents)).bit_length()  # all of one length, which tells nothing of what is in them
    for hour, content in enumerate(contents, 1):
        (at / "sealed" / f"hour-{hour:02d}").write_bytes(lock.shut(content, room))
    (at / "sealed" / "truth").write_bytes(lock.shut(truth))
    (at / "sealed" / "salt").write_text(lock.salt.hex())


def _as_written(frame, like):
    """An hour as the log's writer types it: whole numbers where it holds nothing else, whatever other hours hold."""
    known = {c: like[c].dtype for c in frame if c in like and frame[c].dtype != like[c].dtype}
    return frame.astype({c: dtype for c, dtype in known.items() if _fits(frame[c], dtype)})


def _fits(column, dtype):
    """Whether a column's values are the same in another type of numbers."""
    if dtype.kind not in "iuf" or column.dtype.kind not in "iuf" or column.isna().any():
        return False
    return bool((column.astype(dtype).astype(column.dtype) == column).all())
