"""What a diagnosis says: causes by name, each with its parameters, for whom, since when, at what cost, and how to patch it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from html import escape
from math import isfinite
from typing import Any

import pandas as pd

from ..progress import shown
from ..records import Cost, NotRun, Skew, as_rows, thawed
from ..scope import Scope
from ..statistics.metrics import named
from . import plots
from .picture import said as sentence_of
from .picture import undrawn
from .words import several, share

HIDDEN = "# the patch holds values that may not be shown: give evidence='rows', or read them from fit.causes"
UNKNOWN = "runbooks/unknown.md"
PLURAL = {"is": "are", "has": "have", "misses": "miss"}
FEW = 5  # features, or values, named one by one


@dataclass(frozen=True)
class Fit:
    """One cause, as it was found: in each feature the skew with its parameters; no skew where nothing reproduces what differs.

    ``rows`` of ``n`` paired requests differ in these features, and ``explained`` is the share of them that the causes of
    these features reproduce; ``held_out`` the share of rows that differ among those that were not looked at to find
    it (None: there are none). ``bits`` is by how much it is shorter than "changed, unexplained". ``rivals`` are other
    causes that predict the same. Of a skew that follows another in the same rows, ``before`` holds that one; of one that another
    follows, ``then`` is that one's stem. ``cost`` is what
    it alone does to the model; ``facts`` and ``detail`` (some rows) are what can be seen of it. ``told`` are the causes
    and ``slice`` the scope's where as they may be shown, where their parameters hold values that may not: what is printed is made of these.
    """

    causes: Mapping[str, Skew | None]
    scope: Scope = Scope()
    rows: int = 0
    n: int = 0
    explained: float | None = None
    held_out: float | None = None
    bits: float | None = None
    rivals: tuple[Mapping[str, Any], ...] = ()
    before: Mapping[str, Skew] = field(default_factory=dict)
    cost: Cost | None = None
    facts: tuple[str, ...] = ()
    give: str = ""
    detail: tuple[Mapping[str, Any], ...] = ()
    picture: Mapping[str, Any] | None = None
    change: str = "skew"
    plant: str | None = None
    then: str = ""
    slice: tuple | None = None
    told: Mapping[str, Skew] = field(default_factory=dict, repr=False, compare=False)

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(self.causes)

    @property
    def said(self) -> Mapping[str, Skew | None]:
        """The causes as they may be shown."""
        return self.told or self.causes

    @property
    def kind(self) -> Skew | None:
        """The skew of the first feature, as it may be shown."""
        return next(iter(self.said.values()))

    @property
    def skew(self) -> str:
        """A stem, such as time_zone, or unknown."""
        return "unknown" if self.kind is None else self.kind.stem

    @property
    def parameters(self) -> dict[str, Any]:
        """The skew's, as they were fitted; where features have others, those of each feature by its name."""
        each = {f: _given(s) for f, s in self.said.items() if s is not None}
        alike = all(p == next(iter(each.values())) for p in each.values())
        return next(iter(each.values()), {}) if alike else each

    @property
    def where(self) -> tuple | None:
        return self.scope.where

    @property
    def share(self) -> float:
        return self.scope.share

    @property
    def since(self) -> pd.Timestamp | None:
        return self.scope.since

    @property
    def until(self) -> pd.Timestamp | None:
        return self.scope.until

    @property
    def side(self) -> str:
        return self.scope.side

    @property
    def runbook(self) -> str:
        return UNKNOWN if self.kind is None else f"runbooks/{self.skew}.md"

    @property
    def sentence(self) -> str:
        """What whoever is woken at night needs: what, for whom, since when, how sure, at what cost, and what to open."""
        alone = " (training and served alone)" if self.change == "total" else ""
        parts = [f"{self._what()}{self._whom()}{alone}.", self._sure(), self._cost(), f"Open {self.runbook}."]
        return " ".join(p for p in parts if p)

    def _what(self):
        names = [f"`{f}`" for f in self.features]
        more = len(names) - FEW
        shown = names if more <= 0 else [*names[:FEW], f"{more} more"]
        about = " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
        one = len(names) == 1
        if self.kind is None and self.change == "total":
            return f"{about} {'has' if one else 'have'} changed: {self.facts[0]}" if self.facts else f"{about} changed"
        if self.kind is None:
            return f"{about} {'differs' if one else 'differ'}, and no known cause reproduces it" + (
                f": {self.facts[0]}" if self.facts else ""
            )
        said = self.kind.says(len({_bare(s) for s in self.said.values()}) == 1)
        verb, _, rest = said.partition(" ")
        said = said if one else f"{PLURAL.get(verb, verb.removesuffix('s'))} {rest}"
        then = next(iter(self.before.values()), None)
        after = f" (after {then.stem})" if then is not None else f" (then {self.then})" if self.then else ""
        wrong = "in training, " if self.side == "training" else ""
        others = " or ".join(dict.fromkeys(r["skew"] for r in self.rivals))
        return f"{about} {wrong}{said}{after}" + (f", or what predicts the same ({others})" if others else "")

    def _whom(self):
        told = []
        if (where := self.slice or self.where) is not None:
            values = where[1] if isinstance(where[1], tuple) else (where[1],)
            told.append(f"where {where[0]} is {' or '.join(map(str, values))}")
        if self.share < 1:
            told.append(f"for {share(self.share)} of the requests")
        if self.since is not None:
            told.append(f"since {clock(self.since)}")
        if self.until is not None:
            told.append(f"until {clock(self.until)}")
        return ", " + ", ".join(told) if told else ""

    def _sure(self):
        if self.explained is None or self.then:
            return ""
        if self.change == "total" and self.held_out is None:  # no row has another beside it
            return "" if self.kind is None else f"{share(self.explained)} of the change explained."
        rows = several(self.rows, "mismatching row")
        if self.kind is None:
            return f"{rows} of {self.n:,}."
        if self.kind.random:
            return f"{rows}, as chance would have them."
        if self.explained >= 1:
            return f"All {rows} reproduced." if self.rows > 1 else f"{rows} reproduced."
        return f"{share(self.explained)} of {rows} reproduced."

    def _cost(self):
        if self.cost is None or self.cost.delta is None:
            return ""
        name = named(self.cost.metric)
        if self.cost.low is not None and self.cost.low <= 0 <= self.cost.high:
            return f"No change of {name} beyond chance."
        return f"{name} {self.cost.delta:+.3f}."

    @property
    def patch(self) -> str:
        """One line of Python that makes of what should have been what was served; "" where there is none."""
        here, there = ("replayed", "served") if self.side == "serving" else ("served", "replayed")
        made, scope = self._made, _code(self.scope)
        return made if made.startswith("#") else made and f"{there} = sk.inject({here}, {made}, {scope}, roles, replay)"

    @property
    def undo(self) -> str:
        """One line of Python that puts right the rows that it explains; "" where there is none."""
        here, there = ("replayed", "served") if self.side == "serving" else ("served", "replayed")
        made, scope = self._made, _code(self.scope)
        shape = self.skew == "schema_change" and self.kind.how not in ("swapped", "misread", "retyped")
        if not made or made.startswith("#") or shape:
            return ""
        return f"{there} = sk.corrected({here}, {there}, {made}, {scope}, roles, replay)"

    @property
    def _made(self):
        """The skews in Python, one after the other; "" of what is not known, of chance, of no pairs, or not the last."""
        if self.kind is None or self.change == "total" or self.kind.random or self.then:
            return ""
        if (self.told and dict(self.told) != dict(self.causes)) or (self.slice and self.slice != self.where):
            return HIDDEN
        both = ((self.before, s) for s in self.before.values()), ((self.causes, s) for s in self.causes.values())
        told = [replace(s, features=self._having(part, s)) for each in both for part, s in each]
        if not all(_plain(v) for s in told for v in s.to_dict().values()):
            return ""
        made = [f"sk.skews.{s}" for s in dict.fromkeys(map(str, told))]
        return f"[{', '.join(made)}]" if len(made) > 1 else made[0]

    def _having(self, skews, skew):
        """The features that have this skew with these parameters."""
        return tuple(f for f, s in skews.items() if s is not None and _bare(s) == _bare(skew))

    def to_dict(self) -> dict[str, Any]:
        """As result.json holds it."""
        plain = {"skew": self.skew, "change": self.change, "side": self.side, "features": list(self.features)}
        plain |= {"parameters": {k: thawed(v) if not isinstance(v, dict) else v for k, v in self.parameters.items()}}
        where = self.slice or self.where
        plain |= {"where": where and thawed(where), "share": self.share}
        plain |= {n: (t := getattr(self, n)) and t.isoformat() for n in ("since", "until")}
        names = (
            "rows",
            "n",
            "explained",
            "held_out",
            "bits",
            "rivals",
            "facts",
            "give",
            "detail",
            "picture",
            "plant",
            "then",
        )
        plain |= {n: thawed(getattr(self, n)) for n in names}
        plain |= {"before": next((s.stem for s in self.before.values()), None)}
        plain |= {"cost": self.cost and as_rows([self.cost])[0]}
        return plain | {n: getattr(self, n) for n in ("runbook", "sentence", "patch", "undo")}


def _plain(value):
    """Whether Python reads a value as it is written."""
    if isinstance(value, (list, tuple)):
        return all(map(_plain, value))
    return value is None or isinstance(value, (str, bool, int)) or (isinstance(value, float) and isfinite(value))


def _bare(skew):
    """A skew without the features it names, to hold it against another's."""
    return skew.stem, *((f.name, getattr(skew, f.name)) for f in fields(skew) if f.name != "features")


def _given(skew):
    """A skew's parameters that say something, as JSON holds them."""
    told = {f.name: getattr(skew, f.name) for f in fields(skew) if f.name != "features"}
    return {n: thawed(v) for n, v in told.items() if v != next(f.default for f in fields(skew) if f.name == n)}


def _code(scope: Scope) -> str:
    """A scope in Python, but for its share: which rows of it were struck is seen in the rows."""
    told = {
        "where": scope.where,
        "since": scope.since and scope.since.isoformat(),
        "until": scope.until and scope.until.isoformat(),
    }
    told["side"] = scope.side if scope.side != "serving" else None
    return f"sk.Scope({', '.join(f'{n}={v!r}' for n, v in told.items() if v is not None)})"


def clock(when: pd.Timestamp) -> str:
    """A moment in UTC to the minute."""
    return f"{when.tz_convert('UTC'):%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True)
class Diagnosis:
    """Causes, best first, named ones before those that are not; what of the change is skew and what drift; what is missing."""

    fits: list[Fit] = field(default_factory=list)
    split: tuple[Mapping[str, Any], ...] = ()
    missing: tuple[NotRun, ...] = ()

    @property
    def named(self) -> list[Fit]:
        return [f for f in self.fits if f.kind is not None]

    def explaining(self, feature: str | None) -> Fit | None:
        """The cause named for a feature; None where there is none."""
        return next((f for f in self.named if feature in f.features), None)

    def to_frame(self) -> pd.DataFrame:
        names = (
            "skew",
            "features",
            "parameters",
            "side",
            "where",
            "share",
            "since",
            "until",
            "rows",
            "explained",
            "bits",
            "sentence",
        )
        return pd.DataFrame([{n: getattr(f, n) for n in names} for f in self.fits], columns=list(names))

    @shown(undrawn)
    def plot(self):
        """The first cause's feature, before and after; None where there is nothing to draw."""
        return next((plots.cause(f.to_dict()) for f in self.fits if f.picture), None)

    def __repr__(self):
        return f"<Diagnosis: {'; '.join(f.sentence for f in self.fits) or 'nothing to explain'}>"

    @shown(sentence_of)
    def _repr_html_(self):
        said = "".join(f"<p>{escape(f.sentence)}</p>" for f in self.fits) or "<p>Nothing to explain.</p>"
        rows = next((f.detail for f in self.fits if f.detail), ())
        shown = pd.DataFrame(rows).to_html(index=False, escape=True, na_rep="") if rows else ""
        waits = "".join(f"<p>{escape(m.reason)}; give {escape(m.give)}.</p>" for m in self.missing)
        return said + shown + waits
