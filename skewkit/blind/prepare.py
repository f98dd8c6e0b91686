"""A blind drill, begun: the steady state checked, a skew (or nothing) planted in copies, the truth and the hours sealed."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .. import __version__
from ..drills.drills import World, clean_case, planted_case
from ..pipeline import check
from ..policy import Policy
from ..policy_file import read_policy
from ..records import Case, SkewkitError
from ..scenarios import Scenario, scenario
from ..scope import Scope
from ..tables.engines import Local
from ..tables.pairs import Pairs
from .choice import DIFFICULTIES, changed, chosen, drawn, stream
from .journal import Journal, utc
from .kit import aside, lay_open, lay_sealed
from .roster import quarter_of
from .seal import digest, new_lock, spelled, with_nonce
from .team import Blind

STEPS = ("1h", "2h", "3h", "6h", "12h", "1D", "7D")  # of the log, that an hour of the drill may bring
PER_HOUR = 2_000  # requests that an hour should bring: with fewer, parity cannot say that no row differs
HISTORY = 18  # steps of the clean log that are there before the first hour


def start(
    folder: str | Path,
    world: World = "payments",
    *,
    passphrase: str,
    difficulty: str = "medium",
    skew: Any = None,
    scope: Scope | Mapping[str, Any] = Scope(),
    placebo: bool | None = None,
    chance: float = 0.25,
    seed: int | None = None,
    hours: int = 6,
    step: str = "",
    quarter: str = "",
    roles: Mapping[str, str] | None = None,
    policy: Policy | None = None,
    now: Callable[[], datetime] = utc,
) -> Blind:
    """Begin a blind drill in a new ``folder``, whose name is the drill's; gives what the team has of it.

    The ``world`` is a scenario, or a case of your own tables (`skewkit.own`), whose served requests are taken to be clean.
    Planted is what ``skew`` says (see `skewkit.drill`), or what ``seed`` draws by ``difficulty``: easy, medium or hard. With
    ``placebo`` nothing is; where it is None that is drawn too, by ``chance``. An hour of the drill brings ``step`` of the log,
    one that holds about two thousand requests where it is not given, if the log is long enough. ``roles`` says who does what; ``quarter`` is like 2026-Q4.
    Raises SkewkitError where the steady state is a breach: a drill in a burning house teaches nothing.
    """
    folder = Path(folder)
    if folder.exists():
        raise SkewkitError(
            f"{folder} is there already; name a new folder, or go on with that drill: skewkit blind status"
        )
    if not re.fullmatch(r"[\w.-]+", folder.name):
        raise SkewkitError(
            f"a drill is named by its folder, and {folder.name!r} has more than letters, digits, - and ."
        )
    if difficulty not in DIFFICULTIES:
        raise SkewkitError(f"difficulty {difficulty!r} was asked; there are {', '.join(DIFFICULTIES)}")
    if placebo and skew:
        raise SkewkitError("both a skew and a placebo were asked; give one of them")
    if hours < 2:
        raise SkewkitError(f"hours={hours} was asked; a drill has 2 at least")
    lock, policy = new_lock(passphrase), policy or read_policy()
    world = scenario(world) if isinstance(world, str) else world
    replay = world if isinstance(world, Scenario) else None
    seed = secrets.randbits(64) if seed is None else seed
    clean = clean_case(world)
    log = _window(clean, hours, step, seed)
    steady = _steady(clean_of(clean, log.between(-HISTORY, 0)) if replay else world, policy)
    onsets = [log.edge(k) for k in range(max(1, hours // 2))]
    drill = clean_of(clean, log.between(0, hours))
    if placebo is None and skew is None:
        placebo = bool(stream(seed, "placebo").random() < chance)
    if placebo:
        plant = None
    elif skew is not None:
        plant = chosen(skew, Scope.read(scope), onsets[stream(seed, "onset").integers(len(onsets))])
    else:
        plant = drawn(DIFFICULTIES[difficulty], seed, drill, replay, onsets)
    served = (
        planted_case(drill, drill.replayed.frame(), plant.skews, plant.scope, replay, _small(seed)) if plant else drill
    )
    truth = spelled(with_nonce(_truth(folder.name, plant, drill, served, log, seed, difficulty, chance)))
    told = {
        "drill": folder.name,
        "quarter": quarter or quarter_of(now()),
        "hash": digest(truth),
        "world": world.name if replay else "own tables",
        "hours": hours,
        "step": log.step,
        "begins": log.edge(0).isoformat(),
        "task": clean.task,
        "roles": {n: v for n in clean.roles.__dataclass_fields__ if (v := getattr(clean.roles, n)) and n != "label"},
        "people": dict(roles or {}),
        "skewkit": __version__,
    }
    told["roles"] |= {n: list(told["roles"].get(n, ())) for n in ("segments", "features")}
    if replay or getattr(clean.model, "uri", None):
        told |= {"trusted": list(replay.trusted)} if replay else {"model": clean.model.uri}
    logged, replayed, label = _logged(served, clean), drill.replayed.frame(), [clean.roles.label]
    hours_of = [log.within(replayed, hour, hour + 1).to_numpy() for hour in range(hours)]
    sides = [[t[rows].drop(columns=label, errors="ignore") for t in (logged, replayed)] for rows in hours_of]
    model = replay.model_path if replay else None
    with aside(folder) as at:
        lay_open(
            at,
            folder,
            told,
            clean.training.frame(),
            log.between(-HISTORY, 0).drop(columns=label, errors="ignore"),
            model,
        )
        lay_sealed(at, folder.name, sides, truth, lock)
        Journal(at / "journal.jsonl", now).append("start", hash=told["hash"], hours=hours, step=log.step, steady=steady)
    return Blind(folder, now)


class Log:
    """A clean log cut into the steps of a drill: ``edge(0)`` is when its first hour begins."""

    def __init__(self, frame: pd.DataFrame, time: str, step: str, begins: pd.Timestamp):
        self.frame, self.time, self.step, self.begins = frame, time, step, begins

    def edge(self, hour: int) -> pd.Timestamp:
        return self.begins + hour * pd.Timedelta(self.step)

    def within(self, frame: pd.DataFrame, first: int, last: int) -> pd.Series:
        """Which rows of a frame are of some hours, the last left out; negative hours are of the history."""
        return frame[self.time].between(self.edge(first), self.edge(last), inclusive="left")

    def between(self, first: int, last: int) -> pd.DataFrame:
        """The log's rows of some hours."""
        return self.frame[self.within(self.frame, first, last)].reset_index(drop=True)


def _window(clean: Case, hours: int, step: str, seed: Any) -> Log:
    """The part of the clean log that the drill plays, from a step that the seed draws."""
    roles = clean.roles
    if not roles.time or not roles.key:
        raise SkewkitError("a drill's log comes by its time, row by row; give time= and key= of your tables")
    frame = clean.replayed.frame().sort_values(roles.time, kind="stable", ignore_index=True)
    first, last = frame[roles.time].iloc[0], frame[roles.time].iloc[-1]
    if getattr(first, "tzinfo", None) is None:
        raise SkewkitError(f"{roles.time!r} has no zone; declare it with time_zone=")
    rate = len(frame) / max((last - first) / pd.Timedelta("1h"), 1)
    fits = [s for s in STEPS if (HISTORY + hours + 1) * pd.Timedelta(s) <= last - first] or STEPS[:1]
    step = step or next((s for s in fits if rate * (pd.Timedelta(s) / pd.Timedelta("1h")) >= PER_HOUR), fits[-1])
    long = pd.Timedelta(step)
    begin = first.ceil(long if long <= pd.Timedelta("1D") else "1D")
    room = int((last - begin) / long) - HISTORY - hours
    if room < 0:
        raise SkewkitError(
            f"the log spans {last - first}, and {hours} hours of {step} with {HISTORY} of history take "
            f"{(hours + HISTORY) * long}; ask for fewer hours, or a shorter --step"
        )
    begins = begin + (HISTORY + int(stream(seed, "window").integers(room + 1))) * long
    return Log(frame, roles.time, step, begins)


def _steady(case: Case, policy: Policy) -> dict[str, str]:
    """What the checks say before anything is planted, of your own tables as they are; a breach ends the drill before it begins."""
    found = check(case, policy)
    if found.verdict == "breach":
        worst = found.of("breach")[0]
        raise SkewkitError(
            f"the steady state is a breach already: {worst.check} {worst.statistic} of {worst.feature or 'the table'} "
            f"({worst.change}). Mend it first, or accept it in the policy"
        )
    return {name: str(verdict) for name, verdict in found.by_check().items()}


def clean_of(clean: Case, frame: pd.DataFrame) -> Case:
    """The clean case over these requests."""
    tables = {n: Local(frame, clean.roles, n) for n in ("replayed", "served")}
    return replace(clean, **tables, pairs=Pairs(*tables.values()))


def _small(seed):
    return int(stream(seed, "rows").integers(1 << 31))


def _truth(drill, plant, before, served, log, seed, difficulty, chance):
    """What was planted, and what of it can be found, as JSON."""
    told: dict[str, Any] = {"drill": drill, "seed": seed, "difficulty": difficulty, "chance": chance, "rows": 0}
    told |= {"skews": [], "families": [], "features": [], "hour": None, "since": None, "scope": None}
    if plant is None:
        return told
    rows = changed(before, served)
    hit = rows.any(axis=1).to_numpy()
    if not hit.any():
        raise SkewkitError(
            f"{' and '.join(map(str, plant.skews))} changes nothing in the drill's requests; name another skew"
        )
    since = before.replayed.frame()[log.time][hit].min()
    return told | {
        "rows": int(hit.sum()),
        "skews": [s.to_dict() for s in plant.skews],
        "families": sorted({s.family for s in plant.skews}),
        "features": [f for f in rows if rows[f].any()],
        "hour": int((since - log.begins) / pd.Timedelta(log.step)) + 1,
        "since": since.isoformat(),
        "scope": plant.scope.to_dict(),
    }


def _logged(served: Case, clean: Case) -> pd.DataFrame:
    """What the service would have logged: the model's score is of what it was served, and labels have not come yet."""
    frame, score = served.served.frame(), clean.model
    if score is not None and clean.roles.prediction:
        try:
            frame = frame.assign(**{clean.roles.prediction: np.asarray(score(frame))})
        except Exception:  # a model that cannot read the row answers nothing, and the service goes on
            frame = frame.assign(**{clean.roles.prediction: np.nan})
    kinds = served.served.kinds()
    return frame.assign(**{c: frame[c].map(str, na_action="ignore") for c in frame if kinds.get(c) == "other"})
