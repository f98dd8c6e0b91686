"""A skew planted on purpose at several severities, and what each step of the path made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from ..costs import DRAWS
from ..injection import Skews, allowed, everywhere, onto, together
from ..load.case import compare
from ..pipeline import examine
from ..policy import Policy
from ..policy_file import read_policy
from ..records import Case, Skew, SkewkitError
from ..results.incidents import refused
from ..results.results import Cell, Drill, Result
from ..scenarios import Scenario, scenario, scored, takes
from ..scope import Scope, with_columns
from ..skews import read
from ..tables.engines import Local
from ..tables.equality import same
from ..tables.pairs import Pairs
from .mitigation import known, mitigated
from .noticing import Watch, noticed

SEVERITIES = (0.0, 0.1, 0.25, 0.5, 1.0)

World = str | Scenario | Case


def drill(
    world: World,
    skew: Skew | str | dict | Iterable,
    severities: Sequence[float] = SEVERITIES,
    scope: Scope | dict = Scope(),
    seed: int = 0,
    policy: Policy | None = None,
    sample: int = 0,
    draws: int = DRAWS,
    told=lambda cell: None,
    seeds: Sequence[int] = (),
    simulated: Mapping[str, Any] | None = None,
    mitigations: Sequence[str] = (),
    segments: Sequence[str] = (),
    incident: Mapping[str, Any] | None = None,
    diagnosed: bool = True,
) -> Drill:
    """Each skew planted in the served table of a world at each severity, and examined.

    The world is a scenario, by name or as such, or a case of your own tables (`skewkit.compare`) whose served requests
    are taken to be clean. ``skew`` is one skew or several, drilled one after the other; a list among them is planted
    together, and an empty one plants nothing. One that is written as a mapping may have a ``scope`` of its own, which goes
    over the drill's: {skew: leakage, horizon: 1h, scope: {side: training}}. A severity is the share, in [0, 1], of the
    requests in ``scope``; skews of a whole table take 0 and 1 alone, and pass over the rest. What the checks say of the unskewed table is measured first,
    for only a louder alarm counts as noticed. ``told`` is called with each `Cell` as it is done; ``sample`` keeps about
    that many requests.

    With ``seeds`` all of it is done once a seed, which also seeds a simulated world; ``simulated`` holds that world's other
    parameters. Each of the ``mitigations`` (see `skewkit.drills.mitigation`) is done to the worst of each skew, as one cell more.
    ``segments`` are the columns within which costs are measured, if not the world's own.
    ``incident`` says what was reported and where to look for it; see `Drill.incident`. Each planting's cause is looked for,
    if not ``diagnosed`` is False, which is faster.
    """
    policy = policy or read_policy()
    scope = Scope.read(scope)
    plants = [Plant.read(one, scope) for one in ([skew] if isinstance(skew, (Skew, str, dict)) else skew)]
    if not plants or not len(severities):
        raise SkewkitError(
            f"a drill of {len(plants)} skews at {len(severities)} severities was asked; give one of each at least"
        )
    scopes = [plant.scopes(severities) for plant in plants]  # refused before any work, as all that follows
    for how in mitigations:
        known(how)
    if incident:
        refused(**incident)
    if isinstance(world, Case) and (sample or segments or simulated):
        raise SkewkitError("sample, segments or a simulated world was asked of your own tables; give them in tables")
    cells = []
    for number in list(seeds) or [seed]:
        ground = Ground(_world(world, number, simulated), policy, sample, number, draws, tuple(segments), diagnosed)
        for plant, there in zip(plants, scopes, strict=True):
            name = plant.named(plants) + (f" #{number}" if len(seeds) > 1 else "")
            for cell in ground.cells(name, plant.skews, there, mitigations):
                cells.append(cell)
                told(cell)
    return Drill(cells, incident)


def _world(world, seed, simulated):
    if not isinstance(world, str):
        return world
    given = dict(simulated or {})
    return scenario(world, **({"seed": seed} if "seed" in takes(world) else {}), **given)


@dataclass(frozen=True)
class Plant:
    """Skews that are planted together, and for whom; ``own`` says in words what of the scope is theirs alone."""

    skews: tuple[Skew, ...]
    scope: Scope
    own: str = ""

    @classmethod
    def read(cls, asked: Any, scope: Scope) -> Plant:
        """A skew, or a list of them; one alone may have a ``scope``, which goes over the drill's."""
        if isinstance(asked, (list, tuple)):
            if any(isinstance(one, Mapping) and "scope" in one for one in asked):
                raise SkewkitError(f"skews planted together have one scope, the drill's; take scope out of {asked!r}")
            return cls(tuple(map(read, asked)), scope)
        if not isinstance(asked, Mapping) or "scope" not in asked:
            return cls((read(asked),), scope)
        mine = Scope.read(asked["scope"])
        over = {name: getattr(mine, name) for name in asked["scope"]}
        skew = read({k: v for k, v in asked.items() if k != "scope"})
        return cls((skew,), replace(scope, **over), f" ({mine})" if over else "")

    def scopes(self, severities: Sequence[float]) -> list[Scope]:
        return sorted((replace(self.scope, share=s) for s in severities), key=lambda s: s.share)

    @property
    def stems(self) -> tuple[str, ...]:
        return tuple(s.stem for s in self.skews)

    def named(self, plants: Sequence[Plant]) -> str:
        """Its skews by stem, with what tells them from those of other plants, and for whom."""
        alike = [p for p in plants if p is not self and (p.stems, p.own) == (self.stems, self.own)]
        told = [_told(one, [p.skews[at] for p in alike]) for at, one in enumerate(self.skews)]
        return (" + ".join(told) or "nothing") + self.own


def _told(skew, others):
    """A skew by its stem, with the first parameter that no other of that stem has so; written out where there is none."""
    if all(skew == o for o in others):
        return skew.stem
    given = sorted(fields(skew), key=lambda f: (f.name == "features", getattr(skew, f.name) == f.default))
    for name in (f.name for f in given):
        value = getattr(skew, name)
        if value not in ("", None, ()) and all(getattr(o, name) != value for o in others):
            return f"{skew.stem} {name}={', '.join(map(str, value)) if isinstance(value, tuple) else value}"
    return str(skew)


@dataclass
class Ground:
    """What a drill plants in: a world, its clean case, and what the checks say of that."""

    world: Scenario | Case
    policy: Policy
    sample: int = 0
    seed: int = 0
    draws: int = DRAWS
    segments: tuple[str, ...] = ()
    diagnosed: bool = True

    @property
    def replay(self) -> Scenario | None:
        return self.world if isinstance(self.world, Scenario) else None

    @cached_property
    def clean(self) -> Case:
        return clean_case(self.world, self.sample, self.segments)

    @cached_property
    def unskewed(self) -> pd.DataFrame:
        return self.clean.replayed.frame()

    @cached_property
    def watch(self) -> Watch:
        return Watch(self.clean, self.policy)

    @cached_property
    def steady(self) -> Result:
        return self._examined(self.clean)

    def cells(
        self, name: str, skews: tuple[Skew, ...], scopes: Sequence[Scope], mitigations: Sequence[str] = ()
    ) -> Iterable[Cell]:
        """The skews at each severity that they can have, and what each mitigation makes of the worst."""
        there = [s for s in scopes if s.share in (0, 1) or not any(one.whole for one in skews)]
        if not there:
            allowed(skews, scopes[-1].share)
        whole = None
        for scope in there:
            if scope.share > 0 and whole is None and scope.side == "serving" and skews:
                whole = everywhere(self.unskewed, skews, self.clean.roles, self.replay, self.seed)
            planted = planted_case(self.clean, self.unskewed, skews, scope, self.replay, self.seed, whole)
            yield self._cell(f"{name}@{scope.share:g}", skews, scope, planted, self._examined(planted))
        shown = planted
        for how in mitigations:
            before, after = mitigated(how, self.clean, planted, skews, scope, self.replay, self.policy, self.seed)
            if len(before.served) < len(shown.served):
                yield self._cell(f"{name}@{scope.share:g}, later half", skews, scope, before, self._examined(before))
                shown = before
            yield self._cell(f"{name}@{scope.share:g}, {how}", skews, scope, after, self._examined(after), how)

    def _examined(self, case):
        if case is self.clean and "steady" in vars(self):
            return self.steady
        if not self.diagnosed:
            return examine(case, self.policy, self.seed, self.draws, diagnosed=False)
        with TemporaryDirectory(prefix="skewkit-") as folder:
            return examine(
                case, self.policy, self.seed, self.draws, evidence=through_files(case, Path(folder), self.replay)
            )

    def _cell(self, plant, skews, scope, case, result, mitigation=None):
        seen = noticed(*(_checks(r.findings) for r in (result, self.steady)))
        rows = differing(case.replayed.frame(), case.served.frame())
        fires = self.watch.fires(case) if rows and mitigation is None and len(case.served) == len(self.unskewed) else {}
        regimes = {n: {"fires": fires.get(n, {}), "already": c} for n, c in self.watch.already().items()}
        told = [s.to_dict() for s in skews]
        return Cell(plant, told, scope.to_dict(), scope.share, rows, result, seen, regimes, self.seed, mitigation)


def _checks(findings):
    """What each check says; what the model loses is the damage itself, and needs labels: no check notices it."""
    return {check: verdict for check, verdict in findings.by_check().items() if check != "impact"}


def through_files(case: Case, folder: Path, replay: Any = None) -> Case:
    """The case as a team would have it: its tables written to files and read again, so that nothing else of a plant is left.

    What is no column of a file, such as numbers of which some have become text, is written as text.
    """
    if case.pairs is None:
        return case
    tables = {}
    for name, table in (("replayed", case.pairs.tables[0]), ("served", case.pairs.tables[1])):
        frame, path = table.frame(), folder / f"{name}.parquet"
        frame = with_columns(
            frame, {c: frame[c].map(str, na_action="ignore") for c in frame if table.kinds()[c] == "other"}
        )
        frame.to_parquet(path)
        tables[name] = Local(pd.read_parquet(path), table.roles, name)
    return replace(case, **tables, pairs=Pairs(*tables.values()), replay=replay, past=None)


def clean_case(world: Scenario | Case, sample: int = 0, segments: tuple[str, ...] = ()) -> Case:
    """A world's tables with nothing wrong: served is what the training code computes."""
    if isinstance(world, Case):
        frame = (world.replayed or world.served).frame()
        if world.roles.key is None:
            raise SkewkitError("a drill chooses requests by their key; give key=, the column that names each request")
        if world.model is None and world.roles.prediction in frame:  # what was logged cannot follow a plant
            frame = frame.drop(columns=world.roles.prediction)
        return _clean(world, frame)
    training, replayed = world.tables
    world.score(replayed.head(1))  # a model that cannot score is an error here, and no quiet lack of costs
    roles = {f: getattr(world.roles, f) for f in world.roles.__dataclass_fields__}
    roles["segments"] = segments or world.roles.segments
    case = compare(training, replayed, replayed, model=world.score, task=world.task, sample=sample, **roles)
    return _clean(case, case.replayed.frame())


def _clean(case, frame):
    tables = {n: Local(frame, case.roles, n) for n in ("replayed", "served")}
    return replace(case, **tables, pairs=Pairs(*tables.values()))


def planted_case(
    clean: Case,
    unskewed: pd.DataFrame,
    skew: Skews,
    scope: Scope,
    world: Scenario | None = None,
    seed: int = 0,
    whole: pd.DataFrame | None = None,
) -> Case:
    """The clean case with a skew in what was served, or in training; what is known of the other tables is kept.

    ``whole`` is the skewed table of every request, where it is known already.
    """
    if not together(skew) or not scope.share:
        return clean
    allowed(skew, scope.share)
    if scope.side == "training":
        return _wrongly_trained(clean, unskewed, skew, scope, world, seed)
    if whole is None:
        whole = everywhere(unskewed, skew, clean.roles, world, seed)
    hit = scope.rows(unskewed, clean.roles, seed)
    served = Local(onto(unskewed, whole[hit], hit), clean.roles, "served")
    return replace(clean, served=served, pairs=Pairs(clean.replayed, served))


def _wrongly_trained(clean, unskewed, skew, scope, world, seed):
    """Training and the replay by the skewed code, the model learnt from that; served as it should be."""

    def planted(frame):
        hit = scope.rows(frame, clean.roles, seed)
        return onto(frame, everywhere(frame, skew, clean.roles, world, seed)[hit], hit)

    right = clean.training if world is None else replace(clean.training, source=world.tables[0])
    training, model = planted(right.source if world else right.frame()), clean.model
    if world is not None:
        training, fitted = world.refit(training, world.validation)
        model = partial(scored, fitted)
    wrong = replace(right, source=training, memo={}) if world else Local(training, clean.roles, "training")
    replayed = Local(planted(unskewed), clean.roles, "replayed")
    past = Pairs(clean.training, wrong)
    pairs = Pairs(replayed, clean.served)
    return replace(clean, training=wrong, replayed=replayed, model=model, pairs=pairs, past=past)


def differing(before, after) -> int:
    """How many rows differ in any column, row against row: all where a column is gone, new or in another place."""
    if list(before) != list(after):
        return len(before)
    return int(np.any([~same(before[c], after[c]) for c in before], axis=0).sum())
