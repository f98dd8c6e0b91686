"""Copies that were made for a blind drill: their files bear its id, and whoever does not name that drill cannot read them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..records import SkewkitError

MARK = b"skewkit.drill"  # under which the id lies in a file's schema: never on its rows or columns
_within: ContextVar[str] = ContextVar("drill", default="")


@contextmanager
def within(drill: str) -> Iterator[None]:
    """Lets this drill's copies be read in the block; none but its own."""
    before = _within.set(drill)
    try:
        yield
    finally:
        _within.reset(before)


def refuse(name: str, called: str, schemas: Iterable[pa.Schema]) -> None:
    """Refuse copies of another drill than the one that may be read here, and any where none may."""
    for schema in schemas:
        drill = ((schema.metadata or {}).get(MARK) or b"").decode()
        if drill and drill != _within.get():
            asked = f"drill={_within.get()} was given" if _within.get() else "no drill was named"
            raise SkewkitError(
                f"{name}: {called} is a copy made for the drill {drill}, and {asked}; "
                f"give the log itself, or in that drill drill={drill} (of a run: -p drill {drill})"
            )


def as_copy(frame: pd.DataFrame, drill: str) -> bytes:
    """A frame as a Parquet file that bears the drill's id in its metadata: the file's bytes."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), MARK: drill.encode()})
    target = io.BytesIO()
    pq.write_table(table, target)
    return target.getvalue()
