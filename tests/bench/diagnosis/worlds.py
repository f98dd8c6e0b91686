"""Worlds that skewkit was not made with: rides, wards and orders made by rule, and scikit-learn's own tables.

Features read from events are computed by the plain code below, by joining every request to every event of its entity.
Nothing of skewkit is imported. All numbers come from seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn import datasets

from .cases import Base, mixed

START, DAYS, CUT = pd.Timestamp("2025-02-01", tz="UTC"), 120, 70  # the first 35 days are history only
HOSTS = ("blue-1", "blue-2", "blue-3", "green-1", "green-2")


@dataclass(frozen=True)
class Feature:
    """A feature read from ``table`` by ``by``: ``how`` over the ``length`` before a request, of ``value``.

    how: count, sum, mean, latest, days (since the newest), rate (of the flag ``value``, drawn to ``prior`` as if ``weight``
    more were counted), scaled (the request's column ``of`` by the mean and deviation of the window).
    """

    table: str
    by: str
    how: str
    value: str
    length: str = "3650D"
    of: str = ""
    prior: float = 0.0
    weight: float = 0.0


@dataclass(frozen=True)
class World:
    """A base, with what is needed to compute its features anew: ``features`` by name, and ``zones`` of its clocks."""

    base: Base
    features: Mapping[str, Feature]
    clocks: Mapping[str, tuple[str, str]]  # a feature: which part of the request's time, in which zone


def compute(
    feature: Feature,
    requests: pd.DataFrame,
    events: pd.DataFrame,
    *,
    length: str = "",
    lag: str = "0s",
    ttl: str = "",
    snapshot: str = "",
    horizon: str = "0s",
    clock: str = "event",
    watermark: str = "",
    edge: str = "0s",
    by: str = "",
    weight: float | None = None,
) -> np.ndarray:
    """The feature of each request, shape (n,): as its code has it, or with what is given turned.

    ``lag`` moves both edges of the window back; ``ttl`` keeps an entity's value that long; ``snapshot`` computes it at the
    last full such period; ``edge`` leaves out the newest; ``horizon`` adds what happens after the request. ``clock``:
    "event" counts what happened in the window, "ingestion" what became known in it, "stream" what happened in it and was
    known by then, within ``watermark`` of happening.
    """
    by = by or feature.by
    asked = requests["asked"]
    seen = asked - pd.Timedelta(lag)
    if ttl:
        seen = seen.iloc[_filled(requests[by], asked, pd.Timedelta(ttl))].set_axis(asked.index)
    if snapshot:
        seen = seen.dt.floor(snapshot)
    left = pd.DataFrame({"row": np.arange(len(requests)), "who": requests[by].to_numpy(), "seen": seen.to_numpy()})
    right = events[["happened", "known", feature.value]].assign(who=events[by].to_numpy(), order=np.arange(len(events)))
    joined = left.merge(right, on="who")
    until, begin = joined["seen"] + pd.Timedelta(horizon), joined["seen"] - pd.Timedelta(length or feature.length)
    moment = joined["known" if clock == "ingestion" else "happened"]
    inside = (moment < until - pd.Timedelta(edge)) & (moment > begin)
    if clock == "stream":
        inside &= joined["known"] <= joined["seen"]
        if watermark:
            inside &= joined["known"] - joined["happened"] <= pd.Timedelta(watermark)
    return _summed(feature, joined[inside].assign(moment=moment[inside]), requests, weight)


def _summed(feature, joined, requests, weight):
    rows = np.arange(len(requests))
    groups = joined.groupby("row")[feature.value]
    count = groups.size().reindex(rows, fill_value=0).to_numpy(float)
    if feature.how == "count":
        return count
    if feature.how in ("latest", "days"):
        last = joined.sort_values(["row", "moment", "order"]).groupby("row").tail(1).set_index("row").reindex(rows)
        if feature.how == "latest":
            return last[feature.value].to_numpy(float)
        newest = last["moment"].dt.normalize().reset_index(drop=True)
        return (requests["asked"].dt.normalize().reset_index(drop=True) - newest).dt.days.to_numpy(float)
    total = groups.sum().reindex(rows, fill_value=0.0).to_numpy(float)
    if feature.how == "sum":
        return total.round(6)
    with np.errstate(invalid="ignore", divide="ignore"):
        if feature.how == "rate":
            more = feature.weight if weight is None else weight
            return np.where(count + more > 0, (total + feature.prior * more) / (count + more), np.nan)
        mean = np.where(count > 0, total / count, np.nan)
        if feature.how == "mean":
            return mean
        deviation = groups.std(ddof=0).reindex(rows).to_numpy(float)
        return (requests[feature.of].to_numpy(float) - mean) / np.where(deviation < 1e-9, 1.0, deviation)


def _filled(who, asked, ttl):
    """For each request, the position of the one that filled its entity's cache."""
    filled, cache = np.arange(len(who)), {}
    for i in np.argsort(asked.to_numpy(), kind="stable"):
        at = cache.get(who.iloc[i])
        if at is None or asked.iloc[i] - asked.iloc[at] >= ttl:
            cache[who.iloc[i]] = at = i
        filled[i] = at
    return filled


def clock(part: str, asked: pd.Series, zone: str) -> pd.Series:
    """A part of the local time, as the worlds' clocks have it."""
    wall = asked.dt.tz_convert(zone).dt.tz_localize(None)
    read = {"hour": wall.dt.hour, "weekday": wall.dt.day_of_week, "day": wall.dt.day}
    return wall.dt.normalize() if part == "date" else read[part].astype("int64")


def made() -> dict[str, World]:
    """The three worlds made by rule, by name."""
    return {f.__name__: f() for f in (rides, wards, orders)}


def rides() -> World:
    """Ride hailing: an offered ride is scored, with the driver's earlier rides. Times in Mexico City's clock."""
    rng = np.random.default_rng(71)
    events = _happenings(rng, 260, 95, typical=900)
    events["fare"] = np.round(rng.gamma(3.0, 4.2, len(events)), 2)
    events["cancelled"] = (rng.random(len(events)) < 0.11).astype(float)
    events["stars"] = rng.choice([1.0, 3.0, 4.0, 5.0], len(events), p=[0.05, 0.1, 0.3, 0.55])
    asked = _asked(rng, 9_000, 21_000, 260)
    n = len(asked)
    asked["city"] = rng.choice(["Bogotá", "São Paulo", "Córdoba", "Lima", "Mérida"], n, p=[0.3, 0.28, 0.2, 0.12, 0.1])
    asked["tier"] = rng.choice([1, 2, 3, 7], n, p=[0.5, 0.3, 0.15, 0.05])
    asked["payment"] = rng.choice(["CARD", "Cash", "wallet", "voucher"], n, p=[0.45, 0.3, 0.2, 0.05])
    asked["km"] = np.round(rng.lognormal(1.4, 0.7, n), 3)
    asked["fare"] = np.round(2.5 + 1.35 * asked["km"] * rng.lognormal(0, 0.25, n), 2)
    asked["tip"] = pd.Series(np.round(rng.gamma(1.4, 1.1, n), 2)).mask(rng.random(n) < 0.22)
    asked["surge"] = rng.choice([1.0, 1.2, 1.5, 2.1], n, p=[0.7, 0.15, 0.1, 0.05])
    asked["heading"] = np.round(rng.uniform(-180, 180, n), 4)
    features = {
        "rides_7d": Feature("trips", "driver", "count", "fare", "7D"),
        "rides_30d": Feature("trips", "driver", "count", "fare", "30D"),
        "earned_7d": Feature("trips", "driver", "sum", "fare", "7D"),
        "mean_fare_30d": Feature("trips", "driver", "mean", "fare", "30D"),
        "last_stars": Feature("trips", "driver", "latest", "stars"),
        "days_idle": Feature("trips", "driver", "days", "fare"),
        "cancel_rate": Feature("trips", "driver", "rate", "cancelled", "30D", prior=0.1, weight=5.0),
        "fare_usual": Feature("trips", "driver", "scaled", "fare", "30D", of="fare"),
    }
    clocks = {p: (p, "America/Mexico_City") for p in ("hour", "weekday", "date")}
    plain = ("city", "tier", "payment", "km", "fare", "tip", "surge", "heading")
    return _world("rides", "driver", asked, {"trips": events}, features, clocks, plain, ("city", "host"))


def wards() -> World:
    """A hospital: an alarm is scored, with the patient's earlier readings. Times in Lisbon's clock."""
    rng = np.random.default_rng(72)
    events = _happenings(rng, 180, 130, typical=2_400)
    events["pulse"] = rng.normal(82, 13, len(events)).round()
    events["lactate"] = np.round(rng.lognormal(0.4, 0.5, len(events)), 1)
    events["abnormal"] = (rng.random(len(events)) < 0.2).astype(float)
    asked = _asked(rng, 5_000, 10_000, 180)
    n = len(asked)
    asked["ward"] = rng.choice(["Urgência", "Cirurgia", "Pediatria", "Cuidados Críticos"], n, p=[0.4, 0.3, 0.2, 0.1])
    asked["dose_unit"] = rng.choice(["mg", "µg", "mL", "UI"], n, p=[0.55, 0.2, 0.15, 0.1])
    asked["diagnosis"] = rng.choice(
        ["J18.9", "I50.0", "N39.0", "A41.9", "K35.8", "R07.4"], n, p=[0.3, 0.25, 0.18, 0.12, 0.1, 0.05]
    )
    asked["triage"] = rng.choice([0, 1, 2, 3, 4], n, p=[0.05, 0.15, 0.45, 0.25, 0.1])
    asked["age"] = np.clip(rng.normal(61, 18, n), 0, 101).round().astype("int64")
    asked["temperature"] = np.round(rng.normal(37.1, 0.8, n), 1)
    asked["pressure"] = np.round(rng.normal(126, 19, n), 2)
    asked["glucose"] = pd.Series(np.round(rng.lognormal(4.7, 0.3, n), 1)).mask(rng.random(n) < 0.18)
    asked["weight"] = pd.Series(np.round(rng.normal(74, 14, n), 3)).mask(rng.random(n) < 0.12)
    asked["saturation"] = np.round(np.clip(rng.beta(40, 2, n), 0.6, 0.995), 4)
    features = {
        "readings_2d": Feature("readings", "patient", "count", "pulse", "2D"),
        "readings_14d": Feature("readings", "patient", "count", "pulse", "14D"),
        "mean_pulse_14d": Feature("readings", "patient", "mean", "pulse", "14D"),
        "last_lactate": Feature("readings", "patient", "latest", "lactate"),
        "days_unseen": Feature("readings", "patient", "days", "pulse"),
        "abnormal_rate": Feature("readings", "patient", "rate", "abnormal", "21D", prior=0.2, weight=4.0),
    }
    clocks = {p: (p, "Europe/Lisbon") for p in ("hour", "weekday")}
    plain = (
        "ward",
        "dose_unit",
        "diagnosis",
        "triage",
        "age",
        "temperature",
        "pressure",
        "glucose",
        "weight",
        "saturation",
    )
    return _world("wards", "patient", asked, {"readings": events}, features, clocks, plain, ("ward", "host"))


def orders() -> World:
    """A shop: an order is scored, with the customer's earlier ones. Times in Prague's clock."""
    rng = np.random.default_rng(73)
    events = _happenings(rng, 300, 60, typical=14_000)
    events["paid"] = np.round(rng.lognormal(3.2, 0.8, len(events)), 2)
    events["returned"] = (rng.random(len(events)) < 0.15).astype(float)
    asked = _asked(rng, 5_000, 11_000, 300)
    n = len(asked)
    asked["town"] = rng.choice(
        ["Plzeň", "Kraków", "Győr", "Wien", "Žilina", "Brno"], n, p=[0.25, 0.23, 0.2, 0.14, 0.1, 0.08]
    )
    asked["product"] = rng.choice([101, 102, 117, 203, 350, 351, 999], n, p=[0.3, 0.22, 0.17, 0.13, 0.09, 0.06, 0.03])
    asked["currency"] = rng.choice(["CZK", "PLN", "EUR", "HUF"], n, p=[0.45, 0.25, 0.2, 0.1])
    asked["price"] = np.round(rng.lognormal(3.5, 0.9, n), 2)
    asked["shipped_kg"] = np.round(rng.gamma(1.6, 1.3, n), 3)
    asked["discount"] = np.round(rng.beta(1.5, 8, n), 3)
    asked["rating"] = pd.Series(np.round(rng.normal(3.9, 0.7, n), 2)).mask(rng.random(n) < 0.3)
    asked["balance"] = np.round(rng.normal(0, 140, n), 2)
    asked["pieces"] = 1 + rng.poisson(1.7, n)
    features = {
        "orders_7d": Feature("bought", "customer", "count", "paid", "7D"),
        "orders_28d": Feature("bought", "customer", "count", "paid", "28D"),
        "spent_28d": Feature("bought", "customer", "sum", "paid", "28D"),
        "mean_paid_28d": Feature("bought", "customer", "mean", "paid", "28D"),
        "last_paid": Feature("bought", "customer", "latest", "paid"),
        "return_rate": Feature("bought", "customer", "rate", "returned", "28D", prior=0.15, weight=6.0),
        "price_usual": Feature("bought", "customer", "scaled", "paid", "28D", of="price"),
    }
    clocks = {p: (p, "Europe/Prague") for p in ("hour", "day", "date")}
    plain = ("town", "product", "currency", "price", "shipped_kg", "discount", "rating", "balance", "pieces")
    return _world("orders", "customer", asked, {"bought": events}, features, clocks, plain, ("currency", "host"))


def _happenings(rng, entities, each, typical):
    """Events of many entities over all days, known some time (``typical``: seconds at the median) after they happened."""
    n = entities * each
    who = rng.choice(entities, n, p=_weights(rng, entities))
    happened = START + pd.to_timedelta(np.sort(rng.uniform(0, DAYS * 86_400, n)).round(), "s")
    late = np.minimum(typical * rng.lognormal(0, 1.3, n), 40 * 3_600).round()
    frame = pd.DataFrame({"who": who, "happened": happened, "known": happened + pd.to_timedelta(late, "s")})
    return frame.astype({"happened": "datetime64[us, UTC]", "known": "datetime64[us, UTC]"})


def _weights(rng, n):
    w = rng.gamma(1.5, 1.0, n) + 0.2
    return w / w.sum()


def _asked(rng, training, served, entities):
    """Requests: more by day than by night, of entities that ask by their weight."""
    days = np.r_[rng.integers(35, CUT, training), rng.integers(CUT, DAYS, served)]
    hour = rng.choice(
        24,
        len(days),
        p=np.array([2, 1, 1, 1, 2, 4, 8, 14, 17, 15, 13, 14, 16, 15, 12, 12, 15, 20, 22, 17, 12, 9, 6, 4]) / 252,
    )
    at = days * 86_400 + hour * 3_600 + rng.integers(0, 3_600, len(days))
    asked = pd.Series(START + pd.to_timedelta(np.sort(at), "s")).astype("datetime64[us, UTC]")
    who = rng.choice(entities, len(days), p=_weights(rng, entities))
    return pd.DataFrame({"asked": asked, "who": who})


def _world(name, entity, asked, events, features, clocks, plain, segments):
    asked = asked.rename(columns={"who": entity}).assign(request=np.arange(len(asked)) * 3 + 50_000)
    asked["host"] = np.array(HOSTS)[(mixed(asked["request"], 5) % np.uint64(len(HOSTS))).astype(int)]
    events = {t: e.rename(columns={"who": entity}) for t, e in events.items()}
    computed = {f: compute(d, asked, events[d.table]) for f, d in features.items()}
    counted = {f: v.astype("int64") for f, v in computed.items() if features[f].how == "count"}
    read = {f: clock(part, asked["asked"], zone) for f, (part, zone) in clocks.items()}
    table = asked.assign(**{**computed, **counted}, **read)
    serving = table["asked"] >= START + pd.Timedelta(CUT, "D")
    names = [*read, *plain, *features]
    roles = {
        "key": "request",
        "entity": entity,
        "time": "asked",
        "label": None,
        "segments": list(segments),
        "features": names,
    }
    table = table[["request", entity, "asked", "host", *names]]
    spec = {
        t: {"entity": [entity], "happened": "happened", "known": "known", "values": [c for c in e if c not in (entity, "happened", "known")]}
        for t, e in events.items()
    }  # fmt: skip
    halves = (table[~serving].reset_index(drop=True), table[serving].reset_index(drop=True))
    return World(Base(name, *halves, roles, events, spec), features, clocks)


def borrowed() -> dict[str, World]:
    """scikit-learn's built-in tables, drawn from with replacement, with a key, a time and two columns to slice by."""
    load = {
        "diabetes": datasets.load_diabetes(as_frame=True, scaled=False),
        "breast_cancer": datasets.load_breast_cancer(as_frame=True),
        "wine": datasets.load_wine(as_frame=True),
        "iris": datasets.load_iris(as_frame=True),
        "digits": datasets.load_digits(as_frame=True),
    }
    return {name: _borrowed(name, bunch.frame, seed) for seed, (name, bunch) in enumerate(load.items())}


def _borrowed(name, frame, seed):
    rng = np.random.default_rng([74, seed])
    frame = frame.loc[:, frame.nunique() > 2].iloc[:, :24]
    frame.columns = [c.replace(" ", "_").replace("(", "").replace(")", "") for c in frame.columns]
    n = 6_000
    table = frame.iloc[rng.integers(0, len(frame), n)].reset_index(drop=True)
    features = list(table)
    table.insert(0, "row", np.arange(n) + 7)
    table.insert(1, "taken", pd.Series(START + pd.to_timedelta(np.arange(n) * 900, "s")).astype("datetime64[us, UTC]"))
    table.insert(2, "host", rng.choice(HOSTS, n))
    table.insert(3, "site", rng.choice(["Zürich", "Århus", "Gdańsk"], n, p=[0.5, 0.3, 0.2]))
    roles = {
        "key": "row",
        "entity": None,
        "time": "taken",
        "label": None,
        "segments": ["site", "host"],
        "features": ["site", *features],
    }
    return World(Base(name, table[:2_500].reset_index(drop=True), table[2_500:].reset_index(drop=True), roles), {}, {})
