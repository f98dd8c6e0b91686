"""Models from files: scikit-learn's by skops, anybody's by ONNX, and what is refused."""

from __future__ import annotations

import hashlib
import json
import pickle
import sys

import numpy as np
import onnx
import pandas as pd
import pytest
import skops.io
from onnx import TensorProto, helper
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.svm import LinearSVC

import skewkit as sk
from skewkit.load.models import kind, scorer
from skewkit.notebook import Refused, checked, declared, find
from skewkit.records import SkewkitError

from .conftest import play

FLOAT, INT, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
WEIGHTS = np.array([[1.5], [-0.7], [0.3]], "float32")
BIAS = np.array([0.2], "float32")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Paths are relative to the folder of the run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def rows():
    """Requests with three numbers, one of them a boolean; a label that depends on them; and three classes."""
    rng = np.random.default_rng(0)
    x = pd.DataFrame({"a": rng.normal(size=400), "b": rng.normal(size=400), "c": rng.random(400) < 0.5})
    y = (rng.random(400) < 1 / (1 + np.exp(-2 * x["a"] + x["b"]))).astype(int)
    return x.assign(
        request=np.arange(400), y=y, kind=np.where(x["a"] > 0.5, "high", np.where(x["a"] < -0.5, "low", "mid"))
    )


X = ["a", "b", "c"]


def value(name, kind_, *shape):
    return helper.make_tensor_value_info(name, kind_, shape)


def write(nodes, inputs, outputs, path="m.onnx", **constants):
    """A small ONNX model by hand, of an opset that old releases of onnxruntime read."""
    held = [onnx.numpy_helper.from_array(v, n) for n, v in constants.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, held)
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("ai.onnx.ml", 2)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def logistic(path="m.onnx", width=3):
    """Sigmoid(x w + b) of one matrix."""
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["z"]), helper.make_node("Sigmoid", ["z"], ["p"])]
    return write(nodes, [value("x", FLOAT, "n", width)], [value("p", FLOAT, "n", 1)], path, w=WEIGHTS, b=BIAS)


def formula(x):
    """The same in numpy."""
    return 1 / (1 + np.exp(-(x.to_numpy("float32") @ WEIGHTS + BIAS).ravel()))


def three_classes(*labels, zipmap=False, label=True):
    """Softmax over three columns of one matrix, with a label beside it, as skl2onnx writes it."""
    kind_ = STRING if isinstance(labels[0], str) else INT
    nodes = [
        helper.make_node("Softmax", ["x"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["x"], ["best"], axis=1, keepdims=0),
        helper.make_node("Gather", ["names", "best"], ["label"]),
    ]
    outputs = [value("label", kind_, "n")] if label else []
    if zipmap:
        by = {"classlabels_strings" if kind_ == STRING else "classlabels_int64s": list(labels)}
        nodes.append(helper.make_node("ZipMap", ["probabilities"], ["scores"], domain="ai.onnx.ml", **by))
        key = helper.make_map_type_proto(kind_, helper.make_tensor_type_proto(FLOAT, []))
        outputs.append(helper.make_value_info("scores", helper.make_sequence_type_proto(key)))
    else:
        outputs.append(value("probabilities", FLOAT, "n", 3))
    names = np.array(labels, object if kind_ == STRING else "int64")
    return write(nodes, [value("x", FLOAT, "n", 3)], outputs, names=names)


# -- skops


@pytest.mark.parametrize("model", [LogisticRegression(), HistGradientBoostingClassifier(max_iter=5)])
def test_a_model_saved_with_skops_gives_the_probability_of_class_1(model, rows):
    """What the file scores is column 1 of the fitted model's predict_proba, whatever the order of the features."""
    skops.io.dump(model.fit(rows[X], rows["y"]), "m.skops")
    trusted = skops.io.get_untrusted_types(file="m.skops")
    scores = scorer("m.skops", "binary", trusted)(rows[X[::-1]])
    np.testing.assert_array_equal(scores, model.predict_proba(rows[X])[:, 1])


def test_several_classes_are_a_frame_and_a_regression_is_its_prediction(rows):
    """A column a class under the model's own names; predict for a regression; a fitted object as well as its file."""
    classes = LogisticRegression().fit(rows[X], rows["kind"])
    skops.io.dump(classes, "m.skops")
    for given in ("m.skops", classes):
        scores = scorer(given, "multiclass")(rows[X])
        assert list(scores) == ["high", "low", "mid"]
        np.testing.assert_array_equal(scores, classes.predict_proba(rows[X]))
    line = LinearRegression().fit(rows[["b", "c"]], rows["a"])
    np.testing.assert_array_equal(scorer(line, "regression")(rows[X]), line.predict(rows[["b", "c"]]))


class Halved(BaseEstimator):
    """A type of a team's own, which skops does not know."""

    def predict(self, features):
        return features["a"].to_numpy() / 2


def test_a_type_that_is_not_trusted_is_refused_until_it_is_named(rows):
    """The error lists each type that is not trusted and how to trust it; then the model scores."""
    skops.io.dump(Halved(), "m.skops")
    name = f"{Halved.__module__}.Halved"
    for trusted in ((), ["team.Other"]):
        with pytest.raises(SkewkitError, match=rf"not trusted: {name}\..*trusted=\['{name}'\]"):
            scorer("m.skops", "regression", trusted)
    np.testing.assert_array_equal(scorer("m.skops", "regression", [name])(rows[X]), rows["a"] / 2)
    with pytest.raises(SkewkitError, match="a list of types"):
        sk.compare(rows, rows, model="m.skops", trusted=name)


class Bomb:
    """A pickle that leaves a file behind when it is opened."""

    def __reduce__(self):
        return open, ("opened", "w")


@pytest.mark.parametrize("name", ["m.pkl", "m.pickle", "models/m.joblib", "M.PKL"])
def test_a_pickle_is_refused_and_never_opened(name, here):
    """The error says why and names skops, and the code in the pickle has not run."""
    (here / "models").mkdir()
    (here / name).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(SkewkitError, match=r"was not opened.*skops\.io\.dump"):
        scorer(name, "binary")
    takes = declared(find("check"))
    with pytest.raises(Refused, match="was not opened"):
        checked({"model": name}, takes, "check")
    assert not (here / "opened").exists()


def test_a_model_of_another_task_is_refused(rows):
    """A classifier is no regression, three classes are not two, and decisions are not probabilities."""
    two, three = (LogisticRegression().fit(rows[X], rows[y]) for y in ("y", "kind"))
    for model, task, said in (
        (two, "regression", "task='binary'"),
        (three, "binary", "task='multiclass'"),
        (LinearSVC().fit(rows[X], rows["y"]), "binary", "no probabilities"),
        ({"a": 1}, "binary", "no predict"),
    ):
        with pytest.raises(SkewkitError, match=said):
            scorer(model, task)
    with pytest.raises(SkewkitError, match=r"fitted on c; the features are a, b"):
        scorer(two, "binary")(rows[["a", "b"]])


def test_a_file_that_is_not_what_its_name_says_is_refused(here, monkeypatch):
    """A missing file, or one with other bytes, is named as it was given: a ${NAME} is not filled in."""
    monkeypatch.setenv("WHERE", str(here))
    for name in ("broken.skops", "broken.onnx"):
        (here / name).write_bytes(b"neither")
    for name, said in (("gone.skops", "check the path"), ("broken.skops", "no file of skops"), ("broken.onnx", "ONNX")):
        with pytest.raises(SkewkitError, match=said) as e:
            scorer("${WHERE}/" + name, "binary")
        assert "${WHERE}" in str(e.value) and str(here) not in str(e.value)


def test_a_text_is_a_function_or_a_file_and_nothing_else():
    """A dotted name stays a function's; any other text is refused with what may be given."""
    assert kind("team.model.score") == "" and kind("models/m.ONNX") == ".onnx"
    assert scorer("math.floor", "binary")(1.5) == 1 and scorer("", "binary") is None and scorer(None, "binary") is None
    with pytest.raises(SkewkitError, match=r"\.skops or \.onnx"):
        kind("models/m.bin")


# -- ONNX


def test_a_matrix_of_features_is_scored_as_the_formula_says(rows):
    """Gemm and Sigmoid of the features in their order, a boolean as 0 and 1, equal numpy's."""
    for width in (3, "k"):
        scores = scorer(logistic(width=width), "binary")(rows[X])
        np.testing.assert_allclose(scores, formula(rows[X].astype(float)), rtol=1e-5)


def test_a_null_stays_nan_in_a_float_input(rows):
    """A model of IsNaN sees exactly the nulls, those of integers and of a column with nothing in it included."""
    nodes = [
        helper.make_node("IsNaN", ["x"], ["nan"]),
        helper.make_node("Cast", ["nan"], ["number"], to=FLOAT),
        helper.make_node("ReduceMean", ["number"], ["p"], axes=[1]),
    ]
    write(nodes, [value("x", FLOAT, "n", 3)], [value("p", FLOAT, "n", 1)])
    few = rows.head(4).assign(b=pd.array([1, None, 3, None], "Int64"), c=None)[X]
    np.testing.assert_allclose(scorer("m.onnx", "regression")(few), [1 / 3, 2 / 3, 1 / 3, 2 / 3], rtol=1e-6)


def by_feature():
    """p = a + the number of b's category: one input a feature, of which b is text."""
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["b"],
            ["code"],
            domain="ai.onnx.ml",
            keys_strings=["", "x", "y"],
            values_floats=[7.0, 10.0, 20.0],
        ),
        helper.make_node("Add", ["a", "code"], ["p"]),
    ]
    return write(nodes, [value("b", STRING, "n", 1), value("a", FLOAT, "n", 1)], [value("p", FLOAT, "n", 1)])


def test_an_input_a_feature_is_found_by_its_name_and_text_is_text():
    """Order and other features do not matter; a null text is empty text."""
    few = pd.DataFrame({"other": ["-"] * 3, "a": [1, 2, 3], "b": ["x", "y", None]})
    np.testing.assert_array_equal(scorer(by_feature(), "regression")(few), [11, 22, 10])
    few["b"] = few["b"].astype("category")
    np.testing.assert_array_equal(scorer("m.onnx", "regression")(few), [11, 22, 10])


def test_features_that_do_not_fit_the_inputs_are_named(rows):
    """Text in a matrix, a width that differs, an input no feature has, a number for text, a null for an integer."""
    matrix, named = scorer(logistic("l.onnx"), "binary"), scorer(by_feature(), "regression")
    same = [helper.make_node("Cast", ["x"], ["p"], to=FLOAT)]
    whole = scorer(write(same, [value("x", INT, "n", 1)], [value("p", FLOAT, "n", 1)], "i.onnx"), "regression")
    for score, features, said in (
        (matrix, rows[["a", "b", "kind"]], "feature 'kind', which is a text"),
        (matrix, rows[["a", "b"]], "there are 2 features: a, b"),
        (named, rows[["a"]], "takes an input 'b'; the features are a"),
        (named, rows[["a", "b"]], "'b', which is a number"),
        (named, pd.DataFrame({"a": ["1"], "b": ["x"]}), "'a', which is a text"),
        (whole, pd.DataFrame({"x": [1.0, None]}), "'x', which has 1 nulls"),
        (whole, pd.DataFrame({"x": [1.0, 2.5]}), "'x', which holds 2.5"),
    ):
        with pytest.raises(SkewkitError, match=said):
            score(features)
    assert whole(pd.DataFrame({"x": [1.0, 3.0]})).tolist() == [1, 3]


def test_a_label_and_two_probabilities_give_that_of_class_1(rows):
    """The outputs that skl2onnx writes for two classes, without ZipMap: column 1 of the second."""
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["z"]),
        helper.make_node("Sigmoid", ["z"], ["p1"]),
        helper.make_node("Sub", ["one", "p1"], ["p0"]),
        helper.make_node("Concat", ["p0", "p1"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    outputs = [value("label", INT, "n"), value("probabilities", FLOAT, "n", 2)]
    write(nodes, [value("x", FLOAT, "n", 3)], outputs, w=WEIGHTS, b=BIAS, one=np.ones(1, "float32"))
    np.testing.assert_allclose(scorer("m.onnx", "binary")(rows[X]), formula(rows[X].astype(float)), rtol=1e-5)


@pytest.mark.parametrize("labels", [("high", "low", "mid"), (4, 5, 7)])
def test_a_zipmap_names_the_classes(labels, rows):
    """A list of dicts becomes a frame with a column a class, under the names in the model."""
    scores = scorer(three_classes(*labels, zipmap=True), "multiclass")(rows[X])
    raw = np.exp(rows[X].to_numpy("float32"))
    assert list(scores) == list(labels)
    np.testing.assert_allclose(scores, raw / raw.sum(1, keepdims=True), rtol=1e-5)


def test_classes_without_names_are_numbers_and_other_labels_are_refused(rows):
    """Columns are 0 to k - 1 when the label says so or is not there; labels of other names would be mixed up."""
    for label in (True, False):
        assert list(scorer(three_classes(0, 1, 2, label=label), "multiclass")(rows[X])) == [0, 1, 2]
    for labels in ((1, 2, 3), (1, 0, 2), ("high", "low", "mid")):
        with pytest.raises(SkewkitError, match="class columns without names"):
            scorer(three_classes(*labels), "multiclass")(rows[X])


def test_outputs_that_are_no_scores_of_the_task_are_refused(rows):
    """Three columns for two classes, one column for several, two outputs to choose from, and a label alone."""
    for path, task, said in (
        (three_classes(0, 1, 2), "binary", r"shape \(400, 3\)"),
        (logistic("l.onnx"), "multiclass", r"shape \(400, 1\)"),
    ):
        with pytest.raises(SkewkitError, match=said):
            scorer(path, task)(rows[X])
    two = [helper.make_node("Identity", ["x"], [n]) for n in ("i0", "i1")]
    write(two, [value("x", FLOAT, "n", 1)], [value("i0", FLOAT, "n", 1), value("i1", FLOAT, "n", 1)], "two.onnx")
    best = [helper.make_node("ArgMax", ["x"], ["label"], axis=1, keepdims=0)]
    write(best, [value("x", FLOAT, "n", 3)], [value("label", INT, "n")], "label.onnx")
    for path in ("two.onnx", "label.onnx"):
        with pytest.raises(SkewkitError, match="export it with one output"):
            scorer(path, "binary")


def test_without_onnxruntime_the_error_names_the_extra(monkeypatch):
    """The package is asked for only when an ONNX file is scored, and then by the command that brings it."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(SkewkitError, match=r"pip install 'skewkit\[onnx\]'"):
        scorer(logistic(), "binary")


# -- through the verbs


def skewed(rows):
    """The log of a service that reads b with the wrong sign."""
    return rows.assign(b=-rows["b"])


@pytest.mark.parametrize("name", ["m.skops", "m.onnx"])
def test_the_impact_of_a_model_file_is_the_auc_that_scikit_learn_computes(name, rows):
    """On both sides, before and after, roc_auc_score of the model's own scores."""
    if name == "m.skops":
        model = LogisticRegression().fit(rows[X], rows["y"])
        skops.io.dump(model, name)
        sides = [model.predict_proba(t[X])[:, 1] for t in (rows, skewed(rows))]
    else:
        logistic()
        sides = [formula(t[X].astype(float)) for t in (rows, skewed(rows))]
    case = sk.compare(rows, skewed(rows), rows, key="request", label="y", features=X, model=name)
    cost = sk.impact(case).get("auc")
    assert [cost.before, cost.after] == pytest.approx([roc_auc_score(rows["y"], s) for s in sides], abs=1e-9)
    assert cost.delta < -0.05


def test_classes_that_the_label_does_not_have_are_no_scores_of_nought(rows):
    """Numbered columns beside named labels are refused, not taken for a model that is always wrong."""
    roles = {"key": "request", "features": X, "model": three_classes(0, 1, 2), "task": "multiclass"}
    with pytest.raises(SkewkitError, match="classes are 0, 1, 2, and the label's high, low, mid"):
        sk.impact(sk.compare(rows, skewed(rows), rows, label="kind", **roles))


def test_a_model_that_cannot_score_leaves_the_findings_and_says_why(rows):
    """The findings stay, and what was not run holds the model's own words."""
    logistic()
    result = sk.examine(sk.compare(rows, skewed(rows), rows, key="request", label="y", features=X[:2], model="m.onnx"))
    assert result.verdict == "breach"
    assert any("failed on these rows (model='m.onnx' takes one input" in n.reason for n in result.not_run)


def test_the_check_notebook_takes_a_file_and_records_its_hash(rows, here, monkeypatch):
    """model and trusted are its parameters; result.json holds the file as it was named, and a hash of its bytes."""
    monkeypatch.setenv("MODELS", str(here))
    skops.io.dump(Halved(), "m.skops")
    rows.to_parquet("rows.parquet")
    skewed(rows).assign(a=rows["a"] + 1).to_parquet("log.parquet")
    tables = {"training": "rows.parquet", "served": "log.parquet", "replayed": "rows.parquet", "key": "request"}
    roles = {"label": "b", "features": ["a"], "task": "regression", "model": "${MODELS}/m.skops"}
    play("check", **tables, **roles, trusted=[f"{Halved.__module__}.Halved"])
    text = (here / "runs" / "latest" / "result.json").read_text()
    (model,) = (i for i in json.loads(text)["inputs"] if i["role"] == "model")
    assert model["sha256"] == hashlib.sha256((here / "m.skops").read_bytes()).hexdigest()
    assert model["uri"] == "${MODELS}/m.skops" and str(here) not in text
    assert [c for c in json.loads(text)["impact"] if c["metric"] == "mae" and c["change"] == "skew"]
