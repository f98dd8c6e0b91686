"""Raw event tables beside the tables compared: who, when it happened, when it was known, and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from ..records import Roles, SkewkitError
from ..tables.engines import Local
from ..timeline import zone
from .csv_dialect import Dialect
from .locations import open_table
from .times import missing, timed

TAKES = ("table", "entity", "happened", "known", "values")
CLOCKS = ("happened", "known")
VALUES = ("integer", "number", "boolean")


def read_events(
    events: Mapping[str, Any],
    requests: Sequence[str],
    roles: Roles = Roles(),
    rename: Mapping[str, str] | None = None,
    time_zone: str = "",
    csv: Dialect = Dialect(),
) -> dict[str, pd.DataFrame]:
    """Each table of events as `features.evaluate` reads it, by its name.

    ``events`` maps a table's name to ``{table, entity, happened, known, values}``, or is such a mapping for one table,
    then named "events". ``table`` is a frame or a location; ``entity`` the columns that say whose an event is: a name, a
    list, or a mapping of a column of the requests to the one of the events (not given: the entity of ``roles`` where the
    events have it, else all events are one series; so they are with []). ``happened`` is the column of event time,
    ``known`` that of ingestion (of the two, one that is not given is the other), ``values`` the columns of numbers (not given: all
    numbers that are none of these). ``requests`` are the columns of the served table; ``rename`` maps their names to
    yours; ``time_zone`` is the declared zone of naive times.

    The frames hold ``happened`` and ``known`` in UTC, the entities under the requests' names as categories, and the values
    as floats, with null where there is none. Raises SkewkitError for what cannot be read so.
    """
    if not isinstance(events, Mapping) or not events:
        raise SkewkitError(f"events={events!r} was given; it maps a table's name to {{{', '.join(TAKES)}}}")
    given = {"events": events} if "table" in events else events
    return {name: _read(name, told, requests, roles, rename or {}, time_zone, csv) for name, told in given.items()}


def _read(name, told, requests, roles, rename, time_zone, csv):
    who = f"events {name!r}"
    if not isinstance(told, Mapping) or told.get("table") is None:
        raise SkewkitError(f"{who} needs table=, a frame or a location; it takes {', '.join(TAKES)}")
    if unknown := [k for k in told if k not in TAKES]:
        raise SkewkitError(f"{who} was given {', '.join(map(repr, unknown))}; it takes {', '.join(TAKES)}")
    for part, types in (
        ("entity", (str, Mapping, list, tuple)),
        ("values", (str, list, tuple)),
        ("happened", str),
        ("known", str),
    ):
        if told.get(part) is not None and not isinstance(told[part], types):
            raise SkewkitError(f"{who} was given {part}={told[part]!r}; it takes a column's name, or several")
    table = open_table(name, told["table"], csv)
    if "engine" in table.told:
        raise SkewkitError(
            f"{who} stay in {table.told['engine']}, and are read whole to replay from; give files or a frame"
        )
    table = table.renamed({mine: theirs for theirs, mine in rename.items() if theirs in table.columns})
    if not (told.get("happened") or told.get("known")):
        raise SkewkitError(f"{who} needs happened=, the column of event time; it has {', '.join(table.columns)}")
    clocks = {"happened": told.get("happened") or told["known"], "known": told.get("known") or told["happened"]}
    entities = _entities(who, told.get("entity"), table, requests, roles)
    values = _values(who, told.get("values"), table, {*clocks.values(), *entities.values()})
    if taken := sorted(set(values) & {*CLOCKS, *entities}):
        raise SkewkitError(f"{who}: a value is called {taken[0]!r}, as a clock or an entity is; rename it")
    for column in (*clocks.values(), *entities.values(), *values):
        if column not in table.columns:
            raise SkewkitError(f"{who} has no column {column!r}; it has {', '.join(table.columns)}")
    return pd.DataFrame(
        {clock: _time(who, table, column, time_zone, csv.time_format) for clock, column in clocks.items()}
        | {mine: table.column(theirs).astype("category") for mine, theirs in entities.items()}
        | {value: _number(who, table, value) for value in values}
    )


def _entities(who, entity, table, requests, roles) -> dict[str, str]:
    """The columns that say whose an event is: the requests' name to the events'."""
    if entity is None:
        entity = [roles.entity] if roles.entity in table.columns else []
    if isinstance(entity, str):
        entity = [entity]
    found = dict(entity) if isinstance(entity, Mapping) else {c: c for c in entity}
    if absent := [c for c in found if c not in requests]:
        raise SkewkitError(
            f"{who}: the requests have no column {absent[0]!r} to look up events by; they have {', '.join(requests)}; "
            f"give entity= as {{a column of the requests: {found[absent[0]]}}}"
        )
    if reserved := [c for c in found if c in CLOCKS]:
        raise SkewkitError(f"{who}: an entity is called {reserved[0]!r}, which is a clock's name here; rename it")
    return found


def _values(who, values, table, others) -> tuple[str, ...]:
    """The columns of numbers; at least one."""
    kinds = table.kinds()
    if isinstance(values, str):
        values = [values]
    found = tuple(values or (c for c, k in kinds.items() if k in VALUES and c not in others))
    if not found:
        raise SkewkitError(
            f"{who} has no column of numbers besides {', '.join(sorted(others))}; give values=, or add a column of ones to count"
        )
    if wrong := [c for c in found if kinds.get(c, "number") not in VALUES]:
        raise SkewkitError(f"{who}: {wrong[0]!r} is {kinds[wrong[0]]}, and a value is a number; name others in values=")
    return found


def _time(who, table: Local, column, time_zone, time_format) -> pd.Series:
    """One time column in UTC."""
    declared = timed(replace(table, roles=Roles(time=column), zone=time_zone and zone(time_zone)), time_format)
    kind = declared.kinds()[column]
    if kind != "time":
        raise SkewkitError(f"{who}: {column!r} is a {kind}, and a time with its zone is needed; {missing(kind)}")
    return pd.to_datetime(declared.column(column), utc=True)


def _number(who, table: Local, column) -> pd.Series:
    """One column of values as floats, null as NaN."""
    try:
        return pd.Series(table.column(column).to_numpy(float, na_value=float("nan")))
    except (TypeError, ValueError) as e:
        raise SkewkitError(f"{who}: {column!r} holds what is no number ({e})") from None
