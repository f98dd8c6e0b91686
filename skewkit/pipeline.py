"""The path, once: what a drill and a check both run on a Case."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from .checks import ABSENT, CHECKS, distribution, parity, schema
from .checks.wobble import wobble
from .costs import DRAWS, cost, losses
from .diagnosis.diagnosis import diagnose
from .diagnosis.leaky_training import with_past
from .diagnosis.split import split
from .load import baseline_file
from .policy import Policy
from .policy_file import read_policy
from .records import Case, Finding, NotRun, SkewkitError
from .results.causes import Diagnosis
from .results.results import Findings, Impact, Result
from .statistics.metrics import headline
from .tables import segments

Check = Callable[[Case, Policy], Iterable]
STEPS = ("load", "inject", "check", "impact", "diagnose", "report")

# Checks that ask a table questions; the others look at its rows.
EVERY_ROW = (schema, distribution, parity)


NOT_ASKED = NotRun("diagnose", "no cause was looked for, as was asked", "diagnosed: true")


def check(case: Case, policy: Policy | None = None, checks: tuple[Check, ...] = CHECKS) -> Findings:
    """Every check on a case (or some of `checks.CHECKS`), each finding judged by the policy (the default one when not given).

    Within each value of its segments as well, where the policy asks for that.
    """
    policy = policy or read_policy()
    return _check(_parts(with_past(case), policy), policy, checks)


def _check(parts, policy, checks):
    policy = replace(policy, groups=len(parts))
    return Findings(
        _judged(f if segment is None else replace(f, segment=segment), part, policy)
        for segment, part in parts.items()
        for found in _measured(part, policy, checks)
        for f in found
    )


def _measured(case, policy, checks):
    """What each check finds, in their order. `distribution` goes first: it reads every column, and others ask what it saw."""
    found = {}
    for one in sorted(checks, key=lambda one: one is not distribution):
        found[one] = list(one(case if one in EVERY_ROW else case.at_hand, policy))
    return [found[one] for one in checks]


def _parts(case, policy):
    """The whole case, and where the policy asks for it each segment's."""
    return {None: case, **(segments.within(case) if policy.by_segment else {})}


def _sampled(case):
    """What of a case was not looked at row by row, for its rows stay in an engine."""
    tables = [t for t in case.tables.values() if "engine" in t.told and len(t.at_hand) < len(t)]
    if tables:
        rows = ", ".join(f"{len(t.at_hand):,} of the {len(t):,} rows of {t.name}" for t in tables)
        yield NotRun(
            "every row",
            f"what looks at rows (contract, lineage, freshness, leakage, impact, segments) took a sample: {rows}",
            "the tables as files, for all rows",
        )


def _judged(finding, case, policy):
    """The finding judged; one beyond what is tolerated once more, by what training's own partitions wobble by."""
    judged = policy.judge(finding)
    learns = policy.partitions and finding.check == "distribution" and finding.change in ("drift", "total")
    if not learns or not judged.verdict or not judged.verdict.alarm:
        return judged
    return policy.judge(replace(finding, wobble=wobble(case.training, finding, policy.partitions)))


def impact(case: Case, policy: Policy | None = None, seed: int = 0, draws: int = DRAWS) -> Impact:
    """What the skew of a case costs its model; see `skewkit.costs`."""
    costs, absent = cost(case.at_hand, policy or read_policy(), seed, draws)
    return Impact(costs, absent)


def lost(costs: Impact, policy: Policy) -> list[Finding]:
    """What the model loses beyond what is tolerated: metrics whose whole 95 percent interval lies beyond it.

    An interval that is wide for want of labels is no finding: the checks say what differs, and need none.
    """
    judged = (policy.judge(f) for f in losses(costs) if f.change == "skew")
    return [f for f in judged if f.verdict and f.verdict.alarm]


def examine(
    case: Case,
    policy: Policy | None = None,
    seed: int = 0,
    draws: int = DRAWS,
    evidence: Case | None = None,
    diagnosed: bool = True,
    checks: tuple[Check, ...] = CHECKS,
) -> Result:
    """Everything skewkit says about a case. A drill is this on planted tables, a check is this on yours.

    ``evidence`` is the case that the cause is looked for in, when it is not this one: a drill's goes through files first.
    With ``diagnosed`` False none is looked for; ``checks`` are those that are run.
    """
    policy, case = policy or read_policy(), with_past(case)
    parts = _parts(case, policy)
    findings = _check(parts, policy, checks)
    try:
        costs = impact(case, policy, seed, draws)
    except SkewkitError as e:  # a label or score that cannot be read must not hide what the checks found
        costs = Impact((), [NotRun("impact", str(e), "labels and scores that can be read")])
    findings = Findings((*findings, *lost(costs, policy)))
    absent = [*_sampled(case), *(told for one in ABSENT for told in one(case.at_hand)), *baseline_file.absent(case)]
    absent += segments.absent(case) if policy.by_segment else ()
    try:
        causes = diagnose(evidence or case, policy, seed) if diagnosed else Diagnosis(missing=(NOT_ASKED,))
    except SkewkitError as e:
        causes = Diagnosis(missing=(NotRun("diagnose", str(e), "tables of which rows can be looked at"),))
    off = dict.fromkeys(f for fit in causes.fits for f in fit.features)
    causes = replace(causes, fits=_priced(causes.fits, costs), split=tuple(split(case, off, costs)))
    not_run = (*policy.nowhere(case), *policy.over(), *absent, *costs.absent, *causes.missing)
    return Result(_led(findings, causes), costs, not_run, case, causes, policy.promise(case, len(parts)))


def _priced(fits, costs):
    """The fits, one that stands alone with what all the skew costs: where no model can score it again, that is its own."""
    whole = next(
        (costs.get(m) for m in headline(c.metric for c in costs if c.delta is not None and c.segment is None)), None
    )
    return [replace(fits[0], cost=fits[0].cost or whole)] if len(fits) == 1 and fits[0].kind is not None else fits


def _led(findings, causes):
    """The findings, those of a feature whose cause is named leading to the cause's runbook and not to the check's."""
    about = ("skew", "total", "training")

    def led(f):
        fit = causes.explaining(f.feature) if f.runbook and f.change in about else None
        return replace(f, runbook=fit.runbook) if fit else f

    return Findings(map(led, findings))
