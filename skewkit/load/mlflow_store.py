"""MLflow: a model by its URI with nothing unpickled, and what it was trained from; `mlflow_log` writes there."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from ..names import expand, first_line, optional
from ..records import SkewkitError

PREFIX = "mlflow:"
FORM = "mlflow:models:/NAME/VERSION, mlflow:models:/NAME@ALIAS or mlflow:runs:/RUN/PATH"


def is_mlflow(text: Any) -> bool:
    """Whether a text names a model in MLflow, and no address of its scoring server."""
    return isinstance(text, str) and re.match(r"mlflow:(models|runs):/", text) is not None


def read_model(named: str) -> tuple[str, bytes]:
    """The suffix, .skops or .onnx, and the bytes of the model that a URI such as mlflow:models:/fraud/3 names.

    Raises SkewkitError for a model that is kept as a pickle, which is not opened, and one of another flavor.
    """
    with _downloaded(named) as (folder, said):
        flavors = said.get("flavors") or {}
        sklearn, onnx = flavors.get("sklearn") or {}, flavors.get("onnx") or {}
        if onnx.get("data"):
            return ".onnx", _inside(folder, onnx["data"], named)
        if sklearn.get("serialization_format") == "skops":
            return ".skops", _inside(folder, sklearn["pickled_model"], named)
    if sklearn:
        raise SkewkitError(
            f"model={named!r} is kept as {sklearn.get('serialization_format', 'pickle')}, and was not opened: reading a pickle runs "
            f"whatever code is in it. Where you trust it, log it once more with mlflow.sklearn.log_model(..., serialization_format='skops')"
        )
    raise SkewkitError(
        f"model={named!r} is of the flavors {', '.join(flavors) or 'none'}; those that are read are sklearn (as skops) and onnx"
    )


def lineage(named: str) -> dict[str, str]:
    """What a model was trained from, as text: its ``run_id``, its run's tags by name, and of each dataset logged ``dataset.NAME``, a digest."""
    run = trained_by(named)
    datasets = {
        f"dataset.{d.dataset.name}": d.dataset.digest for d in getattr(run.inputs, "dataset_inputs", None) or ()
    }
    return {**run.data.tags, **datasets, "run_id": run.info.run_id}


def resolve(given: Mapping[str, Any]) -> dict[str, Any]:
    """Lineage with each mlflow:models:/NAME/VERSION#WHAT read from MLflow: WHAT is a key of `lineage`, such as run_id."""
    found, every = {}, {}
    for column, value in given.items():
        if is_mlflow(value):
            named, _, what = value.partition("#")
            known = every[named] = every.get(named) or lineage(named)
            if what not in known:
                raise SkewkitError(f"lineage: {value} asks for {what!r}; behind {named} are {', '.join(sorted(known))}")
            value = known[what]
        found[column] = value
    return found


def library(what: str) -> Any:
    """MLflow itself, or an error that names the extra."""
    return optional("mlflow", "mlflow", f"{what} is kept")


def trained_by(named: str) -> Any:
    """MLflow's record of the run that logged a model, of which nothing but its MLmodel file is fetched."""
    mlflow = library(named)
    with told(named):
        run = mlflow.models.get_model_info(expand(named).removeprefix(PREFIX)).run_id
        if not run:
            raise SkewkitError(f"{named} was logged outside of a run, so that nothing tells what it was trained from")
        return mlflow.MlflowClient().get_run(run)


@contextmanager
def _downloaded(named) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A model's folder as MLflow keeps it, copied, and what its MLmodel file says; nothing in it is run."""
    mlflow = library(named)
    aside = Path(tempfile.mkdtemp())
    try:
        with told(named):
            uri = expand(named).removeprefix(PREFIX)
            folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(aside)))
            said = yaml.safe_load((folder / "MLmodel").read_text("utf-8"))
        yield folder, said
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _inside(folder, name, named):
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise SkewkitError(f"model={named!r} says that it is kept in {name!r}, and its folder has no such file")
    return path.read_bytes()


@contextmanager
def told(what: str) -> Iterator[None]:
    """MLflow's own errors, in words that say what was asked, and without secrets."""
    try:
        yield
    except SkewkitError:
        raise
    except Exception as e:
        raise SkewkitError(
            f"MLflow cannot give {what} ({first_line(e, what)}); name it like {FORM}, and set MLFLOW_TRACKING_URI"
        ) from None
