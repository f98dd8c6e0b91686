"""What skewkit keeps in MLflow: what a model was trained from and in, with its run; and results, as runs of their own."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..features.definitions import digest
from ..load.mlflow_store import library, told, trained_by
from ..names import expand
from ..records import SkewkitError
from ..surroundings import read_surroundings, write_surroundings
from .run import validate

DEFINITIONS = "skewkit.definitions"  # the tag with the hash of the definitions that made the training table
SURROUNDINGS = "surroundings.json"
MOST = 1_000  # metrics that MLflow takes at once


def mark(run_id: str, definitions: Mapping | None = None, seeds: Mapping[str, int] | None = None) -> None:
    """Keep with a training run what made its table (the definitions' hash, as a tag) and what it runs in (surroundings.json)."""
    client = library(f"run {run_id}").MlflowClient()
    with tempfile.TemporaryDirectory() as aside, told(f"run {run_id}"):
        if definitions is not None:
            client.set_tag(run_id, DEFINITIONS, digest(definitions))
        write_surroundings(Path(aside) / SURROUNDINGS, seeds)
        client.log_artifact(run_id, str(Path(aside) / SURROUNDINGS))


def log_result(folder: str | Path, experiment: str = "skewkit", tracking: str = "") -> str:
    """Log a run's folder (runs/latest) to MLflow; gives the id of the MLflow run.

    result.json and report.html are its artifacts; the verdict, the notebook and the causes are tags; each judged value
    is a metric CHECK.STATISTIC.FEATURE, each cost impact.METRIC, and how many findings have each verdict is one too.
    ``tracking`` is where MLflow keeps them, its own setting when not given; ${NAME} in it is read from the environment.
    """
    folder = Path(folder)
    try:
        result = json.loads((folder / "result.json").read_text("utf-8"))
        validate(result)
    except Exception as e:
        raise SkewkitError(
            f"{folder} holds no result of skewkit ({type(e).__name__}); give the folder of a run"
        ) from None
    mlflow = library(f"the result in {folder}")
    with told(tracking or "MLflow"):
        client = mlflow.MlflowClient(tracking_uri=expand(tracking) or None)
        known = client.get_experiment_by_name(experiment)
        home = known.experiment_id if known else client.create_experiment(experiment)
        causes = ", ".join(dict.fromkeys(f["skew"] for f in result["fits"]))
        tags = {
            "skewkit.verdict": result["verdict"],
            "skewkit.notebook": result["notebook"],
            "skewkit.results.causes": causes,
        }
        run = client.create_run(home, tags=tags, run_name=result["run_id"]).info.run_id
        numbers = [mlflow.entities.Metric(n, v, 0, 0) for n, v in numbers_of(result).items()]
        for i in range(0, len(numbers), MOST):
            client.log_batch(run, metrics=numbers[i : i + MOST])
        for name in ("result.json", "report.html"):
            if (folder / name).is_file():
                client.log_artifact(run, str(folder / name))
        client.set_terminated(run)
    return run


def numbers_of(result: Mapping[str, Any]) -> dict[str, float]:
    """A result's judged values and costs by name, and how many findings have each verdict."""
    judged = [f for f in result["findings"] if f["verdict"] is not None and f["value"] is not None]
    found = {f"findings.{v}": 0.0 for v in ("ok", "warn", "inconclusive", "breach")}
    for f in judged:
        found[f"findings.{f['verdict']}"] += 1
        if f["check"] != "impact":  # it is a cost as well, of which the change is logged
            found.setdefault(_name(f["check"], f["statistic"], f["feature"], f["segment"]), float(f["value"]))
    for c in result["impact"]:
        if c["delta"] is not None and c["change"] in ("skew", "total"):
            found.setdefault(_name("impact", c["metric"], c["segment"]), float(c["delta"]))
    return found


def _name(*parts):
    """A metric's name of letters that MLflow takes."""
    return re.sub(r"[^\w\-./ ]", "_", ".".join(str(p) for p in parts if p))[:250]


def trained_in(named: str) -> dict[str, Any]:
    """The surroundings that `mark` kept with the model's run, for `surroundings.other`."""
    run = trained_by(named)
    with tempfile.TemporaryDirectory() as aside, told(named):
        path = library(named).artifacts.download_artifacts(
            run_id=run.info.run_id, artifact_path=SURROUNDINGS, dst_path=aside
        )
        return read_surroundings(path)
