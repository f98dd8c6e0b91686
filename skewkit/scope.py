"""For whom, since when and on which side a skew acts: rows chosen by a hash of their key, a segment, a span of time."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from .records import Roles, SkewkitError, moment

MIXING = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))  # shifts and factors of SplitMix64


def coin(keys, purpose: str, seed: int = 0) -> np.ndarray:
    """A number in [0, 1) from each key, shape (n,).

    The same key gives the same number on every table, so a smaller share nests in a larger one; another purpose
    ("plant", "sample") gives independent numbers, so that sampling and planting do not pick the same rows. The mixing
    is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) over pandas' own hash of the values.
    """
    values = _hashable(pd.Series(keys))
    z = pd.util.hash_array(values, categorize=False) ^ np.uint64(_salt(purpose, seed))
    for shift, times in MIXING:
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(times)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype("f8") / 2**53


def coin_of(key, purpose: str, seed: int = 0) -> float:
    """What `coin` gives one key, in [0, 1): for a service, to which a column of one row is slow."""
    if type(key) is int and -(2**63) <= key < 2**64:
        hashed = _mixed(key % 2**64)  # which is pandas' own hash of an integer as well
    elif type(key) is str:
        hashed = int(pd.util.hash_array(np.array([key], object), categorize=False)[0])
    else:
        return float(coin([key], purpose, seed)[0])
    return (_mixed(hashed ^ _salt(purpose, seed)) >> 11) / 2**53


@lru_cache(maxsize=64)
def _salt(purpose, seed):
    return (zlib.crc32(f"{purpose}|{seed}".encode()) * 0x9E3779B97F4A7C15) % 2**64


def _mixed(z):
    """SplitMix64's mixing of one integer of 64 bits."""
    for shift, times in MIXING:
        z = (z ^ (z >> shift)) * times % 2**64
    return z ^ (z >> 31)


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
    ``by="entity"``; ``where`` is (column, value), or (column, values) for any of them; ``since`` and ``until`` bound the time, the end left out. On the
    ``side`` "serving" it is the service that is at fault; on "training" it is the offline code, which makes the training
    table and the replay, and the model learns what is wrong.
    """

    share: float = 1.0
    by: str = "key"
    where: tuple[str, Any] | None = None
    since: Any = None
    until: Any = None
    side: str = "serving"

    def __post_init__(self):
        if isinstance(self.share, (bool, str)) or not np.isscalar(self.share) or not 0 <= self.share <= 1:
            raise SkewkitError(f"a share of {self.share!r} was asked; it is a number from 0 to 1")
        if self.by not in ("key", "entity"):
            raise SkewkitError(f"a scope by {self.by!r} was asked; it is by 'key' or by 'entity'")
        if self.side not in ("serving", "training"):
            raise SkewkitError(f"a scope on the side {self.side!r} was asked; it is 'serving' or 'training'")
        if self.where is not None:
            if not isinstance(self.where, (list, tuple)) or len(self.where) != 2:
                raise SkewkitError(f"where={self.where!r} was asked; it is a column and a value, like [country, DE]")
            values = self.where[1]
            object.__setattr__(self, "where", (self.where[0], tuple(values) if isinstance(values, list) else values))
        object.__setattr__(self, "since", moment(self.since, "since"))
        object.__setattr__(self, "until", moment(self.until, "until"))

    @classmethod
    def read(cls, asked: Scope | Mapping[str, Any]) -> Scope:
        """A scope as such, or as a mapping of by, where, since, until and side; the share is the severity's."""
        if isinstance(asked, cls):
            return asked
        takes = ("by", "where", "since", "until", "side")
        if not isinstance(asked, Mapping):
            raise SkewkitError(
                f"scope={asked!r} was asked; write it like {{side: training}}; it takes {', '.join(takes)}"
            )
        if unknown := [k for k in asked if k not in takes]:
            raise SkewkitError(f"scope was given {', '.join(map(repr, unknown))}; it takes {', '.join(takes)}")
        return cls(**asked)

    def rows(self, frame: pd.DataFrame, roles: Roles, seed: int = 0) -> np.ndarray:
        """Which rows of ``frame`` are in scope, shape (rows,), bool."""
        keep = np.ones(len(frame), bool)
        if self.share < 1:
            keep &= coin(self._column(frame, getattr(roles, self.by), self.by), "plant", seed) < self.share
        if self.where is not None:
            column, asked = self._column(frame, self.where[0], "where"), self.where[1]
            found = column.isin(asked) if isinstance(asked, tuple) else column == asked
            keep &= found.fillna(False).to_numpy(bool)
        if self.since is not None:
            keep &= (self._column(frame, roles.time, "time") >= self.since).to_numpy(bool)
        if self.until is not None:
            keep &= (self._column(frame, roles.time, "time") < self.until).to_numpy(bool)
        return keep

    @staticmethod
    def _column(frame, name, role):
        if name not in frame:
            raise SkewkitError(f"the scope needs the column of {role}, {name!r}; the table has {', '.join(frame)}")
        column = frame[name]
        if role == "time" and column.dtype.kind == "M" and getattr(column.dtype, "tz", None) is None:
            raise SkewkitError(
                f"the scope is bound by times, and {name!r} has no zone; localise it: frame[{name!r}].dt.tz_localize(zone)"
            )
        return column

    def to_dict(self) -> dict:
        iso = {n: t.isoformat() for n in ("since", "until") if (t := getattr(self, n)) is not None}
        return {"share": self.share, "by": self.by, "where": self.where and list(self.where), **iso, "side": self.side}

    def __str__(self):
        parts = [
            f"{self.share:.0%} of the {'requests' if self.by == 'key' else 'entities'}" if self.share < 1 else "",
            f"where {self.where[0]} is {self.where[1]}" if self.where else "",
            f"since {self.since}" if self.since is not None else "",
            f"until {self.until}" if self.until is not None else "",
            "in training" if self.side == "training" else "",
        ]
        return ", ".join(p for p in parts if p) or "all requests"


def with_columns(frame: pd.DataFrame, columns: Mapping[Any, Any]) -> pd.DataFrame:
    """A copy of a frame with columns set, whatever they are called: pandas' assign takes none called self."""
    made = frame.copy(deep=False)
    for name, values in columns.items():
        made[name] = values
    return made
