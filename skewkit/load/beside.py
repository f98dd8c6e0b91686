"""What a case is given beside its tables, refused where it cannot be used: times of values, a log of fetches, hashes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..origin import called, made_from
from ..records import SkewkitError

LOGGED = {  # a column of the freshness table, and of which kind it is
    "feature": ("text",),
    "value_time": ("time",),
    "hit": ("boolean",),
    "fetch_ms": ("number", "integer"),
}
MUST = ("feature", "value_time")


def mapping(name: str, given: Any) -> Mapping:
    """What was given by name, or nothing; text or a list is refused."""
    if not isinstance(given or {}, Mapping):
        raise SkewkitError(f"{name}={given!r} was given; it holds names and values, like {{a: b}}")
    return given or {}


def refuse(
    tables: Mapping[str, Any], roles, as_of: Mapping[str, str], lineage: Mapping[str, Any], model: Any = None
) -> None:
    """Raise SkewkitError for a column that is not there, is no time with its zone, or is a feature as well.

    A column of hashes need not be in training where training, or the ``model``, bears the hash in itself.
    """
    named = {**{c: f"as_of of {f!r}" for f, c in as_of.items()}, **dict.fromkeys(lineage, "lineage")}
    if both := [c for c in named if c in roles.features]:
        raise SkewkitError(f"{both[0]!r} is a feature, and was given as {named[both[0]]}; name features without it")
    if unknown := [f for f in as_of if f not in roles.features]:
        raise SkewkitError(f"as_of names {unknown[0]!r}, which is no feature; there are {', '.join(roles.features)}")
    if as_of and roles.time is None:
        raise SkewkitError("as_of was given without time=; name the column of the requests' time")
    for c in dict.fromkeys(as_of.values()):
        found = [n for n, t in tables.items() if c in t.columns]
        if not found:
            raise SkewkitError(
                f"no table has {c!r}, named as {named[c]}; served has {', '.join(tables['served'].columns)}"
            )
        for n in found:
            _time(tables[n], c)
            if roles.time in tables[n].columns:
                _time(tables[n], roles.time)
    for c, value in lineage.items():
        for n in ("served", *(() if given(value) else ("training",))):
            if c not in tables[n].columns and not (n == "training" and _borne(c, tables[n], model)):
                hint = "" if n == "served" else f"; give its value at training, like {{{c}: 3f2a}}"
                has = ", ".join(tables[n].columns)
                raise SkewkitError(f"{n} has no column {c!r}, named as lineage; it has {has}{hint}")


def _borne(column, *things):
    return any(called(column) in made_from(thing) for thing in things)


def given(value: Any) -> bool:
    """Whether a hash at training was given, and is not to be read from training's own column."""
    return value is not None and value != "" and value != []


def refuse_log(log, served) -> None:
    """Raise SkewkitError for a freshness table that lacks a column, holds another type, or knows no feature of ours."""
    roles = served.roles
    if roles.key is None or roles.time is None:
        raise SkewkitError("freshness was given without key= and time=; name the columns of the requests' key and time")
    kinds, key = log.kinds(), roles.key
    if lost := [c for c in (key, *MUST) if c not in kinds]:
        raise SkewkitError(
            f"freshness has no column {lost[0]!r}; it takes {key}, {', '.join(LOGGED)}, and has {', '.join(kinds)}"
        )
    _time(log, "value_time")
    for c, wanted in LOGGED.items():
        if c in kinds and kinds[c] not in wanted and not log.column(c).isna().all():
            raise SkewkitError(f"freshness: {c!r} is {kinds[c]}; write it as {wanted[0]}")
    sides = [k.replace("integer", "number") for k in (kinds[key], served.kinds()[key])]
    if sides[0] != sides[1]:
        raise SkewkitError(
            f"key {key!r} is {kinds[key]} in freshness and {served.kinds()[key]} in served; write both as one type"
        )
    if unknown := sorted(set(log.column("feature").dropna()) - set(roles.features)):
        raise SkewkitError(
            f"freshness names {unknown[0]!r}, which is no feature; there are {', '.join(roles.features)}"
        )


def _time(table, column):
    kind = table.kinds()[column]
    if kind != "time" and not table.column(column).isna().all():
        raise SkewkitError(
            f"{table.name}: {column!r} is a {kind}, and a time with its zone is needed; write it in UTC with a Z"
        )
