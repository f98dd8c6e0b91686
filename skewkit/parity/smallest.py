"""The smallest input on which two paths disagree, found by Hypothesis, with every step that led to it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..features.definitions import Definition
from ..names import optional
from ..proposals.clues import scalar
from ..records import Tolerance
from ..tables.columns import kind_of
from ..tables.equality import same, settled

TRIES = 120  # inputs, of each of two looks
PLAIN = pd.Timestamp("2024-01-15 12:00", tz="UTC")


@dataclass(frozen=True)
class Smallest:
    """One feature, one input of it, and what either path makes: as few columns as show it hold more than a plain value."""

    feature: str
    input: Mapping[str, Any]
    kept: tuple[str, ...]
    offline: Any
    online: Any
    steps: pd.DataFrame

    def __str__(self):
        shown = ", ".join(f"{c}={self.input[c]}" for c in self.kept) or "any input"
        return f"{self.feature}: {self.offline!r} offline, {self.online!r} online, of {shown}"


def smallest(offline, online, inputs, made, feature, tolerance) -> Smallest | None:
    """The smallest input on which a feature differs; None where no single row shows it (a cache, say, needs more)."""
    hypothesis = optional("hypothesis", "parity", "the smallest input is found")
    st = hypothesis.strategies
    sides = [m[feature] for m in made]
    alone = [
        _only(path, {feature: path.definitions[feature]}) if hasattr(path, "definitions") else path
        for path in (offline, online)
    ]
    allowed = settled(Tolerance(of_spread=tolerance), sides[0])
    off = np.flatnonzero(~same(*sides, allowed))

    def pair(values):
        row = pd.DataFrame([values]).astype({c: inputs[c].dtype for c in inputs}, errors="ignore")
        return [path(row.copy())[feature].reset_index(drop=True) for path in alone]

    def differs(values) -> bool:
        return bool(~same(*pair(values), allowed)[0])

    begin = next((inputs.iloc[i].to_dict() for i in off[:5] if differs(inputs.iloc[i].to_dict())), None)
    if begin is None:
        return None
    stored = any(getattr(path, "looked_up", False) for path in alone)
    calm = {} if stored else _plain(inputs)
    kept = dict(begin)
    for column in calm:  # what is not needed becomes plain, one column after the other
        tried = {**kept, column: calm[column]}
        if differs(tried):
            kept = tried
    needed = [c for c in calm if not _same(kept[c], calm[c])]
    simpler = {c: s for c in needed if (s := _simpler(st, kept[c])) is not None}
    settings = hypothesis.settings(
        max_examples=TRIES,
        database=None,
        derandomize=True,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    for some in [simpler, *({c: s} for c, s in simpler.items() if len(simpler) > 1)]:  # all at once, or one by one
        with suppress(hypothesis.errors.NoSuchExample):
            was = dict(kept)
            kept |= hypothesis.find(
                st.fixed_dictionaries(some), lambda new, was=was: differs(was | new), settings=settings
            )
            if len(some) == len(simpler):
                break
    needed = tuple(c for c in inputs if c not in calm or not _same(kept[c], calm[c]))
    one, other = (scalar(s.iloc[0]) for s in pair(kept))
    kept = {c: scalar(v) if not isinstance(v, pd.Timestamp) else v for c, v in kept.items()}
    return Smallest(feature, kept, needed, one, other, _steps(offline, online, kept, feature, inputs))


def _only(path, definitions):
    """The same path of other definitions."""
    return replace(path, definitions=definitions)


def _same(a, b):
    return (pd.isna(a) and pd.isna(b)) or a == b


def _plain(inputs):
    """The plainest value of each column: 0, the commonest word, noon of a winter's day."""
    found = {}
    for c in inputs:
        kind = kind_of(inputs[c])
        if kind in ("integer", "number"):
            found[c] = inputs[c].dtype.type(0)
        elif kind == "time":
            times = inputs[c].dropna().sort_values()
            found[c] = times.iloc[len(times) // 2].floor("D") + pd.Timedelta("12h") if len(times) else PLAIN
        else:
            common = inputs[c].mode(dropna=True)
            found[c] = common.iloc[0] if len(common) else None
    return found


def _simpler(st, value):
    """Simpler values of the kind of one, the simplest first; None where there are none."""
    if isinstance(value, (bool, np.bool_, str)) or pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        day = value.floor("D")
        return st.one_of(
            *(st.integers(0, k).map(lambda i, u=u: day + pd.Timedelta(i, u)) for u, k in (("h", 23), ("min", 1_439)))
        )
    if isinstance(value, (int, np.integer)):
        return st.integers(0, 1_000).map(type(value))
    return st.one_of(st.integers(-1_000, 1_000), st.floats(-1_000, 1_000, allow_nan=False)).map(type(value))


def _steps(offline, online, values, feature, inputs):
    """Each step of the feature's definition side by side, innermost first; where the paths have no definitions the feature alone."""
    row = pd.DataFrame([values]).astype({c: inputs[c].dtype for c in inputs}, errors="ignore")
    sides = {}
    for name, path in (("offline", offline), ("online", online)):
        parts = steps(path.definitions[feature], feature) if hasattr(path, "definitions") else {}
        made = _only(path, parts)(row.copy()) if parts else path(row.copy())[[feature]]
        sides[name] = made.iloc[0]
    return pd.DataFrame(sides).rename_axis("step").reset_index()


def steps(definition: Definition, name: str) -> dict[str, Definition]:
    """A definition and those inside it, innermost first, by where they stand: pace.of, pace.over, pace."""
    found: dict[str, Definition] = {}
    for part in ("of", "over"):
        if isinstance(inside := getattr(definition, part, None), Definition):
            found |= steps(inside, f"{name}.{part}")
    return {**found, name: definition}
