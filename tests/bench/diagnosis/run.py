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
        "fits": [as_answer(f) for f in said.fits if f.skew != "unknown"],
        "unknown": sorted({c for f in said.fits if f.skew == "unknown" for c in f.features}),
    }


def as_answer(fit) -> dict:
    """A fit as the benchmark's files have it."""
    features = list(fit.features)
    rivals = getattr(fit, "rivals", None) or ()
    return {
        "cause": fit.skew,
        "parameters": canonical(fit.skew, fit.parameters, features),
        "features": features,
        "where": list(fit.where) if getattr(fit, "where", None) else None,
        "share": getattr(fit, "share", 1.0),
        "since": str(fit.since) if fit.since is not None else None,
        "until": str(fit.until) if getattr(fit, "until", None) is not None else None,
        "explained": fit.explained,
        "rivals": [{"cause": r.skew, "parameters": canonical(r.skew, r.parameters, features)} for r in rivals],
    }


RENAMED = {
    "normalization_window": {"serving": "window"},
    "rollback": {"default": "value"},
    "late_events": {"serving": "clock"},
}


def canonical(skew: str, parameters, features) -> dict:
    """skewkit's parameters as the benchmark names them: units as factor and offset, a header's constant as its value."""
    p = {RENAMED.get(skew, {}).get(k, k): v for k, v in dict(parameters).items() if k != "features"}
    if skew == "unit_change" and p.get("unit"):
        from .with_skewkit import AFFINE

        unit = p.pop("unit")
        return dict(zip(("factor", "offset"), AFFINE[unit], strict=True)) if unit in AFFINE else {"function": unit}
    if skew == "broken_header" and "how" in p:
        return {"value": {"null": None, "zero": 0.0}.get(p["how"], features[0])}
    return p
