"""Logged requests as columns: no value becomes another, whatever types a feature has from one request to the next."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, groupby

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..load.files import wider
from ..records import SkewkitError
from ..tables.columns import arrow_kind

UTC = pa.timestamp("ns", "UTC")
OWN = ("log_sequence", "log_time", "log_writer", "log_definitions", "log_model", "log_features")  # the log's own
WORK, REST = 1e-4, 1e-6  # seconds of work after which requests have their turn, and how short that is at least
LOOSE = 16  # pieces that are put together as soon as there are so many: to free thousands at once takes time too


class Drafts:
    """The segments that a log has begun: one, unless the types of its columns do not go together.

    ``columns`` names those of key, time, prediction and join_key; ``values``: whether values are written. A row is number,
    nanoseconds when it was logged, key, time, prediction, join key, entities, features (of no values: their names).
    """

    def __init__(self, columns, values):
        self.columns, self.values = columns, values
        self.begun: list[Draft] = []
        self.entities: set[str] = set()

    @property
    def rows(self) -> int:
        """How many rows they hold."""
        return sum(d.rows for d in self.begun)

    def place(self, rows) -> list[Exception]:
        """Rows into the draft whose types they go with, or a new one; the errors of those that go into none, one a row."""
        try:
            self._add(self._table(rows))
            return []
        except Exception as e:  # of one of them
            if len(rows) == 1:
                return [e]
            alike = [list(part) for _, part in groupby(sorted(rows, key=_types), _types)]
            half = len(rows) // 2
            parts = alike if len(alike) > 1 else (rows[:half], rows[half:])
            return [error for part in parts for error in self.place(part)]

    def _add(self, piece):
        draft = next((d for d in self.begun if d.add(piece)), None)
        if draft is None:
            draft = Draft()
            draft.add(piece)
        # those that come next are probably like these
        self.begun = [draft, *(d for d in self.begun if d is not draft)]

    def _table(self, rows):
        numbers, logged, keys, asked, predictions, joins, entities, features = zip(*rows, strict=True)
        made = {
            self.columns["key"]: array_of(keys),
            self.columns["time"]: pc.coalesce(_times(asked), _utc(logged)),
            self.columns["join_key"]: array_of(joins),
            "log_sequence": pa.array(numbers, pa.int64()),
            "log_time": _utc(logged),
        }
        if self.values:
            made[self.columns["prediction"]] = array_of(predictions)
            _set(made, features)
        else:
            made["log_features"] = pa.array(features, pa.list_(pa.string()))
        _set(made, entities)
        table = pa.table(made)
        self.entities.update(*entities)
        return table


@dataclass
class Draft:
    """A segment that is begun: pieces of one type a column, the last of which are ``loose``."""

    pieces: list[pa.Table] = field(default_factory=list)
    types: dict[str, pa.DataType] = field(default_factory=dict)
    rows: int = 0
    loose: int = 0

    def add(self, piece: pa.Table) -> bool:
        """Whether a piece's types go with these, or both with wider ones that change no value; if so it is taken."""
        if self.loose == LOOSE:
            self.pieces[-LOOSE:] = [joined(self.pieces[-LOOSE:]).combine_chunks()]
            self.loose = 0
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
        self.types, self.rows, self.loose = types, self.rows + len(piece), self.loose + 1
        return True


def joined(pieces: list[pa.Table]) -> pa.Table:
    """Pieces one after the other; what one does not have is null in it."""
    return pa.concat_tables(pieces, promote_options="default")


def _cast(piece, types):
    wanted = pa.schema([(n, types[n]) for n in piece.schema.names])
    return piece if piece.schema.types == wanted.types else piece.cast(wanted)


def _times(values):
    """Requests' times in UTC."""
    made = array_of(values)
    if not pa.types.is_null(made.type) and arrow_kind(made.type) != "time":
        raise SkewkitError("a request's time that is none, or has no zone")
    return made.cast(UTC)


def _utc(nanoseconds):
    return pa.array(nanoseconds, pa.int64()).cast(UTC)


def _set(made, rows):
    """The columns of some mappings, a row each; what a row does not have is null."""
    begun = time.perf_counter()
    for name in dict.fromkeys(chain.from_iterable(rows)):
        if name in made or name in OWN:
            raise SkewkitError(f"a feature called {name!r}, as a column of the log is")
        made[name] = array_of([row.get(name) for row in rows])
        if time.perf_counter() - begun > WORK:
            time.sleep(REST)  # a thread that works on holds up every other for milliseconds
            begun = time.perf_counter()


def array_of(values):
    """Values as Arrow's, none of them changed: what Arrow would take for one type, and is two, is refused."""
    kinds = {type(v) for v in values} - {type(None)}
    if kinds & {type(pd.NaT), type(pd.NA)}:
        return array_of([None if v is pd.NaT or v is pd.NA else v for v in values])
    dated = any(issubclass(k, datetime) for k in kinds)
    naive = {v.tzinfo is None for v in values if isinstance(v, datetime)} if dated else ()
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
    named = {**features, **row[-2], **{i: row[i] for i in (2, 3, 4, 5)}}
    return sorted(
        (str(n), type(v).__name__, str(getattr(v, "tzinfo", None) is None)) for n, v in named.items() if v is not None
    )
