"""Two tables of the same requests become pairs, wherever they are."""

from __future__ import annotations

from ..records import SkewkitError
from .engines import Local
from .lazy import Lazy
from .lazy_pairs import LazyPairs
from .pairs import Pairs


def paired(before: Local | Lazy, after: Local | Lazy) -> Pairs | LazyPairs:
    """Both tables aligned by key: in memory, or in the engine that holds both."""
    kinds = {type(before), type(after)}
    if kinds == {Local}:
        return Pairs(before, after)
    if kinds == {Lazy}:
        return LazyPairs(before, after)
    held = before if isinstance(before, Lazy) else after
    raise SkewkitError(
        f"{held.name} stays in {held.engine}, and the other table is in memory; give both in one place, or sample=, how "
        f"many rows to read into memory"
    )
