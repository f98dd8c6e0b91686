"""From a change and the rows it is on to a case: what was served, and the truth about it, counted on the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .cases import REGIMES, Base, Rows, differs, mixed
from .outside import Change, Unsuitable

FEWEST = 5  # rows that a planted case changes at least
SIZES = (200, 500, 1_000, 2_000, 1_000, 5_000, 500, 2_000, 10_000, 1_000, 500, 20_000)
SCOPES = ("all", "share", "slice", "since", "share", "all", "since and slice", "slice", "span")
SHARES = (0.05, 0.1, 0.25, 0.5)
LENGTHS = (0.8, 0.9, 0.95, 0.98, 1.02, 1.05, 1.1, 1.2)  # times the true one: which predict the same rows


@dataclass(frozen=True)
class Where:
    """The rows a change is on: a ``share`` of them by key, a slice, since and until a time (UTC)."""

    share: float = 1.0
    where: tuple[str, Any] | None = None
    since: pd.Timestamp | None = None
    until: pd.Timestamp | None = None
    seed: int = 0

    def rows(self, frame: pd.DataFrame, roles: Mapping) -> np.ndarray:
        hit = mixed(frame[roles["key"]], 1_000 + self.seed).astype(float) / 2.0**64 < self.share
        if self.where:
            hit &= (frame[self.where[0]] == self.where[1]).to_numpy()
        if self.since is not None:
            hit &= (frame[roles["time"]] >= self.since).to_numpy()
        if self.until is not None:
            hit &= (frame[roles["time"]] < self.until).to_numpy()
        return hit

    def to_dict(self) -> dict:
        iso = {n: t.isoformat() if (t := getattr(self, n)) is not None else None for n in ("since", "until")}
        return {"where": list(self.where) if self.where else None, "share": self.share, **iso}


@dataclass(frozen=True)
class Draft:
    """A case before it is written: the arguments of `cases.write_case`."""

    name: str
    base: Base
    rows: Mapping[str, Rows]
    tables: Mapping[str, pd.DataFrame]
    regimes: Sequence[str]
    truth: Mapping


def scope(kind: str, frame: pd.DataFrame, roles: Mapping, rng) -> Where:
    """A scope of this kind that suits the table."""
    seed, share = int(rng.integers(1_000)), float(rng.choice(SHARES)) if kind == "share" else 1.0
    where = since = until = None
    if "slice" in kind:
        column = str(rng.choice([s for s in roles["segments"] if s in frame]))
        parts = frame[column].value_counts(normalize=True)
        parts = parts[(parts > 0.03) & (parts < 0.7)]
        if not len(parts):
            raise Unsuitable
        where = (column, parts.index[int(rng.integers(len(parts)))])
    if "since" in kind or kind == "span":
        times = frame[roles["time"]]
        first, span = times.min(), times.max() - times.min()
        since = (first + span * float(rng.uniform(0.25, 0.75))).floor("min")
        if kind == "span":
            since = (first + span * float(rng.uniform(0.2, 0.45))).floor("min")
            until = (since + span * float(rng.uniform(0.25, 0.4))).floor("min")
    return Where(share, where, since, until, seed)


def placed(frame: pd.DataFrame, columns: Mapping[str, pd.Series | None], hit: np.ndarray) -> pd.DataFrame:
    """The frame with the columns of a change on the rows that are hit; a column that is None is gone."""
    served = frame.copy()
    gone = [f for f, new in columns.items() if new is None]
    for f, new in columns.items():
        if new is None:
            continue
        if f not in frame:  # in the place of the one that went
            served.insert(list(served).index(gone[0]) if gone else len(served.columns), f, new)
        elif hit.all():
            served[f] = new
        elif hit.any():
            served[f] = pd.concat([new[hit], frame.loc[~hit, f]]).reindex(frame.index)
    return served.drop(columns=gone)


def per_feature(before: pd.DataFrame, after: pd.DataFrame, features) -> dict[str, int]:
    """How many rows really changed in each feature; all of them in a column that is gone or new."""
    there = {f: f in before and f in after for f in features}
    return {f: int(differs(before[f], after[f]).sum()) if there[f] else len(before) for f in features}


def truth_of(change: Change, before, after, hit, where: Where, base: Base) -> dict:
    """What is true of one cause: canonical parameters and counts, as ``before`` and ``after`` it have them."""
    counts = {f: k for f, k in per_feature(before, after, change.columns).items() if k}
    changed = _changed(before, after, counts)
    if changed.sum() < FEWEST:
        raise Unsuitable
    f = next(iter(counts))
    parameters, alternatives = dict(change.parameters), []
    if change.cause == "encoding":
        parameters["mapping"] = mapping(before[f], after[f])
    if change.cause == "clipping":
        parameters |= _bounds(parameters, before[f], after[f], hit)
    if change.alternatives and hit.any():
        alternatives = [w for w in change.alternatives(before[f], after[f], hit) if w != change.parameters]
    ranges = _same_lengths(change, after, hit, counts) if change.length else {}
    return {
        "cause": change.cause,
        "features": sorted(counts),
        "parameters": parameters,
        **where.to_dict(),
        "rows": int(changed.sum()),
        "per_feature_rows": counts,
        "side": change.side,
        "alternatives": alternatives,
        "ranges": ranges,
    }


def _changed(before, after, counts):
    changed = np.zeros(len(before), bool)
    for f in counts:
        changed |= differs(before[f], after[f]) if f in before and f in after else True
    return changed


def mapping(before: pd.Series, after: pd.Series) -> list:
    """The pairs of values that changed, as they occur."""
    rows = differs(before, after)
    pairs = {(_value(x), _value(y)) for x, y in zip(before[rows], after[rows], strict=True)}
    return [list(p) for p in sorted(pairs, key=str)]


def _value(x):
    if pd.isna(x):
        return None
    x = x.item() if isinstance(x, np.generic) else x
    return int(x) if isinstance(x, float) and x == int(x) else x


def _bounds(parameters, before, after, hit):
    """Bounds that bit; of values that became null, the range in which the bound may lie."""
    x, gone, out = before[hit], after[hit].isna() & before[hit].notna(), {}
    moved = differs(before, after)[hit]
    for name, beyond in (("low", lambda c: x < c), ("high", lambda c: x > c)):
        c = parameters.get(name)
        if c is None or not (beyond(c) & moved).any():
            out[name] = None
        elif parameters["how"] == "null":
            inside, past = x[~gone], x[gone & beyond(c)]
            out[f"{name}_between"] = (
                [float(inside.max()), float(past.min())] if name == "high" else [float(past.max()), float(inside.min())]
            )
    return out


def _same_lengths(change, after, hit, counts):
    """Between which lengths of time, in seconds, the very same rows are predicted, of those that were tried."""
    true = pd.Timedelta(change.parameters[change.length])
    same = [1.0]
    for times in LENGTHS:
        columns = change.again(f"{int(true.total_seconds() * times)}s")
        target = {f: columns[f] for f in counts}
        if all(not differs(target[f][hit], change.columns[f][hit]).any() for f in target):
            same.append(times)
    low, high = 1.0, 1.0
    for times in sorted(t for t in LENGTHS if t < 1)[::-1]:
        if times not in same:
            break
        low = times
    for times in sorted(t for t in LENGTHS if t > 1):
        if times not in same:
            break
        high = times
    return {change.length: [true.total_seconds() * low, true.total_seconds() * high]}


def identifiable(change: Change, where: Where, base: Base, n: int, before: pd.DataFrame) -> dict[str, bool]:
    """In which regimes the cause and its parameters can be known, as docs on diagnosis have it. See DIAGNOSIS.md's table.

    Paired: what happens to each row by itself. Unpaired: what leaves a structured mark on enough rows. Time-like causes
    need the events, but for a value that is another row's own.
    """
    p, cause = change.parameters, change.cause
    time_like = cause in ("late_events", "leakage", "staleness", "normalization_window") or "setting" in p or "by" in p
    paired = not time_like
    if cause == "double_count":
        paired = p["twice"] == 1
    if "ttl" in p:  # the value that an earlier row of the same entity had
        paired = bool(base.roles["entity"]) and not any("day" in f for f in change.columns)
    events = bool(base.events) or paired
    broad = where.share >= 0.25 and n >= 1_000
    unpaired = (
        paired
        and broad
        and where.since is None
        and where.where is None
        and cause not in ("misjoin", "double_count", "measurement")
    )
    if cause == "measurement":
        whole = where.share == 1 and where.since is None and where.where is None
        unpaired = whole and n >= 1_000 and p["saturation"] is not None and p["noise"] == 0
    if cause == "unit_change" and "factor" in p:
        unpaired &= p["factor"] < 0 or abs(np.log(abs(p["factor"]))) > 0.4
    if cause == "precision" and "float" not in p.get("to", ""):
        # rounding and truncating lie half a unit apart: in how many rows does a mean show it by four standard errors?
        spread = float(before[next(iter(change.columns))].std()) * 10.0 ** p.get("decimals", 0)
        unpaired &= n > 128 * spread**2
    if cause == "missing_fill":
        unpaired &= p["serving"] != "forward"
    if cause == "clipping":
        unpaired &= p["how"] == "clip"
    if cause == "missing_values":
        unpaired &= p["how"] == "at_random" and p["rate"] >= 0.1
    if cause == "time_zone":
        unpaired &= any("hour" in f for f in change.columns)
    if cause == "encoding":
        counts = before[next(iter(change.columns))].value_counts(normalize=True)
        gaps = np.abs(np.diff(np.sort(counts.to_numpy())))
        unpaired &= len(counts) < n / 50 and bool((gaps > 4 * np.sqrt(2 * counts.max() / n)).all())
    if cause in ("schema_change", "broken_header", "rollback"):
        unpaired = True
    found = {"unpaired": bool(unpaired), "paired": bool(paired), "events": bool(events)}
    return found | change.known


def case(name, base, rows, change, where, stratum, kind="skew", outside=False) -> Draft:
    """One change on one scope as a case; Unsuitable where it changes too little."""
    replayed = rows["replayed"].of(base.replayed)
    hit = where.rows(replayed, base.roles)
    after = placed(replayed, change.columns, hit)
    cause = truth_of(change, replayed, after, hit, where, base)
    known = identifiable(change, where, base, len(replayed), replayed)
    return draft(name, base, rows, {"served": after}, [cause], stratum, known, kind, outside)


def draft(name, base, rows, tables, causes, stratum, known, kind, outside, **more) -> Draft:
    regimes = REGIMES if base.events else REGIMES[:2]
    rows_n = {t: r.n for t, r in rows.items()}
    truth = {
        "kind": kind,
        "stratum": {"base": base.name, "n": rows_n["replayed"], **stratum},
        "causes": causes,
        "identifiable": {r: known[r] and r in regimes for r in REGIMES},
        "outside": outside,
        **more,
    }
    return Draft(name, base, rows, tables, regimes, truth)


def training_side(name, world, rows, make, where, stratum, outside, rng_seed) -> Draft:
    """A change of the offline code: training and replay have it, and what was served is right."""
    base = world.base
    changed, causes, known = {}, [], {}
    for table in ("training", "replayed"):
        frame = rows[table].of(getattr(base, table))
        change = make(frame, np.random.default_rng(rng_seed))
        hit = where.rows(frame, base.roles)
        changed[table] = placed(frame, change.columns, hit)
        if table == "replayed":
            causes = [truth_of(change, frame, changed[table], hit, where, base)]
            known = identifiable(change, where, base, len(frame), frame)
            changed["served"] = frame
    return draft(name, base, rows, changed, causes, stratum, known, "skew", outside)


def drawn(world, size: int, rng, by: str = "") -> dict[str, Rows]:
    """Rows of both tables, at most so many as there are."""
    base = world if isinstance(world, Base) else world.base
    return {
        "training": Rows(min(size, len(base.training)), int(rng.integers(10_000))),
        "replayed": Rows(min(size, len(base.replayed)), int(rng.integers(10_000)), by),
    }


def outside_cases(worlds: Mapping, n: int):
    """Cases corrupted by `outside`, in strata over its corruptions, the worlds, sizes and scopes."""
    from . import outside as corruptions

    for i in range(n):
        make = corruptions.ALL[i % len(corruptions.ALL)]
        for attempt in range(60):
            rng = np.random.default_rng([81, i, attempt])
            world = worlds[list(worlds)[int(rng.integers(len(worlds)))]]
            size = SIZES[(i // len(corruptions.ALL) + i + attempt) % len(SIZES)]
            kind = "all" if make in corruptions.WHOLE else SCOPES[(i // 3 + i) % len(SCOPES)]
            try:
                yield _outside_case(f"outside-{i:03d}", world, make, size, kind, rng, (i, attempt))
                break
            except Unsuitable:
                continue
        else:
            raise RuntimeError(f"{make.__name__} found nothing to act on")


def _outside_case(name, world, make, size, kind, rng, seed):
    base = world.base
    by = base.roles["entity"] if make.__name__ in ("cached",) and rng.random() < 0.5 else ""
    rows = drawn(world, size, rng, by or "")
    frame = rows["replayed"].of(base.replayed)
    if make.__name__ == "lost" and kind == "share":
        kind = "slice"  # a share of a share is one share
    where = scope(kind, frame, base.roles, rng)
    stratum = {"corruption": make.__name__, "scope": kind}
    among = [f for f in base.roles["features"] if not where.where or f != where.where[0]]
    change = make(frame, world, np.random.default_rng(seed), among)
    if change.side == "training":

        def again(f, r):
            return make(f, world, r, among)

        return training_side(name, world, rows, again, where, stratum, True, seed)
    return case(name, base, rows, change, where, stratum, outside=True)
