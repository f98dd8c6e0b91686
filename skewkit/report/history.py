"""Past runs in a folder: the newest of each notebook, what changed since the last one, and which of them may go."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ..records import SkewkitError, Verdict

RUN = re.compile(r"\.?(\d{8}T\d{6}Z)-[\w-]+-[0-9a-f]{4}(\.failed)?")  # what `report.new_id` makes, staged or failed
SAME = (
    "training",
    "key",
    "features",
    "segments",
    "candidate",
    "mode",
)  # parameters by which a run is of the same thing as another
WHOLE = ("run_id", "notebook", "started", "seconds", "parameters", "inputs", "verdict", "findings", "drill")
KEEP = 30  # whole runs of each notebook
HOURS = 24.0  # after which what an interrupted run left is nobody's


def results(runs: Path, notebook: str | None = None) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The whole runs in a folder, newest first, each with its result; one that cannot be read is passed over."""
    for folder in sorted((p for p in runs.glob("[0-9]*") if RUN.fullmatch(p.name) and p.is_dir()), reverse=True):
        if folder.suffix == ".failed" or (notebook and _notebook(folder) != notebook):
            continue
        try:
            result = json.loads((folder / "result.json").read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(result, dict) and set(WHOLE) <= set(result):
            yield folder, result


def last_like(runs: Path, made: Mapping[str, Any]) -> dict[str, Any] | None:
    """The newest earlier result of the same notebook about the same training table, key and features."""
    about = [made["parameters"].get(n) for n in SAME]
    found = (r for folder, r in results(runs, made["notebook"]) if folder.name < made["run_id"])
    return next((r for r in found if not r["drill"] and [r["parameters"].get(n) for n in SAME] == about), None)


def since(last: Mapping[str, Any], findings: list[dict[str, Any]], verdict: str) -> dict[str, Any]:
    """What changed since a run: which findings began to alarm, or grew louder, and which alarm no more."""
    was, now = _alarms(last["findings"]), _alarms(findings)
    return {
        "run_id": last["run_id"],
        "started": last["started"],
        "verdict": last["verdict"],
        "changed": last["verdict"] != verdict,
        "begun": [_named(about) for about in now if now[about] > was.get(about, 0)],
        "ended": [_named(about) for about in was if about not in now],
        "still": sum(now[about] <= was.get(about, 0) for about in now),
    }


def _alarms(findings):
    """How loud each finding is that is not accepted, by what it is about."""
    about = {
        tuple(f[n] for n in ("check", "change", "feature", "segment", "statistic")): Verdict[f["verdict"]].alarm
        for f in findings
        if f["verdict"] and not f["accepted"]
    }
    return {which: loud for which, loud in about.items() if loud}


def _named(about):
    return dict(zip(("check", "change", "feature", "segment", "statistic"), about, strict=True))


def prune(runs: Path, keep: int = KEEP, days: float | None = None, dry: bool = False) -> list[Path]:
    """Delete run folders: whole ones beyond the ``keep`` newest of each notebook, or older than ``days``; gives what went.

    Also failed ones older than the newest whole run, and what interrupted runs left behind a day ago. The newest whole run of
    each notebook stays, whatever its age, and so does what ``latest`` points at. Only folders that skewkit named are touched.
    """
    if keep < 1 or (days is not None and not days > 0):
        raise SkewkitError(
            f"prune was asked to keep {keep} runs and {days} days; give at least 1, and more than 0 days"
        )
    if not runs.is_dir():
        raise SkewkitError(f"prune: there is no folder {runs}; give the folder of runs, as --runs")
    now = datetime.now(UTC)
    folders = sorted(p for p in runs.iterdir() if RUN.fullmatch(p.name) and p.is_dir() and not p.is_symlink())
    whole = [p for p in folders if not p.name.startswith(".") and p.suffix != ".failed"]
    by: dict[str, list[Path]] = {}
    for p in reversed(whole):
        by.setdefault(_notebook(p), []).append(p)
    old = [p for kept in by.values() for i, p in enumerate(kept) if i and (i >= keep or (days and age(p, now) > days))]
    newest = whole[-1].name if whole else ""
    old += [p for p in folders if p.suffix == ".failed" and p.name < newest]
    old += [p for p in folders if p.name.startswith(".") and age(p, now) * 24 > HOURS]
    latest = (runs / "latest").resolve()
    old = sorted({p for p in old if p.resolve() != latest})
    for p in () if dry else old:
        shutil.rmtree(p)
    return old


def _notebook(folder):
    return folder.name.split("Z-", 1)[1].rpartition("-")[0]


def age(folder: Path, now: datetime | None = None) -> float:
    """Days since a run began, by its folder's name."""
    now = now or datetime.now(UTC)
    begun = datetime.strptime(RUN.fullmatch(folder.name)[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return (now - begun) / timedelta(days=1)
