"""Round-trip parity: the same inputs through the offline and the online path, which must agree in every row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ..checks import parity, schema
from ..contracts.contract import infer, read_contract
from ..features.definitions import Definition, evaluate, knobs_of, reads, turn
from ..features.online import fold, reading
from ..load.case import compare
from ..load.locations import open_table
from ..memory import Memory
from ..names import function
from ..pipeline import examine
from ..policy import Policy
from ..policy_file import read_policy
from ..records import Case, Finding, SkewkitError, Tolerance
from ..results.results import Findings, Result
from ..scenarios import Scenario
from ..scenarios import scenario as named
from ..tables.equality import same
from .endpoints import endpoint, is_endpoint
from .feast_store import is_feast, side
from .profiles import profiles as draw
from .smallest import Smallest, smallest

FEW = 5  # rows that a finding shows
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
        """The findings of columns and keys that differ, the worst first; a change of type is one by the policy."""
        found = [f for f in self.result.findings if f.check == "parity" and f.statistic != "certified" and f.value]
        # a column that is missing or new is said by one_path, by its name
        types = (f for f in self.result.findings if f.check == "schema" and f.statistic not in ("missing", "new"))
        found += [f for f in types if f.verdict and f.verdict.alarm]
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
    """A policy by which no row that was looked at may differ: numbers agree within ``tolerance``, all else exactly (1e-5 across languages)."""
    policy = policy or read_policy()
    none = {
        f"parity.{s}": {"tolerated": 0.0, "material": 1.0}
        for s in ("differ", "one_path", "missing_keys", "extra_keys", "duplicate_keys", "null_keys", "fleet")
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
    the same order; every column that either returns is compared. Key, time and entity are the inputs' own; where a path returns
    one of them, it is to return it as it came. ``replay`` turns the offline path's knobs for the diagnosis, as a scenario
    does. Nothing is sampled and nothing is tolerated beyond ``tolerance``: one row that differs is a breach, and so is a
    column that one path alone returns.
    Raises SkewkitError where a path returns another number of rows, one name twice, or neither returns a feature.
    """
    if key not in inputs or inputs[key].duplicated().any():
        raise SkewkitError(
            f"key={key!r} was asked of inputs with {', '.join(inputs)}; name a column that holds no value twice"
        )
    inputs = inputs.reset_index(drop=True)
    given = [_made(path, name, inputs) for path, name in ((offline, "offline"), (online, "online"))]
    own = [c for c in dict.fromkeys((key, time, entity)) if c in inputs]
    made = [m.drop(columns=own, errors="ignore").reset_index(drop=True) for m in given]
    every = list(dict.fromkeys((*made[0], *made[1])))
    if not every:
        raise SkewkitError(
            f"both paths return {', '.join(own)} alone, and no feature to compare; give paths that return features"
        )
    shared = [f for f in every if f in made[0] and f in made[1]]
    beside = inputs[[c for c in inputs if c not in every]]
    sides = [pd.concat([beside, m], axis=1) for m in made]
    case = compare(sides[0], sides[1], sides[0], key=key, time=time, entity=entity, features=every, evidence="rows")
    if replay is None and hasattr(offline, "rewound"):
        replay = offline.rewound(inputs, key)
    case = replace(case, replay=replay)
    exact = strict(policy, tolerance)
    result = examine(case, exact, seed, checks=(schema, parity))
    unlike = map(exact.judge, (*_one_path(made), *_other_rows(given, inputs, own)))
    result = replace(result, findings=Findings((*unlike, *result.findings)))
    found = RoundTrip(case, result, ())
    off = list(dict.fromkeys(f.feature for f in found.differing if f.feature in shared))
    shrunk = [smallest(offline, online, inputs, made, f, tolerance) for f in off[:FEATURES]]
    shrunk = {s.feature: s for s in shrunk if s is not None}
    findings = Findings(_with_smallest(f, shrunk.get(f.feature)) for f in result.findings)
    causes = result.diagnosis
    if hasattr(online, "facts"):
        causes = replace(causes, fits=[_with_facts(f, online, inputs, made, tolerance) for f in causes.fits])
    return RoundTrip(case, replace(result, findings=findings, diagnosis=causes), tuple(shrunk.values()))


def _one_path(made):
    """A finding a column that one path alone returns: dropped, renamed or added."""
    n = len(made[0])
    for path, m, other in (("offline", *made), ("online", *made[::-1])):
        for column in (c for c in m if c not in other):
            yield Finding("parity", "skew", column, "one_path", 1.0, "yes or no", n, detail=({"only": path},))


def _other_rows(given, inputs, own):
    """Of the inputs' own columns those that the two paths return otherwise: then their rows are not of the same inputs.

    A path that returns none of them, and rows whose index stands in another order, has moved the rows.
    """
    for column in own:
        sides = [m[column] if column in m else _as_indexed(m, inputs[column]) for m in given]
        sides = [s.reset_index(drop=True) for s in sides]
        if off := int((~same(*sides)).sum()):
            rows = pd.DataFrame(dict(zip(("replayed", "served"), sides, strict=True)))[~same(*sides)].head(FEW)
            detail = tuple({n: str(v) for n, v in row.items()} for row in rows.to_dict("records"))
            yield Finding(
                "parity", "skew", column, "differ", off / len(inputs), "share of rows", len(inputs), detail=detail
            )


def _as_indexed(made, column):
    """A column of the inputs in the order of the index that a path returned, where that is the inputs' own, moved."""
    return column.reindex(made.index) if set(made.index) == set(column.index) else column


def _with_facts(fit, online, inputs, made, tolerance):
    """A cause that begins with what the store says of the rows in which its features differ."""
    off = [~same(*(m[f] for m in made), Tolerance(of_spread=tolerance)) for f in fit.features if f in made[0]]
    facts = online.facts(fit.features, inputs[np.any(off, axis=0)]) if off else ()
    return replace(fit, facts=(*facts, *fit.facts))


def _with_smallest(finding, one):
    """A finding whose worst rows begin with the smallest input."""
    if one is None or finding.statistic != "differ":
        return finding
    row = {"replayed": str(one.offline), "served": str(one.online)}
    row |= {f"input {c}": str(one.input[c]) for c in one.kept}
    return replace(finding, detail=(row, *(finding.detail or ())))


def _made(path, name, inputs):
    """What a path returns, with the index it gave its rows."""
    made = path(inputs.copy())
    if not isinstance(made, pd.DataFrame) or len(made) != len(inputs):
        got = f"{len(made)} rows" if isinstance(made, pd.DataFrame) else type(made).__name__
        raise SkewkitError(
            f"{name} was given {len(inputs)} rows and returned {got}; return a frame with a row for each"
        )
    if made.columns.has_duplicates:
        twice = made.columns[made.columns.duplicated()].unique()
        raise SkewkitError(f"{name} returned {', '.join(map(repr, twice))} more than once; return each column once")
    return made


def paths(
    scenario: str = "",
    offline: str = "",
    online: str = "",
    inputs: str = "",
    contract: str = "",
    profiles: int = 10_000,
    known: Mapping[str, Any] | None = None,
    times: Any = (),
    zones: Any = (),
    key: str = "",
    time: str = "",
    entity: str = "",
    late: bool = False,
    knobs: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """What `round_trip` takes, of a world's own two paths or of a team's, as the parameters of a notebook name them.

    Of a ``scenario`` the offline path evaluates its definitions over a batch and the online path one request at a time,
    from events that all come when they happen, or with ``late`` when they did; ``knobs`` are turned online alone. Else
    ``offline`` and ``online`` are each what `path` takes. The inputs are the rows of a file, or ``profiles`` drawn from a
    ``contract`` of what may come in.
    """
    if scenario:
        return of_world(named(scenario), profiles, late, knobs, seed)
    if not (offline and online and key):
        raise SkewkitError("parity needs a scenario, or offline, online and key, with contract or inputs")
    if bool(inputs) == bool(contract):
        raise SkewkitError(
            "parity takes its rows from inputs, a table, or draws them from a contract; give one of the two"
        )
    if inputs:
        table = open_table("inputs", inputs)
        rows = table.frame(table.columns)
    else:
        more = {n: v for n, v in (("times", tuple(times)), ("zones", tuple(zones))) if v}
        rows = draw(read_contract(contract), profiles, seed, key, known, **more)
    sides = [path(p, n, time) for n, p in (("offline", offline), ("online", online))]
    return {
        "offline": sides[0],
        "online": sides[1],
        "inputs": rows,
        "key": key,
        "time": time or None,
        "entity": entity or None,
    }


def path(given: str | Path, name: str, time: str | None = "") -> Path:
    """One path, ``offline`` or ``online``: a function, its dotted name, an endpoint, or that side of a Feast store.

    feast:REPO#SERVICE in either place is the store's side of that name, asked as of the column ``time`` (event_timestamp
    when it is not given).
    """
    if is_feast(given):
        return side(given, name, time or "")
    return endpoint(given) if is_endpoint(given) else function(given, name)


def of_world(
    world: Scenario, n: int = 10_000, late: bool = False, knobs: Mapping[str, Any] | None = None, seed: int = 0
) -> dict[str, Any]:
    """What `round_trip` takes, of a world's batch and of its events fed one by one; see `paths`."""
    r, raw, knobs = world.roles, world.raw, dict(knobs or {})
    if not late:
        raw = {t: e.assign(known=e["happened"]) if "happened" in e else e for t, e in raw.items()}
    rows = asked_like(world, n, seed)
    turned = {f: turn(d, **{k: v for k, v in knobs.items() if k in knobs_of(d)}) for f, d in world.definitions.items()}
    if knobs and turned == world.definitions:
        have = sorted(set().union(*map(knobs_of, world.definitions.values())))
        raise SkewkitError(f"{world.name} was asked to turn {', '.join(knobs)}; its knobs are {', '.join(have)}")
    return {
        "offline": Offline(world.definitions, raw, r.time),
        "online": Streamed(turned, raw, r.time),
        "inputs": rows,
        "key": r.key,
        "time": r.time,
        "entity": r.entity,
        "replay": world.asking(rows, raw),
    }


def asked_like(world: Scenario, n: int = 10_000, seed: int = 0) -> pd.DataFrame:
    """Synthetic requests of a world: drawn from the contract that its real ones fulfil, with entities that it has."""
    r = world.roles
    columns = sorted({r.key, r.time}.union(*map(reads, world.definitions.values())))
    real = world.requests[columns]
    agreed = infer(real, features=[c for c in columns if c != r.key], key=r.key)
    entities = {d.by for one in world.definitions.values() for d in reading(one)} & set(columns)
    free = {c for c, rule in agreed.columns.items() if rule.kind == "text" and rule.values is None}
    known = {c: sorted(real[c].dropna().unique().tolist()) for c in sorted(entities | free) if c != r.key}
    zoned = {getattr(d, "zone_in", "") for d in world.definitions.values()} - {""}
    zones = sorted({z for c in zoned for z in real[c].dropna().unique()})[:5]
    return draw(agreed, n, seed, r.key, known, (real[r.time].min(), real[r.time].max()), zones or ("America/New_York",))
