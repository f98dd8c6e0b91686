"""A model as a function of a frame of the features: a team's own function, or a file of skops or ONNX, perhaps in MLflow."""

from __future__ import annotations

import copy
import hashlib
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..durable import put
from ..names import dotted, expand, function, optional
from ..origin import NAME as MADE_FROM
from ..records import SkewkitError
from ..tables.columns import kind_of
from .mlflow_store import is_mlflow, read_model

FILES = (".skops", ".onnx")
PICKLES = (".pkl", ".pickle", ".joblib", ".dill")
TENSORS = {  # ONNX's types of numbers, and ours
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bool)": "bool",
    **{f"tensor({n})": n for n in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")},
}
TEXT = "tensor(string)"


@dataclass(frozen=True)
class ModelFile:
    """A model read from a file: where it is, a hash of the bytes that were read, and how it scores."""

    uri: str
    sha256: str
    score: Callable[[pd.DataFrame], Any]

    @property
    def made_from(self) -> dict[str, str]:
        """The hashes that it bears: in ONNX its metadata's, else those that `write_model` was given."""
        return getattr(self.score, "made_from", {})

    def __call__(self, features: pd.DataFrame):
        return self.score(features)


def write_model(model: Any, path: str | os.PathLike, **hashes: str) -> str:
    """Save a fitted scikit-learn model with skops, whole or not at all, with the hashes of what it was made from inside.

    Such as ``definitions``, what `features.digest` gives; the check `lineage` reads them. In ONNX they are put into
    ``metadata_props`` under the same names. Gives the sha256 of the file, in hexadecimal.
    """
    import skops.io

    model = copy.copy(model)
    setattr(model, MADE_FROM, {**getattr(model, MADE_FROM, {}), **{n: str(h) for n, h in hashes.items()}})
    data = skops.io.dumps(model)
    put(Path(path), lambda aside: Path(aside).write_bytes(data))
    return hashlib.sha256(data).hexdigest()


def scorer(model: Any, task: str, trusted: Sequence[str] = ()) -> Callable[[pd.DataFrame], Any] | None:
    """What scores a frame of the features; None when no model was given.

    A function, or its dotted name, scores as it likes. A file ending .skops or .onnx, or an object with ``predict``,
    gives the probability of class 1, shape (n,), for binary; a frame with a column a class for multiclass; the
    prediction, shape (n,), for regression. ``trusted`` names the types that a .skops file may hold beside those that
    skops knows. A model in MLflow, as mlflow:models:/NAME/VERSION, is one of these two kinds of file.

    Raises SkewkitError for a pickle, which is never opened; a file that is not there, cannot be read, or holds a type
    that is not trusted; and a model of another task.
    """
    if is_mlflow(model):
        return _of_bytes(model, *read_model(model), task, trusted)
    if model is None or model is False or (isinstance(model, str) and not model):
        return None
    if isinstance(model, (str, os.PathLike)):
        named = os.fspath(model)
        suffix = kind(named)
        return _from_file(named, suffix, task, trusted) if suffix else function(named, "model")
    return model if callable(model) else _estimator(model, task, f"model={type(model).__name__}")


def kind(named: str) -> str:
    """The suffix of the model file that a text names, or "" where it is a function's dotted name; nothing is opened."""
    if is_mlflow(named):
        return ""
    suffix = Path(expand(named)).suffix.lower()
    if suffix in PICKLES:
        raise SkewkitError(
            f"model={named!r} is a pickle by its name, and was not opened: reading a pickle runs whatever code is in it. "
            f"Where you trust it, save the model once with skops.io.dump(model, 'model.skops'), and give that file"
        )
    if suffix not in FILES and not dotted(named):
        raise SkewkitError(
            f"model={named!r} is no function's dotted name and no file that ends in {' or '.join(FILES)}; "
            f"give one of these, like team.model.score or models/fraud.skops"
        )
    return suffix if suffix in FILES else ""


def _from_file(named, suffix, task, trusted):
    """The model at a location. Its bytes are read once, so that what is hashed is what scores."""
    shown = f"model={named!r}"
    try:
        data = Path(expand(named)).read_bytes()
    except OSError as e:  # its own text would show what a ${NAME} stands for
        raise SkewkitError(
            f"{shown} cannot be read, as seen from the folder of the run ({e.strerror}); check the path"
        ) from None
    return _of_bytes(named, suffix, data, task, trusted)


def _of_bytes(named, suffix, data, task, trusted):
    shown = f"model={named!r}"
    score = _skops(data, task, trusted, shown) if suffix == ".skops" else _onnx(data, task, shown)
    return ModelFile(named, hashlib.sha256(data).hexdigest(), score)


# -- scikit-learn, saved with skops


def _skops(data, task, trusted, shown):
    """The score of a model saved with skops, whose types are all known to skops or named as trusted."""
    import skops.io

    try:
        unknown = skops.io.get_untrusted_types(data=data)
    except Exception as e:  # whatever is in the file instead
        raise SkewkitError(
            f"{shown} is no file of skops ({type(e).__name__}: {e}); save it with skops.io.dump"
        ) from None
    if untrusted := [t for t in unknown if t not in trusted]:
        raise SkewkitError(
            f"{shown} holds types that are not trusted: {', '.join(untrusted)}. Read what they are, "
            f"and give those that you trust as trusted={untrusted}"
        )
    try:
        model = skops.io.loads(data, trusted=unknown)
    except Exception as e:  # a type that is not installed, or of another release
        raise SkewkitError(
            f"{shown} cannot be loaded ({type(e).__name__}: {e}); install the packages and releases it was saved with"
        ) from e
    return _estimator(model, task, shown)


def _estimator(model, task, shown):
    """The score of an object with scikit-learn's predict or predict_proba."""
    if not hasattr(model, "predict"):
        raise SkewkitError(f"{shown} holds a {type(model).__name__}, which has no predict; give a fitted model")
    classes = getattr(model, "classes_", None)
    if classes is not None and (task == "regression" or (task == "binary" and len(classes) != 2)):
        raise SkewkitError(
            f"{shown} tells {len(classes)} classes apart, and task={task!r} was asked; "
            f"give task={'binary' if len(classes) == 2 else 'multiclass'!r}"
        )
    if task == "binary" and classes is not None and not hasattr(model, "predict_proba"):
        raise SkewkitError(
            f"{shown} is a {type(model).__name__}, which gives no probabilities; "
            f"fit it inside scikit-learn's CalibratedClassifierCV, or give a function that scores"
        )

    def score(features):
        rows = _as_fitted(model, features, shown)
        with warnings.catch_warnings():  # a model fitted without names reads the features in their order
            warnings.filterwarnings("ignore", "X has feature names")
            if task == "regression" or not hasattr(model, "predict_proba"):
                return np.ravel(model.predict(rows))
            scores = model.predict_proba(rows)
        return scores[:, 1] if task == "binary" else pd.DataFrame(scores, columns=list(model.classes_))

    return _bearing(score, getattr(model, MADE_FROM, None))


def _bearing(score, hashes):
    """The function that scores, with the hashes that its model bears; whatever else stands there is none."""
    told = hashes.items() if isinstance(hashes, Mapping) else ()
    score.made_from = {str(n): h for n, h in told if isinstance(h, str)}
    return score


def _as_fitted(model, features, shown):
    """The features that the model was fitted on, in its order, where it knows their names; else all of them."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        return features
    if absent := [n for n in names if n not in features]:
        raise SkewkitError(
            f"{shown} was fitted on {', '.join(absent)}; the features are {', '.join(features)}: name them as the model does"
        )
    return features[list(names)]


# -- ONNX


def _onnx(data, task, shown):
    """The score of a model in ONNX, by onnxruntime."""
    onnxruntime = optional("onnxruntime", "onnx", f"{shown} is scored")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone; they are raised as well
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as e:  # onnxruntime's errors have no base of their own
        raise SkewkitError(
            f"{shown} cannot be read as ONNX ({type(e).__name__}: {e}); is it a whole file, of an opset that "
            f"onnxruntime {onnxruntime.__version__} knows?"
        ) from None
    inputs, outputs = session.get_inputs(), session.get_outputs()
    scores, label = _outputs(outputs, shown)

    def score(features):
        found = session.run([n for n in (scores, label) if n], _tensors(inputs, features, shown))
        return _scores(*found, task=task, shown=f"{shown}, output {scores!r}")

    return _bearing(score, session.get_modelmeta().custom_metadata_map)


def _tensors(inputs, features, shown):
    """The features as the model's inputs: one matrix, or an input a feature, found by its name."""
    first = inputs[0]
    if len(inputs) == 1 and (first.name not in features or first.shape[1:] not in ([], [1])):
        width = first.shape[1] if len(first.shape) == 2 else None
        if len(first.shape) not in (0, 2) or (isinstance(width, int) and width != features.shape[1]):
            raise SkewkitError(
                f"{shown} takes one input, {first.name!r} of shape {first.shape}; there are {features.shape[1]} features: "
                f"{', '.join(features)}. Name those that the model takes, in its order, as features="
            )
        return {first.name: np.column_stack([_tensor(features[f], first.type, shown) for f in features])}
    if absent := [i.name for i in inputs if i.name not in features]:
        raise SkewkitError(
            f"{shown} takes an input {', '.join(map(repr, absent))}; the features are {', '.join(features)}: "
            f"name them as the model's inputs"
        )
    found = {i.name: _tensor(features[i.name], i.type, shown) for i in inputs}
    return {i.name: found[i.name] if len(i.shape) == 1 else found[i.name][:, None] for i in inputs}


def _tensor(column, wanted, shown):
    """One feature as a tensor of the type wanted, shape (n,): no number stays NaN, and no text becomes empty text."""
    holds, empty = kind_of(column), column.isna()
    asked = f"{shown} takes {wanted} for feature {column.name!r}"
    if wanted == TEXT:
        if holds != "text" and not empty.all():
            raise SkewkitError(f"{asked}, which is a {holds}; give it as text, as in training")
        return column.astype(object).where(~empty, "").to_numpy(object)
    if wanted not in TENSORS:
        raise SkewkitError(f"{asked}; export the model with inputs of numbers or text")
    if holds not in ("boolean", "integer", "number") and not empty.all():
        raise SkewkitError(
            f"{asked}, which is a {holds}; leave it out of features=, or export the model with an input a feature"
        )
    dtype = np.dtype(TENSORS[wanted])
    if dtype.kind != "f" and empty.any():
        raise SkewkitError(f"{asked}, which has {int(empty.sum())} nulls; export the model with a float input")
    numbers = (column if holds == "integer" and not empty.any() else column.astype(float)).to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # what does not fit is looked for below
        made = numbers.astype(dtype)
    if dtype.kind != "f" and (lost := made != numbers).any():
        raise SkewkitError(f"{asked}, which holds {numbers[lost][0]}; export the model with a float input")
    return made


def _outputs(outputs, shown):
    """The names of the output that holds the scores and of the label beside it, which may be None."""
    numbers = [o.name for o in outputs if o.type.startswith(("tensor(float", "tensor(double", "seq(map("))]
    likely = numbers if len(numbers) == 1 else [n for n in numbers if "prob" in n.lower()]
    if len(likely) != 1:
        raise SkewkitError(
            f"{shown} gives {', '.join(f'{o.name} ({o.type})' for o in outputs)}; export it with one output of "
            f"probabilities or predictions (in skl2onnx options={{'zipmap': False}})"
        )
    labels = (o.name for o in outputs if o.type in ("tensor(int64)", "tensor(int32)", TEXT))
    return likely[0], next(labels, None)


def _scores(found, labels=None, *, task, shown):
    """The scores of a task from an output of shape (n,), (n, 1) or (n, classes), or a list of dicts (ZipMap)."""
    if isinstance(found, list):
        table = pd.DataFrame(found)
        table = table[sorted(table.columns)]
    elif found.ndim in (1, 2):
        table = pd.DataFrame(found)
    else:
        raise SkewkitError(f"{shown} has shape {found.shape}; export the model with one row a request")
    width, fits = table.shape[1], {"binary": (1, 2), "regression": (1,)}
    if width not in fits.get(task, range(2, width + 1)):
        raise SkewkitError(
            f"{shown} has shape {table.shape}, and task={task!r} was asked; binary takes one column or two, "
            f"regression one, multiclass one a class"
        )
    if task != "multiclass":
        return table.iloc[:, -1].to_numpy(float)
    if not isinstance(found, list) and labels is not None:
        _are_numbers(np.ravel(labels), table.to_numpy(), shown)
    return table


def _are_numbers(labels, scores, shown):
    """Refuse class columns whose names the model does not tell: its labels must be the columns' numbers, 0 to k - 1."""
    ours = labels.dtype.kind in "iu" and ((labels >= 0) & (labels < scores.shape[1])).all()
    if not ours or (scores[np.arange(len(labels)), labels] < scores.max(axis=1)).any():
        raise SkewkitError(
            f"{shown} has {scores.shape[1]} class columns without names, and the labels beside it "
            f"({', '.join(map(str, np.unique(labels)[:3]))}) are not the columns' numbers; "
            f"export it with names (in skl2onnx options={{'zipmap': True}})"
        )
