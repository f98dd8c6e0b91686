"""Whether a candidate may take over: what was compared, judged, and said as promote, hold or roll back."""

from __future__ import annotations

from bisect import bisect_left as bisect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..checks.distribution import distribution
from ..checks.schema import schema
from ..checks.shadow import CHANGE, Watched, shadow
from ..costs import CHANGES_ONLY, DRAWS, cost, losses
from ..policy import Policy
from ..policy_file import read_policy
from ..records import Finding, NotRun, Verdict
from ..results import hourly
from ..results.results import Findings, Impact, Result
from ..results.words import several, share, tell
from ..statistics.clusters import heaviest
from ..statistics.metrics import stem
from .rollouts import Rollout

SAYS = {"ok": "promote", "warn": "hold", "inconclusive": "hold", "breach": "roll back"}
DO = {
    "promote": "The candidate may take over.",
    "hold": "Keep the current model, and leave the candidate where it is.",
    "roll back": "Take the candidate out of the traffic now.",
}
DRAWN = ("moved", "flips", "decided", "errors")  # whose hours are kept and drawn
HOUR = np.timedelta64(1, "h")
LOUDEST = 2  # of what rolls back, drawn as well
WIDER = 1.96  # half of a 95 percent interval, in standard deviations


@dataclass(frozen=True, repr=False)
class Decision(Result):
    """All that was found of a rollout. ``hours`` are what was known after each hour, of what is drawn."""

    hours: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    since: str | None = None  # the first hour at whose end something was certainly past what rolls back
    requests: int = 0
    mode: str = "shadow"

    @property
    def verdict(self) -> str:
        """The worst of what is the candidate's own: drift that the current model meets alike decides nothing here."""
        return Findings(f for f in self.findings if f.change != "drift").verdict

    @property
    def decision(self) -> str:
        """One of promote, hold and roll back."""
        return SAYS[self.verdict]

    @property
    def sentence(self) -> str:
        """What to do, and why, for someone woken at night."""
        return f"{self.decision.capitalize()}: {self._why()} {DO[self.decision]}"

    def _why(self):
        if self.decision == "promote":
            return (
                f"in {several(self.requests, 'request')} the candidate did nothing worse than it may.{self._drifts()}"
            )
        own = (f for f in self.findings if f.change != "drift" and not f.accepted and f.verdict is not None)
        own = list(own)
        # what is beyond its limit says more of why to hold than what is not known yet
        loud = "breach" if self.verdict == "breach" else "warn"
        worst = [f for f in own if str(f.verdict) == loud] or [f for f in own if str(f.verdict) == self.verdict]
        if not worst:
            return "nothing could be judged."
        first = min(worst, key=_importance)
        others = dict.fromkeys(f.feature or f.statistic for f in worst if f is not first)
        others.pop(first.feature or first.statistic, None)
        more = f", and {several(len(others), 'more reason')}" if others else ""
        if first.verdict == Verdict.inconclusive:
            return f"too little is known{'' if first.statistic == 'uncompared' else ' yet'}. {tell(first)}{more}."
        limit = f" (held above {_said(first, first.threshold)})" if first.threshold else ""
        since = f" Certain since {self.since}." if self.since else ""
        return f"{tell(first)}{limit}{more}.{since}"

    def _drifts(self):
        drifted = {f.feature for f in self.findings if f.change == "drift" and f.verdict and f.verdict.alarm}
        return (
            f" {several(len(drifted), 'feature')} drifted from its training, for both models alike." if drifted else ""
        )

    def told(self) -> dict[str, Any]:
        """The decision as result.json holds it."""
        return {
            "said": self.decision,
            "sentence": self.sentence,
            "since": self.since,
            "mode": self.mode,
            "hours": list(self.hours),
        }

    def __repr__(self):
        return f"<{len(self.findings)} findings: {self.decision}>"

    def plot(self):
        return hourly.hours(self.hours)

    def _repr_html_(self):
        from html import escape

        return (
            f"<p><strong>{escape(self.sentence)}</strong></p>{self.findings._repr_html_()}{self.impact._repr_html_()}"
        )


def _importance(f):
    """What is said first: what was not compared at all, and then what is about all requests, the loudest first."""
    return f.statistic != "uncompared", f.check != "shadow", f.segment is not None, f.feature is not None, -_times(f)


def _said(f, limit):
    return share(limit) if f.unit.startswith(("share", "of the current's")) else f"{limit:g}"


def _times(f):
    """How many times what is tolerated a finding is at least."""
    return (f.low if f.low is not None else f.value) / (f.threshold or 1e-9)


def decide(rollout: Rollout, policy: Policy | None = None, seed: int = 0, draws: int = DRAWS) -> Decision:
    """Judge a rollout: promote, hold (something is beyond what is tolerated, or too little is known), or roll back.

    Rolled back is what is past ``material`` of the policy by more than chance allows, at the end of any hour; held what is
    past ``tolerated``. Half of the policy's alpha is for all that is compared with the current model, at every hour there will
    ever be; half for the candidate's features against its own training, over the policy's looks.
    """
    policy = policy or read_policy()
    half = replace(policy, alpha=policy.alpha / 2)
    costs, absent = _costs(rollout, policy, seed, draws)
    watched = list(shadow(rollout, policy, _labelled(rollout, costs)))
    watched += _losses(costs, policy, half.level(rollout.case))
    watched += _arms(rollout, half)
    judged = [(w, policy.judge(w.finding)) for w in watched]
    alarmed = {f.feature for _, f in judged if f.verdict and f.verdict.alarm}
    alike = {f for f in rollout.case.roles.features if rollout.columns(f) is not None} - alarmed
    judged += [(w, policy.judge(w.finding)) for w in _trained(rollout, half, alike)]
    index, _ = rollout.hours
    certain = [at for w, f in judged if (at := _first(w, f, policy, index)) is not None]
    hours = [_hours(w, f, policy, index) for w, f in _drawn(judged)]
    return Decision(
        Findings(f for _, f in judged),
        costs,
        (*policy.over(), *absent, *_absent(rollout, {w.finding.statistic for w in watched})),
        rollout.case,
        promise=_promise(rollout, policy),
        hours=tuple(hours),
        since=f"{min(certain):%Y-%m-%d %H:%M} UTC" if certain else None,
        requests=rollout.case.pairs.n if rollout.paired else len(rollout.case.served),
        mode=rollout.mode,
    )


def _arms(rollout, policy):
    """A canary's features against the current's: by the hash that parts them, both are draws from the same requests."""
    if not rollout.paired:
        case = replace(rollout.case, training=rollout.case.replayed, replayed=None, pairs=None)
        for f in distribution(case, policy):
            yield Watched(replace(f, change=CHANGE), least=_again(case, rollout, policy, f))


def _trained(rollout, policy, alike):
    """The candidate's features against its own training. What the current model receives alike is no fault of the candidate."""
    if not rollout.trained:
        return
    case = replace(rollout.case, replayed=None, pairs=None)
    yield from map(Watched, schema(case, policy))
    for f in distribution(case, policy):
        drift = f.feature in alike
        yield Watched(replace(f, change="drift") if drift else f, least=_again(case, rollout, policy, f))


def _again(case, rollout, policy, f):
    """The lower bound of what was found of a feature's spread, after so many hours."""
    index, roles = rollout.hours[0], replace(case.roles, features=(f.feature,))
    shared = replace(
        policy, groups=policy.groups * len(case.roles.features)
    )  # at no larger level than it was found with

    def least(hours):
        until = index[hours - 1] + HOUR
        served = case.served.between(None, until)
        whole = case.training is rollout.case.training  # what the candidate learned from has no hours
        before = case.training if whole else case.training.between(None, until)
        if not len(served) or not len(before):
            return -np.inf
        cut = replace(case, roles=roles, training=before, served=served)
        return next(
            (x.low for x in distribution(cut, shared) if x.statistic == f.statistic and x.low is not None), -np.inf
        )

    return least


def _costs(rollout, policy, seed, draws):
    """The model's metrics, current and candidate, on the same requests."""
    if not rollout.paired:
        return Impact(), [
            NotRun("impact", "a canary's requests are not the current model's", "a shadow, where both answer each")
        ]
    costs, absent = cost(rollout.case, policy, seed, draws)
    return Impact([replace(c, change=CHANGE) for c in costs if c.change == "skew"]), list(absent)


def _labelled(rollout, costs):
    """How many requests had a label: of both models' for the metrics, of a canary's in either log."""
    if rollout.paired:
        return max((c.n for c in costs if stem(c.metric) not in CHANGES_ONLY and c.segment is None), default=0)
    sides = rollout.columns(rollout.case.roles.label)
    return min(int(s.notna().sum()) for s in sides) if sides else 0


def _losses(costs, policy, level):
    """How much worse calibrated the candidate is, and what else it loses beyond what is tolerated.

    The bounds are as the bootstrap's spread taken for normal has them at the level: an hour's look costs no more than another.
    """
    from scipy.stats import norm

    wide = float(norm.isf(level / 2)) / WIDER
    found = costs.get("calibration_error", CHANGE)
    if found is not None and None not in (found.delta, found.low):
        half = (found.high - found.low) / 2 * wide
        about = ("shadow", CHANGE, None, "calibration", found.delta, "of a probability", found.n)
        yield Watched(Finding(*about, found.delta - half, found.delta + half))
    for f in losses(costs):
        half = (f.high - f.low) / 2 * wide
        f = replace(f, low=f.value - half, high=f.value + half)
        if (judged := policy.judge(f)).verdict and judged.verdict.alarm:
            yield Watched(f)


def _first(watched, finding, policy, index):
    """The end of the first hour after which a finding was certainly past what rolls back; None where it never was."""
    if finding.verdict != Verdict.breach or finding.accepted:
        return None
    most = policy.limit(finding)["material"]
    if len(watched.low):
        hour = int(np.argmax(watched.low > most))
    elif watched.least:
        hour = bisect(range(1, len(index)), True, key=lambda hours: watched.least(hours) > most)
    else:
        return None
    return index[hour] + HOUR


def _drawn(judged):
    """What is drawn hour by hour: the loudest of what rolls back, and the predictions, decisions and errors of all requests."""
    series = [(w, f) for w, f in judged if len(w.low)]
    loud = sorted((one for one in series if one[1].verdict == Verdict.breach), key=lambda one: -_times(one[1]))[
        :LOUDEST
    ]
    return loud + [
        one for one in series if one not in loud and stem(one[1].statistic) in DRAWN and one[1].segment is None
    ]


def _hours(watched, finding, policy, index):
    """What was known of one statistic after each hour."""
    limit = policy.limit(finding) or {}
    return {
        **{n: getattr(finding, n) for n in ("statistic", "feature", "segment")},
        "unit": finding.unit,
        "tolerated": limit.get("tolerated"),
        "material": m if (m := limit.get("material")) is not None and m < 1 else None,  # no share is above 1
        "at": [(h + HOUR).isoformat() for h in index],
        **{n: [float(v) for v in getattr(watched, n)] for n in ("value", "low", "high")},
    }


def _promise(rollout, policy):
    sentence = (
        f"While the candidate does nothing beyond what is tolerated, the chance that any of {rollout.tests()} statistics ever "
        f"alarms, looked at after every hour for as long as one likes, is at most {50 * policy.alpha:g}%, if what follows does not "
        f"depend on what came before; and as much again for metrics on labels and features against training, over {policy.looks:,} looks. "
        f"{_counted(rollout)}"
    )
    numbers = {"alpha": policy.alpha, "looks": policy.looks, "features": len(rollout.case.roles.features)}
    return {**numbers, "tests": rollout.tests(), "level": rollout.level(policy), "sentence": sentence}


def _counted(rollout):
    """As how many draws requests count, and by how much those of one entity can make that too many."""
    said = "Each request counts as one draw."
    if (found := rollout.case.served.entities()) is None:
        return said
    times = heaviest(found[1])
    if times <= 1:
        return said
    whose = f"A request's {rollout.case.roles.entity} has {times:.1f} of them on average"
    return f"{said} {whose}: where these are alike, the bounds compared with the current model are too narrow, up to {times**0.5:.1f} times."


def _absent(rollout, measured):
    """What was not compared, and what to give."""
    roles = rollout.case.roles
    if not rollout.trained:
        yield NotRun("training", "what the candidate receives was not compared with its own training", "training")
    if rollout.latency is None:
        yield NotRun("latency", "nothing says how long either model took", "latency, a column of both logs")
    if rollout.error is None:
        yield NotRun(
            "errors", "only a request without a prediction counted as an error", "error, a column of both logs"
        )
    if "mean_change" not in measured:
        yield NotRun("mean_change", "only the mean of predictions in [0, 1] has bounds", "predictions as probabilities")
    if not rollout.paired:
        yield NotRun("moved", "a canary's requests were answered by one model each", "a shadow, where both answer each")
    if not rollout.paired and rollout.share is None:
        yield NotRun("sample_ratio", "what share of the traffic was meant for the candidate is not known", "share")
    if lost := [f for f in roles.features if rollout.columns(f) is None]:
        yield NotRun(
            "features", f"one log has no {', '.join(lost[:5])}", "the features that each model received, in both logs"
        )
