"""May this model go forward: contract, lineage, parity, rollback and logging in one verdict, the worst of those that were given."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema

from ..checks.contract import contract as promised
from ..checks.lineage import absent as unhashed
from ..checks.lineage import lineage as hashed
from ..load.beside import given as is_given
from ..load.beside import mapping
from ..load.case import compare
from ..load.locations import open_table
from ..log.reader import logged_share, read_log
from ..names import expand
from ..parity.two_paths import paths, round_trip
from ..pipeline import check
from ..policy import Policy
from ..policy_file import read_policy
from ..progress import Failed
from ..records import Finding, NotRun, SkewkitError
from ..report.page import findings as as_findings
from ..report.run import inputs, validate
from ..results.causes import Diagnosis
from ..results.results import Findings, Impact, Result
from .registries import rows_of
from .retention import rollback, rollback_gaps

NEEDS = {  # a part, and what it takes
    "contract": ("served", "contract"),
    "lineage": ("served", "lineage"),
    "parity": ("parity",),
    "rollback": ("models", "registry"),
    "logging": ("log", "requests"),
}
GIVE = {
    "contract": "served, the table the candidate was served, and contract",
    "lineage": "served, and lineage: the logged column of a hash and its value at training",
    "parity": "parity, the result.json of a parity run, or a scenario",
    "rollback": "models and registry",
    "logging": "log, the folder of a FeatureLog, and requests, the table of all requests of its span",
}


def gate(
    served: Any = "",
    training: Any = "",
    contract: Any = "",
    lineage: Mapping[str, Any] | None = None,
    key: str = "",
    time: str = "",
    time_zone: str = "",
    features: Sequence[str] = (),
    model_file: str = "",
    trusted: Sequence[str] = (),
    candidate: str = "",
    parity: str = "",
    scenario: str = "",
    profiles: int = 10_000,
    models: Any = "",
    registry: Any = "",
    today: str = "",
    window: str = "90D",
    dual: str = "30D",
    log: str = "",
    requests: Any = "",
    evidence: str = "masked",
    policy: Policy | None = None,
    seed: int = 0,
) -> Result:
    """One result of the parts whose inputs are given; those of the others are in its ``not_run``.

    ``served`` is the table that the candidate was served, held against its ``contract`` and the hashes of its ``lineage`` (by
    value, or "" with ``training`` that has the column or bears the hash, as the candidate's ``model_file`` may: .skops, of
    ``trusted`` types, or .onnx). ``parity`` is the result.json, or the folder, of a run of the notebook
    parity, which is to be of the ``candidate`` (model@version) where that is given, and not too old; else both paths of a
    ``scenario`` are run over ``profiles`` synthetic requests. ``models``, ``registry``, ``today``,
    ``window`` and ``dual`` are those of `retention.rollback_gaps`. ``log`` is the folder of what is served, logged, and
    ``requests`` a table of all requests of the same span with the log's key: see `logged.logged_share`. Raises SkewkitError where no part is given, where one is given
    by half, and where an input cannot be read.
    """
    policy = policy or read_policy()
    lineage = mapping("lineage", lineage)
    asked = {"served": served, "contract": contract, "lineage": lineage, "models": models, "registry": registry}
    asked |= {"parity": parity or scenario, "log": log, "requests": requests}
    parts = _parts(asked)
    if model_file and "lineage" not in parts:
        raise SkewkitError(f"model_file was given without lineage; the part lineage takes {GIVE['lineage']}")
    if parity and scenario:
        raise SkewkitError("both parity and scenario were given; give the result of a run, or the world to run")
    found, not_run, read = [], [], []
    case, causes, promise = None, Diagnosis(), {}
    if "contract" in parts or "lineage" in parts:
        model = {"model": model_file, "trusted": trusted}
        case = _case(served, training, contract, lineage, key, time, time_zone, features, evidence, **model)
        checks = {"lineage": hashed, "contract": promised}
        checked = check(case, policy, tuple(one for name, one in checks.items() if name in parts))
        found, not_run = [*found, *checked], [*not_run, *checked.not_run]
        not_run += unhashed(case) if "lineage" in parts else ()
        read += [i for i in inputs(case) if i["role"] != "training" or _there(training)]
        promise = policy.promise(case)
    if parity:
        findings, told = _parity(parity, candidate, policy)
        found, read = [*found, *findings], [*read, told]
    elif scenario:
        trip = round_trip(**paths(scenario=scenario, profiles=profiles, seed=seed), seed=seed)
        found, causes = [*found, *trip.result.findings, *_enough(trip.case.pairs.n, policy)], trip.result.diagnosis
        not_run += [n for n in trip.result.not_run if isinstance(n, Failed)]
    if "rollback" in parts:
        found += rollback(rollback_gaps(models, registry, today, window, dual), policy)
        read += [_told(name, source) for name, source in (("models", models), ("registry", registry))]
    if "logging" in parts:
        findings, told = _logging(log, requests, policy)
        found, read = [*found, *findings], [*read, *told]
    absent = [NotRun(part, "what it takes was not given", GIVE[part]) for part in NEEDS if part not in parts]
    return Result(
        Findings(found), Impact(), (*absent, *not_run, *policy.over()), case, causes, promise, read=tuple(read)
    )


def _parts(asked):
    """The parts that are given; one that is given by half is refused, and none at all."""
    there = {name for name, value in asked.items() if _there(value)}
    parts = [part for part, needs in NEEDS.items() if there >= set(needs)]
    for part, needs in NEEDS.items():
        own = [n for n in needs if n != "served" and n in there]
        if own and part not in parts:
            lost = next(n for n in needs if n not in there)
            raise SkewkitError(f"{own[0]} was given without {lost}; the part {part} takes {GIVE[part]}")
    if not parts:
        raise SkewkitError(f"the gate was given none of its parts; give {'; or '.join(GIVE.values())}")
    if "served" in there and not {"contract", "lineage"} & set(parts):
        raise SkewkitError("served was given, and neither contract nor lineage to hold it against; give one of them")
    return parts


def _there(value) -> bool:
    return value is not None and not (isinstance(value, (str, list, Mapping)) and not value)


def _case(served, training, contract, lineage, key, time, time_zone, features, evidence, **model):
    """The candidate's table; without training it stands for that, which nothing here compares it with."""
    own = [c for c, value in lineage.items() if not is_given(value)]
    if own and not _there(training):
        raise SkewkitError(
            f"lineage names {own[0]!r} without its value, and no training to read it from; give either of them"
        )
    roles = {"key": key, "time": time, "time_zone": time_zone, "features": list(features), "evidence": evidence}
    table = training if _there(training) else served
    return compare(table, served, contract=contract or None, lineage=lineage, **roles, **model)


def _parity(location, candidate, policy):
    """The findings of a run of the notebook parity, with its age and of what it was, and what was read."""
    path = Path(expand(location))
    path = path / "result.json" if path.is_dir() else path
    try:
        text = path.read_text("utf-8")
        result = json.loads(text)
        validate(result)
    except OSError as e:
        raise SkewkitError(f"parity={location}: {e.strerror}; give the result.json of a parity run") from None
    except (ValueError, jsonschema.ValidationError) as e:
        raise SkewkitError(f"parity={location} is no result of skewkit ({type(e).__name__})") from None
    if result["notebook"] != "parity":
        raise SkewkitError(f"parity={location} is a result of {result['notebook']}; give one of: skewkit run parity")
    findings = as_findings(result)
    if not any(f.check == "parity" and f.verdict is not None for f in findings):
        raise SkewkitError(f"parity={location} judged nothing; run parity again over inputs that both paths take")
    age = (datetime.now(UTC) - datetime.fromisoformat(result["started"])).total_seconds() / 86_400
    made = [_of_run("age", max(0.0, age), "days")]
    if candidate:
        made.append(_of_run("other_candidate", float(result["parameters"].get("candidate") != candidate), "0 or 1"))
    sent = max((i["rows"] or 0 for i in result["inputs"]), default=0)
    findings = [*findings, *map(policy.judge, made), *_enough(sent, policy)]
    return findings, _told("parity", location, path, None)


def _logging(folder, requests, policy):
    """Whether enough of the requests is in the log, and can be joined with its labels; and what was read."""
    logged, table = read_log(expand(folder)), open_table("requests", requests)
    if (key := logged.columns["key"]) not in table.columns:
        raise SkewkitError(f"requests has no column {key!r}, the log's key; it has {', '.join(table.columns)}")
    read = {"role": "log", "uri": folder, "rows": len(logged), "columns": len(logged.frame.columns), "sha256": None}
    asked = {"role": "requests", "uri": table.uri, "rows": len(table), "columns": len(table.columns)}
    return logged_share(logged, table.column(key), policy), [read, {**asked, "sha256": table.sha256()}]


def _enough(sent, policy):
    """Whether both paths were sent as many inputs as agreed."""
    yield policy.judge(_of_run("inputs_short", float(max(0, policy.profiles - sent)), "inputs", sent))


def _of_run(statistic, value, unit, n=1):
    return Finding("parity", "deployed", None, statistic, value, unit, n)


def _told(role, source, path=None, rows=0):
    """What was read, as a result says it: a hash where it is one file."""
    uri = str(source) if isinstance(source, (str, Path)) else None
    path = path or (Path(expand(uri)) if uri else None)
    sha = hashlib.sha256(path.read_bytes()).hexdigest() if path and path.is_file() else None
    rows = len(rows_of(role, source)) if rows == 0 else rows
    return {"role": role, "uri": uri, "rows": rows, "columns": None, "sha256": sha}
