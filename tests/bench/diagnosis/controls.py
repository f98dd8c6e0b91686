"""Tables with nothing wrong: clean ones, where nothing differs but by chance, and drifting ones, where the world moved."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from .cases import Base, differs
from .planting import Draft, draft, drawn
from .worlds import HOSTS, START

COLUMNS = 50
WIDE, ROWS = 4, 8_000
DRIFTS, DRIFTED = 4, 4_000
NOTHING = dict.fromkeys(("unpaired", "paired", "events"), False)


def _weights(at, n, steep=0.7):
    w = at.gamma(1.0, 1.0, n) ** steep + 0.05
    return w / w.sum()


def _moved_weights(w, by):
    """A mix that moved smoothly: the weights tilted along their order."""
    tilted = w * np.exp(3 * by * np.linspace(-1, 1, len(w)))
    return tilted / tilted.sum()


# Each family of columns: parameters from ``at`` (the same in training and serving), ``rng`` draws, ``by`` is how far the
# world has moved (0: not at all).
FAMILIES = {
    "normal": lambda at, rng, n, by: np.round(at.normal(0, 50) + at.uniform(0.5, 20) * (rng.normal(by, 1 + by / 3, n)), 3),
    "money": lambda at, rng, n, by: np.round(rng.lognormal(at.uniform(1, 5) + by / 4, at.uniform(0.3, 1.2), n), 2),
    "grown": lambda at, rng, n, by: np.round(at.uniform(5, 90) * rng.gamma(2.0, 1.0, n) * (1 + by / 4), 2),
    "count": lambda at, rng, n, by: rng.poisson(at.uniform(0.5, 12) * (1 + by), n),
    "rare": lambda at, rng, n, by: np.where(rng.random(n) < 0.05 + 0.1 * by, np.round(rng.gamma(2, 9, n), 1), 0.0),
    "share": lambda at, rng, n, by: np.round(rng.beta(at.uniform(1, 6) * (1 + by), at.uniform(1, 6), n), 4),
    "category": lambda at, rng, n, by: _category(at, rng, n, by),
    "code": lambda at, rng, n, by: rng.choice(np.arange(12), n, p=_moved_weights(_weights(at, 12), by)),
    "flag": lambda at, rng, n, by: (rng.random(n) < at.uniform(0.1, 0.6) + by / 5).astype("int64"),
    "hour": lambda at, rng, n, by: rng.choice(np.arange(24), n, p=_moved_weights(_weights(at, 24), by)),
    "partly": lambda at, rng, n, by: pd.Series(np.round(rng.normal(40, 9, n) + 9 * by, 1)).mask(rng.random(n) < 0.2 + by / 5),
    "stepped": lambda at, rng, n, by: np.round(rng.gamma(2.0, 3.0 * (1 + by), n) * 2) / 2,
}  # fmt: skip


def _category(at, rng, n, by):
    names = np.array([f"{a}{b}" for a in ("Nord", "Süd", "Östliche", "West") for b in ("-A", "-B", "-É")])
    known = rng.choice(names, n, p=_moved_weights(_weights(at, len(names)), by))
    return np.where(rng.random(n) < by / 10, "Neu", known)  # a moving world has a category that is new


def _table(world, n, seed, by, key):
    """A table of COLUMNS columns; ``by`` 0 gives one of the same world."""
    columns = {}
    for j in range(COLUMNS):
        family = list(FAMILIES)[j % len(FAMILIES)]
        at, rng = np.random.default_rng([84, world, j]), np.random.default_rng([85, world, j, seed])
        move = by * np.random.default_rng([86, world, j, seed]).uniform(0.4, 1.0)
        columns[f"{family}_{j:02d}"] = FAMILIES[family](at, rng, n, move)
    rng = np.random.default_rng([87, world, seed])
    when = START + pd.to_timedelta(np.sort(rng.integers(0, 30 * 86_400, n)) + (key > 0) * 30 * 86_400, "s")
    named = {
        "row": np.arange(n) + key,
        "asked": pd.Series(when).astype("datetime64[us, UTC]"),
        "host": rng.choice(HOSTS, n),
    }
    return pd.DataFrame({**named, **columns})


def wide() -> tuple[list[Base], list[Base]]:
    """Worlds of many columns: those that stay as they are, and those that move."""
    still, moving = [], []
    for w in range(WIDE):
        training = _table(w, ROWS, 1, 0.0, 0)
        features = [c for c in training if c not in ("row", "asked", "host")]
        roles = {
            "key": "row",
            "entity": None,
            "time": "asked",
            "label": None,
            "segments": ["host"],
            "features": features,
        }
        still.append(Base(f"wide{w}", training, _table(w, ROWS, 2, 0.0, 100_000), roles))
        if w < DRIFTS:
            moving.append(Base(f"moving{w}", training, _table(w, DRIFTED, 3, 0.5, 200_000), roles, shares=f"wide{w}"))
    return still, moving


def clean_cases(still: list[Base], others: Mapping, n: int):
    """``n`` cases of COLUMNS columns, and a tenth of that of the worlds, in which nothing is other but the last digits."""
    sizes = (300, 500, 1_000, 2_000, 500, 4_000)
    for i in range(n):
        base, rng = still[i % len(still)], np.random.default_rng([88, i])
        rows = drawn(base, sizes[i % len(sizes)], rng)
        noisy = i % 4 == 3
        yield _silent(f"clean-{i:03d}", base, rows, "clean", {"noise": noisy}, rng if noisy else None)
    for i in range(n // 10):
        world, rng = others[list(others)[i % len(others)]], np.random.default_rng([89, i])
        yield _silent(
            f"clean-world-{i:03d}",
            world.base,
            drawn(world, sizes[i % len(sizes)], rng),
            "clean",
            {"noise": False},
            None,
        )


def drift_cases(moving: list[Base], n: int):
    """Cases in which every column of the replay has drifted from training, and what is served is the replay."""
    for i in range(n):
        base, rng = moving[i % len(moving)], np.random.default_rng([90, i])
        yield _silent(f"drift-{i:03d}", base, drawn(base, (500, 1_000, 2_000, 4_000)[i % 4], rng), "drift", {}, None)


def _silent(name, base, rows, kind, stratum, rng) -> Draft:
    served = rows["replayed"].of(base.replayed)
    columns = len(base.roles["features"])
    if rng is not None:
        served = _with_noise(served, base, rng)
    return draft(name, base, rows, {"served": served}, [], stratum, NOTHING, kind, False, columns=columns)


def _with_noise(served, base, rng):
    """The last digits of a few floats changed, by less than 1e-12 of their size."""
    floats = [f for f in base.roles["features"] if served[f].dtype.kind == "f"]
    chosen = rng.choice(floats, 3, replace=False)
    noisy = served.assign(**{f: served[f] * (1 + 4e-13 * rng.choice([-1, 0, 1], len(served))) for f in chosen})
    assert any(differs(served[f], noisy[f]).any() for f in chosen)
    return noisy
