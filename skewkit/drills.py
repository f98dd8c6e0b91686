"""A skew planted on purpose at several severities, and what each step of the path made of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from .costs import DRAWS
from .engines import Pairs, same
from .injection import inject
from .load import compare
from .pipeline import examine
from .policy import Policy, read_policy
from .records import Case, Skew, SkewkitError, Verdict
from .results import Cell, Drill, Result
from .scenarios import Scenario, scenario
from .scope import Scope
from .skews import read

SEVERITIES = (0.0, 0.1, 0.25, 0.5, 1.0)


def drill(
    world: str | Scenario,
    skew: Skew | str | dict | Iterable[Skew | str | dict],
    severities: Sequence[float] = SEVERITIES,
    scope: Scope | dict = Scope(),
    seed: int = 0,
    policy: Policy | None = None,
    sample: int = 0,
    draws: int = DRAWS,
    told=lambda cell: None,
) -> Drill:
    """Each skew planted in the served table of a scenario at each severity, and examined.

    A severity is the share, in [0, 1], of the requests in ``scope``. What the checks say of the unskewed table is
    measured first, for only a worse verdict counts as noticed. ``told`` is called with each `Cell` as it is done;
    ``sample`` keeps about that many requests.
    """
    world = scenario(world) if isinstance(world, str) else world
    policy = policy or read_policy()
    scope = Scope.read(scope)
    skews = [read(one) for one in ([skew] if isinstance(skew, (Skew, str, dict)) else skew)]
    if not skews or not len(severities):
        raise SkewkitError(
            f"a drill of {len(skews)} skews at {len(severities)} severities was asked; give one of each at least"
        )
    scopes = [replace(scope, share=s) for s in severities]  # refused before anything is computed
    scopes.sort(key=lambda s: s.share)
    clean = clean_case(world, sample)
    steady = examine(clean, policy, seed, draws)
    unskewed = clean.replayed.frame()
    cells = []
    for one in skews:
        for scope in scopes:
            planted = planted_case(clean, unskewed, one, scope, world, seed)
            rows = differing(unskewed, planted.served.source)
            result = examine(planted, policy, seed, draws)
            cells.append(_cell(one, scope, rows, result, steady))
            told(cells[-1])
    return Drill(cells)


def clean_case(world: Scenario, sample: int = 0) -> Case:
    """A scenario's tables with nothing wrong: served is what the training code computes."""
    training, replayed = world.tables
    world.score(replayed.head(1))  # a model that cannot score is an error here, and no quiet lack of costs
    roles = {f: getattr(world.roles, f) for f in world.roles.__dataclass_fields__}
    return compare(training, replayed, replayed, model=world.score, task=world.task, sample=sample, **roles)


def planted_case(clean: Case, unskewed: pd.DataFrame, skew: Skew, scope: Scope, world: Scenario, seed: int = 0) -> Case:
    """The clean case with a skew in what was served; what is known of the other tables is kept."""
    frame = inject(unskewed, skew, scope, world.roles, world, seed)
    served = replace(clean.served, source=frame, keep=None, memo={})
    return replace(clean, served=served, pairs=Pairs(clean.replayed, served))


def differing(before, after) -> int:
    """How many rows differ in any column, row against row: all where a column is gone or new."""
    if set(before) != set(after):
        return len(before)
    return int(np.any([~same(before[c], after[c]) for c in before], axis=0).sum())


def _cell(skew, scope, rows, result: Result, steady: Result):
    was, now = steady.findings.by_check(), result.findings.by_check()
    noticed = tuple(c for c, verdict in now.items() if verdict > was[c])
    already = tuple(c for c, verdict in was.items() if verdict > Verdict.ok)
    plant = f"{skew.stem}@{scope.share:g}"
    return Cell(plant, skew.to_dict(), scope.to_dict(), scope.share, rows, result, noticed, already)
