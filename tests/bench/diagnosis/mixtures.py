"""Cases with more than one cause: in several features, in several rows of one feature, and in sequence in one feature."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from . import outside
from .outside import Unsuitable
from .planting import SIZES, Where, draft, drawn, identifiable, placed, scope, truth_of

KINDS = ("features", "rows", "sequence")
SINGLE = (
    outside.scaled,
    outside.recoded,
    outside.coarse,
    outside.bounded,
    outside.filled,
    outside.written,
    outside.lost,
)
SEQUENCES = (
    (outside.scaled, outside.coarse),
    (outside.filled, outside.scaled),
    (outside.scaled, outside.bounded),
    (outside.logged, outside.coarse),
    (outside.bounded, outside.scaled),
    (outside.recoded, outside.written),
)
IN_ONE = (outside.scaled, outside.bounded, outside.coarse, outside.lost, outside.filled)
READ = (outside.zoned, outside.stale, outside.windowed, outside.late)


def mixture_cases(worlds: Mapping, n: int):
    """Mixtures in strata over KINDS, worlds and sizes."""
    for i in range(n):
        for attempt in range(80):
            rng = np.random.default_rng([83, i, attempt])
            world = worlds[list(worlds)[int(rng.integers(len(worlds)))]]
            size = max(500, SIZES[(i + attempt // 8) % len(SIZES)])
            try:
                yield _mixture(f"mixture-{i:03d}", KINDS[i % len(KINDS)], world, size, rng, i)
                break
            except Unsuitable:
                continue
        else:
            raise RuntimeError(f"mixture {i} found nothing to act on")


def _mixture(name, kind, world, size, rng, i):
    base = world.base
    rows = drawn(world, size, rng)
    frame = rows["replayed"].of(base.replayed)
    make = {"features": _in_features, "rows": _in_rows, "sequence": _in_sequence}[kind]
    after, causes, known = make(frame, world, rng, i)
    together = {r: all(k[r] for k in known) and (r != "unpaired" or kind == "features") for r in known[0]}
    stratum = {"mixture": kind, "causes": [c["cause"] for c in causes]}
    return draft(name, base, rows, {"served": after}, causes, stratum, together, "mixture", True, mixed=kind)


def _in_features(frame, world, rng, i):
    """Different causes in different features, each on its own scope."""
    base, after, causes, known = world.base, frame, [], []
    free = list(base.roles["features"])
    makes = list(rng.permutation(np.array(SINGLE, dtype=object))[: 2 + i % 2])
    if world.features and i % 4 == 0:
        makes[-1] = READ[int(rng.integers(len(READ)))]
    for make in makes:
        where = scope(("all", "slice", "since", "share")[int(rng.integers(4))], frame, base.roles, rng)
        change = make(frame, world, rng, [f for f in free if not where.where or f != where.where[0]])
        hit = where.rows(frame, base.roles)
        after = placed(after, change.columns, hit)
        causes.append(truth_of(change, frame, after, hit, where, base))
        known.append(identifiable(change, where, base, len(frame), frame))
        free = [f for f in free if f not in change.columns]
    return after, causes, known


def _in_rows(frame, world, rng, i):
    """Two causes in one feature: one before a date and one after, or one on one slice and one on another."""
    base = world.base
    first, second = rng.permutation(np.array(IN_ONE, dtype=object))[:2]
    if i % 2:
        cut = scope("since", frame, base.roles, rng).since
        places = (Where(until=cut), Where(since=cut))
    else:
        column = base.roles["segments"][-1]
        one, other = rng.permutation(np.array(sorted(frame[column].unique()), dtype=object))[:2]
        places = (Where(where=(column, str(one))), Where(where=(column, str(other))))
    among = [f for f in base.roles["features"] if frame[f].dtype.kind == "f"]
    change = first(frame, world, rng, among)
    changes = (change, second(frame, world, rng, list(change.columns)))
    if changes[0].cause == changes[1].cause:
        raise Unsuitable
    after, causes, known = frame, [], []
    for change, where in zip(changes, places, strict=True):
        hit = where.rows(frame, base.roles)
        causes.append(truth_of(change, frame, placed(frame, change.columns, hit), hit, where, base))
        after = placed(after, change.columns, hit)
        known.append(identifiable(change, where, base, len(frame), frame))
    return after, causes, known


def _in_sequence(frame, world, rng, i):
    """Two causes one after the other in one feature, on the same rows. The second's rows are those it changed itself."""
    base = world.base
    first, second = SEQUENCES[(i // len(KINDS)) % len(SEQUENCES)]
    where = scope(("all", "slice", "since")[int(rng.integers(3))], frame, base.roles, rng)
    hit = where.rows(frame, base.roles)
    among = [f for f in base.roles["features"] if not where.where or f != where.where[0]]
    change = first(frame, world, rng, among)
    between = placed(frame, change.columns, hit)
    again = second(frame.assign(**change.columns), world, rng, list(change.columns))
    after = placed(between, again.columns, hit)
    causes = [truth_of(change, frame, between, hit, where, base), truth_of(again, between, after, hit, where, base)]
    return after, causes, [identifiable(c, where, base, len(frame), frame) for c in (change, again)]
