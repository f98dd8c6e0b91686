"""What a verdict says of a run, in a sentence."""

from __future__ import annotations

MEANING = {
    "ok": "Nothing that was checked is beyond what is tolerated.",
    "warn": "Something moved beyond what is tolerated; it is no proof of a fault between training and serving.",
    "inconclusive": "There is too little data to say.",
    "breach": "Serving did not hold what training would have: something is at fault.",
}
UNFINISHED = "A step failed, so that not everything was checked. What was not run is below, with where it failed."
GATED = {
    "ok": "It may go forward: nothing in the parts that were given is beyond what is tolerated.",
    "warn": "It may go forward, with something to look into.",
    "inconclusive": "There is too little data to let it forward.",
    "breach": "It may not go forward as it is.",
}
UNSPLIT = (
    "Serving differs from training by more than may be missed; only a replay can tell a fault from a changed world."
)
DECIDED = {
    "ok": "Nothing that was compared is beyond what is tolerated.",
    "warn": "Something is beyond what is tolerated and not certainly past what rolls back: look into it before promoting.",
    "inconclusive": "Too little is known to promote; leave it running.",
    "breach": "Something is past what rolls back, by more than chance allows.",
}
DEBRIEFED = {
    "ok": "What was planted was detected, named, mended and verified, and nothing else was alarmed about.",
    "warn": "There is something to learn: which sentence of which runbook was missing?",
}


def meaning(result) -> str:
    """What the verdict says, which without a replay is less."""
    judged = {f["verdict"] for f in result["findings"] if f["verdict"] and not f["accepted"]}
    if result["verdict"] == "inconclusive" and judged and "inconclusive" not in judged and not result["drill"]:
        return UNFINISHED
    if result.get("decision"):
        return DECIDED[result["verdict"]]
    if result.get("debrief"):
        return DEBRIEFED[result["verdict"]]
    if result["notebook"] == "gate":
        return GATED[result["verdict"]]
    alone = result["verdict"] == "breach" and not any(f["change"] == "skew" for f in result["findings"])
    return UNSPLIT if alone else MEANING[result["verdict"]]
