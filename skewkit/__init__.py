"""skewkit: plant a training-serving skew, measure what it costs, and see whether the checks notice.

The path, one module a step:

    load -> inject -> check -> impact -> diagnose -> report

    load.py           compare: tables and their roles become a case. engines.py answers from memory and files, lazy.py from
                      a database or Spark, baseline_file.py from a profile of training
    injection.py      inject: what serving would have held under a skew, for a scope; skews/ holds every skew
    checks/           what differs, measured in cells.py and distance.py, with what chance allows from bounds.py
    policy.py         what is tolerated, and so the verdict; wobble.py learns it from training's own days
    costs.py          impact: what the difference does to the model
    diagnosis.py      diagnose: the cause, by name. Every skew proposes (clues.py), what each would have served is scored in
                      bits.py, search.py takes the shortest; unpaired.py does with training and served alone
    report.py         result.json, and the page made from it

feature_log.py is for the service: it logs what is served. logged.py reads that and replays it, labels.py joins its labels.
online.py computes the same features for one request at a time, compiled.py in an engine; two_paths.py holds both paths together.
rollouts.py and decisions.py put a candidate beside the current model: promote, hold or roll back, by bounds that may be looked
at every hour (sequential.py). pipeline.py runs the path on a case, drills.py plants first, notebook.py runs either through papermill.
"""

from importlib import import_module

__version__ = "0.1.0"

# Where each public name lives. They are imported when first used: `import skewkit` reads nothing heavy.
_HOME = {
    "FeatureLog": "feature_log",
    "NotApplicable": "records",
    "Roles": "records",
    "Scope": "scope",
    "SkewkitError": "records",
    "as_of": "time_travel",
    "baseline": "profiling",
    "check": "pipeline",
    "compare": "load",
    "corrected": "patch",
    "decide": "decisions",
    "diagnose": "diagnosis",
    "drill": "drills",
    "examine": "pipeline",
    "examples": "",
    "explain": "formulas",
    "fingerprint": "hashing",
    "impact": "pipeline",
    "inject": "injection",
    "join_labels": "labels",
    "logged_share": "logged",
    "look_up": "time_travel",
    "own": "load",
    "read_log": "logged",
    "read_policy": "policy_file",
    "recompute_log": "logged",
    "replay_log": "logged",
    "rollout": "rollouts",
    "scenario": "scenarios",
    "skews": "",
    "slowly_changing": "time_travel",
    "snapshot": "time_travel",
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
