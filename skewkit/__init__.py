"""skewkit: plant a training-serving skew, measure what it costs, and see whether the checks notice.

The path, in the order it is run:

    load -> inject -> check -> impact -> diagnose -> report

    load/             compare: tables and their roles become a case; tables/ answers what the steps ask of them, from
                      memory, files, a database or Spark
    injection.py      inject: what serving would have held under a skew, for a scope; skews/ holds every skew
    checks/           what differs, measured by statistics/, with what chance allows
    policy.py         what is tolerated, and so the verdict; checks/wobble.py learns it from training's own days
    costs.py          impact: what the difference does to the model
    diagnosis/        diagnose: the cause, by name. Every skew proposes from what proposals/ shows it, and the shortest wins
    report/           result.json, and the page made from it

pipeline.py runs the path on a case, drills/ plants first, notebook.py runs either through papermill; results/ is what the
verbs return. features/ defines a feature once, for a batch, one request or an engine; scenarios/ are two worlds made of such.
log/ is for the service: what it served. parity/ holds two paths together, rollouts/ a candidate beside the current model,
gate/ says whether it may go forward and whether one can go back. blind/ holds drills whose team is not told.
"""

from importlib import import_module

__version__ = "0.1.0"

# Where each public name lives. They are imported when first used: `import skewkit` reads nothing heavy.
_HOME = {
    "Blind": "blind.team",
    "FeatureLog": "log.feature_log",
    "NotApplicable": "records",
    "Roles": "records",
    "Scope": "scope",
    "SkewkitError": "records",
    "as_of": "load.time_travel",
    "baseline": "profiling",
    "check": "pipeline",
    "compare": "load.case",
    "corrected": "diagnosis.patch",
    "decide": "rollouts.decisions",
    "diagnose": "diagnosis.diagnosis",
    "drill": "drills.drills",
    "examine": "pipeline",
    "examples": "",
    "explain": "results.formulas",
    "fingerprint": "hashing",
    "impact": "pipeline",
    "inject": "injection",
    "join_labels": "log.labels",
    "logged_share": "log.reader",
    "look_up": "load.time_travel",
    "own": "load.own_tables",
    "read_log": "log.reader",
    "read_policy": "policy_file",
    "recompute_log": "log.reader",
    "replay_log": "log.reader",
    "rollout": "rollouts.rollouts",
    "scenario": "scenarios",
    "skews": "",
    "slowly_changing": "load.time_travel",
    "snapshot": "load.time_travel",
    "undo": "injection",
    "versions": "hashing",
}
__all__ = sorted(_HOME)


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module 'skewkit' has no attribute {name!r}; it has {', '.join(__all__)}")
    home = _HOME[name]
    return getattr(import_module(f".{home}", __name__), name) if home else import_module(f".{name}", __name__)


def __dir__():
    return __all__
