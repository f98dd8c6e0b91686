"""How old the served values are, how they were fetched, and whether the model errs more where they are older."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from ..records import Case, Finding, NotRun
from ..statistics import bounds, distance
from .ages import WORST, ages, asked, fetched, rows, spread

BUCKETS = 8  # hours or days, at least, to say what moves with the error
LABELLED = 50  # requests in each, at least


def freshness(case: Case, policy):
    """For each feature that something dates: its age, what lacks a time, its fetches, and what moves with the error.

    And, where training dates it too, how far its ages as served lie from those it was learnt with.
    """
    if case.freshness is None and not case.as_of:
        return
    level = policy.level(case)
    errors = _errors(case)
    buckets = None if errors is None else _buckets(case, errors)
    for f in case.roles.features:
        aged, log = ages(case, "served", f), fetched(case, f)
        if aged is not None:
            yield from _aged(case, f, aged, level)
        if log is not None:
            yield from _fetches(case, f, log, level)
        if buckets is not None:
            old = [] if aged is None else [("moves_with_error", "age_p95", aged.groupby(buckets).agg(_p95))]
            if log is not None and "hit" in log:
                missed = 1 - log["hit"].dropna().astype(float)
                old.append(("misses_move_with_error", "miss_rate", missed.groupby(buckets).mean()))
            for statistic, called, series in old:
                yield from _moves(f, statistic, called, series, errors.groupby(buckets).agg(["mean", "size"]), level)
        yield from _change(case, f, level)


def absent(case: Case) -> Iterator[NotRun]:
    """What could not be measured, and what to give."""
    if case.freshness is None and not case.as_of:
        yield NotRun("freshness", "nothing says how old the served values are", "freshness, or as_of")
        return
    errors = _errors(case)
    if errors is None or _buckets(case, errors) is None:
        yield NotRun(
            "freshness",
            "whether the model errs more where values are older was not measured",
            f"labels and predictions as numbers in served, in {BUCKETS} hours or days of {LABELLED} requests each",
        )


def _aged(case, feature, aged, level):
    """The age's upper quantiles, and how many values have no age; a null has none, and needs none."""
    oldest = aged.dropna().sort_values(ascending=False, kind="stable")
    if len(oldest):
        shown = rows(case, "served", oldest, "seconds")
        yield from _quantiles(feature, "age", "seconds", oldest.to_numpy()[::-1], level, shown or None)
    there = case.served.column(feature)[aged.index].notna() if feature in case.served.columns else aged.index >= 0
    yield from _share(feature, "undated", int((aged.isna() & there).sum()), int(there.sum()), level)


def _fetches(case, feature, log, level):
    """Requests that the freshness table does not tell of, misses of the cache, and how long the fetches took."""
    yield from _share(feature, "unlogged", len(case.served) - len(log), len(case.served), level)
    if "hit" in log:
        hits = log["hit"].dropna().astype(bool)
        yield from _share(feature, "miss_rate", int((~hits).sum()), len(hits), level)
    if "fetch_ms" in log and log["fetch_ms"].notna().any():
        took = np.sort(log["fetch_ms"].dropna().to_numpy(float))
        yield from _quantiles(feature, "fetch", "ms", took, level)


def _quantiles(feature, what, unit, ordered, level, shown=None):
    for percent in (95, 99):
        q = percent / 100
        yield Finding(
            *("freshness", "served", feature, f"{what}_p{percent}", bounds.quantile(ordered, q), unit, len(ordered)),
            *bounds.quantile_bounds(ordered, q, level),
            detail=shown,
            grown=lambda times, q=q: bounds.quantile_bounds(ordered, q, level, times),
        )


def _share(feature, statistic, k, n, level):
    if n:
        yield Finding(
            *("freshness", "served", feature, statistic, k / n, "share of rows", n),
            *bounds.share_bounds(k, n, level),
            grown=lambda times: bounds.share_bounds(k * times, n * times, level),
        )


def _change(case, feature, level):
    """How far the ages of two tables lie apart: of all that date the feature, as each change compares them."""
    aged = {name: ages(case, name, feature) for name in case.tables}
    told = {n: d for n, s in aged.items() if s is not None and (d := spread(s)).n}
    compared = {"drift": ("training", "replayed"), "skew": ("replayed", "served")}
    if "replayed" not in told:
        compared = {"total": ("training", "served")}
    for change, sides in compared.items():
        if set(sides) <= set(told):
            a, b = (told[name] for name in sides)
            apart, n = distance.ks(a, b), min(a.n, b.n)

            def between(times, a=a, b=b, apart=apart):
                radius = bounds.ks_radius(a.n * times, b.n * times, level)
                return max(0.0, apart - radius), min(1.0, apart + radius)

            yield Finding("freshness", change, feature, "age_change", apart, "share", n, *between(1.0), grown=between)


def _errors(case):
    """The model's error on each labelled request, on its row number; None where it cannot be told."""
    roles, served = case.roles, case.served
    if case.task == "multiclass" or any(c not in served.columns for c in (roles.label, roles.prediction, roles.time)):
        return None
    try:
        sides = [served.column(c).to_numpy(float, na_value=np.nan) for c in (roles.label, roles.prediction)]
    except (TypeError, ValueError):  # text
        return None
    off = np.abs(sides[0] - sides[1])
    return pd.Series(off**2 if case.task == "binary" else off).dropna()


def _buckets(case, errors):
    """The hour of each row, or its day where hours hold too few labels; None where days do as well."""
    times = asked(case, "served")
    for unit in ("h", "D"):
        at = times.dt.floor(unit)
        counts = at[errors.index].value_counts()
        enough = counts.index[counts >= LABELLED]
        if len(enough) >= BUCKETS:
            return at[at.isin(enough)]
    return None


def _p95(aged):
    ordered = np.sort(aged.dropna().to_numpy())
    return bounds.quantile(ordered, 0.95) if len(ordered) else np.nan


def _moves(feature, statistic, called, series, errors, level):
    """Spearman's rank correlation over the buckets; nothing where either stands still."""
    both = pd.DataFrame({called: series, "error": errors["mean"], "rows": errors["size"]}).dropna()
    if len(both) < BUCKETS or min(both[c].nunique() for c in (called, "error")) < 2:
        return
    rho, n = float(np.corrcoef(rankdata(both[called]), rankdata(both["error"]))[0, 1]), len(both)
    worst = both.sort_values(called, ascending=False, kind="stable").head(WORST)
    shown = tuple(
        {"since": at.isoformat(), called: float(row[called]), "error": float(row["error"]), "rows": int(row["rows"])}
        for at, row in worst.iterrows()
    )
    yield Finding(
        *("freshness", "served", feature, statistic, rho, "rank correlation", n),
        *bounds.rank_bounds(rho, n, level),
        detail=shown,
        grown=lambda times: bounds.rank_bounds(rho, n * times, level),
    )
