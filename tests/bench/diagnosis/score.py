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
from datetime import timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from .cases import REGIMES, load, names

NOTHING = ("unknown", "unresolved", "", None)
MOST = 2  # causes in a class that counts as an answer
LENGTH = 0.02  # relative: lengths of time that count as the same
NUMBER = 1e-6
BUCKETS = 20  # of the time span: onset within one
LENGTHS = ("lag", "ttl", "snapshot", "window", "horizon", "watermark", "edge")
RATES = ("rate", "late", "twice")
INSTEAD = {  # parameters that say another thing where the truth has them not
    "staleness": ("lag", "ttl", "snapshot"),
    "late_events": ("watermark", "late", "edge"),
    "unit_change": ("factor", "offset", "function"),
    "precision": ("to", "decimals"),
    "clipping": ("low", "high"),
    "rate_definition": ("how", "setting"),
    "misjoin": ("by",),
}
READS = {  # what a clock's feature is read from a local time
    "hour": lambda wall: wall.dt.hour,
    "weekday": lambda wall: wall.dt.day_of_week,
    "day": lambda wall: wall.dt.day,
    "date": lambda wall: wall.dt.normalize(),
    "days_since": lambda wall: wall.dt.normalize(),
}


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
                rows.append({"case": name, "regime": regime, **judge(truth, answer, regime, _Look(out, name))})
    return rows


class _Look:
    """The case's frames, read only where a comparison needs them."""

    def __init__(self, out, name):
        self.out, self.name, self._case = out, name, None

    @property
    def case(self):
        if self._case is None:
            self._case = load(self.out, self.name)
        return self._case

    @property
    def times(self):
        time = self.case["roles"]["time"]
        return None if time is None else self.case["replayed"][time]


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
        [c for n in ("to", "with") for c in _listed(cause["parameters"].get(n))]
        if cause["cause"] == "schema_change"
        else []
    )
    copied = [c.removesuffix("_v2").removeprefix("copy_") for c in cause["features"]] if also else []
    return {*cause["features"], *also, *copied}


def _listed(value):
    return [value] if isinstance(value, str) else list(value or ())


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


def same(cause: dict, said: dict, look, fit: dict) -> bool:
    """Whether parameters say the same as the truth, or as what predicts the same rows."""
    true = cause["parameters"]
    if cause["cause"] == "encoding":
        return _same_mapping(true["mapping"], said.get("mapping") or ())
    if cause["cause"] == "time_zone":
        return _same_zones(true, said, look)
    if cause["cause"] == "missing_values" and true["how"] == "at_random":
        n, share = _scope_rows(cause, look), (cause.get("share") or 1) * true["rate"]
        asked = (fit.get("share") or 1) * (said.get("rate") or 0)
        return said.get("how") == "at_random" and _near_rate(share, asked, n)
    ways = [true, *cause.get("alternatives", ())]
    return any(_all_same(way, said, cause, look) for way in ways)


def _all_same(true, said, cause, look) -> bool:
    named = {k: v for k, v in true.items() if not k.endswith("_between")}
    defaults = {
        "gain": 1.0,
        "offset": 0.0,
        "noise": 0.0,
        "factor": 1.0,
        "overflow": "wrap",
        "how": "clip",
        "clock": "stream",
    }
    for name in INSTEAD.get(cause["cause"], ()):
        if named.get(name) is None and said.get(name) not in (None, "", "0s", 0, defaults.get(name)):
            return False
    if cause["cause"] == "measurement" and named["saturation"] is not None and said.get("saturation") is None:
        return False
    return all(_one_same(k, v, said.get(k, defaults.get(k)), true, cause, look) for k, v in named.items())


def _one_same(name, true, said, every, cause, look) -> bool:
    if name == "overflow" and not str(every.get("to", "")).startswith("int"):
        return True
    if name in LENGTHS or (name == "serving" and every.get("setting") == "window"):
        return _same_length(true, said, cause.get("ranges", {}).get(name))
    if isinstance(true, (list, str)) or isinstance(said, (list, str)) or true is None or said is None:
        return _listed(true) == _listed(said) if name in ("to", "with") else true == said
    if between := every.get(f"{name}_between"):
        return min(between) - NUMBER <= said <= max(between) + NUMBER
    if name in RATES:
        return abs(true - said) <= 0.02 * abs(true) or (true < 1 and _near_rate(true, said, _scope_rows(cause, look)))
    if name == "noise" and true:
        return abs(said - true) <= 3 * true / np.sqrt(2 * max(cause["rows"], 2))
    step = 0.05 * every["noise"] if every.get("noise") else 0.0  # what noise leaves of a gain or an offset
    return bool(np.isclose(said, true, rtol=NUMBER + (0.02 if step else 0), atol=1e-9 + step))


def _near_rate(true, said, n) -> bool:
    return abs(true - said) <= 3 * np.sqrt(max(true * (1 - true), 1e-9) / max(n, 1)) + 1e-3


def _scope_rows(cause, look) -> int:
    """How many rows a cause could have been on."""
    table, times = look.case["replayed"], look.times
    hit = np.ones(len(table), bool)
    if cause["where"]:
        hit &= (table[cause["where"][0]].astype(str) == str(cause["where"][1])).to_numpy()
    if cause["since"]:
        hit &= (times >= pd.Timestamp(cause["since"])).to_numpy()
    if cause["until"]:
        hit &= (times < pd.Timestamp(cause["until"])).to_numpy()
    return int(hit.sum())


def _same_mapping(true, said) -> bool:
    """The same on the values that occur; what was not there may be mapped to anything."""
    known = {str(x): y for x, y in said}
    return all(str(x) in known and _alike(known[str(x)], y) for x, y in true)


def _alike(a, b) -> bool:
    if a is None or b is None or isinstance(a, str) or isinstance(b, str):
        return a == b
    return bool(np.isclose(a, b))


def _same_length(true, said, between) -> bool:
    a, b = _seconds_of(true), _seconds_of(said)
    if a is None or b is None:
        return true == said
    low, high = between or (a, a)
    return low * (1 - LENGTH) <= b <= high * (1 + LENGTH)


def _seconds_of(length):
    if isinstance(length, (int, float)):
        return float(length)
    try:
        return pd.Timedelta(length).total_seconds()
    except (ValueError, TypeError):
        return None


def _same_zones(true, said, look) -> bool:
    """Zones are the same where the clocks they make read alike at the case's request times; each row's own fits all."""
    if said.get("serving") is None:
        return False
    known = ["serving"] + ["training"] * (true.get("training") is not None and said.get("training") is not None)
    return all(_same_clock(true[n], said[n], true.get("reads", {}), look) for n in known)


def _same_clock(a, b, reads, look) -> bool:
    times = (
        look.times if look.times is not None else pd.Series(pd.date_range("2025-03-01", periods=24, freq="h", tz="UTC"))
    )
    try:
        walls = [times.dt.tz_convert(_zone(z)).dt.tz_localize(None) for z in (a, b)]
    except (KeyError, ValueError, OSError):
        return False
    return all((READS[p](walls[0]) == READS[p](walls[1])).all() for p in set(reads.values()) or {"hour"})


def _zone(name):
    if name[0] not in "+-":
        return ZoneInfo(name)
    east = timedelta(hours=int(name[1:3]), minutes=int(name[4:6]))
    return timezone(east if name[0] == "+" else -east)


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
