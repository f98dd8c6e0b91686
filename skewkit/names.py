"""What a text can name: a location, perhaps with ${NAME} in it, a Python function, or a library that may be absent."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable
from types import ModuleType

from .records import SkewkitError

NAME = re.compile(r"\$\{(\w+)\}")


def expand(location: str) -> str:
    """A location with each ${NAME} read from the environment. What it gives is never written anywhere."""
    if absent := [n for n in NAME.findall(location) if n not in os.environ]:
        raise SkewkitError(f"{location}: the environment has no {', '.join(absent)}; set it, or write the path out")
    return NAME.sub(lambda m: os.environ[m[1]], location)


def hidden(said: str, location: str) -> str:
    """A text without what each ${NAME} of a location stands for."""
    for name in NAME.findall(location):
        if value := os.environ.get(name):
            said = said.replace(value, f"${{{name}}}")
    return said


def first_line(error: Exception, location: str) -> str:
    """What an engine's error says first, without what stands in quotes, which is data, and without what a ${NAME} stands for."""
    said = hidden((str(error).strip().splitlines() or [""])[0], location)
    said = re.sub(r"'[^']*'?|\"[^\"]*\"?", "'…'", said)
    return f"{type(error).__name__}: {said[:200]}"


def dotted(text: str) -> bool:
    """Whether a text could be a function's dotted name."""
    return bool(re.fullmatch(r"\w+([.:]\w+)+", text))


def function(named: str | Callable | None, what: str) -> Callable | None:
    """A function given as such or by its dotted name, such as team.features.replay."""
    if not named or callable(named):
        return named or None
    module, _, name = named.replace(":", ".").rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as e:
        raise SkewkitError(f"{what}={named!r}: {e}; give the dotted name of a function that Python can import") from e
    if not callable(found):
        raise SkewkitError(f"{what}={named!r} is a {type(found).__name__}; give the dotted name of a function")
    return found


def optional(module: str, extra: str, what: str) -> ModuleType:
    """A library of one of skewkit's extras, imported here, where it is used; ``what`` it does, for the error without it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        library = module.partition(".")[0]
        raise SkewkitError(
            f"{what} by {library}, which is not installed here; pip install 'skewkit[{extra}]'"
        ) from None
