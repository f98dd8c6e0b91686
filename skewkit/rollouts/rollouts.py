"""Two models' logs become a Rollout: the same requests answered by both (shadow), or shares of the traffic (canary)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..load.case import compare
from ..load.locations import Source, open_table
from ..policy import Policy
from ..records import Case, SkewkitError
from ..tables.columns import kind_of
from ..tables.engines import Local
from ..tables.segments import frequent
from .failures import Failure, failure

MODES = ("shadow", "canary")
NUMBERS = ("number", "integer", "boolean")
LOGS = ("current", "candidate")
WHOLE, FEATURE, SEGMENT = (
    14,
    3,
    4,
)  # statistics with bounds, at most: of all requests, of a feature, and within a segment


@dataclass(frozen=True)
class Rollout:
    """What a current model and a candidate did with requests.

    The case holds the candidate's log as served and the current's as replayed; ``trained``: its training is the candidate's
    own, else there is none. In ``mode`` shadow the case has pairs, and columns are row against row; a canary's are of two sets
    of requests. ``latency`` names a column of both logs, ``error`` says of which requests failed; ``defaults`` map a feature to
    the value that stands for none; ``share`` of the traffic was meant for the candidate. ``apart`` are columns that one log
    alone has, where no features were named.
    """

    case: Case
    mode: str
    trained: bool = False
    latency: str | None = None
    error: Failure | None = None
    defaults: Mapping[str, Any] | None = None
    share: float | None = None
    apart: tuple[str, ...] = ()

    @property
    def paired(self) -> bool:
        return self.mode == "shadow"

    def columns(self, name: str | None) -> tuple[pd.Series, pd.Series] | None:
        """One column of the current's log and of the candidate's, row against row in a shadow; None where one lacks it."""
        tables = (self.case.replayed, self.case.served)
        if any(name not in t.columns for t in tables):
            return None
        return self.case.pairs.columns(name) if self.paired else tuple(t.column(name) for t in tables)

    @cached_property
    def failed(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Which requests failed, by the column of errors, on both sides; None where nothing says so."""
        if self.error is None:
            return None
        sides = self.columns(self.error.column)
        return tuple(self.error.of(s, log) for s, log in zip(sides, LOGS, strict=True))

    @cached_property
    def hours(self) -> tuple[pd.DatetimeIndex, tuple[np.ndarray, np.ndarray]]:
        """The hours (UTC) in which requests were made, and the number of each row's hour on both sides.

        A request that both answered was made when the current's log says so; one without a time counts from the last hour on.
        """
        first, later = (t.dt.tz_convert("UTC").dt.floor("h") for t in self.columns(self.case.roles.time))
        sides = (first, first if self.paired else later)
        index = pd.DatetimeIndex(pd.concat(sides).dropna().unique()).sort_values()
        last = len(index) - 1
        return index, tuple(np.where(side.isna(), last, index.get_indexer(side)) for side in sides)

    @cached_property
    def parts(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Which rows of both sides belong to each frequent value of a segment, by "column=value"; as the current has it."""
        found = {}
        for column in self.case.roles.segments:
            if (sides := self.columns(column)) is not None:
                first, later = sides[0], sides[0] if self.paired else sides[1]
                for value in frequent(first):
                    found[f"{column}={value}"] = tuple(
                        (s == value).fillna(False).to_numpy(bool) for s in (first, later)
                    )
        return found

    def tests(self) -> int:
        """How many statistics with bounds it can have."""
        return WHOLE + FEATURE * len(self.case.roles.features) + SEGMENT * len(self.parts)

    def level(self, policy: Policy) -> float:
        """The error level of one statistic, over all looks: half of alpha, shared out; the other half is for training's."""
        return policy.alpha / 2 / self.tests()


def rollout(
    current: Source,
    candidate: Source | None = None,
    *,
    suffix: str = "",
    training: Source | None = None,
    mode: str = "shadow",
    key: str | None = None,
    entity: str | None = None,
    time: str | None = None,
    time_zone: str = "",
    label: str | None = None,
    prediction: str | None = None,
    latency: str | None = None,
    error: str | None = None,
    features: Sequence[str] = (),
    defaults: Mapping[str, Any] | None = None,
    segments: Sequence[str] = (),
    as_of: Mapping[str, str] | None = None,
    freshness: Source | None = None,
    share: float = 0.0,
    task: str = "binary",
    since: Any = None,
    until: Any = None,
    evidence: str = "masked",
) -> Rollout:
    """A current model and a candidate on the same requests (``mode`` shadow), or on shares of the traffic (canary).

    ``current`` and ``candidate`` are logs of one row a request, tables as `compare` takes them, with the same names for what
    both have. One table of both is given as ``current`` with a ``suffix``: its column score_new is the candidate's score if
    that is "_new", and what has no such twin is of both. ``latency`` (of any unit) and ``error`` (0 or 1, or boolean) are
    columns; a request without a prediction is an error as well. ``features`` are what the candidate receives; where not given,
    all that training has, or else what both logs have. ``training`` is what the candidate learned from, or its baseline
    profile. ``share`` of the traffic, in (0, 1), was meant for a canary. The rest is as `compare` takes it.

    Raises SkewkitError for what cannot be compared.
    """
    if mode not in MODES:
        raise SkewkitError(f"mode {mode!r} was asked; there are {', '.join(MODES)}")
    if task == "multiclass":
        raise SkewkitError(
            "task multiclass was asked of a rollout; it compares one number a request: binary or regression"
        )
    if absent := [n for n, c in (("key", key), ("time", time), ("prediction", prediction)) if not c]:
        raise SkewkitError(f"a rollout needs {' and '.join(absent)}: the columns that both logs have it in")
    if not 0 <= share < 1:
        raise SkewkitError(f"share={share!r} was given; it is a share of the traffic in (0, 1), or 0: not known")
    before, after = _sides(current, candidate, suffix)
    fails = failure(error, before.columns)
    for column in filter(None, (prediction, latency, fails and fails.column)):
        _there(column, before, after)
    for column in filter(None, (prediction, latency)):
        _number(column, before, after)
    trained = not (training is None or (isinstance(training, str) and not training))
    own = (key, entity, time, label, prediction, latency, fails and fails.column, *(as_of or {}).values())
    shared = [c for c in after.columns if c in before.columns and c not in own]
    known = features or (() if trained else shared)
    apart = () if known is not shared else tuple(sorted({*before.columns}.symmetric_difference(after.columns) - {*own}))
    roles = dict(
        key=key, entity=entity, time=time, time_zone=time_zone, label=label, prediction=prediction, segments=segments
    )
    span = dict(since=since, until=until, task=task, evidence=evidence)
    beside = dict(as_of=as_of, freshness=freshness)
    learned = training if trained else before
    try:
        if mode == "shadow":
            case = compare(learned, after, before, features=known, **roles, **span, **beside)
        else:
            case = compare(learned, after, features=known, **roles, **span, **beside)
            other = compare(before, before, features=shared, **roles, **span).served
            case = replace(case, replayed=replace(other, roles=case.roles))
    except SkewkitError as e:
        raise SkewkitError(
            str(e).replace("replayed", "the current's log").replace("served", "the candidate's log")
        ) from None
    for feature, default in (defaults or {}).items():
        _default(feature, default, case)
    found = Rollout(case, mode, trained, latency or None, fails, defaults or {}, share or None, apart)
    if not len(found.hours[0]):
        raise SkewkitError(f"no request has a time in {time!r}; give the column that says when each was made")
    return found


def _sides(current, candidate, suffix):
    """Both logs as tables; of one wide table, the columns of each."""
    table = open_table("current", current)
    if not isinstance(table, Local):
        raise SkewkitError("current stays in an engine, and a rollout is read row by row; give it as files or a frame")
    if candidate is not None and not (isinstance(candidate, str) and not candidate):
        if suffix:
            raise SkewkitError(
                "both candidate and suffix were given; give a second table, or the suffix of its columns"
            )
        other = open_table("candidate", candidate)
        if not isinstance(other, Local):
            raise SkewkitError(
                "candidate stays in an engine, and a rollout is read row by row; give it as files or a frame"
            )
        return table, other
    twins = [c for c in table.columns if suffix and c.endswith(suffix) and c.removesuffix(suffix) in table.columns]
    if not twins:
        raise SkewkitError(
            f"neither a candidate nor a suffix of its columns was given; current has {', '.join(table.columns)}"
        )
    frame = table.frame()
    plain = frame.drop(columns=twins)
    other = plain.assign(**{c.removesuffix(suffix): frame[c] for c in twins})
    return replace(table, source=plain, memo={}), replace(table, source=other, name="candidate", memo={})


def _default(feature, default, case):
    """Refuse a default that no value of its feature can be: it would never be seen."""
    if feature not in case.roles.features:
        raise SkewkitError(f"defaults names {feature!r}; the features are {', '.join(case.roles.features)}")
    kinds = {t.kinds()[feature] for t in (case.replayed, case.served) if feature in t.columns}
    own = kind_of(pd.Series([default]))
    if pd.isna(default) or (own not in kinds and not {own, *kinds} <= set(NUMBERS)):
        raise SkewkitError(
            f"defaults says that {default!r} stands for none of {feature!r}, which holds {', '.join(sorted(kinds))}; "
            f"give a value of its kind (nulls are counted anyway)"
        )


def _there(column, *tables):
    for t, name in zip(tables, LOGS, strict=True):
        if column not in t.columns:
            raise SkewkitError(f"{name} has no column {column!r}; it has {', '.join(t.columns)}")


def _number(column, *tables):
    """A column without a value has no kind: it has nothing to compare, and that is found."""
    for t, name in zip(tables, LOGS, strict=True):
        kind = t.kinds()[column]
        if kind not in NUMBERS and t.column(column).notna().any():
            raise SkewkitError(f"{name}: {column!r} is {kind}, and a number is needed")
