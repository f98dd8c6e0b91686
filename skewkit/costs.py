"""Impact: what a difference between two tables does to the model. The same requests, scored as they were and as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import asdict

import numpy as np
import pandas as pd

from .records import Case, Cost, Finding, NotApplicable, NotRun, SkewkitError
from .statistics.metrics import FALLS, RISES, Measured, Reading, Scored, interval, stem, thresholds
from .tables.segments import frequent

DRAWS = 200
ROWS = 200_000  # scored at most, the same keys on both sides
CHANGES_ONLY = ("moved", "flips")  # metrics that mean nothing on one side alone


def cost(case: Case, policy, seed: int = 0, draws: int = DRAWS) -> tuple[tuple[Cost, ...], tuple[NotRun, ...]]:
    """The costs of a case, and what could not be measured with what to give for it.

    Replayed against served over pairs by key, overall and by segment, with 95 percent intervals over replicates that
    resample entities (days without them, rows without times), the same draw on both sides. Beside it the offline
    validation score, where training has labels and predictions: serving cannot move it.
    """
    _single(case)
    offline = tuple(_offline(case, policy, seed, draws))
    if case.pairs is None:
        return offline, (NotRun("impact", "no table holds the served requests a second time", "replayed, or replay"),)
    try:
        frame, before, after = _sides(case, seed)
    except NotApplicable as e:
        return offline, (NotRun("impact", str(e), "prediction in served and replayed, or a model that can score both"),)
    waits = NotRun("impact", "the score waits for labels", "label, once it arrives")
    absent = () if before.labels is not None else (waits,)
    reading = _reading(case, policy, before)
    costs = list(_changed(before, after, None, case, reading, seed, draws))
    for column in case.roles.segments:
        for value, rows in _groups(frame, column):
            parts = before.where(rows), after.where(rows)
            costs += _changed(*parts, f"{column}={value}", case, reading, seed, draws)
    return (*offline, *costs), absent


def losses(costs: Iterable[Cost]) -> Iterator[Finding]:
    """By how much the model became worse over all requests, as findings to be judged: each metric that fell, or that rose.

    A metric by another rule of decisions than the team's own says nothing more where there is one by that.
    """
    whole = [c for c in costs if c.segment is None and None not in (c.delta, c.low)]
    own = {c.metric for c in whole}
    for c in whole:
        name = stem(c.metric)
        if name in FALLS and (c.metric == name or name not in own):
            worse, unit = (-c.delta, -c.high, -c.low), "less than before"
        elif name in RISES and (c.metric == name or name not in own) and c.before > 0:
            worse, unit = (c.delta / c.before, c.low / c.before, c.high / c.before), "of what it was"
        else:
            continue
        value, low, high = (v + 0.0 for v in worse)  # no zero is negative
        yield Finding("impact", c.change, None, c.metric, value, unit, c.n, low, high)


def _single(case):
    """Refuse labels that are many values a row."""
    for table in (case.training, case.served):
        if table.kinds().get(case.roles.label) == "other":
            many = {type(v).__name__ for v in table.column(case.roles.label) if not pd.api.types.is_hashable(v)}
            if many:
                raise SkewkitError(f"label {case.roles.label!r} holds a {min(many)} a row; write one value a row")


def _changed(before, after, segment, case, reading, seed, draws):
    """A Cost a metric: before, after, and their difference with its interval."""
    if before.labels is not None:  # rows whose label has not come count for no metric
        known = ~np.isnan(before.labels)
        before, after = (before, after) if known.all() else (before.where(known), after.where(known))
    if not len(before):
        return
    weights = before.draws(draws, seed)
    was = _kept(
        case, (segment, reading, seed, draws), lambda: Measured(before, before, weights, reading).metrics(case.task)
    )
    now = Measured(after, before, weights, reading).metrics(case.task)
    for metric in (m for m in was if m in now):  # scores that stopped being probabilities have no log loss
        delta = now[metric][0] - was[metric][0]
        low, high = interval(now[metric][1] - was[metric][1])
        numbers = (_finite(v) for v in (was[metric][0], now[metric][0], delta))
        sure = low is not None and not low <= 0 <= high
        needs = _needs(len(before), now[metric][1], delta) if sure else None
        yield Cost(metric, "skew", *numbers, low, high, segment, len(before), needs)


def _needs(n, drawn, delta):
    """How many requests until the interval of the level, from these replicates of ``n``, is as far as the change is wide.

    None where no number of them would do: the change is none at all, though a few draws all lie on one side of it.
    """
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        rows = n * np.square(1.96 * np.nanstd(drawn) / np.float64(delta))
    return max(1, int(np.ceil(rows))) if np.isfinite(rows) else None


def _kept(case, about, make):
    """What depends on the replayed side alone, remembered with its table: a drill asks again at each severity."""
    if case.pairs.n < len(case.replayed):
        return make()
    memo = case.replayed.memo
    if about not in memo:
        memo[about] = make()
    return memo[about]


def _offline(case, policy, seed, draws):
    """The score the team saw before it deployed, on training's own labels and predictions."""
    r, there = case.roles, case.training.columns
    if r.label not in there or r.prediction not in there:
        return
    frame = case.training.frame([c for c in dict.fromkeys((r.label, r.prediction, r.entity, r.time)) if c in there])
    frame = frame.dropna(subset=[r.label, r.prediction]).reset_index(drop=True)
    if not len(frame) or frame[r.label].nunique() < 2:
        return
    labels, classes = _labels(frame[r.label], case)
    side = _finite_ones(Scored(_array(frame[r.prediction], case, classes), labels, clusters(frame, r)))[1][0]
    if not len(side):
        return
    for metric, (value, drawn) in (
        Measured(side, side, side.draws(draws, seed), _reading(case, policy, side)).metrics(case.task).items()
    ):
        if stem(metric) not in CHANGES_ONLY:
            yield Cost(metric, "offline", _finite(value), None, None, *interval(drawn), None, len(side))


def _sides(case, seed):
    """What is known of the paired requests, and both sides scored."""
    r, amount = case.roles, case.cost.get("amount")
    if case.model is None and not all(r.prediction in t.columns for t in case.pairs.tables):
        raise NotApplicable("replayed requests have no score to compare with")
    features = r.features if case.model is not None else (r.prediction,)
    shared = [c for c in dict.fromkeys((*r.segments, r.entity, r.time, r.label, amount)) if c]
    replayed, served = case.pairs.frames(dict.fromkeys((*features, *shared)), ROWS, seed)
    if lost := [f for f in features if f not in replayed or f not in served]:
        raise NotApplicable(f"the model cannot score without {', '.join(lost)}")
    frame = pd.DataFrame({c: served[c] if c in served else replayed[c] for c in shared if c in served or c in replayed})
    frame.index = served.index
    labels, classes = _labels(frame[r.label], case) if r.label in frame else (None, None)
    price = None
    if case.cost:
        scale = pd.to_numeric(frame[amount], errors="coerce").to_numpy(float) if amount else 1.0
        price = float(case.cost.get("false_negative", 0)) * scale * np.ones(len(frame))
    if case.model is None:
        scores = [replayed[r.prediction], served[r.prediction]]
    else:
        was = _kept(case, "scores", lambda: _modelled(case, replayed, features))
        scores = [was, _modelled(case, served, features)]
    if case.task == "multiclass" and classes is None:
        classes = _classes(scores[0])
    sides = [Scored(_array(s, case, classes), labels, clusters(frame, r), price) for s in scores]
    if case.model is None:
        known, sides = _finite_ones(*sides)
        frame = frame[known]
    if not len(frame):
        raise NotApplicable("no paired request has a score on both sides")
    return frame, *sides


def _finite_ones(*sides):
    """The rows that have a score on every side, shape (n,), and those of each side: an infinite score is none."""
    known = np.all([np.isfinite(s.scores.reshape(len(s), -1)).all(1) for s in sides], axis=0)
    return known, sides if known.all() else [s.where(known) for s in sides]


def _modelled(case, rows, features):
    """The model's scores of a copy of the rows, so that it can spoil nothing; integers beside a null as pandas has them."""
    nullable = {f: float for f in features if isinstance(rows[f].dtype, pd.ArrowDtype)}
    try:
        scores = case.model(rows[list(features)].astype(nullable).copy())
    except Exception as e:  # whatever a team's own model raises must not hide what the checks found
        said = str(e) if isinstance(e, SkewkitError) else f"{type(e).__name__}: {e}"
        raise NotApplicable(f"the model failed on these rows ({said})") from e
    scores = _one_each(scores, case.task)
    if len(scores) != len(rows):
        raise SkewkitError(f"the model gave {len(scores)} scores for {len(rows)} rows; it gives one a row")
    if nulls := int(pd.DataFrame(scores).isna().any(axis=1).sum()):
        raise NotApplicable(f"the model gave no score for {nulls} of {len(rows)} rows")
    return scores


def _one_each(scores, task):
    """The scores of a model as one a row, or for multiclass a frame of one column a class; refused where they are neither."""
    if not pd.api.types.is_list_like(scores) or isinstance(scores, (Mapping, Set)) or not hasattr(scores, "__len__"):
        raise SkewkitError(f"the model gave a {type(scores).__name__}; it gives a list or array with one score a row")
    if isinstance(scores, pd.DataFrame) and task == "multiclass":
        return scores
    width = np.shape(scores if hasattr(scores, "shape") else [v for v in scores[:1]])[1:]
    if not width:
        return scores
    if width != (1,):
        one = "a frame with one column a class, by name" if task == "multiclass" else "one score a row"
        raise SkewkitError(f"the model gave {' x '.join(map(str, width))} values a row; it gives {one}")
    return np.asarray(scores).reshape(-1)


def clusters(frame: pd.DataFrame, roles) -> np.ndarray:
    """The number of each row's cluster, shape (n,): its entity, else the day (UTC) it was asked, else itself."""
    if roles.entity in frame:
        codes = pd.factorize(frame[roles.entity].astype(object), use_na_sentinel=False)[0]
    elif roles.time in frame:
        codes = pd.factorize(frame[roles.time].dt.floor("D"), use_na_sentinel=False)[0]
    else:
        codes = np.arange(len(frame))
    return codes.astype("int64")


def _labels(column, case):
    """Labels as numbers with NaN for those that have not come, and the classes' names for multiclass."""
    if column.isna().all():
        return None, None
    if case.task == "multiclass":
        classes = sorted(column.dropna().unique(), key=str)
        codes = pd.Index(classes).get_indexer(column).astype(float)
        return np.where(column.isna(), np.nan, codes), classes
    try:
        values = column.astype(float).to_numpy(float, na_value=np.nan)
    except (ValueError, TypeError):
        raise SkewkitError(
            f"label {column.name!r} holds {column.dropna().unique()[:3].tolist()}; write it as a number"
        ) from None
    if case.task == "binary" and not set(np.unique(values[~np.isnan(values)])) <= {0.0, 1.0}:
        raise SkewkitError(f"label {column.name!r} holds other values than 0 and 1; give task=multiclass or regression")
    return values, None


def _classes(scores):
    return list(scores.columns) if isinstance(scores, pd.DataFrame) else sorted(pd.unique(scores), key=str)


def _array(scores, case, classes):
    """Scores as numbers; for multiclass a column a class, 1 at the predicted one when only that is known."""
    if case.task != "multiclass":
        try:
            if np.iscomplexobj(scores):
                raise TypeError("they are complex")
            return np.asarray(scores, float)
        except (ValueError, TypeError) as e:
            raise SkewkitError(f"the scores are not numbers ({e}); give the column of the model's scores") from None
    if isinstance(scores, pd.DataFrame):
        if not set(classes) & set(scores.columns):
            raise SkewkitError(
                f"the model's classes are {', '.join(map(str, scores.columns))}, and the label's "
                f"{', '.join(map(str, classes))}; give a model and a label that name the classes alike"
            )
        return scores.reindex(columns=classes, fill_value=0.0).to_numpy(float)
    return (np.asarray(scores, object)[:, None] == np.asarray(classes, object)[None, :]).astype(float)


def _reading(case, policy, base):
    """The policy's way to read scores, with the thresholds that the scores of the base set."""
    s = asdict(policy.scores)
    given = s.pop("threshold")
    s["thresholds"] = thresholds(base.scores, given, s["top"]) if case.task == "binary" else ()
    return Reading(**s, false_positive=float(case.cost.get("false_positive", 0)))


def _groups(frame, column):
    """The frequent values of a segment, with their rows."""
    for value in frequent(frame[column]):
        yield value, (frame[column] == value).fillna(False).to_numpy(bool)


def _finite(value):
    return float(value) if np.isfinite(value) else None
