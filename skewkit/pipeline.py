"""The path, once: what a drill and a check both run on a Case."""

from __future__ import annotations

from .checks import ABSENT, CHECKS
from .costs import DRAWS, cost
from .policy import Policy
from .policy_file import read_policy
from .records import Case, NotRun, SkewkitError
from .results import Findings, Impact, Result

STEPS = ("load", "inject", "check", "impact", "diagnose", "report")

# Naming the cause is a later step of the path; until it is here, every result says so.
NOT_NAMED = NotRun("diagnose", "this version of skewkit names no causes; the runbooks lead to them", "")


def check(case: Case, policy: Policy | None = None) -> Findings:
    """Every check on a case, each finding judged by the policy (the default one when not given)."""
    policy = policy or read_policy()
    return Findings(policy.judge(f) for one in CHECKS for f in one(case, policy))


def impact(case: Case, policy: Policy | None = None, seed: int = 0, draws: int = DRAWS) -> Impact:
    """What the skew of a case costs its model; see `skewkit.costs`."""
    costs, absent = cost(case, policy or read_policy(), seed, draws)
    return Impact(costs, absent)


def examine(case: Case, policy: Policy | None = None, seed: int = 0, draws: int = DRAWS) -> Result:
    """Everything skewkit says about a case. A drill is this on planted tables, a check is this on yours."""
    policy = policy or read_policy()
    findings = check(case, policy)
    try:
        costs = impact(case, policy, seed, draws)
    except SkewkitError as e:  # a label or score that cannot be read must not hide what the checks found
        costs = Impact((), [NotRun("impact", str(e), "labels and scores that can be read")])
    absent = (
        costs.absent
        if case.pairs is not None
        else (NotRun("parity", "no replay", "replayed, or replay"), *costs.absent)
    )
    waits = (n for one in ABSENT for n in one(case))
    return Result(findings, costs, (*absent, *waits, NOT_NAMED), case=case)
