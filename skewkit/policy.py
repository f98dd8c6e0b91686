"""Thresholds, the error budget, and what they judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from importlib.resources import files
from pathlib import Path

import yaml

from .records import Case, Finding, SkewkitError, Verdict

TESTS = 4  # bounded statistics a feature and change can have: KS, null share, unseen, differ
FACTS = ("schema", "parity")  # what is a fact, or paired, can breach on its own
STATISTICS = (
    *(f"schema.{s}" for s in ("missing", "retyped", "constant", "new", "reordered")),
    *(f"distribution.{s}" for s in ("ks", "psi", "js", "null_share", "unseen")),
    *(f"parity.{s}" for s in ("differ", "missing_keys", "extra_keys", "duplicate_keys", "null_keys", "fleet")),
)
CHANGES = ("drift", "skew", "total", "training")


@dataclass(frozen=True)
class Scores:
    """How a model's scores are read; shares in (0, 1)."""

    top: float = 0.10
    threshold: float | None = None
    moved: float = 0.05
    floor: float = 0.01
    quantile: float = 0.9


@dataclass(frozen=True)
class Policy:
    """What is tolerated. `read_policy` makes one from a file; see policy.yaml for what each number means."""

    alpha: float
    looks: int
    tolerance: float
    categories: int
    fleet: float
    scores: Scores
    limits: Mapping[str, Mapping[str, float]] = field(repr=False)

    def level(self, case: Case) -> float:
        """The error level of one bounded statistic, so that all of them over the horizon stay within alpha (Bonferroni)."""
        changes = len(case.changes) + (case.past is not None)
        tests = TESTS * max(1, len(case.roles.features)) * changes + 4  # and the four of the keys
        return self.alpha / (self.looks * tests)

    def judge(self, finding: Finding) -> Finding:
        """The finding with its threshold, verdict and runbook. Drift warns at most; see CONTRIBUTING.md."""
        limit = self._limit(finding)
        if limit is None:
            return finding
        low, high = (finding.value if v is None else v for v in (finding.low, finding.high))
        verdict = self._verdict(finding, low, high, limit)
        runbook = f"runbooks/{finding.check}.md" if verdict else None
        return replace(finding, threshold=limit["tolerated"], verdict=verdict, runbook=runbook)

    def _limit(self, f):
        name = f"{f.check}.{f.statistic}"
        return self.limits.get(f"{name}.{f.change}", self.limits.get(name))

    @staticmethod
    def _verdict(f, low, high, limit):
        if low > limit["tolerated"]:
            if f.change == "drift":
                return Verdict.warn
            if f.change in ("skew", "training") or f.check in FACTS or low > limit["material"]:
                return Verdict.breach
            return Verdict.warn
        unsure = f.change != "drift" and high > limit["material"] and high > low
        return Verdict.inconclusive if unsure else Verdict.ok


def read_policy(path: str | None = None) -> Policy:
    """The default policy, with what the YAML file at ``path`` changes."""
    raw = _yaml(files(__package__).joinpath("policy.yaml"))
    if path:
        raw = _merge(raw, _yaml(Path(path)), str(path))
    raw.pop("version")
    return Policy(**{**raw, "scores": Scores(**raw["scores"])})


def _yaml(path):
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SkewkitError(
            f"policy: there is no file at {path}; give the path of a policy, or none for the default"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise SkewkitError(f"policy: {path} is not YAML: {e}") from None


def _merge(default, own, path):
    """``default`` with what ``own`` sets; a name that is not known is an error, for it would do nothing."""
    if not isinstance(own, dict):
        raise SkewkitError(
            f"policy: {path} holds a {type(own).__name__}; it holds names and values, as skewkit/policy.yaml does"
        )
    if odd := [n for n in ("scores", "limits") if not isinstance(own.get(n) or {}, dict)]:
        raise SkewkitError(f"policy: {path}: {odd[0]} holds {own[odd[0]]!r}; it holds names and values")
    for parts, known in ((own, default), (own.get("scores") or {}, {f.name for f in fields(Scores)})):
        if unknown := [k for k in parts if k not in known]:
            raise SkewkitError(f"policy: {path} sets {', '.join(map(str, unknown))}; a policy has {', '.join(known)}")
    limits = dict(default["limits"])
    for name, limit in (own.get("limits") or {}).items():
        short = name.rpartition(".")[0]
        base = limits.get(name) or limits.get(short if short.count(".") else name) or {}
        limits[name] = {**base, **limit} if isinstance(limit, dict) else {}
        if set(limits[name]) != {"tolerated", "material"} or not known_statistic(name):
            raise SkewkitError(
                f"policy: {path} limits {name}: {limit}; a limit has tolerated and material, and is of {', '.join(STATISTICS)}"
            )
    merged = {**default, **own, "scores": {**default["scores"], **(own.get("scores") or {})}, "limits": limits}
    _refuse(merged, path)
    return merged


def _refuse(merged, path):
    """Numbers that are none, or out of range, would judge in silence."""
    spans = {"alpha": (1e-12, 0.5), "looks": (1, 1e9), "tolerance": (0, 1), "categories": (0, 1e6), "fleet": (0, 1)}
    spans |= {f"scores.{n}": (1e-9, 1) for n in ("top", "moved", "floor", "quantile")}
    spans |= {f"limits.{n}.{k}": (0, 1e9) for n in merged["limits"] for k in ("tolerated", "material")}
    flat = {**merged, **{f"scores.{k}": v for k, v in merged["scores"].items()}}
    flat |= {f"limits.{n}.{k}": v for n, limit in merged["limits"].items() for k, v in limit.items()}
    for name, (low, high) in spans.items():
        value = flat[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise SkewkitError(
                f"policy: {path} sets {name}={value!r}; it is a number from {low:g} to {high:g}, "
                f"written like 0.001 (YAML reads 1e-3 as text)"
            )
    for name, limit in merged["limits"].items():
        if limit["tolerated"] > limit["material"]:
            raise SkewkitError(f"policy: {path} tolerates more of {name} than is material: {limit}; raise material too")
    threshold = merged["scores"]["threshold"]
    if threshold is not None and (isinstance(threshold, bool) or not isinstance(threshold, (int, float))):
        raise SkewkitError(f"policy: {path} sets scores.threshold={threshold!r}; it is a number, or null")
    if merged["version"] != 1:
        raise SkewkitError(f"policy: {path} is of version {merged['version']!r}; this skewkit reads version 1")


def known_statistic(name: str) -> bool:
    """Whether a limit's name is CHECK.STATISTIC or CHECK.STATISTIC.CHANGE."""
    return name in STATISTICS or (name.rpartition(".")[0] in STATISTICS and name.rpartition(".")[2] in CHANGES)
