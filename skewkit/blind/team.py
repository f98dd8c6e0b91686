"""A blind drill as its team has it: what has come so far, a replay when asked for, and what they say about it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ..durable import put
from ..load.case import compare
from ..load.files import wider
from ..records import Case, SkewkitError, moment
from ..skews import SKEWS
from .journal import Journal, utc

MARKS = {
    "detected": "something is wrong with what is served",
    "localised": "it is known where: in which features, for whom",
    "verified": "the next hour shows that it is over",
    "note": "anything else worth keeping",
}
NOTHING, UNKNOWN = "nothing", "unknown"
ENDS = ("reveal", "abort")


class Blind:
    """One drill's folder. Everything it says is read from its files, so that it goes on wherever it was left."""

    def __init__(self, folder: str | Path, now: Callable[[], datetime] = utc):
        self.folder = Path(folder)
        if not (self.folder / "drill.json").exists():
            raise SkewkitError(f"{folder} is no blind drill; begin one with: skewkit blind start {folder}")
        self.journal = Journal(self.folder / "journal.jsonl", now)

    @cached_property
    def told(self) -> dict[str, Any]:
        """What all know of the drill: its id, hash, hours, roles."""
        return json.loads((self.folder / "drill.json").read_text("utf-8"))

    @property
    def hour(self) -> int:
        """How many hours of the log have come."""
        return max((line["hour"] for line in self.journal.lines() if line["kind"] == "hour"), default=0)

    @property
    def ended(self) -> str:
        """ "reveal" or "abort", where it has ended; else nothing."""
        return next((line["kind"] for line in self.journal.lines() if line["kind"] in ENDS), "")

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(self.told["roles"]["features"])

    def case(self, history: bool = True, replayed: bool = True, hours: Sequence[int] = (), **asked: Any) -> Case:
        """Training beside the log so far, and its replay as far as it was asked for; ``asked`` as `skewkit.compare` takes it.

        The log is the ``hours`` that are named, alone; else the newest that have come, as far back as they have the same columns,
        and with ``history`` what was there before them, where all of them have its columns. Hours that were not replayed are
        left out where others were, and without ``replayed`` the replay is.
        """
        there = {n: self._files(n) for n in ("served", "replayed")}
        if lost := [h for h in hours if h not in there["served"]]:
            raise SkewkitError(f"hour {lost[0]} was asked; {len(there['served'])} have come")
        asks = [h for h in hours or there["served"] if not (replayed and there["replayed"]) or h in there["replayed"]]
        if hours and not asks:
            raise SkewkitError(f"hour {hours[0]} was not replayed; ask for it: skewkit blind replay {self.folder}")
        alike = asks if hours else _newest_alike(there["served"], asks)
        with_replay = replayed and (not alike or bool(there["replayed"]))
        served, again = ([there[n][h] for h in alike if h in there[n]] for n in ("served", "replayed"))
        return self.of(served, again if with_replay else None, history and not hours and alike == asks, **asked)

    def _files(self, name):
        return {int(p.stem[-2:]): p for p in sorted((self.folder / name).glob("hour-*.parquet"))}

    def of(self, served: list[Path], replayed: list[Path] | None, history: bool = True, **asked: Any) -> Case:
        """The case of these hours' files; see `case`."""
        given: dict[str, Any] = {"served": served, "replayed": replayed}
        if not served or (history and _alike(self.folder / "served" / "history.parquet", served)):
            given = {
                n: None if paths is None else [self.folder / n / "history.parquet", *paths]
                for n, paths in given.items()
            }
        given = {n: paths and list(map(str, paths)) for n, paths in given.items()}
        roles = {n: v for n, v in self.told["roles"].items() if n != "features"}
        model = self.folder / "model.skops"
        scored = str(model) if model.exists() else self.told.get("model")
        told = {"training": str(self.folder / "training.parquet"), "task": self.told["task"], "model": scored}
        told |= {"trusted": self.told.get("trusted", []), "features": self.features, "drill": self.told["drill"]}
        return compare(**{**given, **roles, **told, **asked})

    def ask_replay(self, who: str = "") -> int:
        """The requests that have come, recomputed by the training code; gives the hours of it. Asking is in the journal."""
        self.running("a replay")
        for path in sorted((self.folder / ".replayed").glob("hour-*.parquet")):
            put(self.folder / "replayed" / path.name, partial(shutil.copyfile, path))
        self.journal.append("replay", who, hour=self.hour)
        return self.hour

    def mark(self, what: str, text: str = "", features: Sequence[str] = (), who: str = "") -> dict[str, Any]:
        """Say that something has happened; see MARKS. ``localised`` names the features."""
        self.running(f"the mark {what!r}")
        if what not in MARKS:
            raise SkewkitError(f"the mark {what!r} was asked; there are {', '.join(MARKS)}")
        if what == "localised" and not features:
            raise SkewkitError("the mark localised was given without features; name those that are wrong")
        self._known(features)
        return self.journal.append("mark", who, mark=what, features=list(features), text=text, hour=self.hour)

    def claim(
        self,
        causes: str | Sequence[str],
        features: Sequence[str] = (),
        since: Any = None,
        mitigation: str = "",
        who: str = "",
        text: str = "",
    ) -> dict[str, Any]:
        """Say what it is: one cause or several by their stems, or "nothing", or "unknown"; in which features; since when.

        ``mitigation`` is "" or recompute: from the next hour on, the claimed features are served as training computes them.
        """
        self.running("a claim")
        causes = (causes,) if isinstance(causes, str) else tuple(causes)
        known = (*SKEWS, NOTHING, UNKNOWN)
        if wrong := [c for c in causes if c not in known] or ([] if causes else ["no cause"]):
            raise SkewkitError(f"{wrong[0]!r} was claimed; there are {', '.join(known)}")
        if NOTHING in causes and len(causes) > 1:
            raise SkewkitError(f"{' and '.join(causes)} was claimed; claim nothing, or what it is")
        self._known(features)
        if mitigation not in ("", "recompute"):
            raise SkewkitError(f"the mitigation {mitigation!r} was asked; there is recompute")
        if mitigation and not features:
            raise SkewkitError("a mitigation was asked without features; name those that are to be recomputed")
        when = moment(since, "since")
        return self.journal.append(
            "claim",
            who,
            causes=list(causes),
            features=list(features),
            since=when and when.isoformat(),
            mitigation=mitigation,
            text=text,
            hour=self.hour,
        )

    def status(self) -> str:
        """Where the drill stands, in lines to read."""
        lines, told = self.journal.lines(), self.told
        state = {"reveal": "revealed", "abort": "aborted"}.get(self.ended, "running")
        said = [
            f"{told['drill']} ({told['quarter']}): {state}; hour {self.hour} of {told['hours']}, each {told['step']} of the log; "
            f"{len(list((self.folder / 'replayed').glob('hour-*')))} replayed",
            f"hash of the truth: {told['hash']}",
        ]
        return "\n".join(said + [told_as(one) for one in lines])

    def _known(self, features):
        if wrong := [f for f in features if f not in self.features]:
            raise SkewkitError(f"the feature {wrong[0]!r} was named; there are {', '.join(self.features)}")

    def running(self, what: str) -> None:
        """Refuse what a drill that has ended cannot do any more."""
        if self.ended:
            raise SkewkitError(
                f"{what} was asked of {self.folder}, and that drill has ended ({self.ended}); start another"
            )


def _alike(one, others):
    """Whether files can be one table: else a log's writer has changed its columns between them."""
    before, *after = map(pq.read_schema, (one, *others))
    return all(
        set(other.names) == set(before.names)
        and all(wider(before.field(n).type, other.field(n).type) for n in other.names)
        for other in after
    )


def _newest_alike(files, hours):
    """The newest of the hours, as far back as they have the columns of the newest."""
    kept: list[int] = []
    for hour in sorted(hours, reverse=True):
        if kept and not _alike(files[kept[-1]], [files[hour]]):
            break
        kept.insert(0, hour)
    return kept


def told_as(line: Mapping[str, Any]) -> str:
    """One line of the journal, for reading."""
    told = {
        k: v
        for k, v in line.items()
        if k not in ("n", "at", "kind", "who", "before", "steady") and v not in ("", None, [])
    }
    words = ", ".join(f"{k} {'+'.join(map(str, v)) if isinstance(v, list) else v}" for k, v in told.items())
    return f"{line['at'][:19]}Z {line['kind']}{' by ' + line['who'] if line['who'] else ''}: {words}"
