"""Runs a notebook through papermill with the parameters it declares and only those. Owns the exit codes.

Success is never inferred from the notebook, which papermill leaves looking complete after a killed kernel: it takes a
valid result.json that bears the run's id.
"""

from __future__ import annotations

import ast
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import nbformat
import psutil
import yaml

from .durable import write
from .load.models import kind
from .names import NAME, dotted, expand
from .records import SkewkitError
from .report.page import summary
from .report.run import RUN, beside, new_id, place, validate

OK, FAILED, REFUSED, TIMED_OUT, KERNEL_DIED = 0, 1, 2, 124, 138
VERDICTS = {"ok": OK, "warn": 3, "breach": 4, "inconclusive": 5}
DECISIONS = {"promote": OK, "hold": 3, "roll back": 4}  # of a candidate: too little data is a reason to hold
LIMIT = 3600.0  # seconds a run may take
# what papermill can read too
TYPES = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict}


class Refused(SkewkitError):
    """What was asked cannot be run; nothing was started."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a notebook: its type, default, and what its comment says."""

    name: str
    type: type
    default: Any
    about: str


def find(name: str) -> Path:
    """The notebook N_NAME.ipynb: of this folder's notebooks, else of skewkit's own."""
    inside = Path(str(files(__package__)))
    folders = [Path("notebooks"), inside.parent / "notebooks", inside / "notebooks"]
    for folder in folders:
        if found := sorted(folder.glob(f"[0-9]_{glob_safe(name)}.ipynb")):
            return found[0]
    names = sorted({p.stem[2:] for f in folders for p in f.glob("[0-9]_*.ipynb")})
    raise Refused(f"notebook {name!r} was asked; there are {', '.join(names)}")


def glob_safe(name: str) -> str:
    return re.sub(r"[^\w-]", "?", name)


def declared(path: Path) -> dict[str, Parameter]:
    """The parameters of a notebook, read from its cell tagged ``parameters`` as Python reads it."""
    cells = nbformat.read(path, as_version=4).cells
    source = next((c.source for c in cells if "parameters" in c.metadata.get("tags", [])), None)
    if source is None:
        raise Refused(f"{path.name} has no cell tagged 'parameters'; tag the one that sets them")
    lines, found = source.splitlines(), {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            default = ast.literal_eval(node.value)
            if (kind := ast.unparse(node.annotation)) not in TYPES:
                raise Refused(
                    f"{path.name}: {node.target.id}: {kind} is declared; a parameter is one of {', '.join(TYPES)}"
                )
            about = lines[node.end_lineno - 1][node.end_col_offset :].partition("#")[2].strip()
            found[node.target.id] = Parameter(node.target.id, TYPES[kind], default, about)
    return found


def given(files_: list[str], pairs: list[tuple[str, str]], takes: Mapping[str, Parameter]) -> dict[str, Any]:
    """Parameters from YAML files, then from names and values in text, each read as the type its parameter declares."""
    values: dict[str, Any] = {}
    for path in files_:
        try:
            read = yaml.safe_load(Path(path).read_text("utf-8")) or {}
        except (OSError, UnicodeDecodeError) as e:
            raise Refused(f"-f {path}: {getattr(e, 'strerror', None) or e}; give the path of a YAML file") from None
        except yaml.YAMLError as e:
            raise Refused(f"-f {path} is not YAML: {e}") from None
        if not isinstance(read, dict):
            raise Refused(f"-f {path} holds a {type(read).__name__}; it holds one parameter a line, as name: value")
        values |= {str(k): v for k, v in read.items()}
    for name, text in pairs:
        values[name] = _from_text(takes[name], text) if name in takes else text
    return values


def _from_text(parameter: Parameter, text: str) -> Any:
    """A value from the command line: text stays text wherever text is taken."""
    if parameter.type is str:
        return text
    try:
        return json.loads(text.lower() if parameter.type is bool else text)
    except json.JSONDecodeError:  # a,b is a list too; the rest is left for `checked` to refuse by its type
        plain = parameter.type is list and not set(text) & set('[]{}"')
        return [part.strip() for part in text.split(",")] if plain else text


def checked(values: Mapping[str, Any], takes: Mapping[str, Parameter], notebook: str) -> dict[str, Any]:
    """The values, all known by name, of the declared type, and with every ${NAME} set; else Refused."""
    for name, value in values.items():
        if name not in takes:
            raise Refused(f"{notebook} was given {name!r}; it takes {', '.join(takes)}")
        wanted = takes[name].type
        fits = isinstance(value, (int, float) if wanted is float else wanted)
        if not fits or (isinstance(value, bool) and wanted is not bool):
            raise Refused(
                f"{notebook}: {name}={value!r} is a {type(value).__name__}, and it takes {wanted.__name__}. "
                f"YAML reads 1e-3 as text, 010 as 8 and 12:30 as 750: write 0.001, and quote what is text"
            )
        for text in _texts(value):
            if NAME.search(text):
                try:
                    expand(text)
                except SkewkitError as e:
                    raise Refused(f"{notebook}: {name}: {e}") from None
        model = value.get("model") if name == "tables" else value if name == "model" else None
        if model and isinstance(model, str):
            try:
                kind(model)
            except SkewkitError as e:
                raise Refused(f"{notebook}: {e}") from None
        if name == "replay" and wanted is str and value and not dotted(value):
            raise Refused(f"{notebook}: {name}={value!r} is no dotted name; write it like team.features.replay")
    return dict(values)


def _texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def run(name: str, files_: list[str], pairs: list[tuple[str, str]], runs: Path, limit: float = LIMIT, say=print) -> int:
    """Run a notebook and put its run folder in place; gives the exit code. Raises Refused before anything starts."""
    path = find(name)
    takes = declared(path)
    values = checked(given(files_, pairs, takes), takes, name)
    folder = runs.absolute() / new_id(name)
    aside = beside(folder)
    aside.mkdir(parents=True)
    begun = time.monotonic()
    try:
        code = _execute(path, aside, values, limit)
    except BaseException:  # interrupted: nothing half-written stays
        shutil.rmtree(aside, ignore_errors=True)
        raise
    shown = _shown(folder, runs)
    spent = f"{time.monotonic() - begun:.0f} s, peak {peak():.1f} GB"
    if code == OK:
        result, why = _result(aside, folder.name)
        if result is not None:
            place(aside, folder)
            say(summary(result) if result.get("decision") else f"{result['verdict']}: {summary(result)}")
            say(f"{shown}/report.html ({spent})")
            return code_of(result)
        code = FAILED
    else:
        why = {TIMED_OUT: f"it did not finish within {limit:g} s", KERNEL_DIED: "its kernel died"}.get(code)
        why = why or _why(aside)
    write(aside / "error.txt", why + "\n")
    os.rename(aside, folder.with_name(f"{folder.name}.failed"))
    say(f"failed: {why}")
    say(f"{shown}.failed holds the notebook as far as it came ({spent}). Open runbooks/check_failed.md.")
    return code


def code_of(result: Mapping[str, Any]) -> int:
    """The exit code of a whole run: its decision's, where it is of a candidate, else its verdict's."""
    if decision := result.get("decision"):
        return DECISIONS[decision["said"]]
    return VERDICTS[result["verdict"]]


def _shown(folder, runs):
    return (runs / folder.name).as_posix()


def _execute(path: Path, aside: Path, values: Mapping[str, Any], limit: float) -> int:
    """Papermill in a process of its own, so that a limit on the whole run can end it, kernel and all."""
    asked = {"input": str(path), "output": str(aside / "notebook.ipynb"), "parameters": values, "limit": limit}
    environment = {**os.environ, RUN: str(aside)}
    child = subprocess.Popen([sys.executable, "-m", "skewkit.notebook"], stdin=subprocess.PIPE, env=environment)
    try:
        child.communicate(json.dumps(asked).encode(), timeout=limit)
    except subprocess.TimeoutExpired:
        _end(child)
        return TIMED_OUT
    except BaseException:
        _end(child)
        raise
    return KERNEL_DIED if child.returncode == -signal.SIGKILL else child.returncode


def _end(child):
    """End a process and all that it began."""
    try:
        family = [*psutil.Process(child.pid).children(recursive=True), psutil.Process(child.pid)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    child.wait()


def _result(aside: Path, run_id: str):
    """The result, if it is one and this run's; else None and why."""
    try:
        result = json.loads((aside / "result.json").read_text("utf-8"), parse_constant=_no_number)
        validate(result)
    except FileNotFoundError:
        return None, "the notebook ended without writing a result"
    except (ValueError, jsonschema.ValidationError) as e:
        return None, f"its result.json is not valid: {str(e).splitlines()[0]}"
    if result["run_id"] != run_id:
        return None, f"its result.json is of another run, {result['run_id']}"
    return result, ""


def _no_number(text):
    raise ValueError(f"it holds {text}, which is no JSON")


def _why(aside: Path) -> str:
    """The first error in the executed notebook, in one line."""
    try:
        cells = nbformat.read(aside / "notebook.ipynb", as_version=4).cells
    except (OSError, ValueError):
        return "papermill ended before it wrote the notebook"
    errors = [o for c in cells for o in c.get("outputs", []) if o.get("output_type") == "error"]
    return f"{errors[0]['ename']}: {errors[0]['evalue']}" if errors else "papermill ended with an error"


def peak() -> float:
    """The most memory that any one process of the run held, in GB; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 1e9


def _child() -> int:
    """Papermill itself: one notebook, asked for on standard input."""
    import papermill
    import traitlets.config
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    asked = json.loads(sys.stdin.read())
    terminal = sys.stderr.isatty()
    if not terminal:  # plain lines: what the notebook prints, as it prints it
        logging.basicConfig(level=logging.INFO)
        logging.getLogger().handlers[0].setFormatter(_Plain())
        chatter = re.compile(r"(Executing|Ending|Input|Output) |PosixPath|<(picture|IPython|\d+ )")
        logging.getLogger("papermill").addFilter(lambda record: not chatter.match(record.getMessage()))
    sockets = tempfile.mkdtemp(prefix="skewkit-")
    try:
        papermill.execute_notebook(
            asked["input"],
            asked["output"],
            parameters=asked["parameters"],
            kernel_name="python3",
            progress_bar=terminal,
            log_output=not terminal,
            stderr_file=sys.stderr if terminal else None,  # how far a long cell is
            start_timeout=int(asked["limit"]) + 60,  # a busy machine is no reason to fail; the limit of the run is
            execution_timeout=int(asked["limit"]) + 60,
            config=traitlets.config.Config({"KernelManager": _transport(Path(sockets))}),
        )
    except DeadKernelError:
        return KERNEL_DIED
    except CellTimeoutError:
        return TIMED_OUT
    except papermill.PapermillExecutionError:
        return FAILED
    finally:
        shutil.rmtree(sockets, ignore_errors=True)
    return OK


def _transport(folder: Path) -> dict[str, str]:
    """How to speak to the kernel: by sockets in a folder of this run's own, for two runs at once would share a name.

    A socket's path holds about a hundred characters; where that is too few, and on Windows, by TCP on loopback.
    """
    path = str(folder / "kernel")
    return {"transport": "ipc", "ip": path} if os.name == "posix" and len(path) < 90 else {"transport": "tcp"}


class _Plain(logging.Formatter):
    def format(self, record):
        return record.getMessage().rstrip()


if __name__ == "__main__":
    sys.exit(_child())
