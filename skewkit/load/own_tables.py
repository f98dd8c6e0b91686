"""Your own tables to drill in: read, copied, and never written to; what may be production is refused unless asked twice."""

from __future__ import annotations

from inspect import signature
from typing import Any

from ..records import Case, SkewkitError
from .case import absent, compare


def own(**tables: Any) -> Case:
    """A case to drill in, from a table of your own: the parameters of `compare`, of which ``served`` and ``key`` must be
    given.

    ``served`` is the log to plant in, taken to be clean. Without ``replayed`` or ``replay`` it stands for its own replay,
    and without ``training`` for that as well. No file is written to.
    """
    takes = tuple(signature(compare).parameters)
    if unknown := [n for n in tables if n not in takes]:
        raise SkewkitError(f"tables was given {', '.join(map(repr, unknown))}; it takes {', '.join(takes)}")
    given = {n: t for n, t in tables.items() if n not in ("training", "served", "replayed") or not absent(t)}
    served = given.get("served", given.get("replayed"))
    if served is None:
        raise SkewkitError(f"tables was given {', '.join(given) or 'nothing'}; give served, the table to plant in")
    if not given.get("key"):
        raise SkewkitError("a drill chooses requests by their key; give key=, the column that names each request")
    again = {} if given.get("replay") else {"replayed": served}
    case = compare(**{"training": served, "served": served, **again, **given})
    if held := [t for t in case.tables.values() if "engine" in t.told]:
        raise SkewkitError(
            f"tables: {held[0].name} stays in {held[0].engine}, and a drill plants in memory; give sample=, how many rows to read"
        )
    return case


def refuse_production(served: Any, again: str = "") -> None:
    """Refuse a served log that is no file of this machine, unless ``again`` repeats its location: asked once, and twice."""
    away = isinstance(served, str) and ("://" in served or served.startswith(("delta:", "dvc:")))
    if away and again != served:
        asked = f"{again} was said again" if again else "it was not said again"
        raise SkewkitError(
            f"served is {served}, which may be production, and {asked}; a drill touches only copies. "
            f"To drill on it all the same: --production '{served}'"
        )
