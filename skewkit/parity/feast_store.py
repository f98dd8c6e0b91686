"""Both sides of a Feast store as paths: what training reads point in time, and what serving reads online.

Where Feast has ways of its own, they are met here, and `Online.facts` names what of them is in the rows that differ:
offline, a request all of whose data are older than the view's ttl, or newer than the request, is dropped from the
answer (null here), and of two of one entity at one moment all but one (asked once here); online, a value is given
until another is written over it, whatever its ttl, and nothing tells it as of when it is asked; times without a zone
are UTC's; integers with a null among them come back as floats (integers again here, where all are whole).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..memory import Memory
from ..names import expand, first_line, optional
from ..records import SkewkitError
from ..tables.columns import kind_of
from ..timeline import before, duration, nanoseconds

FORM = "feast:PATH/TO/REPO#SERVICE (or #VIEW:FEATURE,VIEW:FEATURE)"
ASKED = "event_timestamp"  # what Feast calls the time of a request, and the parity where no time is named
ROW = "__asked_row"
NEWEST = "__ts"  # what Feast adds to a feature's name for the time of its newest datum


def is_feast(text: Any) -> bool:
    return isinstance(text, str) and text.partition(":")[0] == "feast"


def open_store(address: str) -> tuple[Any, str | list[str]]:
    """The store of a repo, and what is asked of it: a service's name, or a list of view:feature; of feast:REPO#WHAT."""
    repo, _, what = address.partition(":")[2].partition("#")
    if not (repo and what):
        raise SkewkitError(f"{address!r} names no features of a Feast repo; write it like {FORM}")
    feast = optional("feast", "feast", f"{address} is read")
    if not (Path(expand(repo)) / "feature_store.yaml").is_file():
        raise SkewkitError(f"{address}: there is no feature_store.yaml in {repo}; give the folder of a Feast repo")
    store = feast.FeatureStore(repo_path=expand(repo))
    return store, what.split(",") if ":" in what else what


@dataclass(frozen=True)
class Stored:
    """A side of a store, as a path: a frame of entities and times in, shape (n, columns), their features out.

    ``features`` is a feature service's name or a list of view:feature. ``time`` is the column that says as of when a row
    is asked, which online only `Online.facts` read. A row with a null among its join keys has null features.
    """

    store: Any
    features: str | Sequence[str]
    time: str = ASKED
    looked_up = True  # an input is a row of the store: none is simpler than another

    def __call__(self, inputs: pd.DataFrame) -> pd.DataFrame:
        if lost := [c for c in self._reads if c not in inputs]:
            raise SkewkitError(
                f"Feast looks {self._told} up by {', '.join(self._reads)}, and the inputs have no {lost[0]}; "
                f"they have {', '.join(inputs)}"
            )
        whole = inputs[[c for c in self._reads if c in self._join or c == self.time]].notna().all(axis=1)
        rows = inputs.loc[whole, self._reads].reset_index(drop=True)
        rows = rows.assign(**{k: _key(rows[k]) for k in self._join})
        try:
            made = self._asked(rows)
        except Exception as e:  # whatever the store behind Feast raises
            raise SkewkitError(
                f"Feast cannot give {self._told} ({first_line(e, '')}); is it applied, and its source there?"
            ) from e
        made = made.set_axis(inputs.index[whole]).reindex(inputs.index)
        integers = {n for n, t in self._types.items() if "Int" in t}
        return pd.DataFrame({f: _whole(made[f]) if f in integers else made[f] for f in made}, index=inputs.index)

    @cached_property
    def wanted(self) -> Any:
        """What Feast's own calls take: the service, or the list."""
        if not isinstance(self.features, str):
            return list(self.features)
        known = sorted(s.name for s in self.store.list_feature_services())
        if self.features not in known:
            have = ", ".join(known) or "none"
            raise SkewkitError(
                f"Feast's store has no service {self.features!r}; it has {have}. Apply it, or name features"
            )
        return self.store.get_feature_service(self.features)

    @cached_property
    def views(self) -> dict[str, tuple[Any, list[str]]]:
        """Each view behind the features, by name, with the columns of the inputs that hold its join keys."""
        names, renamed = {ref.rpartition(":")[0].partition("@")[0] for ref in self._refs}, {}
        if isinstance(self.features, str):
            renamed = {p.name: p.join_key_map for p in self.wanted.feature_view_projections}
        for made in self._on_demand:
            for p in made.source_feature_view_projections.values():
                names.add(p.name)
                renamed.setdefault(p.name, p.join_key_map)
        plain = {v.name: v for v in (*self.store.list_feature_views(), *self.store.list_stream_feature_views())}
        found = {n: plain[n] for n in sorted(names & set(plain))}
        return {n: (v, [(renamed.get(n) or {}).get(k, k) for k in _own(v)]) for n, v in found.items()}

    @property
    def _keys(self):
        requests = [f.name for o in self._on_demand for s in o.source_request_sources.values() for f in s.schema]
        return list(dict.fromkeys([*self._join, *requests]))

    @property
    def _join(self):
        return list(dict.fromkeys(k for _, keys in self.views.values() for k in keys))

    @property
    def _reads(self):
        return self._keys

    @property
    def _told(self):
        return self.features if isinstance(self.features, str) else ", ".join(self.features)

    @cached_property
    def _refs(self):
        if not isinstance(self.features, str):
            return list(self.features)
        return [f"{p.name}:{f.name}" for p in self.wanted.feature_view_projections for f in p.features]

    @cached_property
    def _types(self):
        every = [f for v in (*(v for v, _ in self.views.values()), *self._on_demand) for f in v.features]
        return {f.name: str(f.dtype) for f in every}

    @cached_property
    def _on_demand(self):
        names = {ref.rpartition(":")[0].partition("@")[0] for ref in self._refs}
        return [v for v in self.store.list_on_demand_feature_views() if v.name in names]


@dataclass(frozen=True)
class Online(Stored):
    """The side that serves: the newest values that were materialized, of each row's entities."""

    def _asked(self, rows):
        names = [ref.rpartition(":")[2] for ref in self._refs]
        if not len(rows):
            return pd.DataFrame(columns=names, index=rows.index, dtype=object)
        said = self.store.get_online_features(self.wanted, {k: rows[k].tolist() for k in self._reads}).to_dict()
        return pd.DataFrame({f: _column(said[f]) for f in names})

    def facts(self, features: Sequence[str], inputs: pd.DataFrame) -> tuple[str, ...]:
        """What the store says of itself that may make these features differ in these rows, in words."""
        if self.time not in inputs:
            return ()
        return tuple(
            fact
            for view, keys in self.views.values()
            if (asked := [f for f in view.features if f.name in features])
            for fact in self._facts(view, keys, asked, inputs.dropna(subset=[*keys, self.time]))
        )

    def _facts(self, view, keys, asked, rows) -> Iterator[str]:
        called, times, until = f"`{view.name}`", nanoseconds(rows[self.time]), view.most_recent_end_time
        if until is None:
            yield f"{called} was never materialized"
        elif late := int((times > nanoseconds([until])[0]).sum()):
            yield f"{called} was materialized until {pd.Timestamp(until).isoformat()}, and {_of(late, rows)} ask later"
        owned = pd.DataFrame({own: _key(rows[k]) for own, k in zip(_own(view), keys, strict=True)}, index=rows.index)
        newest = self._newest(view, asked[0].name, owned)
        ttl = int(view.ttl.total_seconds()) * 10**9 if view.ttl else 0
        if ttl and (old := int(((newest > 0) & (newest < times - ttl)).sum())):
            yield f"{called} has a ttl of {view.ttl}, and in {_of(old, rows)} the datum is older: null offline, still given online"
        if ahead := int((newest > times).sum()):
            yield f"online knows the newest alone, and in {_of(ahead, rows)} it is newer than the request; ask as of when {called} was materialized"
        if tied := _tied(view, self.store, owned, newest):
            by = view.batch_source.created_timestamp_column
            counts = f"the later by {by} counts" if by else "no created_timestamp_column says which counts"
            yield f"in {_of(tied, rows)} the source of {called} has several rows of that entity and time, and {counts}"
        for f in asked:
            if (held := _held(view, self.store, f.name)) and not _agrees(held, str(f.dtype)):
                yield f"{called} declares {f.name} as {f.dtype}, and its source holds {held}: online alone makes it that"

    def _newest(self, view, feature, rows):
        """When the datum that online gives is of, in nanoseconds since 1970 (Feast tells whole seconds); 0 where it has none."""
        if not len(rows):
            return np.empty(0, "i8")
        keys = {k: rows[k].tolist() for k in rows}
        said = self.store.get_online_features([f"{view.name}:{feature}"], keys).to_dict(include_event_timestamps=True)
        return np.array(said[feature + NEWEST], "i8") * 10**9


@dataclass(frozen=True)
class Offline(Stored):
    """The side that trains: the values as of each row's time."""

    @property
    def _reads(self):
        return [*self._keys, self.time]

    def _asked(self, rows):
        names = [ref.rpartition(":")[2] for ref in self._refs]
        at = pd.to_datetime(pd.Series(nanoseconds(rows[self.time])), utc=True)
        asked = rows[self._keys].assign(**{ASKED: at})
        group = asked.groupby(list(asked), sort=False, dropna=False).ngroup() if len(asked) else pd.Series(dtype="i8")
        once = asked.loc[~group.duplicated()].assign(**{ROW: lambda t: np.arange(len(t))})
        turn = once.groupby([*self._join, ASKED], sort=False).cumcount()  # of one entity and moment Feast keeps one row
        parts = [self.store.get_historical_features(part, self.wanted).to_df() for _, part in once.groupby(turn)]
        if not parts:
            return pd.DataFrame(columns=names, index=rows.index, dtype=object)
        found = pd.concat(parts).set_index(ROW).reindex(range(len(once)))  # what was dropped is null
        return found[names].take(group.to_numpy()).reset_index(drop=True)

    def rewound(self, inputs: pd.DataFrame, key: str) -> Rewound:
        """The same for the diagnosis, with when it is asked turned back."""
        return Rewound(self, inputs.set_index(key, drop=False))


@dataclass(frozen=True)
class Rewound:
    """A `records.Replay` of the offline side, asked ``lag`` earlier: what a store holds that was not written since."""

    offline: Offline
    inputs: pd.DataFrame = field(repr=False)
    made: Memory = field(default_factory=lambda: Memory(1 << 28, lambda f: int(f.memory_usage().sum())), repr=False)

    sources = ()

    def knobs(self, feature: str) -> frozenset[str]:
        return frozenset({"lag"})

    def source(self, requests: pd.DataFrame) -> pd.DataFrame:
        return requests

    def reading(self, columns: Sequence[str]) -> tuple[str, ...]:
        return ()

    def __call__(self, requests, features=(), source=None, lag: str = "") -> pd.DataFrame:
        """These features of the requests, found by key, asked that much earlier."""

        def make():  # of all inputs at once: it is asked for again, feature by feature
            at = before(nanoseconds(self.inputs[self.offline.time]), duration(lag, "lag") if lag else 0)
            return self.offline(self.inputs.assign(**{self.offline.time: pd.to_datetime(at, utc=True)}))

        found = self.made.get(lag, make).loc[requests[self.inputs.index.name]]
        return found.set_axis(requests.index)[list(features) or list(found)]


def side(address: str, name: str, time: str = "") -> Stored:
    """The ``offline`` or the ``online`` side of feast:REPO#WHAT."""
    return {"offline": Offline, "online": Online}[name](*open_store(address), time or ASKED)


def _key(column):
    """A join key without the floats, or the nullable integers, that a null beside it has made of integers."""
    whole = kind_of(column) in ("integer", "number") and (column % 1 == 0).all()
    return column.astype("int64") if whole else column


def _column(values):
    """What Feast gives of a feature online, without floats for integers."""
    kinds = {type(v) for v in values if v is not None}
    return pd.Series(pd.array(values, dtype="Int64") if kinds == {int} else values)


def _whole(column):
    """A column of whole numbers as integers, for Feast gives a float for each once one of them is null."""
    if column.dtype.kind == "f" and column.isna().any() and column.notna().any():
        there = column.dropna()
        if ((there % 1 == 0) & (there.abs() < 2**53)).all():
            return column.astype("Int64")
    return column


def _own(view):
    """The join keys of a view; of one without entities Feast's own stand-in is none."""
    return [k for k in view.join_keys if not k.startswith("__")]


def _of(some, rows):
    return f"{some} of {len(rows)} rows that differ"


def _source(view, store) -> Callable[..., pd.DataFrame] | None:
    """What reads columns of a view's file; None where the source is no Parquet file at hand."""
    path = getattr(view.batch_source, "path", None)
    path = Path(store.repo_path or ".") / path if path else None
    return (lambda *columns: pd.read_parquet(path, columns=list(columns))) if path and path.exists() else None


def _tied(view, store, keys, newest):
    """In how many rows the newest datum's source has another of the same entity and time."""
    read, at = _source(view, store), view.batch_source.timestamp_field
    if read is None or view.batch_source.field_mapping:
        return 0
    held = read(*keys, at)
    held[at] = nanoseconds(held[at]) // 10**9
    twice = held[held.duplicated(keep=False)].drop_duplicates()
    return len(keys.assign(**{at: newest // 10**9}).merge(twice))


def _held(view, store, feature):
    """The kind of what a view's source holds of a feature; "" where it cannot be read."""
    read = _source(view, store)
    return "" if read is None or view.batch_source.field_mapping else kind_of(read(feature)[feature])


def _agrees(held, declared):
    """Whether what the source holds is of the declared type, as far as values can tell."""
    kinds = {"Int": {"integer"}, "Float": {"integer", "number"}, "String": {"text"}, "Bool": {"boolean"}}
    return next((held in k for n, k in kinds.items() if declared.startswith(n)), True)
