"""Card payments, simulated: is this payment fraud, asked when it is made?

What it models. Accounts in nine countries and fourteen time zones, each with an income (known to the bank for most), a
rate of shopping trips, hours of the day, an amount that grows with income, and a dozen favourite merchant categories out
of a long tail of 10,000, of which one in seven appears only as time goes on. A trip is one or more payments. Payments at
a till reach the bank's tables when the merchant hands in its day, in the night, and some tills are offline for days;
payments online when the goods are sent, hours to days later; payments in the app, which are for what needs no sending,
in seconds. A person types at their own pace, which page and app record.

Fraud comes in cases: somebody has an account's card, tries it with a small amount or two, and then buys, in bursts of
minutes to hours, mostly online, often abroad, by their own clock, more than the account would, and more often what can be
sold again. Most fraud is reported, after days to weeks; some never is, and a few honest payments are called fraud. So
labels come late: a payment's label is known ``MATURE`` after it, and the last ones of the log have none yet.

What it does not model. Feedback (a model that declines changes what happens next), merchants in league with thieves,
changes of law or of prices, holidays, and seasons: the world is the same in every week, so that what differs between
training and serving is chance, new categories, and what is planted.

Every draw comes from one seed. The world's own parameters are the constants below.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from ..features.definitions import Column, DaysSince, Encoded, Filled, Latest, LocalTime, Normalized, Rate, Rolling
from ..records import Roles, SkewkitError
from ..timeline import local
from . import TRUSTED, Scenario

START = pd.Timestamp("2024-01-01", tz="UTC")
DAYS = 186  # of payments; the first 60 are history only, the rest whole weeks
BEGIN, VALIDATION, CUT, NOW = (START + pd.Timedelta(d, "D") for d in (60, 102, 144, 201))
MATURE = pd.Timedelta("30D")  # after which what nobody has reported counts as honest
CATEGORIES = 10_000
NICHE = 300  # a category begins as one of those less popular than this many
FREQUENT = 200  # categories that earn a place in the vocabulary

COUNTRIES = {  # share of accounts, monthly income at the median, how often cards are stolen, zones with their shares
    "US": (0.30, 3600, 1.6, {"America/New_York": 0.47, "America/Chicago": 0.29, "America/Denver": 0.07, "America/Los_Angeles": 0.17}),
    "DE": (0.14, 2700, 0.5, {"Europe/Berlin": 1.0}),
    "GB": (0.12, 2600, 1.2, {"Europe/London": 1.0}),
    "FR": (0.10, 2300, 0.9, {"Europe/Paris": 1.0}),
    "PL": (0.06, 1300, 0.4, {"Europe/Warsaw": 1.0}),
    "BR": (0.10, 600, 1.8, {"America/Sao_Paulo": 0.92, "America/Manaus": 0.08}),
    "IN": (0.10, 400, 0.7, {"Asia/Kolkata": 1.0}),
    "JP": (0.05, 2600, 0.3, {"Asia/Tokyo": 1.0}),
    "AU": (0.03, 3500, 0.6, {"Australia/Sydney": 0.8, "Australia/Perth": 0.2}),
}  # fmt: skip
EUROPE = ("DE", "GB", "FR", "PL")
# Payments by hour of the local day: few at night, a rise at noon, the most in the early evening.
HOURS = np.array([2, 1, 1, 1, 1, 2, 4, 8, 11, 13, 15, 18, 21, 18, 16, 17, 20, 24, 26, 24, 18, 12, 8, 4], float)
CHANNELS = ("till", "online", "app")

EVENTS_PER_ACCOUNT = 100
TRIP = 1.7  # payments of a shopping trip, on average
SENT = 0.75  # of payments online: for goods that are sent; the rest is in the app, for what needs no sending
FRAUD = 0.02  # of payments
CASE = 9.0  # payments of a case of fraud, on average
REPORTED, WRONGLY = 0.93, 0.001  # shares of fraud that is reported, and of honest payments that are
OFFLINE = 0.04  # of payments at a till: it hands in one to three days late
INCOME_UNKNOWN = 0.2  # of accounts


def world(seed: int = 0, events: int = 500_000) -> Scenario:
    """The payments of half a year as a scenario. Training: from March on, as far as labels had come by the middle of May;
    serving: the weeks after.

    ``events`` is how many payments there are, ``seed`` the seed of them all.
    """
    if not isinstance(events, int) or isinstance(events, bool) or events < 20_000:
        raise SkewkitError(f"events={events!r} was asked of payments; give 20000 or more, or there is too little fraud")
    if not isinstance(seed, int) or seed < 0:
        raise SkewkitError(f"seed={seed!r} was asked of payments; it is a whole number from 0")
    payments = simulate(events, seed)
    requests = payments[payments["asked"] >= BEGIN].reset_index(drop=True)
    made = definitions(requests[requests["asked"] < CUT])
    code = Path(__file__).read_bytes()
    return Scenario(
        name="payments",
        raw={"payments": payments.rename(columns={"asked": "happened"}), "reports": _reports(payments)},
        requests=requests,
        definitions=made,
        roles=Roles(
            key="payment",
            entity="account",
            time="asked",
            label="fraud",
            prediction="score",
            segments=("region", "device"),
            features=tuple(made),
        ),
        cut=CUT,
        validation=VALIDATION,
        fit=fit,
        trusted=TRUSTED,
        fingerprint=hashlib.sha256(code + f"{seed}|{events}".encode()).hexdigest(),
        logged=("country_name", "home_zone"),
    )


def definitions(training: pd.DataFrame):
    """The features; vocabularies and fitted constants come from the training requests alone."""
    mine = {"table": "payments", "by": "account", "value": "paid", "clock": "event"}
    day, month = (Rolling(how="count", window=w, **mine) for w in ("24h", "30D"))
    fortnight = training[training["asked"] >= CUT - pd.Timedelta("14D")]
    common = fortnight["category_name"].value_counts().index[:FREQUENT]
    return {
        "amount": Column(source="paid"),
        "amount_usual": Normalized(of=Column(source="paid"), window="30D", fitted=CUT.isoformat(), **mine),
        "income": _filled("monthly_income", training),
        "category": Encoded(source="category_name", vocabulary=tuple(sorted(common))),
        "category_fraud": Rate(
            of=Rolling(table="reports", by="category_name", value="one", how="sum", window="30D"),
            over=Rolling(table="payments", by="category_name", value="one", how="sum", window="30D"),
            prior=FRAUD,
            weight=50,
        ),
        "country": Encoded(source="country_name", vocabulary=tuple(COUNTRIES)),
        "abroad": Column(source="foreign"),
        "channel": Encoded(source="channel_name", vocabulary=CHANNELS),
        "hour": LocalTime(source="asked", part="hour", zone_in="home_zone"),
        "weekday": LocalTime(source="asked", part="weekday", zone_in="home_zone"),
        "days_since_last": DaysSince(table="payments", by="account", source="asked", zone="UTC", clock="event"),
        "last_amount": Latest(**mine),
        "count_1h": Rolling(how="count", window="1h", **mine),
        "count_24h": day,
        "sum_24h": Rolling(how="sum", window="24h", **mine),
        "count_30D": month,
        "pace": Rate(of=day, over=month),
        "typing": _filled("keys_per_second", training),
    }


def _filled(source, training):
    known = training[source]
    return Filled(of=Column(source=source), fill="mean", mean=float(known.mean()), median=float(known.median()))


def fit(features: pd.DataFrame, labels: pd.Series):
    """Gradient-boosted trees that read the codes as categories; seeded."""
    codes = [c in ("category", "country", "channel") for c in features]
    return HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.08, min_samples_leaf=40, categorical_features=codes, random_state=0
    ).fit(features, labels)


def simulate(events: int, seed: int = 0) -> pd.DataFrame:
    """About ``events`` payments of half a year in order of time, fraud among them."""
    rng = np.random.default_rng(seed)
    accounts = _accounts(max(200, events // EVENTS_PER_ACCOUNT), rng)
    kinds = _categories(rng)
    honest = _honest(round(events * (1 - FRAUD)), accounts, kinds, rng)
    stolen = _stolen(round(events * FRAUD), accounts, kinds, rng)
    table = pd.concat([honest, stolen], ignore_index=True)
    table = table[table["asked"].between(START, START + pd.Timedelta(DAYS, "D"), inclusive="left")]
    table = table.sort_values("asked", kind="stable", ignore_index=True)
    table["known"] = table["asked"] + _delay(table, rng)
    table["reported"] = table["asked"] + _report(table, rng)
    late = table["reported"] - table["asked"] > MATURE
    table["fraud"] = (table["reported"].notna() & ~late).astype(float).where(table["asked"] + MATURE <= NOW)
    # a model that is fitted at CUT knows the labels that had come by then
    table.loc[table["asked"].between(CUT - MATURE, CUT, inclusive="neither"), "fraud"] = np.nan
    table["payment"] = np.arange(len(table))
    table["one"] = 1.0
    return table.drop(columns="stolen")


def _accounts(n, rng):
    """Who pays: country, zone, income, how often, in which categories, on which device."""
    names, shares = list(COUNTRIES), np.array([c[0] for c in COUNTRIES.values()])
    country = rng.choice(names, n, p=shares / shares.sum())
    zones, income = np.empty(n, object), np.empty(n)
    for name, (_, median, _, there) in COUNTRIES.items():
        mine = country == name
        zones[mine] = rng.choice(list(there), mine.sum(), p=list(there.values()))
        income[mine] = np.round(median * rng.lognormal(0, 0.5, mine.sum()), 2)
    return pd.DataFrame(
        {
            "country_name": country,
            "region": np.where(np.isin(country, EUROPE), "Europe", "elsewhere"),
            "home_zone": zones,
            "earns": income,
            "monthly_income": np.where(rng.random(n) < INCOME_UNKNOWN, np.nan, income),
            "often": rng.gamma(2.0, 1.0, n),
            "spends": rng.lognormal(0, 0.4, n),
            "types": rng.normal(5.0, 0.8, n),
            "device": rng.choice(["old", "new"], n, p=[0.7, 0.3]),
        }
    )


def _categories(rng):
    """What is bought: how popular, since which day, at what price, and how easily it is sold again."""
    rank = rng.permutation(CATEGORIES) + 1.0
    new = (rank > NICHE) & (rng.random(CATEGORIES) < 1 / 7)
    since = np.where(new, rng.uniform(0, DAYS, CATEGORIES), 0.0)
    return pd.DataFrame(
        {
            "popular": rank**-1.0,
            "since": since,
            "price": rng.lognormal(3.2, 0.9, CATEGORIES),
            "online": rng.beta(1.2, 1.8, CATEGORIES),
            "resold": rng.lognormal(0, 0.8, CATEGORIES),
        }
    )


def _drawn(weights, n, rng):
    """Numbers drawn by weight, shape (n,)."""
    upto = np.cumsum(weights)
    return np.searchsorted(upto, rng.random(n) * upto[-1], "right")


def _honest(n, accounts, kinds, rng):
    """Trips of each account by its own clock, and what it buys on them."""
    trips = round(n / TRIP)
    who = _drawn(accounts["often"].to_numpy(), trips, rng)
    day = rng.integers(0, DAYS, trips)
    second = (_drawn(HOURS, trips, rng) + rng.random(trips)) * 3600
    wall = pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(day * 86_400 + second, "s"))
    begun = _utc(wall, accounts["home_zone"].to_numpy()[who])
    size = 1 + rng.poisson(TRIP - 1, trips)
    row = np.repeat(np.arange(trips), size)
    first = np.r_[True, row[1:] != row[:-1]]
    gap = np.where(first, 0.0, rng.exponential(1_200, len(row)))
    since = pd.Series(gap).groupby(row).cumsum().to_numpy()
    asked = begun.iloc[row].reset_index(drop=True) + pd.to_timedelta(np.round(since), "s")
    favourite = _drawn(kinds["popular"].to_numpy(), 12 * len(accounts), rng).reshape(len(accounts), 12)
    category = np.where(
        rng.random(len(row)) < 0.8,
        favourite[who[row], rng.integers(0, 12, len(row))],
        _drawn(kinds["popular"].to_numpy(), len(row), rng),
    )
    return _paid(who[row], asked, category, accounts, kinds, rng, stolen=False)


def _stolen(n, accounts, kinds, rng):
    """Cases: a stolen card is tried, then used as long as it works."""
    cases = max(1, round(n / CASE))
    size = 1 + rng.poisson(CASE - 1, cases)
    row = np.repeat(np.arange(cases), size)
    first = np.r_[True, row[1:] != row[:-1]]
    pace = np.exp(rng.normal(np.log(1_200), 1.0, cases))[row]  # seconds between payments: minutes to hours
    begun = rng.integers(0, DAYS, len(row)) * 86_400.0
    hour = np.where(rng.random(cases) < 0.5, rng.uniform(0, 24, cases), _drawn(HOURS, cases, rng) + rng.random(cases))
    begun = begun + hour[row] * 3_600
    gap = np.where(first, begun, rng.exponential(pace))
    since = pd.Series(gap).groupby(row).cumsum()
    asked = START + pd.to_timedelta(np.round(since), "s")
    category = _drawn((kinds["popular"] * kinds["resold"]).to_numpy(), len(row), rng)
    whose = _drawn(
        accounts["country_name"].map({c: risk for c, (_, _, risk, _) in COUNTRIES.items()}).to_numpy(), cases, rng
    )
    bought = _paid(whose[row], asked, category, accounts, kinds, rng, stolen=True)
    nth = pd.Series(row).groupby(row).cumcount().to_numpy()
    tried = (nth == 0) | ((nth == 1) & (rng.random(len(row)) < 0.4))
    bought["paid"] = np.round(np.where(tried, rng.uniform(1, 12, len(row)), bought["paid"] * 1.2), 2)
    return bought


def _paid(who, asked, category, accounts, kinds, rng, stolen):
    """The payments with all that the bank sees of them."""
    n, mine, kind = len(who), accounts.iloc[who].reset_index(drop=True), kinds.iloc[category].reset_index(drop=True)
    day = (asked - START).dt.total_seconds() / 86_400
    category = np.where(kind["since"] > day, np.argmax(kinds["popular"] * (kinds["since"] == 0)), category)
    price = kinds["price"].to_numpy()[category] * mine["spends"] * (mine["earns"] / 2_500) ** 0.6
    online = rng.random(n) < np.where(stolen, 0.55 + 0.45 * kind["online"], kind["online"])
    channel = np.where(online, np.where(rng.random(n) < SENT, "online", "app"), "till")
    pace = np.where(stolen, rng.normal(5.5, 1.0, n), mine["types"] + rng.normal(0, 0.5, n))
    return pd.DataFrame(
        {
            "account": who,
            "asked": asked.astype("datetime64[us, UTC]"),
            "category_name": [f"c{c:04d}" for c in category],
            "paid": np.round(np.maximum(0.5, price * rng.lognormal(0, 0.6, n)), 2),
            "channel_name": channel,
            "foreign": (rng.random(n) < (0.12 if stolen else 0.06)).astype(float),
            "keys_per_second": np.where(online, np.round(np.maximum(pace, 0.5), 2), np.nan),
            "stolen": stolen,
            **{c: mine[c] for c in ("country_name", "region", "home_zone", "monthly_income", "device")},
        }
    )


def _delay(table, rng):
    """How long after a payment the bank's tables have it."""
    n = len(table)
    typical = np.where(table["channel_name"] == "app", 20.0, 8 * 3600.0)  # seconds
    sent = pd.Series(pd.to_timedelta(np.round(typical * rng.lognormal(0, 1.0, n)), "s"), index=table.index)
    wall = local(table["asked"], table["home_zone"])
    night = wall.dt.normalize() + pd.Timedelta("26h") + pd.to_timedelta(rng.uniform(0, 7_200, n).round(), "s")
    days = np.where(rng.random(n) < OFFLINE, rng.integers(1, 4, n), 0)
    handed_in = night - wall + pd.to_timedelta(days, "D")
    return handed_in.where(table["channel_name"] == "till", sent)


def _report(table, rng):
    """How long after a payment somebody reports it as fraud; null where nobody does."""
    n = len(table)
    said = rng.random(n) < np.where(table["stolen"], REPORTED, WRONGLY)
    return pd.Series(pd.to_timedelta(np.round(rng.exponential(9 * 86_400, n)), "s"), index=table.index).where(said)


def _reports(payments):
    """Each report of fraud, known when it is made."""
    names = {"reported": "known", "asked": "happened", "category_name": "category_name", "paid": "paid", "one": "one"}
    return payments.dropna(subset=["reported"])[list(names)].rename(columns=names).reset_index(drop=True)


def _utc(wall: pd.Series, zones: np.ndarray) -> pd.Series:
    """Wall clocks as moments; an hour that a change of clocks leaves out is the next, one that is there twice the first."""
    out = np.full(len(wall), np.datetime64("NaT", "ns"))
    for name, rows in pd.Series(np.arange(len(wall))).groupby(zones):
        there = wall.iloc[rows].dt.tz_localize(name, nonexistent="shift_forward", ambiguous=np.ones(len(rows), bool))
        out[rows] = there.dt.tz_convert("UTC").dt.tz_localize(None)
    return pd.Series(out).dt.tz_localize("UTC")
