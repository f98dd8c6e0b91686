"""The words of skewkit as types. Imports nothing else from skewkit."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import IntEnum
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd

TASKS = ("binary", "multiclass", "regression")


class SkewkitError(Exception):
    """Says what was asked, what there is, and what to do."""


class NotApplicable(SkewkitError):
    """This skew, check or measure cannot speak here, and why."""


class Verdict(IntEnum):
    """What a policy makes of a finding; a run's verdict is its worst."""

    ok = 0
    warn = 1
    inconclusive = 2
    breach = 3

    def __str__(self):
        return self.name


@dataclass(frozen=True)
class Roles:
    """Which column plays which part. Every field is a column's name, or names; None: there is no such column."""

    key: str | None = None
    entity: str | None = None
    time: str | None = None
    label: str | None = None
    prediction: str | None = None
    segments: tuple[str, ...] = ()
    features: tuple[str, ...] = ()

    @property
    def others(self) -> tuple[str, ...]:
        """Every column with a part that is not a feature, each once."""
        named = (self.key, self.entity, self.time, self.label, self.prediction, *self.segments)
        return tuple(dict.fromkeys(c for c in named if c))


@dataclass(frozen=True)
class Distribution:
    """One column's values, sorted, with how many rows lie at or below each.

    ``values`` has shape (k,), ascending, without nulls; ``upto`` the cumulative row counts, shape (k,); ``n`` is the
    rows with a value and ``nulls`` the rows without. ``kind`` is the column's kind (see `engines.KINDS`).
    """

    kind: str
    values: np.ndarray
    upto: np.ndarray
    n: int
    nulls: int

    @property
    def rows(self) -> int:
        return self.n + self.nulls

    @property
    def counts(self) -> np.ndarray:
        return np.diff(self.upto, prepend=0)


@dataclass(frozen=True)
class Agreement:
    """One feature on two tables, row against row: how many rows were compared and how many differ."""

    n: int
    differ: int


class Table(Protocol):
    """The narrow waist: what a table of any size and place is asked. `engines` answers."""

    roles: Roles

    def __len__(self) -> int: ...
    def kinds(self) -> dict[str, str]: ...
    def distribution(self, column: str) -> Distribution: ...
    def frame(self, columns=None) -> pd.DataFrame: ...


class Replay(Protocol):
    """Recomputes features for the given requests with knobs turned: a scenario's pipeline."""

    def knobs(self, feature: str) -> frozenset[str]: ...
    def __call__(self, requests: pd.DataFrame, features: tuple[str, ...], **knobs) -> pd.DataFrame: ...


def moment(when: Any, name: str = "time") -> pd.Timestamp | None:
    """A point in time with its zone; None stays None, and a naive time is refused."""
    if when is None or when == "":
        return None
    try:
        stamp = pd.Timestamp(when)
    except (ValueError, TypeError) as e:
        raise SkewkitError(f"{name}={when!r} is not a time; write it like 2013-10-03T14:00:00Z") from e
    if stamp.tzinfo is None:
        raise SkewkitError(
            f"{name}={when!r} has no zone; write it like {stamp.isoformat()}Z or {stamp.isoformat()}-04:00"
        )
    return stamp


def coin(keys, purpose: str, seed: int = 0) -> np.ndarray:
    """A number in [0, 1) from each key, shape (n,).

    The same key gives the same number on every table, so a smaller share nests in a larger one; another purpose
    ("plant", "sample") gives independent numbers, so that sampling and planting do not pick the same rows. The mixing
    is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) over pandas' own hash of the values.
    """
    values = _hashable(pd.Series(keys))
    salt = (zlib.crc32(f"{purpose}|{seed}".encode()) * 0x9E3779B97F4A7C15) % 2**64
    z = pd.util.hash_array(values, categorize=False) ^ np.uint64(salt)
    for shift, times in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(times)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype("f8") / 2**53


def _hashable(keys: pd.Series) -> np.ndarray:
    """Keys as 64-bit integers, or as objects: the same key alike, however its column is stored; null keys all alike."""
    if pd.api.types.infer_dtype(keys.astype(object), skipna=True) == "integer" and keys.dtype.kind == "O":
        keys = keys.astype(object).astype("Int64")
    present = keys.dropna()
    whole = pd.api.types.is_integer_dtype(keys.dtype)
    if pd.api.types.is_float_dtype(keys.dtype):  # integers beside a null become floats
        whole = bool((present % 1 == 0).all() and (present.abs() < 2**53).all())
    if whole:
        unsigned = "uint" in str(keys.dtype).lower()
        return keys.fillna(0).to_numpy("uint64" if unsigned else "int64").astype("uint64")
    return keys.astype(object).where(keys.notna(), "").to_numpy()


@dataclass(frozen=True)
class Scope:
    """For whom and since when: the rows a skew acts on.

    ``share`` in [0, 1] of the requests by a hash of the key (this is severity), or of the entities with
    ``by="entity"``; ``where`` is (column, value); ``since`` and ``until`` bound the time, the end left out.
    """

    share: float = 1.0
    by: str = "key"
    where: tuple[str, Any] | None = None
    since: Any = None
    until: Any = None

    def __post_init__(self):
        if isinstance(self.share, (bool, str)) or not np.isscalar(self.share) or not 0 <= self.share <= 1:
            raise SkewkitError(f"a share of {self.share!r} was asked; it is a number from 0 to 1")
        if self.by not in ("key", "entity"):
            raise SkewkitError(f"a scope by {self.by!r} was asked; it is by 'key' or by 'entity'")
        if self.where is not None:
            if not isinstance(self.where, (list, tuple)) or len(self.where) != 2:
                raise SkewkitError(f"where={self.where!r} was asked; it is a column and a value, like [country, DE]")
            object.__setattr__(self, "where", tuple(self.where))
        object.__setattr__(self, "since", moment(self.since, "since"))
        object.__setattr__(self, "until", moment(self.until, "until"))

    @classmethod
    def read(cls, asked: Scope | Mapping[str, Any]) -> Scope:
        """A scope as such, or as a mapping of by, where, since and until; the share is the severity's."""
        if isinstance(asked, cls):
            return asked
        takes = ("by", "where", "since", "until")
        if unknown := [k for k in asked if k not in takes]:
            raise SkewkitError(f"scope was given {', '.join(map(repr, unknown))}; it takes {', '.join(takes)}")
        return cls(**asked)

    def rows(self, frame: pd.DataFrame, roles: Roles, seed: int = 0) -> np.ndarray:
        """Which rows of ``frame`` are in scope, shape (rows,), bool."""
        keep = np.ones(len(frame), bool)
        if self.share < 1:
            keep &= coin(self._column(frame, getattr(roles, self.by), self.by), "plant", seed) < self.share
        if self.where is not None:
            keep &= (self._column(frame, self.where[0], "where") == self.where[1]).fillna(False).to_numpy(bool)
        if self.since is not None:
            keep &= (self._column(frame, roles.time, "time") >= self.since).to_numpy(bool)
        if self.until is not None:
            keep &= (self._column(frame, roles.time, "time") < self.until).to_numpy(bool)
        return keep

    @staticmethod
    def _column(frame, name, role):
        if name not in frame:
            raise SkewkitError(f"the scope needs the column of {role}, {name!r}; the table has {', '.join(frame)}")
        return frame[name]

    def to_dict(self) -> dict:
        iso = {n: t.isoformat() for n in ("since", "until") if (t := getattr(self, n)) is not None}
        return {"share": self.share, "by": self.by, "where": self.where and list(self.where), **iso}

    def __str__(self):
        parts = [
            f"{self.share:.0%} of the {'requests' if self.by == 'key' else 'entities'}" if self.share < 1 else "",
            f"where {self.where[0]} is {self.where[1]}" if self.where else "",
            f"since {self.since}" if self.since is not None else "",
            f"until {self.until}" if self.until is not None else "",
        ]
        return ", ".join(p for p in parts if p) or "all requests"


@dataclass(frozen=True, kw_only=True)
class Skew:
    """A frozen record of what differs between training and serving. A `Scope` says for which rows.

    One file a skew; its class, file and runbook share one stem. With no ``features`` named, it acts on every feature
    that it can.
    """

    features: tuple[str, ...] = ()

    stem: ClassVar[str] = ""  # set where the files are discovered
    choices: ClassVar[tuple[str, tuple]]  # how wrong it can be, to choose from by hand: a field, and values for it

    def __post_init__(self):
        for f in fields(self):
            value = frozen(getattr(self, f.name))
            object.__setattr__(self, f.name, value)
            if (wanted := {"str": str, "tuple": tuple, "tuple[str, ...]": tuple}.get(f.type)) and not isinstance(
                value, wanted
            ):
                raise SkewkitError(
                    f"{self.stem} was given {f.name}={value!r}; it takes {'text' if wanted is str else 'a list'}"
                )

    def knobs(self) -> dict[str, Any]:
        """What this skew turns in a pipeline: a knob's name and its value in serving."""
        return {}

    def acts_on(self, frame: pd.DataFrame, roles: Roles) -> tuple[str, ...]:
        """The columns that `inject` would change, with none named: those among the features it can act on."""
        raise NotImplementedError

    def inject(self, frame: pd.DataFrame, roles: Roles, seed: int = 0) -> pd.DataFrame:
        """What serving would have held, for every row: only the columns that change, with ``frame``'s index."""
        raise NotApplicable(f"{self}: only a pipeline's knob can do this; give a scenario or a replay")

    def undo(self, frame: pd.DataFrame, roles: Roles, seed: int = 0) -> pd.DataFrame:
        """What training held, from what was served, where that is exact."""
        raise NotApplicable(f"{self} loses what it replaced; replay the requests instead")

    @classmethod
    def examples(cls) -> Iterator[Skew]:
        """Instances for the laws, to act on the table of `skewkit.examples`."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        return {"skew": self.stem, **{f.name: thawed(getattr(self, f.name)) for f in fields(self)}}

    def __str__(self):
        set_ = (f for f in fields(self) if getattr(self, f.name) != f.default)
        return f"{type(self).__name__}({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in set_)})"


def frozen(value):
    """Lists as tuples and mappings as tuples of pairs, so that a record read from JSON equals the one written."""
    if isinstance(value, Mapping):
        value = list(value.items())
    return tuple(frozen(v) for v in value) if isinstance(value, (list, tuple)) else value


def thawed(value):
    """Tuples as lists, as JSON will hold them."""
    return [thawed(v) for v in value] if isinstance(value, tuple) else value


def needs(frame: pd.DataFrame, columns, who) -> tuple[str, ...]:
    """The columns, or an error that names the ones that are not there."""
    absent = [c for c in columns if c not in frame]
    if absent:
        raise SkewkitError(f"{who} names {', '.join(map(repr, absent))}; the table has {', '.join(map(str, frame))}")
    return tuple(columns)


@dataclass(frozen=True)
class Case:
    """The tables compared, their roles, and what can replay or score them. Every verb takes one."""

    training: Table
    served: Table
    replayed: Table | None = None
    roles: Roles = Roles()
    model: Callable[[pd.DataFrame], Any] | None = None
    task: str = "binary"
    cost: Mapping[str, Any] = field(default_factory=dict)
    pairs: Any = None  # engines.Pairs, replayed against served by key

    @property
    def tables(self) -> dict[str, Table]:
        named = {"training": self.training, "replayed": self.replayed, "served": self.served}
        return {name: t for name, t in named.items() if t is not None}

    @property
    def changes(self) -> dict[str, tuple[Table, Table]]:
        """Which two tables each change compares."""
        if self.replayed is None:
            return {"total": (self.training, self.served)}
        return {"drift": (self.training, self.replayed), "skew": (self.replayed, self.served)}

    @cached_property
    def kinds(self) -> dict[str, dict[str, str]]:
        return {name: t.kinds() for name, t in self.tables.items()}


@dataclass(frozen=True)
class Finding:
    """One measured value with its unit and n, the bounds chance allows, its threshold, and a verdict.

    A verdict of None: described, not judged. ``plant`` names the cell of a drill that it was measured in.
    """

    check: str
    change: str
    feature: str | None
    statistic: str
    value: float
    unit: str
    n: int
    low: float | None = None
    high: float | None = None
    segment: str | None = None
    threshold: float | None = None
    verdict: Verdict | None = None
    runbook: str | None = None
    accepted: str | None = None
    plant: str | None = None


@dataclass(frozen=True)
class Cost:
    """One metric of the model before and after a change, with a 95 percent interval of the difference.

    With no ``after`` it is a level, not a change: ``low`` and ``high`` are then those of ``before``.
    """

    metric: str
    change: str
    before: float | None
    after: float | None = None
    delta: float | None = None
    low: float | None = None
    high: float | None = None
    segment: str | None = None
    n: int = 0
    plant: str | None = None


@dataclass(frozen=True)
class NotRun:
    """A step that could not run: why, and what to give it."""

    step: str
    reason: str
    give: str


def as_rows(records) -> list[dict[str, Any]]:
    """Records as plain dictionaries, verdicts by name."""
    return [{k: str(v) if isinstance(v, Verdict) else v for k, v in asdict(r).items()} for r in records]


def worst(verdicts) -> Verdict:
    """The worst verdict; inconclusive when nothing was judged, for silence is not health."""
    return max((v for v in verdicts if v is not None), default=Verdict.inconclusive)


def planted(records, plant: str) -> tuple:
    """The records, marked with the cell of the drill they belong to."""
    return tuple(replace(r, plant=plant) for r in records)
