"""The two tables a rollback is judged by: models with what they need, and what is computed and kept until when."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from ..load.locations import open_table
from ..names import expand
from ..records import SkewkitError
from ..timeline import duration

MODELS = ("model", "version", "deployed", "retired", "needs")
REGISTRY = ("feature", "version", "computed_from", "computed_until", "retained_until")
FOREVER = date.max.toordinal()
DAY = 86_400 * 10**9  # in nanoseconds


def rows_of(name: str, source: Any) -> list[dict[str, Any]]:
    """The rows of a small table: a frame, a location of Parquet or CSV files, mappings, or a YAML file of mappings."""
    if isinstance(source, (str, os.PathLike)) and str(source).endswith((".yaml", ".yml")):
        try:
            source = yaml.safe_load(Path(expand(str(source))).read_text("utf-8"))
        except OSError as e:
            raise SkewkitError(
                f"{name}: {source}: {e.strerror}; give the path of a YAML, Parquet or CSV file"
            ) from None
        except (yaml.YAMLError, UnicodeDecodeError) as e:
            at = getattr(getattr(e, "problem_mark", None), "line", None)
            where = "" if at is None else f", at line {at + 1}"
            raise SkewkitError(f"{name}: {source} is not YAML{where}; give a list of rows") from None
        if isinstance(source, Mapping) and set(source) == {name}:
            source = source[name]
    elif not isinstance(source, list):
        source = open_table(name, source).frame().to_dict("records")
    if not isinstance(source, list) or not source or not all(isinstance(row, Mapping) for row in source):
        raise SkewkitError(f"{name} holds no rows; give a list of them, each with its names and values")
    return [dict(row) for row in source]


def _rows(name, source, columns, may=()):
    """The rows, each with these columns; what may be null need not be named."""
    rows = rows_of(name, source)
    for i, row in enumerate(rows, 1):
        if lost := [c for c in columns if c not in row and c not in may]:
            raise SkewkitError(
                f"{name}, row {i} has no {lost[0]}; it has {', '.join(map(str, row))}, and takes {', '.join(columns)}"
            )
    return rows


def read_models(source):
    """Each model with its name@version, days as ordinals, needs and history."""
    found = []
    for i, row in enumerate(_rows("models", source, MODELS, may=("retired",)), 1):
        where = f"models, row {i}"
        name = f"{row['model']}@{_version(row, where)}"
        deployed, retired = (day(row.get(c), f"{where}: {c}", None) for c in ("deployed", "retired"))
        if deployed is None:
            raise SkewkitError(f"{where}: {name} has no day in deployed; give the day on which it was")
        retired = FOREVER if retired is None else retired
        if retired < deployed:
            raise SkewkitError(
                f"{where}: {name} was retired on {dated(retired)}, before it was deployed, {dated(deployed)}"
            )
        history = 0 if _null(row.get("history")) else days(row["history"], f"{where}: history")
        made = {"model": str(row["model"]), "name": name, "deployed": deployed, "retired": retired}
        found.append({**made, "needs": _needs(row["needs"], f"{where}: {name}"), "history": history})
    names = [m["name"] for m in found]
    if twice := [n for n in names if names.count(n) > 1]:
        raise SkewkitError(f"models has {twice[0]} twice; give a row a model version")
    return found


def _needs(given, where):
    """What a model needs, each feature@version once."""
    listed = given.replace(",", " ").split() if isinstance(given, str) else given
    listed = list(listed) if isinstance(listed, (list, tuple, np.ndarray)) else []
    if not listed:
        raise SkewkitError(f"{where} needs {given!r}; give a list of feature@version")
    for one in listed:
        feature, at, version = str(one).rpartition("@")
        if not (feature and at and version):
            raise SkewkitError(f"{where} needs {one!r}; write it as feature@version, such as pace@1")
    return tuple(dict.fromkeys(map(str, listed)))


def read_registry(source) -> dict[str, list[tuple[int, int, int]]]:
    """When each feature@version is computed and kept, as `missing` reads it."""
    known: dict[str, list[tuple[int, int, int]]] = {}
    for i, row in enumerate(_rows("registry", source, REGISTRY, may=("computed_until", "retained_until")), 1):
        where = f"registry, row {i}"
        name = f"{row['feature']}@{_version(row, where)}"
        begin = day(row["computed_from"], f"{where}: computed_from", None)
        end, kept = (day(row.get(c), f"{where}: {c}", FOREVER) for c in ("computed_until", "retained_until"))
        if begin is not None and end < begin:
            raise SkewkitError(f"{where}: {name} is computed until {dated(end)}, before it begins, {dated(begin)}")
        spells = known.setdefault(name, [])
        if begin is not None:
            spells.append((begin, end, kept))
    return {name: sorted(spells) for name, spells in known.items()}


def _version(row, where):
    version = row["version"]
    if _null(version) or isinstance(version, (bool, float, np.floating)):
        raise SkewkitError(
            f"{where}: version={version!r} was given; write it as text, for a number loses its last zeros"
        )
    return str(version)


def _null(value) -> bool:
    return value is None or value == "" or (not isinstance(value, (list, tuple, np.ndarray)) and bool(pd.isna(value)))


def day(value, where, null=None):
    """A day as an ordinal."""
    if _null(value):
        return null
    try:
        if isinstance(value, (bool, int, float, np.number)):
            raise ValueError
        stamp = pd.Timestamp(value)
        stamp = stamp if stamp.tzinfo is None else stamp.tz_convert("UTC").tz_localize(None)
    except (ValueError, TypeError):
        raise SkewkitError(f"{where}={value!r} is not a day; write it like 2026-08-31") from None
    if stamp != stamp.normalize():
        raise SkewkitError(f"{where}={value!r} is within a day; days are whole, in UTC: write it like 2026-08-31")
    return stamp.toordinal()


def days(text, name):
    length = duration(text, name)
    if length % DAY:
        raise SkewkitError(f"{name}={text!r} is not of whole days; write it like 30D")
    return length // DAY


def dated(day: int) -> date:
    return date.fromordinal(min(max(day, 1), FOREVER))
