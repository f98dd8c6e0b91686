"""What a service has logged, read again: as a table, with its labels, beside its replay, and whether it is enough of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from operator import and_
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from ..load.case import compare
from ..load.files import wider
from ..names import function
from ..policy import Policy
from ..policy_file import read_policy
from ..records import Case, Finding, SkewkitError, moment
from ..results.results import Findings
from ..scenarios import NAMES, scenario
from ..scope import coin
from ..statistics import bounds
from ..tables.engines import Local
from .columns import OWN
from .feature_log import META, PURPOSE

SHOWN = 5  # keys an error names, and gaps a report
TESTS = 4  # statistics of `logged_share`


@dataclass(frozen=True, eq=False)
class Logged:
    """A feature log: its rows, its files, and what each writer says of them.

    ``files`` are what `compare` takes as well, where one type a column was logged. ``columns`` are the names of key, time,
    prediction and join_key; ``mixed`` are columns of which several types were logged, kept as they were. ``unfinished``
    counts files that a writer had begun when it ended. ``writers`` has a row a writer: ``files`` and ``rows`` that are
    there, the ``durable`` number, how many numbers up to it are ``lost`` (neither there nor counted as failed) and the first
    of their ``gaps``, and the requests ``asked``, ``dropped`` and ``failed``.
    """

    frame: pd.DataFrame
    files: tuple[str, ...]
    writers: pd.DataFrame
    columns: Mapping[str, str]
    entities: tuple[str, ...]
    features: tuple[str, ...]
    values: bool
    share: float
    seed: int
    mixed: tuple[str, ...] = ()
    unfinished: int = 0

    def __len__(self):
        return len(self.frame)

    def __repr__(self):
        return f"<{len(self.frame):,} logged requests of {len(self.writers)} writers>"

    def _repr_html_(self):
        return f"<p>{len(self.frame):,} logged requests.</p>{self.writers.to_html(index=False, escape=True, na_rep='')}"


def read_log(folder: str | Path, since: Any = None, until: Any = None) -> Logged:
    """The log in a folder: the requests from ``since`` on and before ``until``, in the order in which they were logged.

    What a writer had not finished is not read. A column of several types keeps each value as it was logged. Raises
    SkewkitError where the folder holds no log, or logs whose columns are called otherwise.
    """
    folder, since, until = Path(folder), moment(since, "since"), moment(until, "until")
    states = [s for s in map(_state, sorted(folder.glob("*.json"))) if s]
    paths = sorted(folder.glob("*.parquet"))
    if not paths:
        trouble = ", ".join(sorted({str(s["trouble"]) for s in states if s["trouble"]}))
        failed = f", for its writers could write none ({trouble})" if trouble else ""
        raise SkewkitError(
            f"there is no segment of a log in {folder}{failed}; give the folder of a log that has written"
        )
    told = [_told(p) for p in paths]
    alike = {json.dumps([t[n] for n in ("columns", "values", "share", "seed")]) for t in told}
    if len(alike) > 1:
        raise SkewkitError(f"{folder} holds logs of {len(alike)} kinds: {' and '.join(sorted(alike))}; keep them apart")
    columns, entities = told[0]["columns"], sorted({n for t in told for n in t["entities"]})
    frame, mixed = _one([_between(p, columns["time"], since, until) for p in paths])
    frame = frame.sort_values(["log_time", "log_writer", "log_sequence"], kind="stable", ignore_index=True)
    others = {*columns.values(), *entities, *OWN}
    return Logged(
        frame=frame,
        files=tuple(map(str, paths)),
        writers=_writers(told, states),
        columns=columns,
        entities=tuple(entities),
        features=tuple(c for c in frame if c not in others),
        mixed=mixed,
        unfinished=len(list(folder.glob(".*.aside"))),
        **{n: told[0][n] for n in ("values", "share", "seed")},
    )


def _state(path):
    """What a writer says of itself; None where a file is no writer's."""
    try:
        state = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) and {"writer", "durable", "unwritten"} <= set(state) else None


def _told(path):
    """What a segment says of itself, and the ``numbers`` of its rows."""
    try:
        metadata = pq.read_schema(path).metadata or {}
        if META in metadata:
            numbers = pq.read_table(path, columns=["log_sequence"], partitioning=None)["log_sequence"]
            return {**json.loads(metadata[META]), "numbers": numbers.to_numpy()}
    except (pa.ArrowException, OSError) as e:
        raise SkewkitError(f"{path} cannot be read ({type(e).__name__}); was it written by a FeatureLog?") from None
    raise SkewkitError(f"{path} is no segment of a FeatureLog; give a folder that holds nothing else")


def _between(path, time, since, until):
    """A segment's rows in a span of time, the end left out."""
    asked = pc.field(time)
    within = [asked >= since] * (since is not None) + [asked < until] * (until is not None)
    return pq.read_table(path, filters=reduce(and_, within) if within else None, partitioning=None)


def _one(tables):
    """All rows as a frame, and the columns that no one type holds; what a segment does not have is null."""
    types: dict[str, pa.DataType | None] = {}
    for table in tables:
        for name, found in zip(table.schema.names, table.schema.types, strict=True):
            held = types.get(name, found)
            types[name] = held and wider(held, found)
    mixed = tuple(n for n, t in types.items() if t is None or not _holds(tables, n, t))
    fit = {n: t for n, t in types.items() if n not in mixed}
    cast = [
        pa.table({n: t[n].cast(k) if n in t.schema.names else pa.nulls(len(t), k) for n, k in fit.items()})
        for t in tables
    ]
    frame = Local(ds.dataset(pa.concat_tables(cast))).frame()
    for name in mixed:
        values = [v for t in tables for v in (t[name].to_pylist() if name in t.schema.names else [None] * len(t))]
        frame[name] = pd.Series(values, dtype=object)
    return frame[list(types)], mixed


def _holds(tables, name, kind):
    """Whether a type holds a column's values unchanged: a float does not hold every whole number."""
    try:
        for table in tables:
            if name in table.schema.names:
                table[name].cast(kind)
    except pa.ArrowException:
        return False
    return True


def _writers(told, states):
    """A row a writer: what it says, newest last, and what is there."""
    newest = {t["writer"]: t for t in (*sorted(told, key=lambda t: t["last"]), *states)}
    rows = []
    for writer, state in newest.items():
        own = [t["numbers"] for t in told if t["writer"] == writer]
        there = np.unique(np.concatenate([np.empty(0, int), *own]))
        gaps = _gaps(there, state["durable"])
        lost = sum(b - a + 1 for a, b in gaps) - state["unwritten"]
        rows.append(
            {
                "writer": writer,
                "files": len(own),
                "rows": sum(map(len, own)),
                "durable": state["durable"],
                "lost": max(0, lost),
                "gaps": ", ".join(f"{a}-{b}" for a, b in gaps[:SHOWN]),
                **{n: state[n] for n in ("asked", "dropped", "failed", "trouble", "closed")},
            }
        )
    return pd.DataFrame(rows)


def _gaps(there, durable):
    """Which numbers from 1 to ``durable`` are not there: (first, last) of each run."""
    edges = np.r_[0, there[there <= durable], durable + 1]
    holes = np.flatnonzero(np.diff(edges) > 1)
    return [(int(edges[i]) + 1, int(edges[i + 1]) - 1) for i in holes]


# -- the same requests, recomputed


def recompute_log(log: Logged, replay: Any, features=()) -> pd.DataFrame:
    """The logged requests with their features as the training code computes them: the log's key, time, entities, features.

    ``replay`` is a function, or its dotted name, of a frame of the requests; or a scenario, or its name. A log without
    values becomes the table that it stands for.
    """
    world = _world(replay)
    others = [log.columns["key"], log.columns["time"], *log.entities]
    if world is not None:
        made = world(_as_world(log, world).frame, tuple(features))
        return pd.concat([log.frame[others], made.drop(columns=others, errors="ignore")], axis=1)
    made = function(replay, "replay")(log.frame.copy())
    if not isinstance(made, pd.DataFrame) or log.columns["key"] not in made:
        raise SkewkitError(f"replay={replay} is to return a frame of features with the key {log.columns['key']!r}")
    return made


def replay_log(log: Logged, replay: Any, training: Any = None, **given: Any) -> Case:
    """A case of what was logged (served) beside the same requests recomputed (replayed), for `examine`.

    ``replay`` is as in `recompute_log`; a scenario gives its training table, its model and its roles too. Without
    ``training`` the replayed table stands for it, so that no drift is seen. What else is given goes to `compare`.
    """
    if not log.values:
        raise SkewkitError("this log holds no values to compare (values=False); recompute_log gives its features")
    world = _world(replay)
    if world is None:
        replayed = recompute_log(log, replay)
        roles = {n: log.columns[n] for n in ("key", "time")}
        roles["features"] = [f for f in log.features if f in replayed]
        served, table = log.frame, replayed if training is None else training
        return compare(table, served, replayed, **{**roles, **given})
    mine = _as_world(log, world)
    roles = {n: getattr(world.roles, n) for n in ("key", "entity", "time", "label", "prediction")}
    roles = {n: c for n, c in roles.items() if c in mine.frame or n in ("label", "prediction")}
    segments = [s for s in world.roles.segments if s in mine.frame]
    roles |= {"segments": segments, "features": list(world.roles.features), "model": world.score, "task": world.task}
    replayed = recompute_log(mine, world)
    case = compare(world.tables[0] if training is None else training, mine.frame, replayed, **{**roles, **given})
    return replace(case, replay=world)


def _world(replay):
    if isinstance(replay, str) and replay in NAMES:
        return scenario(replay)
    return replay if hasattr(replay, "roles") and hasattr(replay, "tables") else None


def _as_world(log, world):
    """The log with its columns called as a scenario's."""
    columns = {**log.columns, **{n: getattr(world.roles, n) for n in ("key", "time", "prediction")}}
    names = {log.columns[n]: called for n, called in columns.items()}
    return replace(log, frame=log.frame.rename(columns=names), columns=columns)


# -- is it enough?


def logged_share(log: Logged, requests: int | pd.Series | pd.Index, policy: Policy | None = None) -> Findings:
    """Whether enough of the requests was logged: findings judged by the policy (`logging.*`), with what chance allows.

    ``requests`` is how many there were in the log's span of time, or the key of each. unlogged: the share of them that was
    not logged. Given the keys also undelivered: the share of those that their hash had chosen and that are not in the log; and
    strange: the share of the log's rows whose key is none of theirs; and unjoinable: the share of its rows without a
    key by which their label could be joined.
    """
    policy = policy or read_policy()
    level = policy.alpha / (policy.looks * TESTS)
    keys = log.frame[log.columns["key"]]
    if isinstance(requests, (bool, float, str)):
        raise SkewkitError(f"requests={requests!r} was given; it is how many there were, or the key of each")
    n = int(requests) if isinstance(requests, (int, np.integer)) else len(requests)
    if n < 1 or n < keys.nunique():
        raise SkewkitError(f"{n:,} requests were given, and the log has {keys.nunique():,}; give all of the log's span")
    counted = {"unlogged": (n - keys.nunique(), n, "share of requests")}
    if not isinstance(requests, (int, np.integer)):
        asked = pd.Series(requests).reset_index(drop=True)
        chosen = asked[coin(asked, PURPOSE, log.seed) < log.share]
        counted["unlogged"] = (n - int(asked.isin(keys).sum()), n, "share of requests")
        counted["undelivered"] = (int((~chosen.isin(keys)).sum()), len(chosen), "share of chosen requests")
        counted["strange"] = (int((~keys.isin(asked)).sum()), len(keys), "share of rows")
        counted["unjoinable"] = (int(log.frame[log.columns["join_key"]].isna().sum()), len(keys), "share of rows")
    found = (_finding(name, *counts, level) for name, counts in counted.items() if counts[1])
    return Findings(policy.judge(f) for f in found)


def _finding(statistic, k, n, unit, level):
    return Finding(
        *("logging", "skew", None, statistic, k / n, unit, n),
        *bounds.share_bounds(k, n, level),
        grown=lambda times: bounds.share_bounds(k * times, n * times, level),
    )
