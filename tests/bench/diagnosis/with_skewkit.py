"""Cases planted by skewkit's own `inject`, on its scenarios and its table of examples, in strata over every skew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

import skewkit as sk
from skewkit import examples, injection, scenarios
from skewkit.records import NotApplicable, Roles, Skew
from skewkit.scope import Scope
from skewkit.skews.unit_change import UNITS
from skewkit.timeline import PARTS

from .cases import Base, mixed
from .outside import Change, Unsuitable, alike
from .planting import SCOPES, SIZES, Draft, draft, drawn, identifiable, scope, training_side, truth_of
from .worlds import HOSTS

AFFINE = {  # a unit's factor and offset, for a tool that does not know skewkit's names of units
    u: (float(f(np.array([1.0]))[0] - f(np.array([0.0]))[0]), float(f(np.array([0.0]))[0]))
    for u, f in UNITS.items()
    if u not in ("log", "exp", "log1p")
}


@dataclass(frozen=True)
class Ground:
    """A table that skews are planted on: its base, its roles, and its pipeline where it has one."""

    base: Base
    roles: Roles
    replay: Callable | None


def grounds() -> dict[str, Ground]:
    """Flights, payments and the table of examples, each with a column of hosts."""
    return {
        "payments": _scenario("payments", 12_000, seed=6, events=60_000),
        "flights": _flights(),
        "example": _example(),
    }


def _flights():
    return _scenario("flights", 30_000)


def _scenario(name, most, **parameters):
    world = scenarios.scenario(name, **parameters)
    training, replayed = (t.drop(columns="score") for t in world.tables)
    asked = ["airline", "tail", "zone_there"] if name == "flights" else ["category_name", "reported", "monthly_income"]
    logged = [c for c in asked if c in world.requests and c not in (*replayed, "reported")]
    sources = world.requests.set_index(world.roles.key)[logged]
    halves = []
    for table, at_most in ((training, 20_000), (replayed, 50_000)):
        kept = table.iloc[np.sort(np.argsort(mixed(np.arange(len(table)), 9))[:at_most])].reset_index(drop=True)
        halves.append(
            _hosted(kept.merge(sources, left_on=world.roles.key, right_index=True, how="left"), world.roles.key)
        )
    events = {
        t: e.drop(columns=[c for c in ("fraud", "reported", "one") if c in e and t == "payments"])
        for t, e in world.raw.items()
    }
    return Ground(
        Base(name, *halves, _roles(world.roles), events, {t: _spec(e) for t, e in events.items()}), world.roles, world
    )


def _spec(events):
    entities = [c for c in ("account", "from", "airline", "tail", "category_name") if c in events]
    times = {t: t if t in events else None for t in ("happened", "known")}
    values = [c for c in events if c not in (*entities, *times) and events[c].dtype.kind == "f"]
    return {"entity": entities, **times, "values": values}


def _example():
    parts = [
        examples.table(8_000, seed).assign(request=lambda t, s=seed: t["request"] + 100_000 * s) for seed in (1, 2)
    ]
    parts = [_hosted(t.drop(columns="score"), "request") for t in parts]
    return Ground(Base("example", *parts, _roles(examples.ROLES)), examples.ROLES, None)


def _hosted(table, key):
    return table.assign(host=np.array(HOSTS)[(mixed(table[key], 5) % np.uint64(len(HOSTS))).astype(int)])


def _roles(roles):
    segments = [s for s in roles.segments] + ["host"]
    return {
        "key": roles.key,
        "entity": roles.entity,
        "time": roles.time,
        "label": roles.label,
        "segments": segments,
        "features": list(roles.features),
    }


S = sk.skews
FEATURES = {  # what a skew may be planted in, where it is named
    "payments": {
        "clock": ("hour", "weekday", "days_since_last"), "code": ("category", "country", "channel"),
        "number": ("amount", "income", "sum_24h", "last_amount", "typing", "category_fraud"), "null": ("last_amount",),
        "window": ("count_24h", "sum_24h", "count_1h", "count_30D"), "scaled": ("amount_usual",), "rate": ("pace", "category_fraud"),
        "read": ("sum_24h", "count_24h", "last_amount", "count_30D", "days_since_last"), "filled": ("income", "typing"),
    },
    "flights": {
        "clock": ("hour", "weekday", "hour_there"), "code": ("carrier", "origin", "dest"),
        "number": ("distance", "temp", "wind_speed", "visib", "recent_delay", "plane_delay"), "null": ("plane_delay",),
        "window": ("recent_delay", "recent_departures"), "scaled": ("carrier_delay",), "rate": (), "filled": (),
        "read": ("temp", "recent_delay", "recent_departures", "plane_delay"),
    },
    "example": {
        "clock": ("hour", "weekday", "date", "days_since_last"), "code": ("merchant", "country"), "text": ("city", "country"),
        "number": ("amount", "recent_amount", "income", "typing", "amount_scaled"), "null": (), "count": ("recent_count",),
        "scaled": ("amount_scaled",), "rate": ("refused",), "read": ("recent_amount", "recent_count"), "date": ("date",),
        "filled": ("income",),
    },
}  # fmt: skip


def _variants() -> dict[str, list[tuple]]:
    """Of each skew: where it goes, the kind of feature it takes, and its parameters."""
    every, worlds = ("payments", "flights", "example"), ("payments", "flights")
    return {
        "time_zone": [(every, "clock", dict(serving=z)) for z in ("UTC", "Asia/Tokyo", "Europe/Berlin", "+05:30", "America/Los_Angeles")],
        "encoding": [
            (every, "code", {}), (("payments",), "code", dict(how="unknown_to_default")), (every, "code", {}),
            (("payments",), "code", dict(how="unknown_dropped")), (("example",), "code", dict(how="unknown_to_default")),
        ],
        "unit_change": [(every, "number", dict(unit=u)) for u in UNITS if u not in ("exp", "log")] + [(every, "number", dict(factor=2.54))],
        "measurement": [
            (every, "number", dict(gain=1.1)), (every, "number", dict(noise=0.5)), (every, "number", dict(saturation=12.0)),
            (every, "number", dict(gain=0.9, offset=0.2)), (every, "number", dict(offset=-0.3)),
        ],
        "precision": [(every, "number", dict(to=t)) for t in ("float16", "bfloat16", "int8", "float32", "int16")]
        + [(every, "number", dict(decimals=d, rounding=r)) for d, r in ((0, "half_even"), (1, "truncate"), (0, "floor"), (1, "half_up"))],
        "clipping": [
            (every, "number", {}), (every, "number", dict(quantiles=(0.0, 0.9))), (every, "number", dict(quantiles=(0.1, 1.0), how="null")),
            (every, "number", dict(quantiles=(0.05, 0.95))),
        ],
        "missing_fill": [
            (every, "null", dict(serving=w)) for w in ("zero", "mean", "median", -1.0, "forward")
        ] + [(("payments", "example"), "filled", dict(serving=w)) for w in ("zero", "median")],
        "missing_values": [(every, "number", dict(rate=r, how=h)) for r, h in ((0.1, "at_random"), (0.3, "at_random"), (0.1, "high"), (0.2, "low"))],
        "text_format": [(("example",), "text", dict(how=h)) for h in ("latin1", "upper", "lower", "title", "trailing_blank", "nfd")]
        + [(("example",), "date", dict(how="day_month")), (("example",), "number", dict(how="decimal_comma"))],
        "rate_definition": [
            (("payments", "example"), "rate", dict(how="odds")), (("payments", "example"), "rate", dict(how="complement")),
            (("payments",), "rate", dict(setting="window", serving="7D")), (("payments",), "rate", dict(setting="weight", serving=10)),
        ],
        "late_events": [
            (("payments",), "window", dict(serving="stream")), (("payments",), "window", dict(serving="ingestion")),
            (("payments",), "window", dict(serving="stream", watermark="6h")), (("example",), "count", dict(late=0.3)),
        ],
        "double_count": [
            (("payments",), "window", dict(twice=1.0)), (("payments",), "window", dict(twice=0.2)), (("example",), "read", dict(twice=1.0)),
        ],
        "misjoin": [
            (every, "read", dict(how="neighbour")), (("payments", "example"), "read", {}), (("flights",), "window", dict(by="airline")),
            (every, "number", dict(how="neighbour")),
        ],
        "leakage": [(("payments",), "window", dict(horizon=h)) for h in ("6h", "1D", "7D")] + [(("flights",), "window", dict(horizon="1h"))],
        "staleness": [(worlds, "read", dict(lag=h)) for h in ("2h", "6h", "24h", "72h")]
        + [(worlds, "read", dict(ttl=h)) for h in ("12h", "3D")] + [(("example",), "read", dict(ttl="1D"))],
        "normalization_window": [(worlds, k, dict(serving=w)) for w in ("1D", "7D", "6h", "90D") for k in ("scaled", "window")]
        + [(("example",), "scaled", dict(serving="7D"))],
        "schema_change": [(every, "number", dict(how=h)) for h in ("missing", "renamed", "retyped", "extra", "swapped")],
        "broken_header": [(every, "number", dict(how=h)) for h in ("null", "zero", "name")],
        "rollback": [(every, "number", dict(default=v)) for v in (0, -1, None, 3.5)],
    }  # fmt: skip


def planted_cases(n: int):
    """Cases planted by skewkit, in strata over skews, their parameters, worlds, sizes and scopes."""
    ground, variants = grounds(), _variants()
    for i in range(n):
        stem = list(variants)[i % len(variants)]
        nth = i // len(variants)
        for attempt in range(80):
            rng = np.random.default_rng([82, i, attempt])
            choice = variants[stem][(nth + (attempt > 20) * attempt) % len(variants[stem])]
            kind = SCOPES[(nth + i + attempt // 10) % len(SCOPES)]
            size = 50_000 if i % 133 == 132 and attempt < 3 else SIZES[(nth * 5 + i + attempt // 4) % len(SIZES)]
            try:
                yield _planted(f"planted-{i:03d}", ground, stem, choice, size, kind, rng, (i, attempt))
                break
            except (Unsuitable, NotApplicable):
                continue
        else:
            raise RuntimeError(f"{stem} found nothing to act on")


def _planted(name, ground, stem, choice, size, kind, rng, seed) -> Draft:
    places, takes, parameters = choice
    place = str(rng.choice(places))
    here, names = ground[place], FEATURES[place].get(takes, ())
    if not names or (size > 12_000 and place != "flights"):
        raise Unsuitable
    many = (
        2
        if parameters.get("how") == "swapped"
        else 1
        if stem not in ("time_zone", "staleness", "misjoin")
        else int(rng.integers(1, 3))
    )
    if len(names) < many:
        raise Unsuitable
    features = tuple(str(f) for f in rng.choice(names, many, replace=False))
    if stem == "missing_fill" and takes == "filled":
        parameters = parameters | {"training": _fill_of(here, features[0])}
    skew = S.make(stem, features=features, **parameters)
    by_entity = here.roles.entity and (stem == "misjoin" or (stem == "staleness" and here.replay is None))
    rows = drawn(here.base, size, rng, here.roles.entity if by_entity else "")
    frame = rows["replayed"].of(here.base.replayed)
    if skew.whole:
        kind = "all"
    if kind == "share" and (getattr(skew, "how", "") in ("at_random", "decimal_comma") or getattr(skew, "late", 0)):
        kind = "all"
    if getattr(skew, "how", "") == "decimal_comma":
        kind = "all"
    if getattr(skew, "noise", 0) or stem == "measurement":
        kind = "slice" if kind == "share" else kind
    where = scope(kind, frame, here.base.roles, rng)
    if where.where and where.where[0] in features:
        raise Unsuitable
    stratum = {"skew": stem, "planted": {k: v for k, v in parameters.items()}, "scope": kind}

    def make(table, _):
        return change_of(skew, table, here)

    if stem == "leakage":
        return training_side(name, _Holder(here.base), rows, make, where, stratum, False, seed)
    change = make(frame, None)
    planted_where = Scope(where.share, "key", where.where, where.since, where.until)
    hit = planted_where.rows(frame, here.roles, seed[0])
    after = injection.inject(frame, skew, planted_where, here.roles, here.replay, seed[0])
    cause = truth_of(_seeded(change, frame, after, hit), frame, after, hit, where, here.base)
    known = identifiable(change, where, here.base, len(frame), frame)
    return draft(name, here.base, rows, {"served": after}, [cause], stratum, known, "skew", False)


@dataclass(frozen=True)
class _Holder:
    base: Base


def _seeded(change, frame, after, hit):
    """The change as it was planted: its columns are those of the table that was served."""
    columns = {f: after.get(f, None) for f in change.columns}
    return Change(
        change.cause,
        change.parameters,
        {**change.columns, **columns},
        change.side,
        change.known,
        change.length,
        change.again,
        change.alternatives,
    )


def _fill_of(here, feature):
    """What the pipeline fills in: the commonest value."""
    return float(here.base.training[feature].mode().iloc[0])


def change_of(skew: Skew, frame: pd.DataFrame, here: Ground) -> Change:
    """What a skew does to every row, with its parameters as any tool would say them."""
    served = injection.everywhere(frame, skew, here.roles, here.replay)
    new = [c for c in served if c not in frame]
    columns = {f: served.get(f, None) for f in (*skew.features, *new)}
    own = skew.stem == "staleness" and here.replay is None  # a cache's values are those of other rows of the table
    known, length, again = {"paired": True} if own else {}, "", None
    lengths = {
        "staleness": "lag" if getattr(skew, "lag", "") else "ttl",
        "leakage": "horizon",
        "normalization_window": "serving",
    }
    if skew.stem in lengths and here.replay is not None:
        name = lengths[skew.stem]

        def again(v):
            other = type(skew)(**{"features": skew.features, name: v})
            return injection.everywhere(frame, other, here.roles, here.replay)

        length = "window" if name == "serving" else name
    alternatives = alike if skew.stem == "precision" else None
    side = "training" if skew.stem == "leakage" else "serving"
    return Change(skew.stem, canonical(skew, frame, served, here), columns, side, known, length, again, alternatives)


def _part(feature):
    return "hour" if feature == "hour_there" else feature if feature in PARTS else "days_since"


def canonical(skew: Skew, frame, served, here: Ground) -> dict:
    """A skew's parameters as numbers and plain words, none that needs the table to be understood."""
    f = skew.features[0]
    p = skew.to_dict()
    if skew.stem == "time_zone":
        zones = {_zone(here, f) for f in skew.features}
        if len(zones) > 1:
            raise Unsuitable
        return {"training": zones.pop(), "serving": skew.serving, "reads": {f: _part(f) for f in skew.features}}
    if skew.stem == "encoding":
        return {}
    if skew.stem == "unit_change":
        if skew.unit in ("log", "exp", "log1p"):
            return {"function": skew.unit}
        factor, offset = AFFINE[skew.unit] if skew.unit else (skew.factor, skew.offset)
        return {"factor": factor, "offset": offset}
    if skew.stem == "precision":
        return {"to": skew.to, "overflow": skew.overflow} if skew.to.startswith("int") else (
            {"to": skew.to} if skew.to else {"decimals": skew.decimals, "rounding": skew.rounding}
        )  # fmt: skip
    if skew.stem == "clipping":
        low, high = skew._bounds(frame[f].to_numpy(float))
        return {"low": float(low), "high": float(high), "how": skew.how}
    if skew.stem == "missing_fill":
        return {
            "training": None if skew.training == "null" else skew.training,
            "serving": _served_fill(skew, frame, served, f),
        }
    if skew.stem == "late_events":
        if skew.late:
            return {"late": skew.late}
        return {"clock": skew.serving, **({"watermark": skew.watermark} if skew.watermark else {})}
    if skew.stem == "normalization_window":
        return {"window": skew.serving}
    if skew.stem == "schema_change":
        more = {"renamed": {"to": [f"{f}_v2"]}, "extra": {"to": [f"{f}_v2"]}, "swapped": {"with": skew.features[-1]}}
        return {"how": skew.how, **more.get(skew.how, {})}
    if skew.stem in ("broken_header", "rollback"):
        return {
            "value": {"null": None, "zero": 0.0, "name": f}[skew.how] if skew.stem == "broken_header" else skew.default
        }
    keep = {
        "measurement": ("gain", "offset", "noise", "saturation"),
        "missing_values": ("rate", "how"),
        "text_format": ("how",),
        "double_count": ("twice",),
    }
    names = keep.get(skew.stem) or [n for n in ("how", "by", "lag", "ttl", "horizon", "setting", "serving") if p.get(n)]
    if skew.stem == "misjoin" and skew.by:
        names = ("by",)
    return {n: p[n] for n in names}


def _zone(here, feature):
    """The zone in which training reads a clock; None where each row has its own."""
    if here.replay is None:
        return examples.ZONE
    return here.replay.definitions[feature].zone or None


def _served_fill(skew, frame, served, feature):
    if skew.serving == "forward":
        return "forward"
    changed = served[feature][frame[feature].isna() | (frame[feature] == skew.training)].dropna()
    return float(changed.iloc[0]) if len(changed) else None
