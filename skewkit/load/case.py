"""A frame, a path or a glob becomes a Table; tables and roles become a Case."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from ..arrays import finite
from ..contracts.contract import Contract, read_contract
from ..names import function
from ..origin import called, made_from
from ..records import Case, Roles, SkewkitError, moment
from ..tables.engines import Local
from ..tables.joins import paired
from ..timeline import zone
from . import beside
from .baseline_file import Baseline, is_baseline, read_baseline
from .baseline_file import refuse as refuse_baseline
from .copies import within
from .csv_dialect import Dialect, dialects
from .csv_files import alike
from .event_tables import read_events
from .locations import Source, open_table
from .mlflow_store import resolve
from .models import scorer
from .parameters import COLUMN, LISTS, MAPPINGS, TEXT, checked
from .times import missing, timed

COSTS = ("false_positive", "false_negative", "amount")


def compare(
    training: Source,
    served: Source,
    replayed: Source | None = None,
    *,
    replay: str | Callable | None = None,
    key: str | None = None,
    entity: str | None = None,
    time: str | None = None,
    label: str | None = None,
    prediction: str | None = None,
    segments: Sequence[str] = (),
    features: Sequence[str] = (),
    model: Any = None,
    trusted: Sequence[str] = (),
    task: str = "binary",
    cost: Mapping[str, Any] | None = None,
    contract: Any = None,
    since: Any = None,
    until: Any = None,
    sample: int = 0,
    rename: Mapping[str, str] | None = None,
    time_zone: str = "",
    evidence: str = "masked",
    as_of: Mapping[str, str] | None = None,
    freshness: Source | None = None,
    lineage: Mapping[str, Any] | None = None,
    events: Mapping[str, Any] | None = None,
    drill: str = "",
    csv: Mapping[str, Any] | None = None,
    time_format: str = "",
) -> Case:
    """The tables a model was trained on and served, and their replay, as one Case.

    Each table is a pandas or polars frame, an Arrow table, dataset or stream, or a location: a path, a list of paths, a
    folder or a glob of Parquet, CSV or Arrow files, here or in an object store (``s3://bucket/*.parquet``),
    ``delta:PATH@VERSION``, ``dvc:PATH@REV``, or a database's ``SCHEME://...#TABLE or SELECT ...``; an Ibis table and a
    database's stay in their engine. ``${NAME}`` in a location is read from the environment. ``training`` may also be a baseline
    profile (see `skewkit.baseline`), or the path of one. ``replayed`` holds the served requests recomputed by the training
    code; when there is no such table,
    ``replay`` is a function (or its dotted name) that takes the logged requests as a frame and returns one with the key
    and the features. ``model`` likewise takes a frame of the features and returns scores: shape (n,), or for multiclass
    a frame with a column a class. It may also be a fitted model, or the path of a file: .skops, whose types beyond
    those that skops knows are named in ``trusted``, or .onnx. ``features``, when not given, are all of training's
    columns but key, entity, time, label, prediction and amount.
    ``since`` and ``until`` (end left out) bound the served and replayed rows by ``time``; ``sample`` keeps about that
    many rows of each table, the same keys of each (a baseline's are all counted); ``rename`` maps their names to yours; ``time_zone`` is the declared
    zone of a naive ``time`` column. ``cost`` is the price of a ``false_positive`` and a ``false_negative``, and the
    ``amount`` column that multiplies the latter. ``contract`` is what the served table must be: a file that `skewkit
    contract infer` began, or a `skewkit.contracts.contract.Contract`. ``evidence`` is what of the data itself findings may show:
    rows, masked (no keys, and of rare text its shape alone) or counts.
    ``as_of`` maps a feature to the column beside it that holds the time of its newest datum; ``freshness`` is a long table
    of what was fetched for the served requests, with the key, ``feature``, ``value_time`` and, where logged, ``hit`` and
    ``fetch_ms``; ``lineage`` maps a column of the served log that holds a hash or version to the value at training, or to
    "" where training has that column too, or it or the model bears the hash in itself (`origin`), or to
    mlflow:models:/NAME/VERSION#WHAT (see `mlflow_store.lineage`). None of these columns is a feature. ``events`` maps the name of a raw event table behind the features to {table, entity, happened, known, values};
    see `event_tables.read_events`. ``drill`` names the blind drill whose copies these tables are: a copy of another is
    refused, and without it every copy is. ``csv`` says how CSV files are written where they do not tell it: separator,
    decimal, thousands, encoding, comment, skip (lines above the header), footer (rows at the end), null (words), text
    (columns) and time_format; of all tables, or by the table's name. ``time_format`` is how the request's time is written
    where it is a text, like %d/%m/%Y, or a number since 1970: s, ms, us or ns.

    Raises SkewkitError for a file, column or time that cannot be used; nothing is read but what it names.
    """
    asked = checked(locals())
    key, entity, time, label, prediction, time_zone, time_format, drill, segments, features, trusted, sample = (
        asked[n] for n in (*COLUMN, *TEXT, *LISTS, "sample")
    )
    cost, rename, as_of, lineage, events, csv = (asked[n] for n in MAPPINGS)
    given = {"training": training, "served": served, "replayed": replayed}
    given = {n: t for n, t in given.items() if n != "replayed" or not absent(t)}
    if "replayed" in given and replay:
        raise SkewkitError("both replayed and replay were given; give the table or the function that makes it")
    lineage = resolve(lineage)
    written = dialects(csv, (*given, "freshness", "events"))
    if unknown := set(cost) - set(COSTS):
        raise SkewkitError(f"cost was given {', '.join(sorted(map(str, unknown)))}; it takes {', '.join(COSTS)}")
    if not all(finite(cost.get(n, 0)) for n in COSTS[:2]) or not isinstance(cost.get("amount", ""), str):
        raise SkewkitError(f"cost={cost!r} was given; a false positive and a false negative each cost a number")
    roles = Roles(*(c or None for c in (key, entity, time, label, prediction)), tuple(segments), tuple(features))
    score = scorer(model, task, trusted)
    agreed = contract if isinstance(contract, Contract) or not contract else read_contract(contract)
    with within(drill):
        tables = {n: _opened(n, t, written.get(n, Dialect())) for n, t in given.items()}
    tables |= {n: _renamed(t, rename, tables) for n, t in tables.items() if not isinstance(t, Baseline)}
    tables = alike(tables)
    roles = (
        roles
        if roles.features
        else replace(roles, features=_features(tables["training"], roles, cost, (*as_of.values(), *lineage)))
    )
    if isinstance(known := tables["training"], Baseline):
        refuse_baseline(known, roles, task, rename)
        lineage = known.lineage(lineage)
    tables = {n: timed(_in_roles(t, roles, time_zone), time_format) for n, t in tables.items()}
    _refuse(tables, roles, cost)
    beside.refuse(tables, roles, as_of, lineage, score)
    log = None if absent(freshness) else _log(freshness, rename, tables["served"], written.get("freshness", Dialect()))
    tables = _between(tables, moment(since, "since"), moment(until, "until"))
    tables = _sampled(tables, sample)
    if replay:
        tables["replayed"] = _replayed(tables["served"], replay, time_format)
        _refuse(tables, roles, cost)
        beside.refuse(tables, roles, as_of, lineage, score)
    raw = (
        read_events(events, tables["served"].columns, roles, rename, time_zone, written.get("events", Dialect()))
        if events
        else {}
    )
    pairs = paired(tables["replayed"], tables["served"]) if "replayed" in tables else None
    given = {
        "contract": agreed or None,
        "evidence": evidence,
        "freshness": log,
        "as_of": as_of,
        "lineage": lineage,
        "events": raw,
    }
    return Case(**tables, roles=roles, model=score, task=task, cost=cost, pairs=pairs, **given)


def open_training(
    source: Source, roles: Roles, beside: Sequence[str], rename: Mapping[str, str], time_zone: str
) -> Local:
    """A training table alone, in its roles, for a baseline; ``beside`` are columns that are no features.

    Raises SkewkitError as `compare` does.
    """
    table = open_table("training", source)
    if "engine" in table.told:
        raise SkewkitError(
            f"training stays in {table.told['engine']}, and a baseline reads every row; give it as files"
        )
    table = _renamed(table, rename, {"training": table})
    roles = roles if roles.features else replace(roles, features=_features(table, roles, {}, beside))
    table = _in_roles(table, roles, time_zone)
    _refuse({"training": table}, roles, {})
    if nowhere := [c for c in beside if c not in table.columns and called(c) not in made_from(table)]:
        raise SkewkitError(
            f"training has no column {nowhere[0]!r}, named as lineage; it has {', '.join(table.columns)}"
        )
    return table


def _opened(name, source, csv):
    """A table, or the baseline profile that stands for training."""
    if not is_baseline(source):
        return open_table(name, source, csv)
    if name != "training":
        raise SkewkitError(f"{name} was given as a baseline profile; only training can be; give a table")
    return source if isinstance(source, Baseline) else read_baseline(source)


def _in_roles(table, roles, time_zone):
    if isinstance(table, Baseline):
        return replace(table, roles=roles)
    return replace(table, roles=roles, zone=time_zone and zone(time_zone))


def absent(source) -> bool:
    return source is None or (isinstance(source, (str, list)) and not source)


def _renamed(table, rename, tables):
    """The table under our names; a name that no table has is an error, for it would silently do nothing."""
    nowhere = [theirs for theirs in rename if not any(theirs in t.columns for t in tables.values())]
    if nowhere:
        raise SkewkitError(
            f"rename: no table has {', '.join(map(repr, nowhere))}; {table.name} has {', '.join(table.columns)}"
        )
    names = {mine: theirs for theirs, mine in rename.items() if theirs in table.columns}
    if twice := [mine for mine in names if mine in table.columns and mine not in rename]:
        raise SkewkitError(f"rename: {table.name} has a column {', '.join(twice)} already; choose another name")
    return table.renamed(names) if names else table


def _features(training, roles, cost, beside):
    """Training's columns, but for those that no model reads; a segment is a feature as well."""
    parts = (roles.key, roles.entity, roles.time, roles.label, roles.prediction, cost.get("amount"), *beside)
    found = tuple(c for c in training.roles.features or training.columns if c not in parts)
    if not found:
        raise SkewkitError(
            f"training has no column left for a feature besides {', '.join(roles.others)}; name features"
        )
    return found


def _log(source, rename, served, csv):
    """The table of what was fetched, its key called as ours."""
    log = open_table("freshness", source, csv)
    if "engine" in log.told:
        raise SkewkitError(
            f"freshness stays in {log.told['engine']}, and is asked row by row; give it as files or a frame"
        )
    log = _renamed(log, {theirs: mine for theirs, mine in rename.items() if theirs in log.columns}, {"freshness": log})
    beside.refuse_log(log, served)
    return log


def _replayed(served, replay, time_format):
    """The table that a team's own function makes of the logged requests."""
    if served.at_hand is not served:
        raise SkewkitError(
            f"replay={replay} takes the requests as a frame, and served stays in {served.engine}; give sample=, how many of "
            f"them to read into memory, or replayed=, a table there"
        )
    recompute, requests = function(replay, "replay"), served.frame()
    try:
        frame = recompute(requests.copy())
    except Exception as e:
        raise SkewkitError(
            f"replay={replay} failed on the {len(requests)} served requests ({type(e).__name__}: {e}); "
            f"it is given a frame with {', '.join(requests)}"
        ) from e
    if not isinstance(frame, pd.DataFrame):
        raise SkewkitError(
            f"replay returned a {type(frame).__name__}; it takes a frame of requests and returns a frame"
        )
    made = replace(open_table("replayed", frame), roles=served.roles, zone=served.zone)
    return timed(made, time_format)


def _refuse(tables, roles, cost):
    """Every reason not to begin, each with what is there instead."""
    for n, t in tables.items():
        if not len(t):
            raise SkewkitError(f"{n}: {t.uri or 'the frame'} has no rows; give a table with rows")
    if "replayed" in tables and roles.key is None:
        raise SkewkitError(
            "a replayed table was given without key=; name the column that pairs its rows with the served"
        )
    asked = [c for c in tables if c != "training"] or ["training"]
    wanted = [(n, c, role) for role in ("key", "entity", "time") if (c := getattr(roles, role)) for n in asked]
    wanted += [("served", s, "segments") for s in roles.segments]
    if "amount" in cost:
        wanted += [("served", cost["amount"], "the amount of cost")]
    for n, c, role in wanted:
        if c not in tables[n].columns and not (role in ("entity", "time") and n == "replayed"):
            raise SkewkitError(f"{n} has no column {c!r}, named as {role}; it has {', '.join(tables[n].columns)}")
    everywhere = {c for t in tables.values() for c in t.columns}
    named = [*roles.features, *(c for c in (roles.label, roles.prediction) if c)]
    if nowhere := [c for c in named if c not in everywhere]:
        raise SkewkitError(f"no table has {', '.join(map(repr, nowhere))}; they have {', '.join(sorted(everywhere))}")
    if roles.time:
        for n in asked:
            kind = tables[n].kinds().get(roles.time, "time")
            if kind != "time":
                raise SkewkitError(
                    f"{n}: {roles.time!r} is a {kind}, and a time with its zone is needed; {missing(kind)}"
                )


def _between(tables, since, until):
    """The served and replayed rows in a span of time; the replay is cut to the keys of the served."""
    if since is None and until is None:
        return tables
    time, served = tables["served"].roles.time, tables["served"]
    if time is None:
        raise SkewkitError("since or until was given without time=; name the column of the requests' time")
    cut = {n: t for n, t in tables.items() if n == "training"}
    for n in (n for n in ("served", "replayed") if n in tables):
        there = time in tables[n].columns
        # the time as logged says which requests are meant; were each table cut by its own, a wrong clock would lose them
        cut[n] = (
            served.between(since, until) if n == "served" else tables[n].beside(cut["served"], served, since, until)
        )
        if not len(cut[n]):
            span = f"; its times run from {' to '.join(map(str, tables[n].span()))}" if there else ""
            raise SkewkitError(f"{n} has no row since {since} until {until}{span}")
    return cut


def _sampled(tables, sample):
    """About ``sample`` rows of each table: the same keys wherever there are keys."""
    if not sample:
        return tables
    if sample < 0:
        raise SkewkitError(f"sample={sample} was asked; it is a number of rows, or 0 for all")
    share = {n: sample / len(t) for n, t in tables.items() if not isinstance(t, Baseline)}
    if "replayed" in tables:
        share["replayed"] = share["served"]
    kept = {n: t if isinstance(t, Baseline) else t.sampled(share[n]) for n, t in tables.items()}
    for n, t in kept.items():
        if not len(t):
            raise SkewkitError(f"sample={sample} leaves no row of {n}, which has {len(tables[n])}; ask for more")
    return kept
