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
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .columns import arrow_kind
from .files import wider
from .records import SkewkitError
from .scope import coin_of

PURPOSE = "log"  # of the hash that chooses requests: see `scope.coin`
TICK = 0.05  # seconds between two looks at what waits
SLICE = 32  # rows made into columns at once; between two slices, requests have their turn
REST = 0.0002  # seconds
RETRY = 1.0  # seconds after a segment could not be written
DRAFTS = 8  # tables of other types that are begun at once, at most
OWN = (
    "log_sequence",
    "log_time",
    "log_writer",
    "log_definitions",
    "log_model",
    "log_features",
)  # columns of the log's own
META = b"skewkit_log"  # under which a segment's metadata lies in its schema
CONTAINERS = (list, dict, set, bytearray, np.ndarray)


class FeatureLog:
    """Logs what is served: ``log(features, prediction, key=...)`` in the request, ``log.close()`` at the end.

    Of all requests a ``share`` in (0, 1] is logged, chosen by a hash of their key, so that a replay and another service
    choose the same ones. Each row has the features and the columns that ``key``, ``time``, ``prediction`` and ``join_key``
    name: the request's, and the key that its label will bear. Beside them stand log_sequence (from 1, a writer's own),
    log_time (UTC), log_writer, and log_definitions and log_model, which are given here. With ``values`` False the names of
    the features are logged (log_features) and neither their values nor the prediction, to be computed again later.

    A segment is written when ``rows`` wait for it or the oldest has waited ``seconds``. At most ``queue`` requests wait
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
        self._waiting: list[tuple] = []
        self._drafts: list[_Draft] = []
        self._entities: set[str] = set()
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
            self._taken += 1
            self._waiting.append((self._taken, *row))
            return self._taken

    def _count_failed(self, rows, error, numbered=0):
        with self._lock:
            self._failed += rows
            self._unwritten += numbered
            self._trouble = f"{type(error).__name__}: {error}" if isinstance(error, SkewkitError) else _named(error)

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
            "entities": sorted(self._entities),
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
        if lost := self._held + len(self._waiting):
            self._count_failed(lost, SkewkitError("closed while nothing could be written"), lost)
        return True

    @property
    def _held(self):
        return sum(d.rows for d in self._drafts)

    @property
    def _full(self):
        return self._held >= self.rows or len(self._drafts) > DRAFTS

    def _due(self, now):
        return self._full or now - self._oldest >= self.seconds

    def _place_waiting(self):
        """What waits, as columns in the drafts, a slice at a time; no more than a segment's rows."""
        while not self._full:
            with self._lock:
                rows, self._waiting = self._waiting[:SLICE], self._waiting[SLICE:]
            if not rows:
                return
            self._place(rows)
            self._placed = rows[-1][0]
            time.sleep(REST)

    def _place(self, rows):
        """Rows into the draft whose types they go with, or a new one; a row that goes into none has failed."""
        try:
            self._draft(self._table(rows))
        except Exception as e:  # of one of them
            if len(rows) == 1:
                return self._count_failed(1, e, 1)
            alike = [list(part) for _, part in groupby(sorted(rows, key=_types), _types)]
            half = len(rows) // 2
            for part in alike if len(alike) > 1 else (rows[:half], rows[half:]):
                self._place(part)

    def _draft(self, piece):
        draft = next((d for d in self._drafts if d.add(piece)), None)
        if draft is None:
            draft = _Draft()
            draft.add(piece)
        elif draft is self._drafts[0]:
            return
        # those that come next are probably like these
        self._drafts = [draft, *(d for d in self._drafts if d is not draft)]

    def _table(self, rows):
        numbers, logged, keys, asked, predictions, joins, entities, features = zip(*rows, strict=True)
        if any(t is not None and t.tzinfo is None for t in asked):
            raise SkewkitError("a request's time without a zone")
        times = [n if t is None else _instant(t) for t, n in zip(asked, logged, strict=True)]
        made = {
            self.columns["key"]: _array(keys),
            self.columns["time"]: _utc(times),
            self.columns["join_key"]: _array(joins),
            "log_sequence": pa.array(numbers, pa.int64()),
            "log_time": _utc(logged),
        }
        if self.values:
            made[self.columns["prediction"]] = _array(predictions)
            _add(made, features)
        else:
            made["log_features"] = pa.array(features, pa.list_(pa.string()))
        _add(made, entities)
        table = pa.table(made)
        self._entities.update(*entities)
        return table

    def _rotate(self):
        """Every draft as a segment, and then the number up to which all is durable; whether that could be done."""
        upto = self._placed
        try:
            while self._drafts:
                draft = self._drafts[-1]
                try:
                    self._write(draft)
                except OSError:
                    raise
                except Exception as e:  # it would stop those after it
                    self._count_failed(draft.rows, e, draft.rows)
                self._drafts.pop()
            _fsync(self.folder)
        except OSError as e:
            self._count_failed(0, e)  # not yet: it is tried again
            return False
        return self._publish(upto)

    def _write(self, draft):
        table = pa.concat_tables(draft.pieces, promote_options="default")
        for name in ("writer", "definitions", "model"):
            table = table.append_column(f"log_{name}", pa.repeat(pa.scalar(getattr(self, name)), len(table)))
        ends = pc.min_max(table["log_sequence"]).as_py()
        told = {**self.state, "first": ends["min"], "last": ends["max"], "rows": len(table)}
        table = table.replace_schema_metadata({META: json.dumps(told)})
        path = self.folder / f"{self.writer}-{told['first']:012d}.parquet"
        _placed(path, lambda aside: pq.write_table(table, aside))

    def _publish(self, upto=None):
        """The state, in the folder: after the segments are durable, for it says that they are."""
        state = {**self.state, "durable": self.durable if upto is None else upto}
        if state != self._published:
            try:
                text = json.dumps(state, indent=1) + "\n"
                _placed(self.folder / f"{self.writer}.json", lambda aside: aside.write_text(text, "utf-8"))
                _fsync(self.folder)
            except OSError as e:
                self._count_failed(0, e)
                return False
            self._published = state
        self.durable = state["durable"]
        return True


@dataclass
class _Draft:
    """A segment that is begun: pieces of one type a column."""

    pieces: list[pa.Table] = field(default_factory=list)
    types: dict[str, pa.DataType] = field(default_factory=dict)
    rows: int = 0

    def add(self, piece: pa.Table) -> bool:
        """Whether a piece's types go with these, or both with wider ones that change no value; if so it is taken."""
        wide = {n: wider(self.types.get(n, t), t) for n, t in zip(piece.schema.names, piece.schema.types, strict=True)}
        if None in wide.values():
            return False
        types = {**self.types, **wide}
        try:
            piece = _cast(piece, types)
            if any(types[n] != t for n, t in self.types.items()):
                self.pieces = [_cast(p, types) for p in self.pieces]
        except pa.ArrowException:  # whole numbers that no float holds
            return False
        self.pieces.append(piece)
        self.types, self.rows = types, self.rows + len(piece)
        return True


def _cast(piece, types):
    wanted = [types[n] for n in piece.schema.names]
    return (
        piece
        if piece.schema.types == wanted
        else piece.cast(pa.schema(list(zip(piece.schema.names, wanted, strict=True))))
    )


def _instant(time):
    return pd.Timestamp(time).as_unit("ns").value


def _utc(nanoseconds):
    return pa.array(nanoseconds, pa.int64()).cast(pa.timestamp("ns", "UTC"))


def _add(made, rows):
    """The columns of some mappings, a row each; what a row does not have is null."""
    for name in dict.fromkeys(n for row in rows for n in row):
        if name in made or name in OWN:
            raise SkewkitError(f"a feature called {name!r}, as a column of the log is")
        made[name] = _array([row.get(name) for row in rows])


def _array(values):
    """Values as Arrow's, none of them changed: what Arrow would take for one type, and is two, is refused."""
    kinds = {type(v) for v in values} - {type(None)}
    if kinds & {type(pd.NaT), type(pd.NA)}:
        return _array([None if v is pd.NaT or v is pd.NA else v for v in values])
    naive = {v.tzinfo is None for v in values if isinstance(v, datetime)}
    if len(naive) > 1 or (len(kinds) > 1 and not all(map(_number, kinds))):
        raise TypeError(f"{', '.join(sorted(k.__name__ for k in kinds))} in one column")
    if kinds == {pd.Timestamp}:  # of which Arrow would keep microseconds
        return pa.array(pd.Series(values, dtype="datetime64[ns]" if naive == {True} else "datetime64[ns, UTC]"))
    made = pa.array(values)
    held = made.type.value_type if pa.types.is_list(made.type) else made.type
    if arrow_kind(held) == "other" and not pa.types.is_binary(held):
        raise TypeError(f"{held}, which is no number, text, boolean or time")
    return made


def _number(kind):
    return issubclass(kind, (int, float, np.integer, np.floating)) and not issubclass(kind, bool)


def _types(row):
    """What types a row's values have, to put rows together that go into one table."""
    features = row[-1] if isinstance(row[-1], dict) else {}
    named = {**features, **row[-2], "": row[2], " ": row[4], "  ": row[5]}
    return sorted(
        (str(n), type(v).__name__, str(getattr(v, "tzinfo", None) is None)) for n, v in named.items() if v is not None
    )


def _named(error):
    """An error without its text, which may show the data."""
    return (
        f"{type(error).__name__}: {os.strerror(error.errno)}" if getattr(error, "errno", None) else type(error).__name__
    )


def _placed(path, write):
    """A file written aside, on the disk, and then renamed into place: nobody reads half of it, whatever ends this."""
    aside = path.with_name(f".{path.name}.aside")
    try:
        write(aside)
        _fsync(aside)
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)  # the room of a full disk
        raise


def _fsync(path):
    """A file's bytes, or a folder's names, on the disk."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
