"""What a model is served, logged by the service itself: a few lines in a request, which never wait and never raise.

A thread of its own writes Parquet segments aside, and renames them into place. `logged.py` reads them.
"""

from __future__ import annotations

import atexit
import copy
import json
import os
import secrets
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..durable import named, put, synced
from ..records import SkewkitError
from ..scope import coin_of
from .columns import OWN, Drafts, joined

PURPOSE = "log"  # of the hash that chooses requests: see `scope.coin`
TICK = 0.05  # seconds between two looks at what waits
SLICE = 256  # rows made into columns at once
RETRY = 1.0  # seconds after a segment could not be written
DRAFTS = 8  # tables of other types that are begun at once, at most
META = b"skewkit_log"  # under which a segment's metadata lies in its schema
CONTAINERS = (list, dict, set, bytearray, np.ndarray)


class FeatureLog:
    """Logs what is served: ``log(features, prediction, key=...)`` in the request, ``log.close()`` at the end.

    Of all requests a ``share`` in (0, 1] is logged, chosen by a hash of their key, so that a replay and another service
    choose the same ones. Each row has the features and the columns that ``key``, ``time``, ``prediction`` and ``join_key``
    name: the request's, and the key that its label will bear. Beside them stand log_sequence (from 1, a writer's own),
    log_time (UTC), log_writer, and log_definitions and log_model, which are given here. With ``values`` False the names of
    the features are logged (log_features) and neither their values nor the prediction, to be computed again later.

    A segment is written when ``rows`` wait for it, or ``seconds`` after the one before. At most ``queue`` requests wait
    for the thread that does this; what comes when they are as many is dropped, and counted. Each process writes under a
    name of its own, after a fork as well.

    Raises SkewkitError for a parameter or folder that cannot be used; after that nothing.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        share: float = 0.01,
        key: str = "request_id",
        definitions: str = "",
        model: str = "",
        *,
        time: str = "time",
        prediction: str = "prediction",
        join_key: str = "join_key",
        values: bool = True,
        rows: int = 50_000,
        seconds: float = 60.0,
        queue: int = 20_000,
        seed: int = 0,
    ):
        if isinstance(share, (bool, str)) or not 0 < share <= 1:
            raise SkewkitError(f"share={share!r} was asked; it is a number above 0, and up to 1 for every request")
        for name, number in (("rows", rows), ("seconds", seconds), ("queue", queue)):
            if isinstance(number, (bool, str)) or not number > 0:
                raise SkewkitError(f"{name}={number!r} was asked; it is a number above 0")
        named = (key, time, prediction, join_key)
        if len({*named, *OWN}) < len(named) + len(OWN):
            raise SkewkitError(f"columns {', '.join(named)} were asked; each once, and none called {', '.join(OWN)}")
        self.folder, self.share, self.seed, self.values = Path(folder), float(share), int(seed), values
        self.columns = {"key": key, "time": time, "prediction": prediction, "join_key": join_key}
        self.definitions, self.model = str(definitions), str(model)
        self.rows, self.seconds, self.queue = rows, seconds, queue
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise SkewkitError(f"no log can be kept in {folder}: {os.strerror(e.errno or 0)}; give a folder") from None
        self._begin()
        _LOGS.add(self)

    def _begin(self):
        """A writer that has written nothing, under a new name: at first, and in a child after a fork."""
        self.writer = f"{secrets.token_hex(6)}-{os.getpid()}"
        self.durable = 0  # every row up to this number is on the disk, or was counted as failed
        self._asked = self._taken = self._placed = self._dropped = self._failed = self._unwritten = 0
        self._trouble: str | None = None
        self._waiting: deque[tuple] = deque()
        self._drafts = Drafts(self.columns, self.values)
        self._published: dict[str, Any] = {}
        self._oldest = time.monotonic()  # since when the open segment has waited
        self._rested = 0.0  # until when nothing is tried again, after a segment could not be written
        self._closed, self._asked_to_flush = False, 0
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        # Held for a few assignments and never while anything is written; a signal's handler may log as well.
        self._lock = threading.RLock()

    # -- in the request

    def __call__(
        self,
        features: Mapping[str, Any],
        prediction: Any = None,
        *,
        key: Any = None,
        time: datetime | None = None,
        join_key: Any = None,
        entities: Mapping[str, Any] | None = None,
    ) -> int | None:
        """Log one request; its number in this writer's log, from 1, or None where it is not logged.

        ``features`` are numbers, text, booleans, times, bytes, None or lists of these. ``time`` is the request's, with its
        zone; None: now. ``entities`` are logged beside the features, whether their values are or not.
        """
        try:
            number = self._log(features, prediction, key, time, join_key, entities)
        except Exception as e:  # whatever it was given, the request must not suffer
            self._count_failed(1, e)
            return None
        return number

    def _log(self, features, prediction, key, asked, join_key, entities):
        with self._lock:
            self._asked += 1
        if key is None:
            raise SkewkitError("a request without a key")
        if coin_of(key, PURPOSE, self.seed) >= self.share:
            return None
        now = time.time_ns()
        # What the service changes after this must not change what is logged.
        held = {n: copy.deepcopy(v) if isinstance(v, CONTAINERS) else v for n, v in features.items()}
        row = (now, key, asked, prediction, join_key, dict(entities or {}), held if self.values else tuple(held))
        with self._lock:
            if self._closed or self._taken - self._placed >= self.queue:
                self._dropped += 1
                return None
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="skewkit-log", daemon=True)
                thread.start()
                self._thread = thread
            number = self._taken = self._taken + 1
            self._waiting.append((number, *row))
            return number

    def _count_failed(self, rows, error, numbered=0):
        with self._lock:
            self._failed += rows
            self._unwritten += numbered
            self._trouble = f"{type(error).__name__}: {error}" if isinstance(error, SkewkitError) else named(error)

    @property
    def state(self) -> dict[str, Any]:
        """What was done so far: requests ``asked``, ``taken`` of them to be logged, ``dropped`` for want of room or since it was
        closed, and ``failed``, for they could not be written; of the taken, ``unwritten`` are those that failed.
        """
        with self._lock:
            counts = {n: getattr(self, f"_{n}") for n in ("asked", "taken", "dropped", "failed", "unwritten")}
            told = {"durable": self.durable, **counts, "trouble": self._trouble, "closed": self._closed}
        about = {"share": self.share, "seed": self.seed, "definitions": self.definitions, "model": self.model}
        return {
            "writer": self.writer,
            **told,
            **about,
            "values": self.values,
            "columns": dict(self.columns),
            "entities": sorted(self._drafts.entities),
        }

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait, at most ``timeout`` seconds, until what was logged so far is on the disk; whether it is. Not for a request."""
        with self._lock:
            self._asked_to_flush = wanted = self._taken
        self._wake.set()
        until = time.monotonic() + timeout
        while self.durable < wanted and self._thread.is_alive() and time.monotonic() < until:
            time.sleep(0.005)
        return self.durable >= wanted

    def close(self, timeout: float = 30.0) -> bool:
        """Write what waits, at most ``timeout`` seconds long, and end; whether all that could be written is on the disk.

        What is logged later is dropped, and counted; closed once more, that count is written too.
        """
        with self._lock:
            self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout)
        if self._asked and not (self._thread and self._thread.is_alive()):
            self._publish()
        return self.durable >= self._taken

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- in the thread

    def _work(self):
        """Until it is closed: what waits becomes columns, and now and then a segment."""
        while True:
            self._wake.wait(TICK)
            try:
                if self._turn():
                    return
            except Exception as e:  # such as want of memory: what comes waits in the queue, which has an end
                self._count_failed(0, e)

    def _turn(self):
        """One look at what waits; whether it was the last."""
        with self._lock:
            closing, flushing = self._closed, self._asked_to_flush > self.durable
            self._wake.clear()
        now = time.monotonic()
        if now < self._rested and not closing:
            return False
        self._place_waiting()
        if written := closing or flushing or self._due(now):
            written = self._rotate()
            self._rested = 0.0 if written else now + RETRY
            self._oldest = now
        if not closing or (written and self._waiting):
            return False
        if lost := self._drafts.rows + len(self._waiting):
            self._count_failed(lost, SkewkitError("closed while nothing could be written"), lost)
        return True

    def _full(self):
        return self._drafts.rows >= self.rows or len(self._drafts.begun) > DRAFTS

    def _due(self, now):
        return self._full() or now - self._oldest >= self.seconds

    def _place_waiting(self):
        """What waits, as columns in the drafts, a slice at a time; no more than a segment's rows."""
        with self._lock:
            wait = len(self._waiting)  # no more than these: what comes meanwhile makes a fuller slice later
        while wait > 0 and not self._full():
            rows = [self._waiting.popleft() for _ in range(min(SLICE, wait))]
            wait -= len(rows)
            for error in self._drafts.place(rows):
                self._count_failed(1, error, 1)
            self._placed = rows[-1][0]

    def _rotate(self):
        """Every draft as a segment, and then the number up to which all is durable; whether that could be done."""
        upto = self._placed
        try:
            while self._drafts.begun:
                draft = self._drafts.begun[-1]
                try:
                    self._write(draft)
                except OSError:
                    raise
                except Exception as e:  # it would stop those after it
                    self._count_failed(draft.rows, e, draft.rows)
                self._drafts.begun.pop()
            synced(self.folder)
        except OSError as e:
            self._count_failed(0, e)  # not yet: it is tried again
            return False
        return self._publish(upto)

    def _write(self, draft):
        table = joined(draft.pieces)
        for name in ("writer", "definitions", "model"):
            table = table.append_column(f"log_{name}", pa.repeat(pa.scalar(getattr(self, name)), len(table)))
        ends = pc.min_max(table["log_sequence"]).as_py()
        told = {**self.state, "first": ends["min"], "last": ends["max"], "rows": len(table)}
        table = table.replace_schema_metadata({META: json.dumps(told)})
        path = self.folder / f"{self.writer}-{told['first']:012d}.parquet"
        put(path, lambda aside: pq.write_table(table, aside))

    def _publish(self, upto=None):
        """The state, in the folder: after the segments are durable, for it says that they are."""
        state = {**self.state, "durable": self.durable if upto is None else upto}
        if state != self._published:
            try:
                text = json.dumps(state, indent=1) + "\n"
                put(self.folder / f"{self.writer}.json", lambda aside: aside.write_text(text, "utf-8"))
                synced(self.folder)
            except OSError as e:
                self._count_failed(0, e)
                return False
            self._published = state
        self.durable = state["durable"]
        return True


_LOGS: weakref.WeakSet[FeatureLog] = weakref.WeakSet()


def _after_fork():
    """In a child there is no thread, and what waits is the parent's to write."""
    for log in tuple(_LOGS):
        closed = log._closed
        log._begin()
        log._closed = closed


def _close_all():
    for log in tuple(_LOGS):
        log.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_close_all)
