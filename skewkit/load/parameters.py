"""What `compare` was given, each of the type it takes: anything else is refused, by name, before a table is opened."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import date
from numbers import Integral
from typing import Any

import numpy as np

from ..contracts.contract import Contract
from ..evidence import SHOWS
from ..records import TASKS, SkewkitError

COLUMN = ("key", "entity", "time", "label", "prediction")
TEXT = ("time_zone", "time_format", "drill")
LISTS = {
    "segments": "columns, like ['country']",
    "features": "columns, like ['amount']",
    "trusted": "types, like ['team.encoders.Target']",
}
MAPPINGS = ("cost", "rename", "as_of", "lineage", "events", "csv")
NAMED = ("rename", "as_of")  # from a column's name to another's


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as `compare` works with them; raises SkewkitError for one that is of another type."""
    made = dict(given)
    for name in ("task", "evidence"):
        known = TASKS if name == "task" else SHOWS
        if not isinstance(made[name], str) or made[name] not in known:
            raise SkewkitError(f"{name} {_shown(made[name])} was asked; there are {', '.join(known)}")
    for name in COLUMN:
        made[name] = _column(name, made[name]) if made[name] is not None else None
    for name in TEXT:
        made[name] = "" if made[name] is None else made[name]
        _needs(isinstance(made[name], str), name, made[name], "text")
    for name, of in LISTS.items():
        made[name] = tuple(_column(name, v) for v in _list(name, made[name], of))
    for name in MAPPINGS:
        made[name] = _mapping(name, made[name])
    for name in NAMED:
        made[name] = {_column(name, a): _column(name, b) for a, b in made[name].items()}
    made["lineage"] = {_column("lineage", a): b for a, b in made["lineage"].items()}
    sample = 0 if made["sample"] is None else made["sample"]
    _needs(isinstance(sample, Integral) and not isinstance(sample, bool), "sample", sample, "a whole number of rows")
    made["sample"] = int(sample)
    for name in ("since", "until"):
        fits = made[name] is None or isinstance(made[name], (str, date, np.datetime64))
        _needs(fits, name, made[name], "a time with its zone, like 2013-10-03T14:00:00Z")
    path = (str, os.PathLike, Contract)
    _needs(made["contract"] is None or isinstance(made["contract"], path), "contract", made["contract"], "a path")
    replay = made["replay"]
    _needs(
        replay is None or isinstance(replay, str) or callable(replay), "replay", replay, "a function or its dotted name"
    )
    return made


def _column(name, value):
    """A column's name; a number, as frames have them, by its text."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        return str(value)
    _needs(isinstance(value, str), name, value, "a column's name")
    return str(value)


def _list(name, value, of):
    if value is None:
        return ()
    if isinstance(value, str):
        raise SkewkitError(f"{name} was given as text; it is a list of {of}")
    _needs(isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)), name, value, f"a list of {of}")
    try:
        return list(value)
    except Exception as e:  # whatever a generator of theirs raises
        raise SkewkitError(f"{name} cannot be listed ({type(e).__name__}: {e}); give a list of {of}") from None


def _mapping(name, value):
    nothing = value is None or (isinstance(value, (str, list, tuple)) and not value)
    if not nothing and not isinstance(value, Mapping):
        raise SkewkitError(f"{name}={_shown(value)} was given; it holds names and values, like {{a: b}}")
    return {} if nothing else dict(value)


def _needs(fits, name, value, what):
    if not fits:
        raise SkewkitError(f"{name}={_shown(value)} was given; it takes {what}")


def _shown(value):
    plain = value is None or isinstance(value, (str, bytes, int, float, list, tuple, dict, date))
    text = repr(value) if plain else f"a {type(value).__name__}"
    return text if len(text) <= 80 else text[:77] + "..."
