"""What skewkit's own checks would have said, had they run after every hour of a drill; no person's claims are looked at."""

from __future__ import annotations

from typing import Any

from ..diagnosis.diagnosis import diagnose
from ..drills.noticing import noticed
from ..pipeline import check
from ..policy import Policy
from ..records import SkewkitError
from .team import Blind

REGIMES = ("training and served", "with replay")


def machine(drill: Blind, policy: Policy) -> dict[str, Any]:
    """For each of what a team may have at hand: the hour in which a check first notices, which do, and what is named.

    The hours are those that came, as they were planted: nothing that the team mitigated is mended in them. A check notices
    when its alarm is louder than on the same hours with nothing planted. Needs a drill that was revealed.
    """
    folder = drill.folder / "planted"
    if not folder.exists():
        raise SkewkitError(f"{drill.folder} was not revealed; reveal it first: its hours are sealed")
    found: dict[str, Any] = {name: {"hour": None, "checks": [], "named": [], "false_alarms": 0} for name in REGIMES}
    for hour in range(1, drill.hour + 1):
        for name in (n for n in REGIMES if found[n]["hour"] is None):
            case, clean = (_case(drill, hour, name, planted) for planted in (True, False))
            steady = check(clean, policy).by_check()
            found[name]["false_alarms"] += any(v.alarm == 2 for v in steady.values())
            if seen := noticed(check(case, policy).by_check(), steady):
                found[name] |= {"hour": hour, "checks": list(seen)}
    last = diagnose(_case(drill, drill.hour, "with replay", True), policy) if drill.hour else None
    if last:
        found["with replay"]["named"] = sorted({fit.skew for fit in last.fits})
    return found


def _case(drill, hours, regime, planted):
    """The log up to an hour, as planted or as it should have been, with what is at hand in a regime."""
    files = {
        n: [drill.folder / "planted" / f"hour-{h:02d}.{n}.parquet" for h in range(1, hours + 1)]
        for n in ("served", "replayed")
    }
    served = files["served" if planted else "replayed"]
    return drill.of(served, files["replayed"] if regime == REGIMES[1] else None)
