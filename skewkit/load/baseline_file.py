"""A baseline profile: what the checks ask of training, answered from one small file without training's rows."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ..checks.leakage import SCORES, Score
from ..checks.over_time import SPAN
from ..durable import write
from ..names import expand
from ..origin import called, stamped
from ..records import Case, NotApplicable, NotRun, Roles, SkewkitError, frozen, thawed
from ..statistics.distributions import Distribution, Glance
from ..statistics.sketch import MOST, unsketch
from ..tables.engines import Local

VERSION = 2
READ = (1, VERSION)
SELDOM = 0.05  # of the rows: two columns that agree in fewer are taken to agree in so many
NOT_HASHED = ("sha256", "when")  # the same training gives the same hash on any day


@dataclass(frozen=True, eq=False)
class Baseline:
    """What the checks ask of a training table, as a table that has no rows: `engines.Local`'s questions, answered.

    ``content`` is the file's, in plain JSON types. ``memo`` holds what checks remember of a table, all of it from the start.
    """

    content: Mapping[str, Any]
    roles: Roles = Roles()
    file: str | None = None
    memo: dict = field(default_factory=dict, repr=False)
    name = "training"

    def __post_init__(self):
        if self.memo:
            return
        self.memo["heaviest"] = self.content["heaviest"]
        self.memo[SPAN] = self.content.get("time_span")
        for name, f in self.content["features"].items():
            self.memo.update({("wobble", name, by): learnt for by, learnt in f["wobble"].items()})
            if "formats" in f:
                self.memo["formats", name] = f["formats"]["counts"], f["formats"]["n"]
            for age in (False, True):
                for what, known in f["aged" if age else "rows"].items():
                    self.memo[what, name, age] = tuple(known) if what == "alike" else known

    @property
    def at_hand(self) -> Local:
        """No row and no column: what looks at rows says that it cannot. How well features told the label is remembered, and the hashes."""
        known = {f: Score(*s) for f, s in self.content["scores"].items() if f in self.roles.features}
        asked = known and self.roles.label == self.content["roles"]["label"]
        return Local(
            stamped(pd.DataFrame(), **self.made_from), self.roles, self.name, memo={SCORES: known} if asked else {}
        )

    @property
    def told(self) -> dict[str, Any]:
        """Its own hash, beside that of the table it was made of."""
        return {"baseline": self.content["sha256"]}

    @property
    def uri(self) -> str | None:
        """Where the table was that it was made of, as it was written."""
        return self.content["made_of"]["uri"]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of that table."""
        return tuple(self.content["made_of"]["columns"])

    def __len__(self):
        return self.content["made_of"]["rows"]

    def sha256(self) -> str:
        """The hash of that table."""
        return self.content["made_of"]["sha256"]

    def kinds(self) -> dict[str, str]:
        """The kind of each column."""
        return self.content["kinds"]

    def distribution(self, name: str, age: bool = False) -> Distribution:
        """The column's distribution, of which some points are known exactly; of too many texts, the rows alone."""
        known = self._of(name)
        kind = "number" if age else {"other": "text"}.get(known["kind"], known["kind"])
        if ("age" if age else "spread") not in known:
            self._refuse(f"the {'ages' if age else 'values'} of {name!r}")
        return unsketch(known["age" if age else "spread"], kind, self.sha256())

    def categories(self, name: str) -> tuple:
        """None: the codes of categories are not kept."""
        return ()

    def glance(self, name: str) -> Glance:
        """A few facts of a column; the hash of some rows is not kept."""
        return Glance(**self._of(name)["glance"], some=b"")

    def agreeing(self, one: str, other: str) -> int:
        """In how many rows two columns hold the same, or about as many; SELDOM of the rows, where they are fewer."""
        for known in self.content["agreeing"]:
            if {one, other} == set(known[:2]):
                return known[2]
        return int(SELDOM * len(self))

    def grouped(self, name: str, age: bool = False) -> None:
        """No rows of entities; what they tell is remembered."""

    def entities(self) -> None:
        """None."""

    def partitions(self, name: str, by: str, age: bool = False) -> list[Distribution]:
        """No rows of days; what they tell is remembered."""
        return []

    def column(self, name: str, age: bool = False):
        """Raises SkewkitError: there are no rows."""
        self._refuse(f"the rows of {name!r}")

    def frame(self, columns=None):
        """Raises SkewkitError: there are no rows."""
        self._refuse("the rows")

    @property
    def made_from(self) -> dict[str, list[str]]:
        """The hashes that its lineage holds; see `origin.made_from`."""
        return self.content["lineage"]

    def lineage(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The hashes to be served, those that training's own column held where none were given."""
        held = self.content["lineage"]
        held = {**{c: held[called(c)] for c in asked if called(c) in held}, **held}
        if lost := [c for c, given in asked.items() if given in (None, "", []) and c not in held]:
            self._refuse(f"the hashes of {lost[0]!r}")
        return {c: held[c] if given in (None, "", []) else given for c, given in asked.items()}

    def write(self, path: str | os.PathLike) -> None:
        """Write it as JSON, whole or not at all."""
        try:
            write(Path(path), json.dumps(self.content, separators=(",", ":"), allow_nan=False) + "\n")
        except OSError as e:
            raise SkewkitError(
                f"baseline: {path} cannot be written ({type(e).__name__}); name a folder that is there"
            ) from e

    @cached_property
    def _known(self):
        return self.content["features"]

    def _of(self, name):
        if name not in self._known:
            self._refuse(f"column {name!r}")
        return self._known[name]

    def _refuse(self, what):
        raise NotApplicable(
            f"{what} of training were asked for; training is a baseline profile of {', '.join(self._known)}; "
            f"give the training table, or make the baseline anew"
        )


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content as a file would give it back, with its version and its hash."""
    content = json.loads(json.dumps({"version": VERSION, "sha256": "", **content}, allow_nan=False))
    return {**content, "sha256": _hash(content)}


def _hash(content):
    said = {k: v for k, v in content.items() if k not in NOT_HASHED}
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def is_baseline(source: Any) -> bool:
    """Whether a table was given as a baseline, or as the path of one."""
    return isinstance(source, Baseline) or (
        isinstance(source, (str, os.PathLike)) and os.fspath(source).lower().endswith(".json")
    )


def read_baseline(path: str | os.PathLike) -> Baseline:
    """The baseline in a file; ``${NAME}`` in its path is read from the environment.

    Raises SkewkitError for a file that is none, is of another version, or was edited or damaged since it was written.
    """
    again = f"make it anew: skewkit baseline TRAINING -o {path}"
    try:
        content = json.loads(Path(expand(os.fspath(path))).read_text("utf-8"))
    except OSError:
        raise SkewkitError(f"baseline: there is no file at {path}; {again}") from None
    except ValueError:
        raise SkewkitError(f"baseline: {path} is not JSON; {again}") from None
    if not isinstance(content, dict) or not {"version", "sha256"} <= set(content):
        raise SkewkitError(f"baseline: {path} has no version and sha256, and so is no baseline profile; {again}")
    if content["version"] not in READ:
        raise SkewkitError(
            f"baseline: {path} is of version {content['version']!r}; this skewkit reads {' and '.join(map(str, READ))}; {again}"
        )
    if content["sha256"] != _hash(content):
        raise SkewkitError(
            f"baseline: {path} was edited or damaged since it was written: its sha256 does not fit; {again}"
        )
    if content["version"] == 1:
        _upgrade(content["features"].values())
    roles = Roles(**{f.name: frozen(content["roles"][f.name]) for f in fields(Roles)})
    return Baseline(content, roles, str(path))


def _upgrade(features):
    """Bring features of version 1 up to date: it held times in nanoseconds, and one format more."""
    for known in features:
        known.get("formats", {}).get("counts", {}).pop("held by 32 bits", None)
        known["rows"].get("effects", {}).pop("held by 32 bits", None)
        if "time" in known["kind"] and "values" in known.get("spread", {}):
            known["spread"]["values"] = [v // 1000 for v in known["spread"]["values"]]


def plain_roles(roles: Roles) -> dict[str, Any]:
    """Roles as JSON holds them."""
    return {name: thawed(value) for name, value in asdict(roles).items()}


def refuse(baseline: Baseline, roles: Roles, task: str, rename: Mapping[str, str]) -> None:
    """Raise SkewkitError where a baseline cannot answer for these roles."""
    made = baseline.roles
    for role in ("entity", "time"):
        was, now = getattr(made, role), getattr(roles, role)
        if was != now and (was is not None or now in baseline.columns):
            raise SkewkitError(
                f"{role}={now!r} was given, and the baseline was made with {role}={was!r}, by which its rows were "
                f"counted; give the same, or make the baseline anew"
            )
    if baseline.content["scores"] and roles.label and (roles.label, task) != (made.label, baseline.content["task"]):
        raise SkewkitError(
            f"label={roles.label!r} and task={task!r} were given, and the baseline was made with {made.label!r} and "
            f"{baseline.content['task']!r}; give the same, or make the baseline anew"
        )
    if lost := [f for f in roles.features if f in baseline.columns and f not in made.features]:
        raise SkewkitError(
            f"feature {lost[0]!r} was asked, and the baseline was made of {', '.join(made.features)}; make it anew with it"
        )
    if theirs := [n for n in rename if n in baseline.columns]:
        raise SkewkitError(
            f"rename: training is a baseline with a column {theirs[0]!r}; rename it when you make the baseline"
        )


def absent(case: Case):
    """What a baseline cannot tell of training, and what to give for it."""
    if not isinstance(case.training, Baseline):
        return
    why = "training is a baseline profile, which has no rows"
    table = "the training table"
    if case.as_of:
        yield NotRun("freshness", f"{why}: the ages of its values were not compared", table)
    if case.roles.label:
        yield NotRun("impact", f"{why}: no offline validation score", table)
    many = [
        f
        for f, known in case.training.content["features"].items()
        if "values" not in known.get("spread", {"values": 0})
    ]
    if many := [f for f in many if f in case.roles.features]:
        yield NotRun(
            "distribution", f"{', '.join(many)}: more than {MOST:,} texts, which a baseline does not hold", table
        )
