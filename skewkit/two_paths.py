"""Round-trip parity: the same inputs through the offline and the online path, which must agree in every row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from .checks import parity, schema
from .features import Definition, evaluate
from .load import compare
from .memory import Memory
from .online import fold
from .pipeline import examine
from .policy import Policy
from .policy_file import read_policy
from .records import Case, SkewkitError
from .results import Result
from .smallest import Smallest, smallest

FEATURES = 3  # of which the smallest input is looked for
Path = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class RoundTrip:
    """What came of it: the case, its result, and of the first features that differ the smallest input that shows it."""

    case: Case
    result: Result
    smallest: tuple[Smallest, ...]

    @property
    def equal(self) -> bool:
        return not any(f.value for f in self.differing)

    @property
    def differing(self) -> list:
        """The findings of features and keys that differ, the worst first."""
        found = [f for f in self.result.findings if f.check == "parity" and f.statistic != "certified" and f.value]
        return sorted(found, key=lambda f: -f.value)


@dataclass(frozen=True)
class Offline:
    """Definitions over a batch, as a path: requests in, features out."""

    definitions: Mapping[str, Definition]
    raw: Mapping[str, pd.DataFrame]
    asked: str
    lines: Memory = field(default_factory=Memory, repr=False, compare=False)

    def __call__(self, requests: pd.DataFrame) -> pd.DataFrame:
        return evaluate(self.definitions, self.raw, requests, self.asked, self.lines)


@dataclass(frozen=True)
class Streamed(Offline):
    """The same one request at a time, from events fed as they came."""

    def __call__(self, requests: pd.DataFrame) -> pd.DataFrame:
        return fold(self.definitions, self.raw, requests, self.asked)


def strict(policy: Policy | None = None, tolerance: float = 1e-6) -> Policy:
    """A policy by which no row may differ: numbers agree within ``tolerance``, all else exactly (1e-5 across languages)."""
    policy = policy or read_policy()
    none = {
        f"parity.{s}": {"tolerated": 0.0, "material": 0.0}
        for s in ("differ", "missing_keys", "extra_keys", "duplicate_keys", "null_keys", "fleet")
    }
    return replace(policy, limits={**policy.limits, **none}, tolerance=tolerance)


def round_trip(
    offline: Path,
    online: Path,
    inputs: pd.DataFrame,
    key: str,
    *,
    time: str | None = None,
    entity: str | None = None,
    tolerance: float = 1e-6,
    policy: Policy | None = None,
    replay: Any = None,
    seed: int = 0,
) -> RoundTrip:
    """The same inputs through both paths, compared row against row, diagnosed, and shrunk.

    ``offline`` and ``online`` take a frame of inputs, shape (n, columns), and return one of features with as many rows in
    the same order; what both return is compared. ``replay`` turns the offline path's knobs for the diagnosis, as a
    scenario does. Nothing is sampled and nothing is tolerated beyond ``tolerance``: one row that differs is a breach.
    Raises SkewkitError where a path returns another number of rows, or no feature that the other has.
    """
    if key not in inputs or inputs[key].duplicated().any():
        raise SkewkitError(
            f"key={key!r} was asked of inputs with {', '.join(inputs)}; name a column that holds no value twice"
        )
    made = [_made(path, name, inputs) for path, name in ((offline, "offline"), (online, "online"))]
    shared = [f for f in made[0] if f in made[1]]
    if not shared:
        raise SkewkitError(
            f"offline gives {', '.join(made[0])}, online {', '.join(made[1])}; give paths that have a feature in common"
        )
    beside = inputs[[c for c in inputs if c not in made[0] and c not in made[1]]]
    sides = [pd.concat([beside, m], axis=1) for m in made]
    case = compare(sides[0], sides[1], sides[0], key=key, time=time, entity=entity, features=shared, evidence="rows")
    case = replace(case, replay=replay)
    result = examine(case, strict(policy, tolerance), seed, checks=(schema, parity))
    found = RoundTrip(case, result, ())
    off = [f.feature for f in found.differing if f.feature in shared][:FEATURES]
    shrunk = [smallest(offline, online, inputs, made, f, tolerance) for f in off]
    return replace(found, smallest=tuple(s for s in shrunk if s is not None))


def _made(path, name, inputs):
    made = path(inputs.copy())
    if not isinstance(made, pd.DataFrame) or len(made) != len(inputs):
        got = f"{len(made)} rows" if isinstance(made, pd.DataFrame) else type(made).__name__
        raise SkewkitError(
            f"{name} was given {len(inputs)} rows and returned {got}; return a frame with a row for each"
        )
    return made.reset_index(drop=True)
