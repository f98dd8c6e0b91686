"""What cannot be known, each kind beside a near twin that can: the right answer to the first is unknown, or a class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from . import outside
from .cases import Base, mixed
from .outside import Change, Unsuitable
from .planting import Draft, Where, case, drawn, training_side
from .worlds import HOSTS, World

ROWS = 12_000


def edges() -> World:
    """A table without a time, with columns on which causes can or cannot be told apart."""
    rng = np.random.default_rng(91)
    n = 2 * ROWS
    peaked = rng.choice(24, n, p=(w := np.exp(2 * np.cos((np.arange(24) - 15) / 24 * 2 * np.pi))) / w.sum())
    table = pd.DataFrame(
        {
            "row": np.arange(n) + 1,
            "host": rng.choice(HOSTS, n),
            "hour_flat": rng.integers(0, 24, n),
            "hour_peaked": peaked,
            "equal": rng.choice(list("abcdef"), n),
            "unequal": rng.choice(list("uvwxyz"), n, p=[0.45, 0.25, 0.14, 0.09, 0.05, 0.02]),
            "price2": np.round(rng.lognormal(3, 0.8, n), 2),
            "price3": np.round(rng.lognormal(3, 0.8, n), 3),
            "wide": np.round(rng.normal(0, 1_000, n), 4),
            "constant": 5.0,
            "varied": np.round(rng.lognormal(2, 0.6, n), 2),
            "token": rng.integers(0, 10**9, n),
        }
    )
    features = [c for c in table if c not in ("row", "host")]
    roles = {"key": "row", "entity": None, "time": None, "label": None, "segments": ["host"], "features": features}
    return World(Base("edges", table[:ROWS].reset_index(drop=True), table[ROWS:].reset_index(drop=True), roles), {}, {})


def _zone(f):
    known, parameters = {"unpaired": f == "hour_peaked"}, {"training": "UTC", "serving": "+05:00", "reads": {f: "hour"}}
    return lambda t: Change("time_zone", parameters, {f: (t[f] + 5) % 24}, known=known)


def _permuted(f):
    def make(t):
        values = sorted(t[f].unique())
        new = t[f].map(dict(zip(values, np.roll(values, 2).tolist(), strict=True))).astype(t[f].dtype)
        return Change("encoding", {}, {f: new}, known={"unpaired": f == "unequal"})

    return make


def _affine(f, factor):
    return lambda t: Change(
        "unit_change", {"factor": factor, "offset": 0.0}, {f: t[f] * factor}, known={"unpaired": f != "constant"}
    )


def _rounded(t):
    way = {"decimals": 0, "rounding": "half_even"}
    return Change("precision", way, {"wide": outside.held(t["wide"], **way)}, alternatives=outside.alike)


def _strange(t):
    return Change("other", {}, {"varied": t["varied"] ** 1.3 + 0.2 * t["varied"]})


def _logged(t):
    return Change("unit_change", {"function": "log1p"}, {"varied": np.log1p(t["varied"])})


def _scrambled(t):
    return Change("other", {}, {"token": pd.Series((mixed(t["token"], 3) % np.uint64(10**9)).astype("int64"), t.index)})


def _neighbour(t):
    source = np.r_[0, np.arange(len(t) - 1)]
    return Change("misjoin", {"how": "neighbour"}, {"token": t["token"].take(source).set_axis(t.index)})


EDGES = {  # a kind: what cannot be known and in which regimes; its twin, and in which it can be
    "flat zone": (_zone("hour_flat"), ("unpaired",), _zone("hour_peaked"), ("unpaired",), 3_000),
    "equal permutation": (_permuted("equal"), ("unpaired",), _permuted("unequal"), ("unpaired",), 4_000),
    "times 100": (
        _affine("price2", 100.0),
        ("unpaired", "paired"),
        _affine("price3", 100.0),
        ("unpaired", "paired"),
        1_000,
    ),
    "round or truncate": (_rounded, ("unpaired",), _rounded, ("paired",), 300),
    "outside the dictionary": (_strange, ("unpaired", "paired"), _logged, ("paired",), 2_000),
    "constant": (_affine("constant", 2.0), ("unpaired", "paired"), _affine("varied", 2.0), ("paired",), 1_000),
    "scrambled": (_scrambled, ("unpaired", "paired"), _neighbour, ("paired",), 2_000),
}
READ = ("stale", "leaked", "sibling")


def limit_cases(world: World, rides: World, n: int):
    """``n`` cases that cannot be known, and as many twins."""
    kinds = [*EDGES, *READ]
    for i in range(n):
        kind = kinds[i % len(kinds)]
        for attempt in range(40):
            rng = np.random.default_rng([92, i, attempt])
            try:
                both = _edge(i, kind, world, rng) if kind in EDGES else _read(i, kind, rides, (92, i, attempt))
            except Unsuitable:
                continue
            yield from both
            break
        else:
            raise RuntimeError(f"{kind} found nothing to act on")


def _edge(i, kind, world, rng):
    hard, regimes, easy, known, size = EDGES[kind]
    for name, make, at, unknowable in (
        (f"limit-{i:02d}", hard, regimes, True),
        (f"limit-{i:02d}-twin", easy, known, False),
    ):
        rows = drawn(world, size, rng)
        change = make(rows["replayed"].of(world.base.replayed))
        one = case(name, world.base, rows, change, Where(), {"limit": kind}, "unknowable" if unknowable else "twin")
        yield _said(one, at, unknowable)


def _read(i, kind, rides, seed):
    """What events alone can settle: without them, and with. A window that equals another column cannot be settled at all."""
    rng = np.random.default_rng(seed)
    rows = drawn(rides, 2_000, rng)
    frame, among = rows["replayed"].of(rides.base.replayed), ["rides_7d", "earned_7d"]
    name, hard, easy = f"limit-{i:02d}", ("unpaired", "paired"), ("events",)
    if kind == "sibling":
        hard = ("paired", "events")
        sibling = Change("normalization_window", {"window": "7D"}, {"rides_30d": frame["rides_7d"]})
        one = case(name, rides.base, rows, sibling, Where(), {"limit": kind}, "unknowable")
        change = outside.windowed(frame, rides, np.random.default_rng(seed), ["rides_30d"])
        two = case(f"{name}-twin", rides.base, rows, change, Where(), {"limit": kind}, "twin")
    elif kind == "leaked":

        def make(table, draws):
            return outside.leaked(table, rides, draws, among)

        one = training_side(name, rides, rows, make, Where(), {"limit": kind}, False, seed)
        two = replace(one, name=f"{name}-twin", truth=one.truth | {"kind": "twin"})
    else:
        change = outside.stale(frame, rides, rng, among)
        one = case(name, rides.base, rows, change, Where(), {"limit": kind}, "unknowable")
        two = replace(one, name=f"{name}-twin", truth=one.truth | {"kind": "twin"})
    yield _said(one, hard, True)
    yield _said(two, easy, False)


def _said(one: Draft, regimes, unknowable) -> Draft:
    """The case in the regimes it is meant for, and what the right answer is there."""
    right = "unknown, or a class of two causes with the true one" if unknowable else "the cause"
    known = {r: not unknowable and r in regimes for r in ("unpaired", "paired", "events")}
    truth = one.truth | {"kind": "unknowable" if unknowable else "twin", "identifiable": known, "right": right}
    return replace(one, regimes=regimes, truth=truth)
