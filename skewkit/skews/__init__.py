"""One skew a file, found by walking the folder: its class, file and runbook share one stem.

To add one, write a file here with one `Skew` and a runbook of the same stem; nothing is listed by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from importlib import import_module
from pkgutil import iter_modules

from ..records import Skew, SkewkitError

SKEWS: dict[str, type[Skew]] = {}

for _stem in sorted(m.name for m in iter_modules(__path__)):
    _module = import_module(f"{__name__}.{_stem}")
    (_kind,) = (
        v
        for v in vars(_module).values()
        if isinstance(v, type) and issubclass(v, Skew) and v.__module__ == _module.__name__
    )
    _kind.stem = _stem
    SKEWS[_stem] = globals()[_kind.__name__] = _kind


def read(asked: Skew | str | Mapping) -> Skew:
    """A skew as such, by its stem alone, or as a mapping of its stem (``skew``) and parameters."""
    if isinstance(asked, Skew):
        return asked
    if isinstance(asked, str):
        return make(asked)
    if not isinstance(asked, Mapping) or not isinstance(asked.get("skew"), str):
        raise SkewkitError(f"a skew was asked as {asked!r}; write it like {{skew: time_zone, serving: UTC}}")
    return make(**asked)


def make(skew: str, **parameters) -> Skew:
    """The skew of this stem with these parameters, as JSON or YAML hold them."""
    if skew not in SKEWS:
        raise SkewkitError(f"skew {skew!r} was asked; there are {', '.join(SKEWS)}")
    takes = fields(SKEWS[skew])
    names = [f.name for f in takes]
    if unknown := [p for p in parameters if p not in names]:
        raise SkewkitError(f"{skew} was given {', '.join(map(repr, unknown))}; it takes {', '.join(names)}")
    wanted = [f.name for f in takes if f.default is MISSING and f.default_factory is MISSING]
    if missing := [n for n in wanted if n not in parameters]:
        raise SkewkitError(f"{skew} needs {', '.join(missing)}; it takes {', '.join(names)}")
    return SKEWS[skew](**parameters)
