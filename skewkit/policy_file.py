"""A policy from YAML: the default one, and what a file of yours changes. A name or number that would do nothing is refused."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import fields
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path

import yaml

from .policy import Accepted, Policy, Scores
from .records import SkewkitError

CHANGES = ("drift", "skew", "total", "training", "served", "candidate", "deployed", "drill")
PARTITIONS = ("day", "week")
FEATURE = ("absolute", "relative", "ulp", "delta", "limits")


def read_policy(path: str | None = None, today: date | None = None) -> Policy:
    """The default policy, with what the YAML file at ``path`` changes, as of ``today`` (the day it is, UTC, if not given)."""
    default = deepcopy(_default())
    raw = _merge(default, _yaml(Path(path)), str(path)) if path else _merge(default, {}, "policy.yaml")
    raw.pop("version")
    accepted = tuple(Accepted(**a) for a in raw["accepted"])
    return Policy(
        **{**raw, "scores": Scores(**raw["scores"]), "accepted": accepted}, today=today or datetime.now(UTC).date()
    )


@cache
def _default():
    return _yaml(files(__package__).joinpath("policy.yaml"))


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
    for name in ("scores", "limits", "features"):
        _mapping(own.get(name) or {}, name, path)
    _known(own, default, path)
    _known(own.get("scores") or {}, [f.name for f in fields(Scores)], path)
    limits = _limits(default["limits"], default["limits"], own.get("limits"), path)
    features = {n: _feature(n, f, default["limits"], path) for n, f in (own.get("features") or {}).items()}
    accepted = [_accepted(a, default["limits"], path) for a in own.get("accepted") or ()]
    scores = {**default["scores"], **(own.get("scores") or {})}
    merged = {**default, **own, "scores": scores, "limits": limits, "features": features, "accepted": accepted}
    _refuse(merged, path)
    return merged


def _limits(base, known, own, path):
    """Limits by name, each with both its numbers; ``known`` has every statistic that there is."""
    limits = dict(base)
    for name, limit in (own or {}).items():
        if not _statistic(name, known):
            raise SkewkitError(f"policy: {path} limits {name!r}; a limit is of {', '.join(known)}")
        if limit is None:  # described, not judged
            limits[name] = None
            continue
        short = name if name.count(".") == 1 else name.rpartition(".")[0]
        first = limits.get(name) or limits.get(short) or known.get(name) or known.get(short) or {}
        limits[name] = {**first, **limit} if isinstance(limit, dict) else {}
        if set(limits[name]) != {"tolerated", "material"}:
            raise SkewkitError(
                f"policy: {path} limits {name}: {limit}; a limit has tolerated and material, or is null: described only"
            )
    return limits


def _statistic(name, known):
    """Whether a limit's name is CHECK.STATISTIC or CHECK.STATISTIC.CHANGE."""
    short, _, change = str(name).rpartition(".")
    return name in known or (short in known and change in CHANGES)


def _feature(name, own, known, path):
    _mapping(own, f"features.{name}", path)
    _known(own, FEATURE, f"{path}, features.{name},")
    _mapping(own.get("limits") or {}, f"features.{name}.limits", path)
    limits = {n: v for n, v in _limits({}, known, own.get("limits"), path).items() if n in (own.get("limits") or {})}
    return {**own, "limits": limits}


def _accepted(own, known, path):
    """One acceptance, with a day, a reason and an owner: what nobody answers for is not accepted."""
    _mapping(own, "an entry of accepted", path)
    _known(own, [f.name for f in fields(Accepted)], f"{path}, accepted,")
    if absent := [n for n in ("check", "statistic", "until", "reason", "owner") if not own.get(n)]:
        raise SkewkitError(
            f"policy: {path} accepts {own} without {', '.join(absent)}; each says until when, why and who"
        )
    if f"{own['check']}.{own['statistic']}" not in known:
        raise SkewkitError(
            f"policy: {path} accepts {own['check']}.{own['statistic']}, which no check measures; there are {', '.join(known)}"
        )
    if own.get("change") not in (None, *CHANGES):
        raise SkewkitError(f"policy: {path} accepts change {own['change']!r}; there are {', '.join(CHANGES)}")
    try:
        until = own["until"] if isinstance(own["until"], date) else date.fromisoformat(str(own["until"]))
    except ValueError:
        raise SkewkitError(f"policy: {path} accepts until {own['until']!r}; write a day like 2027-01-31") from None
    return {**own, "until": until.date() if isinstance(until, datetime) else until}


def _mapping(value, name, path):
    if not isinstance(value, dict):
        raise SkewkitError(f"policy: {path}: {name} holds {value!r}; it holds names and values")


def _known(own, known, path):
    if unknown := [k for k in own if k not in known]:
        raise SkewkitError(f"policy: {path} sets {', '.join(map(str, unknown))}; there are {', '.join(known)}")


def _refuse(merged, path):
    """Numbers that are none, or out of range, would judge in silence."""
    spans = {"alpha": (1e-12, 0.5), "looks": (1, 1e9), "tolerance": (0, 1), "categories": (0, 1e6), "fleet": (0, 1)}
    spans |= {"profiles": (0, 1e9), "causes": (1, 1e6)}
    spans |= {"certify": (1e-9, 1)} if merged["certify"] is not None else {}
    spans |= {f"scores.{n}": (1e-9, 1) for n in ("top", "moved", "floor", "quantile")}
    flat = {**merged, **{f"scores.{k}": v for k, v in merged["scores"].items()}}
    everywhere = {"": merged["limits"], **{f"features.{n}.": f["limits"] for n, f in merged["features"].items()}}
    for where, limits in everywhere.items():
        for name, limit in ((n, limit) for n, limit in limits.items() if limit):
            flat |= {f"{where}limits.{name}.{k}": v for k, v in limit.items()}
            spans |= {f"{where}limits.{name}.{k}": (0, 1e12) for k in limit}
    for name, feature in merged["features"].items():
        given = {k: v for k, v in feature.items() if k != "limits"}
        flat |= {f"features.{name}.{k}": v for k, v in given.items()}
        # beyond 2**53 floats between, the places of floats of either sign would meet from behind
        spans |= {f"features.{name}.{k}": (0, 2**53 if k == "ulp" else 1e18) for k in given}
    for name, (low, high) in spans.items():
        value = flat[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise SkewkitError(
                f"policy: {path} sets {name}={value!r}; it is a number from {low:g} to {high:g}, "
                f"written like 0.001 (YAML reads 1e-3 as text)"
            )
    for limits in everywhere.values():
        for name, limit in ((n, limit) for n, limit in limits.items() if limit):
            if limit["tolerated"] > limit["material"]:
                raise SkewkitError(
                    f"policy: {path} tolerates more of {name} than is material: {limit}; raise material too"
                )
    threshold = merged["scores"]["threshold"]
    if threshold is not None and (isinstance(threshold, bool) or not isinstance(threshold, (int, float))):
        raise SkewkitError(f"policy: {path} sets scores.threshold={threshold!r}; it is a number, or null")
    if merged["partitions"] not in (None, *PARTITIONS):
        raise SkewkitError(
            f"policy: {path} sets partitions={merged['partitions']!r}; it is day, week, or null for none"
        )
    if not isinstance(merged["by_segment"], bool):
        raise SkewkitError(f"policy: {path} sets by_segment={merged['by_segment']!r}; it is true or false")
    if merged["version"] != 1:
        raise SkewkitError(f"policy: {path} is of version {merged['version']!r}; this skewkit reads version 1")
