"""Models, lineage and results in MLflow, in a store of files that lies in a temporary folder; nothing is unpickled."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import skewkit as sk
from skewkit.features.definitions import digest
from skewkit.gate.gate import gate
from skewkit.load.mlflow_store import lineage, read_model
from skewkit.load.models import scorer
from skewkit.report.mlflow_log import DEFINITIONS, log_result, mark, trained_in
from skewkit.surroundings import other

from .conftest import play
from .test_models import logistic

ROWS = pd.DataFrame({"a": np.linspace(-1, 1, 60), "b": np.tile([0.0, 1.0, 2.0], 20)})

PLAIN = {"pip_requirements": ["scikit-learn"]}  # else MLflow looks for them, for ten seconds


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    """MLflow with its tracking store and registry in a folder of the test's own."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    mlflow = pytest.importorskip("mlflow", reason="pip install 'skewkit[mlflow]'")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # without a database, which its small package has none of
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)
    yield mlflow
    while mlflow.active_run():
        mlflow.end_run()


@pytest.fixture
def fitted():
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(ROWS, ROWS["a"] + ROWS["b"] > 1)


@pytest.fixture
def trained(mlflow, fitted, payments):
    """A registered model, fraud/1, and its run, marked with what it was trained from; gives the run's id."""
    with mlflow.start_run() as run:
        mlflow.sklearn.log_model(
            fitted, name="model", registered_model_name="fraud", serialization_format="skops", **PLAIN
        )
        mark(run.info.run_id, payments.definitions, seeds={"numpy": 7})
    return run.info.run_id


def test_a_registered_model_scores_as_it_was_fitted(trained, fitted):
    """By name and version: the probabilities of the estimator itself, and a hash of the bytes that were read."""
    model = scorer("mlflow:models:/fraud/1", "binary")
    assert model(ROWS).tolist() == fitted.predict_proba(ROWS)[:, 1].tolist()
    assert model.uri == "mlflow:models:/fraud/1" and len(model.sha256) == 64


def test_a_pickle_is_never_opened(mlflow, fitted, monkeypatch):
    """A model logged with cloudpickle is refused by what its MLmodel file says, with no unpickler called."""
    import cloudpickle

    with mlflow.start_run():
        made = mlflow.sklearn.log_model(fitted, name="model", serialization_format="cloudpickle", **PLAIN)
    monkeypatch.setattr("pickle.load", lambda *_: pytest.fail("a pickle was opened"))
    monkeypatch.setattr(cloudpickle, "load", lambda *_: pytest.fail("a pickle was opened"))
    with pytest.raises(sk.SkewkitError, match="kept as cloudpickle, and was not opened"):
        scorer(f"mlflow:{made.model_uri}", "binary")


def test_a_model_file_outside_of_its_folder_is_refused(mlflow, trained, monkeypatch, tmp_path):
    """An MLmodel file may name its own files alone."""
    (tmp_path / "theirs.skops").write_bytes(b"x")
    folder = tmp_path / "copy"
    folder.mkdir()
    said = {"flavors": {"sklearn": {"serialization_format": "skops", "pickled_model": "../theirs.skops"}}}
    (folder / "MLmodel").write_text(json.dumps(said))
    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", lambda **_: str(folder))
    with pytest.raises(sk.SkewkitError, match="no such file"):
        read_model("mlflow:models:/fraud/1")


def test_lineage_is_what_the_run_says(mlflow, trained, payments):
    """The run's id, the definitions' hash, and what it ran in, which is what this runs in."""
    found = lineage("mlflow:models:/fraud/1")
    assert found["run_id"] == trained and found[DEFINITIONS] == digest(payments.definitions)
    then = trained_in("mlflow:models:/fraud/1")
    assert then["seeds"] == {"numpy": 7} and other(then) == []


def test_the_gate_holds_what_was_logged_against_the_run(trained, payments):
    """Served rows with the run's hash pass; one row of another definition is a breach; a tag that is not there is named."""
    hashed = digest(payments.definitions)
    served = pd.DataFrame({"id": range(20_000), "a": 1.0, "definitions": hashed, "run": trained})
    asked = {c: f"mlflow:models:/fraud/1#{w}" for c, w in (("definitions", DEFINITIONS), ("run", "run_id"))}
    assert gate(served=served, lineage=asked, key="id").verdict == "ok"
    served.loc[7, "definitions"] = "0" * 64
    result = gate(served=served, lineage=asked, key="id")
    off = [f.feature for f in result.findings if f.statistic == "differ" and f.value]
    assert result.verdict == "breach" and off == ["definitions"]
    with pytest.raises(sk.SkewkitError, match=r"asks for 'vocabulary'; behind .*run_id"):
        gate(served=served, lineage={"definitions": "mlflow:models:/fraud/1#vocabulary"}, key="id")


def test_a_result_is_logged_with_its_verdict_and_numbers(mlflow, tmp_path, monkeypatch):
    """A parity run with a clock turned: the verdict and causes as tags, values as metrics, both files as they are; of a secret nothing."""
    monkeypatch.chdir(tmp_path)
    play("parity", scenario="payments", profiles=200, knobs={"zone": "UTC"})
    folder = tmp_path / "runs" / "latest"
    monkeypatch.setenv("WHERE", (tmp_path / "mlruns").as_uri())
    run = mlflow.MlflowClient().get_run(log_result(folder, "parity", tracking="${WHERE}"))
    result = json.loads((folder / "result.json").read_text())
    assert run.data.tags["skewkit.verdict"] == "breach" and "time_zone" in run.data.tags["skewkit.results.causes"]
    (hour,) = [f for f in result["findings"] if f["feature"] == "hour" and f["statistic"] == "differ"]
    assert run.data.metrics["parity.differ.hour"] == hour["value"] > 0
    breaches = sum(f["verdict"] == "breach" for f in result["findings"])
    assert run.data.metrics["findings.breach"] == breaches > 0
    for name in ("result.json", "report.html"):
        kept = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=name)
        assert Path(kept).read_bytes() == (folder / name).read_bytes()
    with pytest.raises(sk.SkewkitError, match="holds no result of skewkit"):
        log_result(tmp_path)


def test_what_is_not_there_is_said(mlflow):
    """A model that nobody registered: what was asked, and how it is named."""
    with pytest.raises(sk.SkewkitError, match=r"MLflow cannot give mlflow:models:/nobody/1 .*name it like"):
        scorer("mlflow:models:/nobody/1", "binary")


def test_a_model_in_onnx_scores_as_its_file(mlflow, tmp_path, monkeypatch):
    """Logged with its flavor: the scores of the same file given by its path."""
    onnx = pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    rows = ROWS.assign(c=1.0)
    with mlflow.start_run():
        made = mlflow.onnx.log_model(onnx.load(logistic("l.onnx")), name="model", **PLAIN)
    found = scorer(f"mlflow:{made.model_uri}", "binary")(rows)
    assert found.tolist() == scorer("l.onnx", "binary")(rows).tolist() and np.ptp(found) > 0
