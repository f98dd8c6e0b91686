"""One result.json a run, and the page made from it: written aside, then renamed into place."""

from __future__ import annotations

import json
import math
import os
import platform
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema

from ..durable import write
from ..load.models import ModelFile
from ..progress import RUN, Failed, at_least, failures, step
from ..records import Case, Verdict, as_rows
from ..results.blindspots import frame
from ..results.results import Debrief, Drill, Result
from ..rollouts.decisions import Decision
from .history import last_like, since
from .page import many, page, picture, plain_page

SCHEMA = 1
PACKAGES = ("skewkit", "numpy", "pandas", "scipy", "scikit-learn", "pyarrow", "papermill")


@dataclass
class Run:
    """One run of a notebook: what it was asked, and where its result goes."""

    notebook: str
    parameters: dict[str, Any]
    folder: Path
    aside: Path
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def run_id(self) -> str:
        return self.folder.name

    def finish(self, outcome: Result | Drill) -> Path:
        """Write result.json and report.html, and of many skews matrix.csv and matrix.png; gives the folder. Under the runner it is put in place once all is well."""
        self.aside.mkdir(parents=True, exist_ok=True)
        made = document(self, outcome)
        with failures() as failed:
            shown = _shown(made)
            with step("matrix"):
                self._matrix(made)
        if failed:
            made = _less(made, failed)
            with failures():
                shown = _shown(made)
        write(self.aside / "result.json", json.dumps(made, indent=1, allow_nan=False) + "\n")
        write(self.aside / "report.html", shown)
        if RUN not in os.environ:
            place(self.aside, self.folder)
        return self.folder

    def _matrix(self, made):
        """Of many skews their table, and a picture of it, beside the page."""
        if many(made):
            frame(made["drill"]).to_csv(self.aside / "matrix.csv", index=False)
            (self.aside / "matrix.png").write_bytes(picture(made).png())


def _shown(made):
    """The page, or where it cannot be made a plain one."""
    shown = plain_page(made)
    with step("page"):
        shown = page(made)
    return shown


def _less(made, failed):
    """A result with what has failed since: so much less was run, and the verdict is inconclusive at least."""
    verdict = str(at_least(Verdict[made["verdict"]], failed))
    return {**made, "verdict": verdict, "not_run": [*made["not_run"], *plain(as_rows(failed))]}


def begin(notebook: str, **parameters) -> Run:
    """Begin a run of a notebook with the parameters it was given, as they were written: no ${NAME} is filled in here."""
    if RUN in os.environ:
        aside = Path(os.environ[RUN])
        return Run(notebook, parameters, aside.parent / aside.name.lstrip("."), aside)
    folder = Path("runs").absolute() / new_id(notebook)
    return Run(notebook, parameters, folder, beside(folder))


def new_id(notebook: str) -> str:
    """A run's name: when it began (UTC), what ran, and four characters to tell two of one second apart."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{notebook}-{secrets.token_hex(2)}"


def beside(folder: Path) -> Path:
    """The hidden folder in which a run is prepared, beside its place."""
    return folder.parent / f".{folder.name}"


def place(aside: Path, folder: Path) -> None:
    """Put a finished run in its place, and point ``latest`` at it."""
    os.rename(aside, folder)
    link = folder.parent / f".latest-{folder.name}"
    link.symlink_to(folder.name)
    os.replace(link, folder.parent / "latest")


def document(run: Run, outcome: Result | Drill) -> dict[str, Any]:
    """The result as plain JSON, valid by result.schema.json: what does not exist is null, never NaN."""
    with failures() as failed:
        parts = _drilled(outcome) if isinstance(outcome, Drill) else _checked(outcome)
    made: dict[str, Any] = {
        "schema": SCHEMA,
        "run_id": run.run_id,
        "notebook": run.notebook,
        "started": run.started.isoformat(timespec="seconds"),
        "seconds": round(time.time() - run.started.timestamp(), 1),
        "parameters": run.parameters,
        "verdict": outcome.verdict,
        **parts,
        "environment": environment(),
    }
    made = plain(made)
    with failures() as lost, step("history"):
        if not made["drill"] and (last := last_like(run.folder.parent, made)):
            made["last"] = since(last, made["findings"], made["verdict"])
    made = _less(made, [*failed, *lost])
    validate(made)
    return made


def _checked(result: Result):
    decision = result.told() if isinstance(result, Decision) else None
    return {
        "inputs": list(result.read) or (inputs(result.case) if decision is None else inputs_of_both(result.case)),
        "decision": decision,
        **({"debrief": result.told} if isinstance(result, Debrief) else {}),
        "findings": as_rows(result.findings),
        "impact": as_rows(result.impact),
        "fits": list(_fits(result.diagnosis.fits)),
        "split": list(result.diagnosis.split),
        "not_run": as_rows(result.not_run),
        "drill": [],
        "incident": None,
        **({"promise": result.promise} if result.promise else {}),  # of facts alone none is made
        "last": None,
    }


def _drilled(drill: Drill):
    """The drift and the offline score once, for no plant moves them; then what each cell found beyond."""
    steady = drill[0].result
    findings = [f for f in steady.findings if f.change != "skew"]
    costs = [c for c in steady.impact if c.change != "skew"]
    beyond, once = ("skew", "training"), tuple(findings)
    for cell in drill:
        changed = (f for f in cell.result.findings if f.change in beyond and f not in once)
        findings += planted(changed, cell.plant)
        costs += planted((c for c in cell.result.impact if c.change == "skew"), cell.plant)
    matrix = drill.to_frame().to_dict("records")
    cells = [
        {
            **{n: getattr(c, n) for n in ("plant", "verdict", "skews", "scope", "seed", "mitigation", "regimes")},
            "row": row,
        }
        for c, row in zip(drill, matrix, strict=True)
    ]
    return {
        "inputs": inputs(steady.case),
        "decision": None,
        "findings": as_rows(findings),
        "impact": as_rows(costs),
        "fits": [f for cell in drill for f in _fits(planted(cell.result.diagnosis.fits, cell.plant))],
        "split": [],
        "not_run": as_rows([*steady.not_run, *(f for cell in drill[1:] for f in _failed(cell))]),
        "drill": cells,
        "incident": drill.incident,
        "promise": steady.promise,
        "last": None,
    }


def _fits(fits):
    """Causes as plain records; one that cannot be written down is left out, and said to be."""
    for fit in fits:
        with step("diagnose", of=", ".join(fit.features[:5])):
            yield fit.to_dict()


def _failed(cell):
    """The steps that failed in a cell of a drill."""
    for n in cell.result.not_run:
        if isinstance(n, Failed):
            yield replace(n, reason=f"{cell.plant}: {n.reason}")


def planted(records, plant: str) -> tuple:
    """The records, marked with the cell of the drill they belong to."""
    return tuple(replace(r, plant=plant) for r in records)


def inputs(case: Case) -> list[dict[str, Any]]:
    """What was read: where, how much, and a hash of it. A model's file has no rows and no columns."""
    read = [
        {"role": role, "uri": t.uri, "rows": len(t), "columns": len(t.columns), "sha256": t.sha256(), **t.told}
        for role, t in {**case.tables, "freshness": case.freshness}.items()
        if t is not None
    ]
    if isinstance(m := case.model, ModelFile):
        read.append({"role": "model", "uri": m.uri, "rows": None, "columns": None, "sha256": m.sha256})
    if (c := case.contract) is not None:  # the hash of what it promises, whoever reviewed it
        read.append({"role": "contract", "uri": c.uri, "rows": None, "columns": len(c.columns), "sha256": c.sha256})
    return read


def inputs_of_both(case: Case) -> list[dict[str, Any]]:
    """What was read of a rollout: both logs, and what the candidate learned from where that was given."""
    roles = {"replayed": "current", "served": "candidate"}
    read = [{**i, "role": roles.get(i["role"], i["role"])} for i in inputs(case)]
    current = next(i for i in read if i["role"] == "current")
    return [i for i in read if i["role"] != "training" or i["sha256"] != current["sha256"]]


def environment() -> dict[str, Any]:
    """What ran this: versions, and the zone and size of the machine; nothing that names it."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "zone": time.tzname[0],
        "packages": packages,
    }


def plain(value):
    """Plain JSON types all the way down; a number that is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def validate(made: Mapping[str, Any]) -> None:
    """Raise jsonschema.ValidationError where a result is not what the outside relies on."""
    schema = json.loads(files(__package__).joinpath("result.schema.json").read_text("utf-8"))
    few = {n: _one_of_each(made[n], schema) for n in ("findings", "split") if isinstance(made.get(n), list)}
    jsonschema.validate({**made, **few} if few else made, schema)


def _one_of_each(rows, schema):
    """Of very many rows one of each shape: the schema asks of a row its names, types and words, and the signs of numbers."""
    words = set(schema["$defs"]["verdict"]["enum"]) | set(schema["$defs"]["change"]["enum"])

    def shape(value):
        if isinstance(value, dict):
            return tuple((n, shape(v)) for n, v in value.items())
        if isinstance(value, list):
            return ("list", *dict.fromkeys(map(shape, value)))
        if isinstance(value, str):
            return value if value in words else "text"
        return type(value), value is not None and (value > 0) - (value < 0)

    return list({shape(row): row for row in rows}.values())
