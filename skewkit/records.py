"""The words of skewkit as types. Imports nothing else from skewkit."""

from __future__ import annotations

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

    @property
    def alarm(self) -> int:
        """How loud it is: a breach 2, a warning 1, else 0, for too little data wakes nobody."""
        return {"warn": 1, "breach": 2}.get(self.name, 0)


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

    @property
    def compared(self) -> tuple[str, ...]:
        """What is compared beside the features where two tables pair by key: every column with a part but the key."""
        return tuple(c for c in self.others if c not in (self.key, *self.features))


@dataclass(frozen=True)
class Tolerance:
    """How far two numbers may lie apart and agree; every field is 0 or more, and what any of them allows is allowed.

    ``absolute`` is in the column's unit, ``relative`` to a value's size (both together), and ``ulp`` is how many floats of the
    coarser width of the two columns may lie between. ``of_spread`` is for measured numbers alone, not for whole ones: relative
    to the spread of the column (`atoms.Scale`; ``scale`` is that, where it is known), or their last digits.
    """

    absolute: float = 0.0
    relative: float = 0.0
    ulp: int = 0
    of_spread: float = 0.0
    scale: Any = None


@dataclass(frozen=True)
class Agreement:
    """One column on two tables, row against row: how many rows were compared, how many differ, and which of all, a bit a row."""

    n: int
    differ: int
    bits: np.ndarray = field(repr=False)
    pairs: int = 0

    @property
    def rows(self) -> np.ndarray:
        """Which rows differ, shape (pairs,)."""
        return np.unpackbits(self.bits, count=self.pairs).astype(bool)


class Table(Protocol):
    """The narrow waist: what a table of any size and place is asked. `engines` answers."""

    roles: Roles
    at_hand: Table  # itself, or what of its rows can be looked at

    def __len__(self) -> int: ...
    def kinds(self) -> dict[str, str]: ...
    def distribution(self, column: str, age: bool = False) -> Any: ...
    def glance(self, column: str) -> Any: ...
    def frame(self, columns=None) -> pd.DataFrame: ...


class Replay(Protocol):
    """Recomputes features for the given requests with knobs turned, or from changed sources: a scenario's pipeline."""

    sources: tuple[str, ...]  # the columns of the requests as they came in

    def knobs(self, feature: str) -> frozenset[str]: ...
    def source(self, requests: pd.DataFrame) -> pd.DataFrame: ...
    def reading(self, columns: tuple[str, ...]) -> tuple[str, ...]: ...
    def __call__(self, requests: pd.DataFrame, features: tuple[str, ...], source=None, **knobs) -> pd.DataFrame: ...


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


TYPES = {  # of a skew's fields, and how an error calls them
    "str": (str, "text"),
    "float": ((int, float), "a number"),
    "int": (int, "a whole number"),
    **dict.fromkeys(("tuple", "tuple[str, ...]"), (tuple, "a list")),
}


@dataclass(frozen=True, kw_only=True)
class Skew:
    """A frozen record of what differs between training and serving. A `Scope` says for which rows.

    One file a skew; its class, file and runbook share one stem. With no ``features`` named, it acts on every feature
    that it can. It acts on the columns it names, of the feature table or of the requests as they came in.
    """

    features: tuple[str, ...] = ()

    stem: ClassVar[str] = ""  # set where the files are discovered
    whole: ClassVar[bool] = False  # of a whole table: severities are 0 and 1, and `inject` gives the table itself
    lengths: ClassVar[tuple[str, ...]] = ()  # the parameters that are lengths of time, to be looked for between others
    family: ClassVar[str]  # of what kind it is: time, events, number, missing or code
    choices: ClassVar[tuple[str, tuple]]  # how wrong it can be, to choose from by hand: a field, and values for it

    def __post_init__(self):
        for f in fields(self):
            value = frozen(getattr(self, f.name))
            object.__setattr__(self, f.name, value)
            wanted = TYPES.get(f.type)
            if wanted and (not isinstance(value, wanted[0]) or isinstance(value, bool)):
                raise SkewkitError(f"{self.stem} was given {f.name}={value!r}; it takes {wanted[1]}")

    def knobs(self) -> dict[str, Any]:
        """What this skew turns in a pipeline: a knob's name and its value in serving."""
        return {}

    def acts_on(self, frame: pd.DataFrame, roles: Roles) -> tuple[str, ...]:
        """The columns that `inject` would change, with none named: those among the features it can act on."""
        raise NotImplementedError

    def inject(self, frame: pd.DataFrame, roles: Roles, seed: int = 0) -> pd.DataFrame:
        """What serving would have held, for every row: the columns that change (`whole`: the table), on ``frame``'s index."""
        raise NotApplicable(f"{self}: only a pipeline's knob can do this; give a scenario or a replay")

    def undo(self, frame: pd.DataFrame, roles: Roles, seed: int = 0) -> pd.DataFrame:
        """What training held, from what was served, where that is exact."""
        raise NotApplicable(f"{self} loses what it replaced; replay the requests instead")

    @property
    def wide(self) -> bool:
        """Whether what a row is served depends on other rows of the table, so that a sample of rows cannot tell it."""
        return False

    @classmethod
    def propose(cls, evidence: Any) -> Iterator[tuple[Skew, float]]:
        """The instances worth trying on a `clues.Evidence`, each with the bits that its parameters take to write down.

        It neither scores nor knows for which rows: that is the diagnosis's.
        """
        return iter(())

    def for_others(self) -> Skew:
        """The same without what is this feature's own, for another feature to be explained by it."""
        return self

    def drawn(self, share: float) -> tuple[Skew, float]:
        """The same where it strikes a share of the rows: a skew that draws rows itself says so in its own parameter."""
        return self, share

    @property
    def random(self) -> bool:
        """Whether it draws what no table can tell again: which events, or how much noise. It has `by_chance`."""
        return False

    def completed(self, before: pd.Series, after: pd.Series) -> Skew:
        """The same, with what only other rows of its scope could tell: the values that a mapping has not met."""
        return self

    def by_chance(self, evidence: Any) -> np.ndarray | None:
        """Of a skew that draws, the bits to write down each value that differs, shape (rows that differ,); None: it is exact."""
        return None

    def says(self, alike: bool = True) -> str:
        """What has happened to a feature, in words that begin with a verb: "is read in UTC".

        Not ``alike``: features have parameters of their own, which are not said.
        """
        return f"is as {self} would have it"

    @property
    def kin(self) -> tuple:
        """What two features must have in common to be one finding: all parameters, but for what each has of its own."""
        return tuple((f.name, getattr(self, f.name)) for f in fields(self) if f.name != "features")

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
    if absent := [c for c in columns if c not in frame]:
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
    replay: Any = None  # a Replay of the served requests, or of those of them that are asked for: the events' regime
    events: Mapping[str, pd.DataFrame] = field(
        default_factory=dict
    )  # raw tables, as event_tables.read_events gives them
    pairs: Any = None  # engines.Pairs, replayed against served by key
    past: Any = None  # engines.Pairs, training's own requests rebuilt from events against training
    evidence: str = "masked"  # what of the data a finding's detail may show: rows, masked or counts
    contract: Any = None  # contract.Contract, what the served table was agreed to be
    freshness: Any = None  # engines.Local, a row a served request and feature: key, feature, value_time, hit, fetch_ms
    as_of: Mapping[str, str] = field(
        default_factory=dict
    )  # a feature, and the column with the time of its newest datum
    lineage: Mapping[str, Any] = field(default_factory=dict)  # a served column of hashes, and what training's was

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
    def at_hand(self) -> Case:
        """The case as far as its rows can be looked at: a seeded sample of an engine's rows, and none of a baseline's."""
        if all(t.at_hand is t for t in self.tables.values()):
            return self
        tables = {name: t.at_hand for name, t in self.tables.items()}
        pairs = self.pairs and self.pairs.at_hand
        if pairs is not None and pairs is not self.pairs:
            tables["replayed"], tables["served"] = pairs.tables
        return replace(self, **tables, pairs=pairs)

    @cached_property
    def kinds(self) -> dict[str, dict[str, str]]:
        return {name: t.kinds() for name, t in self.tables.items()}


@dataclass(frozen=True)
class Finding:
    """One measured value with its unit and n, the bounds chance allows, its threshold, and a verdict.

    A verdict of None: described, not judged. ``plant`` names the cell of a drill that it was measured in. ``n`` are rows;
    where a cluster key is given, ``effective`` is how many they count as. ``wobble`` is how far training's own partitions
    lie apart in this, and ``needs`` how many rows on each side would settle what is inconclusive. ``accepted`` says until
    when, why and by whom it is accepted; it decides no verdict then. ``detail`` are the values or rows that contribute
    most. ``grown`` gives the bounds that chance would allow with so many times the rows, for ``needs``; it is not kept.
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
    needs: int | None = None
    wobble: float | None = None
    effective: int | None = None
    detail: tuple[Mapping[str, Any], ...] | None = None
    grown: Callable[[float], tuple[float, float]] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Cost:
    """One metric of the model before and after a change, with a 95 percent interval of the difference.

    With no ``after`` it is a level, not a change: ``low`` and ``high`` are then those of ``before``. ``needs`` is how many
    labelled requests it takes until the metric alone, without a replay beside it, shows the change: until its own 95
    percent interval, which narrows with the square root of their number, leaves ``before`` out.
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
    needs: int | None = None
    plant: str | None = None


@dataclass(frozen=True)
class NotRun:
    """A step that could not run: why, and what to give it."""

    step: str
    reason: str
    give: str


def as_rows(records) -> list[dict[str, Any]]:
    """Records as plain dictionaries, verdicts by name, without what is not kept."""
    plain = ({k: v for k, v in asdict(r).items() if k != "grown"} for r in records)
    return [{k: str(v) if isinstance(v, Verdict) else v for k, v in row.items()} for row in plain]


def worst(verdicts) -> Verdict:
    """The worst verdict; inconclusive when nothing was judged, for silence is not health."""
    return max((v for v in verdicts if v is not None), default=Verdict.inconclusive)
