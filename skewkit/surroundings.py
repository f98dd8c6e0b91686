"""What a model was trained in, kept beside it, and what of that is other where it is served."""

from __future__ import annotations

import json
import locale
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import numpy as np

from .durable import write
from .records import SkewkitError

FLAGS = (  # that change what the same code computes
    "PYTHONHASHSEED",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_CBWR",
    "TF_DETERMINISTIC_OPS",
    "TF_CUDNN_DETERMINISTIC",
    "TF_ENABLE_ONEDNN_OPTS",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_TF32_OVERRIDE",
    "XLA_FLAGS",
    "TZ",
    "LC_ALL",
    "LANG",
)
FORMAT = 1
SECONDS = 5  # to wait for a driver to say what it is


def surroundings(seeds: Mapping[str, int] | None = None) -> dict[str, Any]:
    """What surrounds this process, as plain JSON: packages, seeds as given, determinism flags, zone, locale, CPU, GPU and driver.

    Of the environment only the flags that change a computation are read, so that no secret is; nothing names the machine.
    """
    return {
        "format": FORMAT,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {
            d.name.lower(): d.version for d in sorted(distributions(), key=lambda d: d.name.lower()) if d.name
        },
        "seeds": dict(seeds or {}),
        "flags": {f: os.environ.get(f) for f in FLAGS},
        "zone": [*time.tzname, -time.timezone],
        "locale": [*(v or "" for v in locale.getlocale()), locale.localeconv()["decimal_point"]],
        "byte_order": sys.byteorder,
        "float": str(np.finfo(np.longdouble).nmant),
        "cpu": _cpu(),
        "gpu": _gpu(),
    }


def write_surroundings(path: str | Path, seeds: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Write them as JSON beside a model, whole or not at all."""
    made = surroundings(seeds)
    write(Path(path), json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    return made


def read_surroundings(path: str | Path) -> dict[str, Any]:
    try:
        found = json.loads(Path(path).read_text("utf-8"))
        if found["format"] != FORMAT:
            raise ValueError(f"its format is {found['format']!r}, and {FORMAT} is known")
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as e:
        raise SkewkitError(f"surroundings: {path} cannot be read ({e}); give a file of write_surroundings") from e
    return found


def other(then: Mapping[str, Any], now: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """What is other now (here, when not given) than it was then: rows of ``what``, ``then`` and ``now``, by name.

    None: it was not there. What only one side knows of, such as a package that came, is a difference too.
    """
    return list(_unlike("", then, surroundings(then.get("seeds")) if now is None else now))


def _unlike(name, a, b) -> Iterator[dict[str, Any]]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in sorted({*a, *b}):
            yield from _unlike(f"{name}.{key}".lstrip("."), a.get(key), b.get(key))
    elif a != b:
        yield {"what": name, "then": a, "now": b}


def _cpu():
    """The processor's name and what it can do that changes rounding; empty where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return {"name": platform.processor(), "vectors": []}
    said = dict(tuple(part.strip() for part in line.split(":", 1)) for line in lines if ":" in line)
    able = set(said.get("flags", "").split())
    return {
        "name": said.get("model name", platform.machine()),
        "vectors": sorted(able & {"avx", "avx2", "avx512f", "fma"}),
    }


def _gpu():
    """Names and driver of the graphics cards, as NVIDIA's tool says; empty without it."""
    if shutil.which("nvidia-smi") is None:
        return []
    asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, timeout=SECONDS, check=True).stdout.split("\n")[
            :-1
        ]
    except (OSError, subprocess.SubprocessError):
        return []
