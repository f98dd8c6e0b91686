"""The protocol of Data Diff (Sutton et al., KDD 2018), rebuilt on tables at hand.

A table is split in two by chance and one half is corrupted in one way: not at all, two columns exchanged, a number
rescaled, a category recoded, a column broken (drawn from elsewhere) or inserted. The halves share no row. An answer is right
when it says that change, of that column, with the whole recoding or the scale within a fifth, and nothing else.
116 pairs, 24 of them not corrupted, as in the original.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd

from .cases import mixed
from .outside import _codes
from .worlds import World, borrowed, made

PAIRS, IDENTITIES = 116, 24
CHANGES = ("permute", "rescale", "recode", "break", "insert")
PUBLISHED = 39  # of 116, by the published tool with the penalties it comes with
NEAR = 0.2
ROWS = 2_000


def make(out: Path) -> str:
    """Write `OUT/<pair>_{a,b}.parquet` and `OUT/<pair>.json`, the truth."""
    out.mkdir(parents=True, exist_ok=True)
    worlds = {**borrowed(), **made()}
    worlds.pop("digits")  # no two of its columns can be told apart by their values
    for i in range(PAIRS):
        world = worlds[list(worlds)[i % len(worlds)]]
        change = "identity" if i < IDENTITIES else CHANGES[i % len(CHANGES)]
        a, b, truth = _pair(world, change, np.random.default_rng([95, i]), i)
        a.to_parquet(out / f"{i:03d}_a.parquet", index=False)
        b.to_parquet(out / f"{i:03d}_b.parquet", index=False)
        (out / f"{i:03d}.json").write_text(
            json.dumps({"table": world.base.name, **truth}, ensure_ascii=False) + "\n", "utf-8"
        )
    return f"{PAIRS} pairs in {out}"


def _pair(world: World, change: str, rng, i: int):
    """Two halves of a table, the second with the change, and the truth."""
    features = [f for f in world.base.roles["features"] if world.base.training[f].dtype.kind != "M"]
    own = [
        f for f in features if f != "site"
    ]  # which is no column of theirs, and would hide that rows were drawn twice
    whole = world.base.training[features].drop_duplicates(own, ignore_index=True)[: 2 * ROWS]
    half = mixed(np.arange(len(whole)), 40 + i) % np.uint64(2) == 0
    a, b = whole[half].reset_index(drop=True), whole[~half].reset_index(drop=True)
    numbers = [f for f in features if b[f].dtype.kind == "f" and b[f].nunique() > 12]
    if change == "permute":
        f, g = map(str, rng.choice(numbers, 2, replace=False))
        return a, b.assign(**{f: b[g], g: b[f]}), {"change": change, "columns": sorted((f, g))}
    if change == "rescale":
        f, factor = str(rng.choice(numbers)), float(rng.choice([0.01, 0.3, 2.54, 7.0, 60.0, 1000.0]))
        return a, b.assign(**{f: b[f] * factor}), {"change": change, "columns": [f], "factor": factor}
    if change == "recode":
        f = str(rng.choice(_codes(b, features)))
        values = sorted(b[f].dropna().unique().tolist())
        new = dict(zip(values, rng.permutation(len(values)).tolist(), strict=True))
        renamed = {v: f"new{k}" if isinstance(v, str) else k + 500 for v, k in new.items()}
        return (
            a,
            b.assign(**{f: b[f].map(renamed)}),
            {"change": change, "columns": [f], "mapping": [[k, v] for k, v in renamed.items()]},
        )
    if change == "break":
        f = str(rng.choice(numbers))
        return a, b.assign(**{f: _other(b, rng)}), {"change": change, "columns": [f]}
    if change == "insert":
        place = int(rng.integers(1, len(features)))
        b = b.copy()
        b.insert(place, "inserted", _other(b, rng))
        return a, b, {"change": change, "columns": ["inserted"]}
    return a, b, {"change": change, "columns": []}


def _other(b: pd.DataFrame, rng) -> np.ndarray:
    """A column of numbers that has nothing to do with the table."""
    return np.round(rng.normal(float(rng.uniform(200, 900)), 30, len(b)), 2)


def run(out: Path, answers: Path) -> str:
    """Ask skewkit of each pair, unpaired, and write its answers in the form of `run`."""
    from .run import answer

    answers.mkdir(parents=True, exist_ok=True)
    paths = sorted(out.glob("*.json"))
    for path in paths:
        a, b = (pd.read_parquet(out / f"{path.stem}_{h}.parquet").rename_axis("row").reset_index() for h in "ab")
        b["row"] += len(a)
        features = [c for c in a if c != "row"]
        roles = {"key": "row", "entity": None, "time": None, "label": None, "segments": [], "features": features}
        begun = time.perf_counter()
        said = answer({"training": a, "served": b, "roles": roles}, "unpaired")
        # a column that is new does no harm: it is a fact of skewkit's check `schema`, and no cause of its diagnosis
        said["fits"] += [
            {"cause": "schema_change", "parameters": {"how": "extra", "to": [c]}, "features": [c]}
            for c in b
            if c not in a and not any(c in f["features"] for f in said["fits"])
        ]
        said["seconds"] = round(time.perf_counter() - begun, 3)
        (answers / path.name).write_text(json.dumps(said, ensure_ascii=False, default=str) + "\n", "utf-8")
    return f"{len(paths)} pairs answered"


def exact(truth: dict, said: dict) -> bool:
    """Whether the change, its columns and its parameters are right, and nothing else is said."""
    fits = [f for f in said.get("fits", ()) if f["cause"] not in ("unknown", "unresolved")]
    unknown = set(said.get("unknown", ())) | {c for f in said.get("fits", ()) if f not in fits for c in f["features"]}
    if truth["change"] == "identity":
        return not fits and not unknown
    if truth["change"] == "break":  # nothing that was there explains what is there now
        return not fits and sorted(unknown) == truth["columns"]
    if len(fits) != 1 or unknown:
        return False
    fit, parameters = fits[0], fits[0].get("parameters") or {}
    if truth["change"] == "permute":
        with_ = parameters.get("with")
        named = {*fit["features"], *([with_] if isinstance(with_, str) else with_ or ())}
        return (
            fit["cause"] == "schema_change" and parameters.get("how") == "swapped" and sorted(named) == truth["columns"]
        )
    if truth["change"] == "insert":
        named = {*fit["features"], *(parameters.get("to") or ())}
        return fit["cause"] == "schema_change" and parameters.get("how") == "extra" and "inserted" in named
    if fit["features"] != truth["columns"]:
        return False
    if truth["change"] == "rescale":
        close = abs(parameters.get("factor", 1.0) / truth["factor"] - 1) <= NEAR
        return fit["cause"] in ("unit_change", "measurement") and close
    return fit["cause"] == "encoding" and {str(x): y for x, y in parameters.get("mapping", ())} == {
        str(x): y for x, y in truth["mapping"]
    }


def score(out: Path, answers: Path) -> str:
    """How many are exactly right, by change, as Markdown."""
    from .score import markdown

    rows = []
    for path in sorted(out.glob("*.json")):
        truth, said = (json.loads((d / path.name).read_text("utf-8")) for d in (out, answers))
        rows.append({"change": truth["change"], "exact": exact(truth, said), "seconds": said.get("seconds")})
    table = pd.DataFrame(rows)
    by = table.groupby("change", sort=False).agg(pairs=("exact", "size"), exact=("exact", "sum"))
    right, n = int(table["exact"].sum()), len(table)
    return f"{markdown(by)}\n\n{right} of {n} exactly right, {100 * right / n:.1f} % (published: {PUBLISHED} of {PAIRS} with its default penalties), {table['seconds'].median():.2f} s a pair at the median"
