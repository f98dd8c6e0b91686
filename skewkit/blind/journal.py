"""A drill's journal: one JSON line an event, appended and never changed, each holding the hash of the one before."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..durable import synced
from ..names import optional
from ..records import SkewkitError

BEGINNING = "0" * 64


def utc() -> datetime:
    """Now. A test gives another clock."""
    return datetime.now(UTC)


class Journal:
    """The lines of one file. Whoever appends waits for whoever else does, and what they append is on the disk."""

    def __init__(self, path: Path, now: Callable[[], datetime] = utc):
        self.path, self.now = path, now

    def append(self, kind: str, who: str = "", **told: Any) -> dict[str, Any]:
        """One line more, with the time of now (UTC); gives it."""
        filelock = optional("filelock", "blind", "a journal is written")
        with filelock.FileLock(self.path.with_suffix(".lock")):
            whole, torn = self._split()
            if torn:  # the machine went down in the middle of a line: it was never told to anybody as written
                self.path.with_suffix(".torn").write_bytes(torn)
                os.truncate(self.path, len(whole))
            lines = whole.splitlines()
            before = hashlib.sha256(lines[-1]).hexdigest() if lines else BEGINNING
            at = self.now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            line = {"n": len(lines) + 1, "at": at, "kind": kind, "who": who, **told, "before": before}
            with open(self.path, "ab") as file:
                file.write(json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            synced(self.path)
        return line

    def lines(self) -> list[dict[str, Any]]:
        """What was written, in order; a line that is not whole is not there yet.

        Raises SkewkitError where a line was changed, taken out or put between.
        """
        lines, before = [], BEGINNING
        for at, raw in enumerate(self._split()[0].splitlines(), 1):
            try:
                line = json.loads(raw)
            except ValueError:
                line = None
            if not isinstance(line, Mapping) or line.get("before") != before or line.get("n") != at:
                raise SkewkitError(
                    f"{self.path} was changed at line {at} or just before it; its lines are only ever appended. "
                    f"Take it from a copy, or hold the drill again"
                )
            lines.append(dict(line))
            before = hashlib.sha256(raw).hexdigest()
        return lines

    def _split(self):
        """The whole lines, and what stands behind the last of them."""
        content = self.path.read_bytes() if self.path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        return whole, content[len(whole) :]
