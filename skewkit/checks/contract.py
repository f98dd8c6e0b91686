"""What was served against its contract: the promises that people reviewed. Findings of `schema`."""

from __future__ import annotations

from collections.abc import Iterator

from ..evidence import shown
from ..records import Case, Finding, NotRun

WHOLE = ("absent", "disordered")  # rules that the table keeps or not; the others are kept row by row


def contract(case: Case, policy) -> Iterator[Finding]:
    """Each rule of the contract: the share of the served rows that break it; of nulls, what is beyond the agreed share.

    What the replay breaks in no smaller a share is not of this service's making, and is called drift. Last, whether a
    person has reviewed the contract as it stands.
    """
    if case.contract is None:
        return
    level, asked = policy.level(case), list(case.contract.test(case.served))
    again = {}
    if case.replayed is not None and any(o.beyond(level)[0] for o in asked):
        again = {(o.rule, o.column): o.share for o in case.contract.test(case.replayed)}
    for o in asked:
        upstream = o.beyond(level)[0] > 0 and again.get((o.rule, o.column), 0.0) >= o.share
        yield Finding(
            "schema",
            "drift" if upstream else "served",
            o.column,
            o.rule,
            max(0.0, o.share - o.agreed),
            "yes or no" if o.rule in WHOLE else "share of rows",
            o.n,
            *o.beyond(level),
            detail=tuple(_shown(w, case.evidence) for w in o.worst) or None,
            grown=lambda times, o=o: o.beyond(level, times),
        )
    unreviewed = float(not case.contract.reviewed)
    yield Finding("schema", "served", None, "unreviewed", unreviewed, "yes or no", len(case.served))


def _shown(worst, evidence):
    return {"value": shown(worst["value"], evidence, worst["rows"]), "rows": worst["rows"]}


def absent(case: Case) -> Iterator[NotRun]:
    """Why the contract was not tested."""
    if case.contract is None:
        yield NotRun("contract", "no contract", "contract, a file that skewkit contract infer begins")
