"""Run skewkit's diagnosis over the cases and write its answers. Another tool needs only its own `answer`."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from .cases import REGIMES, load, names

PROCESSES = 2


def run(out: str | Path, answers: str | Path, regime: str | None = None, some_of: int | None = None) -> None:
    """Answer every case in every regime it has (or in one), or ``some_of`` them; an answer that is there is kept."""
    out, answers = Path(out), Path(answers)
    answers.mkdir(parents=True, exist_ok=True)
    todo = []
    for name in some(names(out), some_of):
        regimes = json.loads((out / "cases" / f"{name}.json").read_text("utf-8"))["regimes"]
        todo += [(out, answers, name, r) for r in regimes if regime in (None, r)]
    todo = [t for t in todo if not _answered(answers / f"{t[2]}.{t[3]}.json")]
    failed = []
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        for (_, _, name, r), error in zip(todo, pool.map(_one, *zip(*todo, strict=True)), strict=True) if todo else ():
            if error:
                failed.append(f"{name} {r}: {error}")
    print(f"{len(todo)} answered, {len(failed)} of them with an error", *failed[:20], sep="\n")


def _answered(path: Path) -> bool:
    """Whether there is an answer that is no error."""
    return path.exists() and "error" not in json.loads(path.read_text("utf-8"))


def some(every: list[str], n: int | None) -> list[str]:
    """About ``n`` of the cases, of each kind its part and two at least, spread evenly; all with None."""
    if n is None or n >= len(every):
        return every
    kinds = defaultdict(list)
    for name in every:
        kinds[name.split("-")[0]].append(name)
    chosen = []
    for mine in kinds.values():
        k = min(len(mine), max(2, round(n * len(mine) / len(every))))
        chosen += [mine[(i * len(mine)) // k] for i in range(k)]
    return sorted(chosen)


def _one(out: Path, answers: Path, name: str, regime: str) -> str:
    """One answer written; an error is an answer that says nothing, and is told."""
    case = given(load(out, name), regime)
    begun, error = time.perf_counter(), ""
    try:
        said = answer(case, regime)
    except Exception as e:  # a case that breaks the tool counts against it, and the others go on
        said, error = {"fits": [], "unknown": []}, f"{type(e).__name__}: {e}"
    said["seconds"] = round(time.perf_counter() - begun, 3)
    if error:
        said["error"] = error
    (answers / f"{name}.{regime}.json").write_text(json.dumps(said, ensure_ascii=False, default=str) + "\n", "utf-8")
    return error


def given(case: dict, regime: str) -> dict:
    """What a tool is given of a case in a regime: nothing that is not its."""
    if regime not in REGIMES:
        raise ValueError(f"regime {regime!r} was asked; there are {', '.join(REGIMES)}")
    hidden = {"unpaired": ("replayed", "events", "spec"), "paired": ("events", "spec"), "events": ()}[regime]
    return {k: v for k, v in case.items() if k not in hidden}


def answer(case: dict, regime: str) -> dict:
    """What `skewkit.diagnose` makes of a case, in the benchmark's form.

    The parameters of a fit are handed on by `canonical`, which is where skewkit's names become the benchmark's.
    """
    import skewkit as sk

    roles = case["roles"]
    more = {}
    if case.get("events"):
        kept = {t: {k: v for k, v in spec.items() if v is not None} for t, spec in case["spec"].items()}
        more["events"] = {t: {"table": frame, **kept[t]} for t, frame in case["events"].items()}
    made = sk.compare(
        case["training"],
        case["served"],
        case.get("replayed"),
        key=roles["key"],
        entity=roles["entity"],
        time=roles["time"],
        label=roles["label"],
        segments=roles["segments"],
        features=roles["features"],
        **more,
    )
    said = sk.diagnose(made)
    return {
        "fits": [one for fit in said.named for one in as_answers(fit, case)],
        "unknown": sorted({c for fit in said.fits if fit.kind is None for c in fit.features}),
    }


def as_answers(fit, case) -> list[dict]:
    """A fit as the benchmark's files have it: one for all its features, or one each where their parameters differ."""
    parameters = {f: canonical(skew, f, case) for f, skew in fit.causes.items()}
    alike = len({json.dumps(p, default=str) for p in parameters.values()}) == 1
    groups = [list(fit.features)] if alike else [[f] for f in fit.features]
    return [_answer(fit, group, parameters[group[0]], case) for group in groups]


def _answer(fit, features, parameters, case):
    from skewkit.skews import make

    rivals = [make(**{**r["parameters"], "features": features}) for r in fit.rivals]
    return {
        "cause": fit.skew,
        "parameters": parameters,
        "features": features,
        "where": list(fit.where) if fit.where else None,
        "share": fit.share,
        "since": str(fit.since) if fit.since is not None else None,
        "until": str(fit.until) if fit.until is not None else None,
        "explained": fit.explained,
        "rivals": [{"cause": r.stem, "parameters": canonical(r, features[0], case)} for r in rivals],
    }


RENAMED = {
    "normalization_window": {"serving": "window"},
    "rollback": {"default": "value"},
    "late_events": {"serving": "clock"},
}


def canonical(skew, feature: str, case: dict) -> dict:
    """A skew's parameters as the benchmark names them: units as factor and offset, a header's constant as its value, codes as pairs."""
    given = {k: v for k, v in skew.to_dict().items() if k not in ("skew", "features")}
    p = {RENAMED.get(skew.stem, {}).get(k, k): v for k, v in given.items()}
    if skew.stem == "unit_change" and p.pop("unit"):
        from .with_skewkit import AFFINE

        unit = skew.unit
        return dict(zip(("factor", "offset"), AFFINE[unit], strict=True)) if unit in AFFINE else {"function": unit}
    if skew.stem == "broken_header":
        return {"value": {"null": None, "zero": 0.0}.get(skew.how, feature)}
    if skew.stem == "encoding":
        return {"mapping": _mapping(skew, feature, case.get("replayed", case["training"]))}
    if skew.stem == "missing_fill":
        return {side: None if p[side] == "null" else p[side] for side in ("training", "serving")}
    if skew.stem == "rate_definition":
        return {"how": skew.how} if skew.how else {"setting": skew.setting, "serving": skew.serving}
    if skew.stem == "late_events":
        kept = ("late",) if skew.late else ("edge",) if skew.edge else ("clock", "watermark")
        return {k: p[k] for k in kept if p[k]}
    if skew.stem in ("staleness", "misjoin", "time_zone", "precision", "schema_change"):
        return {k: v for k, v in p.items() if v not in ("", None, [], ()) and k != "others"}
    return p


def _mapping(skew, feature, table):
    """What each value that occurs is served as, of those that change."""
    values = table[feature].dropna().drop_duplicates()
    made = skew.inject(values.to_frame(), None)[feature].astype(object)
    pairs = zip(values.astype(object), made.where(made.notna(), None), strict=True)
    return [[_plain(a), _plain(b)] for a, b in pairs if b is None or a != b]


def _plain(value):
    return value.item() if hasattr(value, "item") else value
