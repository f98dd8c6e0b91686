"""How right the answers of a tool are. Reads the files and nothing of skewkit.

An answer is `ANSWERS/<case>.<regime>.json`: ``{"fits": [{"cause", "parameters", "features", "where", "share", "since",
"until", "explained", "rivals": [{"cause", "parameters"}, ...]}], "unknown": [features without a named cause],
"seconds": s}``. A fit of the cause "unknown" or "unresolved" names nothing. A fit and its rivals are a class: it is right
when the truth is in it and it holds at most two causes. Parameters are right by what they do: zones by their offsets,
lengths of time within 2 percent or those that predict the same rows, rates within three standard deviations.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

from .cases import REGIMES, names
from .same import Look, listed, same

NOTHING = ("unknown", "unresolved", "", None)
MOST = 2  # causes in a class that counts as an answer
BUCKETS = 20  # of the time span: onset within one


def report(out: str | Path, answers: str | Path) -> str:
    """Every table as Markdown: by regime, the cases corrupted by other code first."""
    rows = judged(out, answers)
    if not rows:
        return f"no answers to the cases of {out} in {answers}"
    table = pd.DataFrame(rows)
    parts = [f"{len(table)} answers to {table['case'].nunique()} cases"]
    for title, chosen in (
        ("Corrupted by other code, left out of all tuning", table["outside"]),
        ("All", table["outside"] | True),
    ):
        part = table[chosen]
        for kind in ("skew", "mixture", "twin"):
            if (part["kind"] == kind).any():
                parts += [f"\n## {title}: {kind}\n", markdown(_by_regime(part[part["kind"] == kind]))]
    parts += ["\n## Precision of all that was named, controls and limits included\n", markdown(_precision(table))]
    parts += ["\n## Silence and limits\n", markdown(_controls(table)), "\n## Seconds\n", markdown(_seconds(table))]
    skews = table[table["kind"] == "skew"]
    parts += ["\n## By cause (cause with parameters right, of the identifiable)\n", markdown(_by_stem(skews))]
    for regime in REGIMES:
        if len(here := skews[skews["regime"] == regime]):
            parts += [f"\n## Confusion, {regime} (true by row)\n", markdown(confusion(here))]
    return "\n".join(parts)


def judged(out: str | Path, answers: str | Path) -> list[dict]:
    """One row a case and regime that was answered."""
    out, answers, rows = Path(out), Path(answers), []
    for name in names(out):
        truth = json.loads((out / "truth" / f"{name}.json").read_text("utf-8"))
        for regime in json.loads((out / "cases" / f"{name}.json").read_text("utf-8"))["regimes"]:
            path = answers / f"{name}.{regime}.json"
            if path.exists():
                answer = json.loads(path.read_text("utf-8"))
                rows.append({"case": name, "regime": regime, **judge(truth, answer, regime, Look(out, name))})
    return rows


def judge(truth: dict, answer: dict, regime: str, look) -> dict:
    """How right one answer is: shares over the case's causes where there are several."""
    fits = [f for f in answer.get("fits", ()) if f.get("cause") not in NOTHING]
    said = set(answer.get("unknown", ())) | {c for f in answer.get("fits", ()) for c in f.get("features", ())}
    row = {
        "kind": truth["kind"],
        "outside": bool(truth["outside"]),
        "identifiable": bool(truth["identifiable"][regime]),
        "alarm": bool(answer.get("fits") or answer.get("unknown")),
        "named": sum(len(_class(f)) <= MOST for f in fits),
        "columns": truth.get("columns", 0),
        "columns named": len({c for f in fits for c in f.get("features", ())}),
        "columns said": len(said),
        "seconds": answer.get("seconds"),
        "stem": truth["causes"][0]["cause"] if truth["causes"] else "none",
        "answered": fits[0]["cause"] if fits else ("unknown" if said or answer.get("fits") else "silent"),
    }
    causes = [c for c in truth["causes"] if c["cause"] != "other"]
    named = [f for f in fits if len(_class(f)) <= MOST]
    row["right named"] = sum(any(_names(f, c) for c in causes) for f in named)
    if truth["kind"] == "unknowable":
        row["right"] = all(_is_class(f, causes) for f in fits)
        row["right named"] = sum(_is_class(f, causes) for f in named)
        return row
    found = [_found(c, fits, look) for c in causes]
    for key in ("cause", "parameters", "features", "slice", "onset"):
        row[key] = (
            float(np.mean([f[key] for f in found if f[key] is not None]))
            if any(f[key] is not None for f in found)
            else None
        )
    if row["kind"] == "mixture":  # every cause, or it is not right
        row |= {k: float(row[k] == 1) for k in ("cause", "parameters", "features") if row[k] is not None}
    return row


def _class(fit) -> set:
    """The distinct causes that a fit cannot tell apart."""
    return {fit["cause"], *(r["cause"] for r in fit.get("rivals") or ())}


def _names(fit, cause) -> bool:
    """Whether a fit that names something names this cause for one of its features."""
    about = set(fit.get("features") or ()) & _columns(cause)
    return bool(about) and cause["cause"] in _class(fit)


def _columns(cause):
    also = (
        [c for n in ("to", "with") for c in listed(cause["parameters"].get(n))]
        if cause["cause"] == "schema_change"
        else []
    )
    copied = [c.removesuffix("_v2").removeprefix("copy_") for c in cause["features"]] if also else []
    return {*cause["features"], *also, *copied}


def _is_class(fit, causes) -> bool:
    """The right way to answer what cannot be known: two causes or more, the truth among them."""
    members = [
        (fit["cause"], fit.get("parameters")),
        *((r["cause"], r.get("parameters")) for r in fit.get("rivals") or ()),
    ]
    different = {json.dumps(m, sort_keys=True, default=str) for m in members}
    return len(different) >= 2 and any(c["cause"] in {m[0] for m in members} for c in causes)


def _found(cause, fits, look) -> dict:
    """What of one true cause was found, by the fit that has most of it right. None: not asked."""
    nothing = {"cause": False, "parameters": False, "features": False}
    best = nothing | {"slice": False if cause["where"] else None, "onset": False if cause["since"] else None}
    for fit in fits:
        if len(_class(fit)) > MOST or not _names(fit, cause):
            continue
        members = [fit, *(fit.get("rivals") or ())]
        right = any(m["cause"] == cause["cause"] and same(cause, m.get("parameters") or {}, look, fit) for m in members)
        whole = set(fit["features"]) == set(cause["features"])
        if cause["cause"] == "schema_change":
            whole = set(fit["features"]) <= _columns(cause)
        row = {
            "cause": True,
            "parameters": bool(right),
            "features": whole,
            "slice": _same_slice(cause["where"], fit.get("where")) if cause["where"] else None,
            "onset": _same_time(cause["since"], fit.get("since"), look) if cause["since"] else None,
        }
        best = max(best, row, key=lambda r: sum(bool(v) for v in r.values()))
    return best


def _same_slice(true, said) -> bool:
    return bool(said) and len(said) == 2 and said[0] == true[0] and str(said[1]) == str(true[1])


def _same_time(true, said, look) -> bool:
    if not said or look.times is None:
        return False
    span = look.times.max() - look.times.min()
    return abs(pd.Timestamp(said) - pd.Timestamp(true)) <= span / BUCKETS


def _by_regime(part: pd.DataFrame) -> pd.DataFrame:
    """The measures of skew cases by regime: of all, and of those whose cause can be known there."""
    rows = {}
    for regime in REGIMES:
        here = part[part["regime"] == regime]
        for who, some in (("all", here), ("identifiable", here[here["identifiable"]])):
            if len(some):
                rows[f"{regime}, {who}"] = {
                    "cases": len(some),
                    "detection": _share(some["alarm"]),
                    "cause": _share(some["cause"]),
                    "cause and parameters": _share(some["parameters"]),
                    "features exact": _share(some["features"]),
                    "slice": _share(some["slice"]),
                    "onset": _share(some["onset"]),
                    "precision of named": _share(
                        [some["right named"].sum() / some["named"].sum()] if some["named"].any() else []
                    ),
                    "coverage": _share(some["named"] > 0),
                }
    return pd.DataFrame(rows).T


def _precision(table: pd.DataFrame) -> pd.DataFrame:
    """Of all fits that name a cause, or two, how many are right: with truth of any kind, the other code's first."""
    rows = {}
    for regime in REGIMES:
        for who, some in (("by other code", table[table["outside"]]), ("all", table)):
            some = some[some["regime"] == regime]
            named, right = int(some["named"].sum()), int(some["right named"].sum())
            if len(some):
                rows[f"{regime}, {who}"] = {
                    "named": named,
                    "right": right,
                    "precision": _share([1.0] * right + [0.0] * (named - right)),
                }
    return pd.DataFrame(rows).T


def _controls(table: pd.DataFrame) -> pd.DataFrame:
    """Columns named or called unknown where nothing is wrong, and how what cannot be known was answered."""
    rows = {}
    for kind in ("clean", "drift"):
        for regime in REGIMES:
            some = table[(table["kind"] == kind) & (table["regime"] == regime)]
            if len(some):
                said = {
                    "columns": int(some["columns"].sum()),
                    "named": int(some["columns named"].sum()),
                    "said unknown": int((some["columns said"] - some["columns named"]).sum()),
                }
                rows[f"{kind}, {regime}"] = {"cases": len(some), **said, "answered as such": "-"}
    for regime in REGIMES:
        some = table[(table["kind"] == "unknowable") & (table["regime"] == regime)]
        if len(some):
            rows[f"unknowable, {regime}"] = {
                "cases": len(some),
                "columns": "-",
                "named": "-",
                "said unknown": "-",
                "answered as such": _share(some["right"]),
            }
    return pd.DataFrame(rows).T


def _seconds(table: pd.DataFrame) -> pd.DataFrame:
    rows = {}
    for regime in REGIMES:
        took = table.loc[table["regime"] == regime, "seconds"].dropna().astype(float)
        if len(took):
            rows[regime] = {
                "median": f"{took.median():.2f}",
                "p95": f"{took.quantile(0.95):.2f}",
                "max": f"{took.max():.2f}",
            }
    return pd.DataFrame(rows).T


def _by_stem(skews: pd.DataFrame) -> pd.DataFrame:
    rows = defaultdict(dict)
    for stem, of in skews.groupby("stem"):
        for regime in REGIMES:
            some = of[(of["regime"] == regime) & of["identifiable"]]
            rows[stem][regime] = f"{_share(some['parameters'])} of {len(some)}" if len(some) else "-"
    return pd.DataFrame(rows).T


def confusion(skews: pd.DataFrame) -> pd.DataFrame:
    """True causes by row, the first answered by column, counts."""
    counts = Counter(zip(skews["stem"], skews["answered"], strict=True))
    columns = sorted({a for _, a in counts})
    return pd.DataFrame({a: {t: counts.get((t, a), 0) or "" for t in sorted(set(skews["stem"]))} for a in columns})


def _share(values) -> str:
    values = pd.Series(values).dropna().astype(float)
    return "-" if not len(values) else f"{100 * values.mean():.1f} %"


def markdown(table: pd.DataFrame) -> str:
    """A table as Markdown."""
    head = ["", *map(str, table.columns)]
    lines = [
        head,
        ["---"] * len(head),
        *([str(i), *map(str, row)] for i, row in zip(table.index, table.to_numpy(), strict=True)),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
