"""What only the facilitator does, with the passphrase: let hours come, give hints, reveal; and abort, which anybody may."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..durable import put, write
from ..load.copies import as_copy
from ..names import optional
from ..records import SkewkitError
from ..tables.equality import same
from .journal import utc
from .seal import Lock, digest, parted
from .team import Blind

PASSPHRASE = "SKEWKIT_PASSPHRASE"  # the environment's name for it
HINTS = ("family", "features", "since", "cause")  # what each hint tells, in this order


def passphrase(file: str | Path | None = None) -> str:
    """The passphrase: from a file, from the environment, or asked for without showing it."""
    if file:
        try:
            return Path(file).read_text("utf-8").strip()
        except OSError as e:
            raise SkewkitError(f"the passphrase's file {file}: {e.strerror}; give a file with it") from None
    if given := os.environ.get(PASSPHRASE):
        return given
    from getpass import getpass

    try:
        return getpass("passphrase (the facilitator's): ")
    except (EOFError, OSError):
        raise SkewkitError(
            f"there is nobody to ask for the passphrase; give --passphrase-file, or set {PASSPHRASE}"
        ) from None


def lock_of(drill: Blind, secret: str) -> Lock:
    """The drill's lock."""
    return Lock(secret, bytes.fromhex((drill.folder / "sealed" / "salt").read_text()))


def truth_of(drill: Blind, secret: str) -> dict[str, Any]:
    """The truth, which must be the one whose hash was shown at the start."""
    content = lock_of(drill, secret).open((drill.folder / "sealed" / "truth").read_bytes())
    begun = drill.journal.lines()[0]["hash"]
    if not digest(content) == drill.told["hash"] == begun:
        raise SkewkitError(
            f"{drill.folder}: the sealed truth is not the one whose hash was shown at the start; the drill is void. Abort it"
        )
    return json.loads(content)


def next_hour(folder: str | Path, secret: str, now: Callable[[], datetime] = utc) -> int | None:
    """Let the next hour of the log come; gives its number, None where all have come. What was mitigated comes mended."""
    drill = Blind(folder, now)
    with optional("filelock", "blind", "a drill's clock is kept").FileLock(drill.folder / "clock.lock"):
        drill.running("an hour")
        hour = drill.hour + 1
        if hour > drill.told["hours"]:
            return None
        lock, name = lock_of(drill, secret), f"hour-{hour:02d}"
        sides = parted(lock.open((drill.folder / "sealed" / name).read_bytes()))
        if mended := mitigated(drill):
            sides["served"] = _recomputed(sides, mended, drill)
        hidden = drill.folder / ".replayed"
        hidden.mkdir(exist_ok=True)
        put(hidden / f"{name}.parquet", partial(_write, sides["replayed"]))
        put(drill.folder / "served" / f"{name}.parquet", partial(_write, sides["served"]))
        drill.journal.append("hour", hour=hour, mended=sorted(mended))
    return hour


def _write(content, path):
    path.write_bytes(content)


def mitigated(drill: Blind) -> set[str]:
    """The features that are served as training computes them, by what was claimed so far."""
    claims = [line for line in drill.journal.lines() if line["kind"] == "claim" and line["mitigation"]]
    return {f for line in claims for f in line["features"]}


def _recomputed(sides, features, drill):
    """The served hour with these features as the replay has them, and the right score where all is right."""
    served, replayed = (pd.read_parquet(io.BytesIO(sides[n])) for n in ("served", "replayed"))
    mended = served.assign(**{f: replayed[f] for f in replayed if f in features})
    if set(replayed) <= set(mended):
        mended = mended[list(replayed)]
    inputs = [f for f in drill.features if f in mended and f in replayed]
    right = np.all([same(replayed[f], mended[f]) for f in inputs], axis=0) & (set(inputs) == set(drill.features))
    if (score := drill.told["roles"].get("prediction")) in replayed:  # the model answers from what it is served
        mended = mended.assign(**{score: mended[score].where(~right, replayed[score])})
    return as_copy(mended, drill.told["drill"])


def hint(folder: str | Path, secret: str, now: Callable[[], datetime] = utc) -> str:
    """The next hint, which goes into the journal and so into the score."""
    drill = Blind(folder, now)
    drill.running("a hint")
    truth = truth_of(drill, secret)
    given = sum(line["kind"] == "hint" for line in drill.journal.lines())
    if given >= len(HINTS):
        raise SkewkitError("every hint was given; what is left is the reveal")
    what = HINTS[given]
    text = "there is none to name: nothing was planted" if not truth["skews"] else _told(what, truth)
    drill.journal.append("hint", hint=what, text=text, hour=drill.hour)
    return f"{what}: {text}"


def _told(what, truth):
    return {
        "family": ", ".join(truth["families"]),
        "features": ", ".join(truth["features"]),
        "since": f"{truth['since']} (hour {truth['hour']})",
        "cause": ", ".join(s["skew"] for s in truth["skews"]),
    }[what]


def reveal(folder: str | Path, secret: str, now: Callable[[], datetime] = utc) -> dict[str, Any]:
    """End the drill: the truth, checked against the hash, and every hour as it was planted, are written for all to read."""
    drill = Blind(folder, now)
    if drill.ended == "abort":
        raise SkewkitError(f"{folder} was aborted; there is nothing to reveal")
    truth, lock = truth_of(drill, secret), lock_of(drill, secret)
    (drill.folder / "planted").mkdir(exist_ok=True)
    for sealed in sorted((drill.folder / "sealed").glob("hour-*")):
        for side, content in parted(lock.open(sealed.read_bytes())).items():
            put(drill.folder / "planted" / f"{sealed.name}.{side}.parquet", partial(_write, content))
    write(drill.folder / "truth.json", json.dumps(truth, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    if not drill.ended:
        drill.journal.append("reveal", hour=drill.hour, cause=[s["skew"] for s in truth["skews"]] or ["nothing"])
    return truth


def abort(folder: str | Path, why: str = "", who: str = "", now: Callable[[], datetime] = utc) -> int:
    """End the drill at once and roll back: every copy that it served is taken away; gives how many files that were.

    It needs no passphrase. The journal stays, and so does the sealed truth.
    """
    drill = Blind(folder, now)
    if not drill.ended:
        drill.journal.append("abort", who, text=why, hour=drill.hour)
    copies = [p for n in ("served", "replayed", ".replayed", "planted") for p in (drill.folder / n).rglob("*.parquet")]
    copies += [p for p in [drill.folder / "training.parquet"] if p.exists()]
    copies += list((drill.folder / "sealed").glob("hour-*"))
    for path in copies:
        path.unlink()
    for name in ("served", "replayed", ".replayed", "planted"):
        shutil.rmtree(drill.folder / name, ignore_errors=True)
    if copies:
        drill.journal.append("rollback", who, files=len(copies))
    return len(copies)
