"""What a runbook does at its end, done: the case as it is afterwards, so that a drill can show the damage gone."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ..injection import Skews, undo
from ..pipeline import check
from ..policy import Policy
from ..records import Case, NotApplicable, SkewkitError
from ..scenarios import Scenario, scored
from ..scope import Scope, with_columns
from ..tables.engines import Local
from ..tables.pairs import Pairs
from .noticing import noticed, only

HOWS = {
    "recompute": "the service computes by training's definitions again",
    "undo": "what was served is turned back",
    "last_good": "the newest version of the table that the checks pass is read",
    "retrain": "the next model learns from training and the logged requests together",
    "retrain on the log": "the next model learns from the logged requests alone",
}
HOWS |= {f"{h}, then recompute": f"{HOWS[h]}; then the service computes right again" for h in HOWS if "retrain" in h}


def mitigated(
    how: str,
    clean: Case,
    planted: Case,
    skew: Skews,
    scope: Scope,
    world: Scenario | None,
    policy: Policy,
    seed: int = 0,
) -> tuple[Case, Case]:
    """A planted case before and after what ``how`` says, over the same requests.

    After retraining these are the later half of the labelled ones, for the new model has learnt from the earlier half; the
    scores are then those of the old model on what the requests should have held, and of each model on what they did hold.
    Raises NotApplicable where this drill has nothing to do it with.
    """
    known(how)
    if how.startswith("retrain"):
        return _retrained(clean, planted, world, alone="on the log" in how, fixed="recompute" in how)
    if how == "undo":
        frame = undo(planted.served.frame(), skew, scope, clean.roles, seed)
    elif how == "last_good":
        frame = _last_good(clean, planted, policy)
    elif world is None:
        raise NotApplicable("recompute needs a pipeline: give a scenario, or mitigate by undo or last_good")
    elif scope.side == "training":
        return planted, clean  # the right training table, the model learnt from it, and what was served all along
    else:
        frame = planted.served.frame().reindex(columns=clean.replayed.columns)
        frame = with_columns(frame, world(frame).to_dict("series"))
    return planted, served_as(clean, frame)


def known(how: str) -> None:
    """Refuse a mitigation that there is not."""
    if how not in HOWS:
        raise SkewkitError(f"mitigation {how!r} was asked; there are {'; '.join(HOWS)}")


def served_as(clean: Case, frame: pd.DataFrame) -> Case:
    """The clean case, had the service held ``frame``."""
    served = Local(frame, clean.roles, "served")
    return replace(clean, served=served, pairs=Pairs(clean.replayed, served))


def _last_good(clean, planted, policy):
    """Versions of the served table on disk, the newest first, until the checks say of one what they say of a clean log."""
    steady = check(clean, policy).by_check()
    with tempfile.TemporaryDirectory() as folder:
        for version, table in enumerate((clean.replayed, planted.served)):
            table.frame().to_parquet(Path(folder) / f"v{version}-{table.sha256()[:12]}.parquet")
        for path in sorted(Path(folder).iterdir(), reverse=True):
            frame = pd.read_parquet(path)
            found = check(served_as(clean, frame), policy).by_check()
            if not noticed(found, steady):
                return frame
    raise NotApplicable("no version of the table passes the checks; recompute it")


def _retrained(clean, planted, world, alone, fixed):
    """The earlier half of the labelled requests, joined to training or alone, and what a model of them makes of the rest."""
    if world is None:
        raise NotApplicable("retraining needs a scenario, which says how its model is fitted")
    roles, features = clean.roles, list(clean.roles.features)
    log = planted.served.frame()
    if lost := [f for f in features if f not in log]:
        raise NotApplicable(
            f"the log has no {', '.join(lost)} to learn from; recompute it, or read the last good version"
        )
    labelled = log[roles.label].notna()
    middle = log.loc[labelled, roles.time].quantile(0.5)
    earlier, later = labelled & (log[roles.time] < middle), (labelled & (log[roles.time] >= middle)).to_numpy()
    training = world.tables[0]
    wanted = [c for c in training if c in log]
    joined = pd.concat([training[wanted][: 0 if alone else None], log.loc[earlier, wanted]], ignore_index=True)
    since = log.loc[earlier, roles.time].quantile(0.8)
    joined, model = world.refit(joined, since)
    right = clean.replayed.frame()
    old = world.score(right)
    now = (right if fixed else log)[features]

    def case(served, scores, training):
        frame = with_columns(served, {roles.prediction: scores})
        before = Local(with_columns(right, {roles.prediction: old}), roles, "replayed")
        after = Local(frame, roles, "served")
        whole = replace(clean, training=training, replayed=before, served=after, pairs=None, model=None)
        return only(whole, later)

    return (
        case(log, world.score(log), clean.training),
        case(right if fixed else log, scored(model, now), Local(joined, roles, "training")),
    )
