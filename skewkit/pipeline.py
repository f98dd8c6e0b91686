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
from .progress import failures, step
from .records import Case, Finding, NotRun
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
    with failures() as failed:
        findings = _check(_parts(_with_past(case), policy), policy, checks)
    return Findings(findings, failed)


def _check(parts, policy, checks):
    policy = replace(policy, groups=len(parts))
    return [
        _judged(f if segment is None else replace(f, segment=segment), part, policy)
        for segment, part in parts.items()
        for found in _measured(part, policy, checks)
        for f in found
    ]


def _measured(case, policy, checks):
    """What each check finds, in their order. `distribution` goes first: it reads every column, and others ask what it saw."""
    found = {one: [] for one in checks}
    for one in sorted(checks, key=lambda one: one is not distribution):
        with step(one.__name__):
            for f in one(case if one in EVERY_ROW else case.at_hand, policy):
                found[one].append(f)
    return found.values()


def _with_past(case):
    """The case with what the events say of its training, where that can be found out."""
    with step("training from events"):
        return with_past(case)
    return case


def _parts(case, policy):
    """The whole case, and where the policy asks for it each segment's."""
    parts = {None: case}
    with step("segments"):
        parts |= segments.within(case) if policy.by_segment else {}
    return parts


def _absent(case, policy):
    """What could not be measured for want of something given."""
    asked = (
        policy.nowhere,
        lambda c: policy.over(),
        _sampled,
        *(_at_hand(one) for one in ABSENT),
        baseline_file.absent,
    )
    for one in (*asked, segments.absent) if policy.by_segment else asked:
        with step("not run"):
            yield from list(one(case))


def _at_hand(one):
    return lambda case: one(case.at_hand)


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
    judged = finding
    with step(finding.check, of=f"{finding.feature}, {finding.statistic}"):
        judged = policy.judge(finding)
        learns = policy.partitions and finding.check == "distribution" and finding.change in ("drift", "total")
        if learns and judged.verdict and judged.verdict.alarm:
            judged = policy.judge(replace(finding, wobble=wobble(case.training, finding, policy.partitions)))
    return judged


def impact(case: Case, policy: Policy | None = None, seed: int = 0, draws: int = DRAWS) -> Impact:
    """What the skew of a case costs its model; see `skewkit.costs`."""
    costs, absent = (), ()
    with failures() as failed, step("impact"):
        costs, absent = cost(case.at_hand, policy or read_policy(), seed, draws)
    return Impact(costs, (*absent, *failed))


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
    policy = policy or read_policy()
    costs, causes, promise = Impact(), Diagnosis(), {}
    with failures() as failed:
        case = _with_past(case)
        parts = _parts(case, policy)
        findings = _check(parts, policy, checks)
        unsure = list(failed)
        with step("impact", give="labels and scores that can be read"):
            costs = impact(case, policy, seed, draws)
            findings += lost(costs, policy)
        with step("diagnose", give="tables of which rows can be looked at"):
            causes = diagnose(evidence or case, policy, seed) if diagnosed else Diagnosis(missing=(NOT_ASKED,))
            causes = replace(causes, fits=_priced(causes.fits, costs))
        with step("split"):
            off = dict.fromkeys(f for fit in causes.fits for f in fit.features)
            causes = replace(causes, split=tuple(split(case, off, costs)))
        with step("diagnose"):
            findings = _led(findings, causes)
        with step("promise"):
            promise = policy.promise(case, len(parts))
        absent = list(_absent(case, policy))
    not_run = (*absent, *costs.absent, *causes.missing, *failed)
    return Result(Findings(findings, unsure), costs, not_run, case, causes, promise)


def _priced(fits, costs):
    """The fits, one that stands alone with what all the skew costs: where no model can score it again, that is its own."""
    whole = next(
        (costs.get(m) for m in headline(c.metric for c in costs if c.delta is not None and c.segment is None)), None
    )
    return [replace(fits[0], cost=fits[0].cost or whole)] if len(fits) == 1 and fits[0].kind is not None else fits


def _led(findings, causes):
    """The findings, those of a feature whose cause is named leading to the cause's runbook and not to the check's."""
    about = ("skew", "total", "training")
    opens = {f: fit.runbook for fit in reversed(causes.named) for f in fit.features}

    def led(f):
        ours = opens.get(f.feature) if f.runbook and f.change in about else None
        return replace(f, runbook=ours) if ours else f

    return list(map(led, findings))
