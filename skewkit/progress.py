"""How a run goes: how far a long one is, and which of its steps failed, each by itself, so that the rest goes on."""

from __future__ import annotations

import os
import re
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from pathlib import Path

from .records import NotApplicable, NotRun, SkewkitError, Verdict

RUN = "SKEWKIT_RUN"  # the runner names the folder of a run here; a notebook on its own makes one
AFTER = 3.0  # seconds, before which nothing is said
EVERY = 10.0  # seconds between two lines
RAISE = "SKEWKIT_RAISE"  # set in the tests, where a fault of ours is to be seen and not to be reported
HERE = Path(__file__).parent
GIVE = "this line to those who keep skewkit, for it is a fault of skewkit's"

_failed: ContextVar[list[NotRun] | None] = ContextVar("failed", default=None)
_within: ContextVar[str] = ContextVar("within", default="")


@dataclass(frozen=True)
class Failed(NotRun):
    """A step that was to run and failed: whatever the others found, the verdict is inconclusive at least."""


def at_least(verdict: Verdict, not_run: Iterable[NotRun]) -> Verdict:
    """A verdict in the light of what was not run: nothing is ok while a step has failed."""
    return max(verdict, Verdict.inconclusive) if any(isinstance(n, Failed) for n in not_run) else verdict


@contextmanager
def failures() -> Iterator[list[NotRun]]:
    """A list that the steps which fail from here on are put in, until the block ends."""
    found: list[NotRun] = []
    token = _failed.set(found)
    try:
        yield found
    finally:
        _failed.reset(token)


@contextmanager
def step(name: str = "", of: str = "", give: str = "") -> Iterator[None]:
    """A step that may fail without the others: its failure is kept where `failures` are, and raised where they are not.

    ``name`` is the step that this one is part of where none is given, and ``of`` what of it this one is about: a feature.
    What somebody can act on, a SkewkitError, is raised, unless there is something to ``give`` instead.
    """
    name = name or _within.get()
    token = _within.set(name)
    try:
        yield
    except SkewkitError as e:
        if not give or _failed.get() is None:
            raise
        kind = NotRun if isinstance(e, NotApplicable) else Failed
        _failed.get().append(kind(name, str(e), give))
    except Exception as e:
        if _failed.get() is None or os.environ.get(RAISE):
            raise
        _failed.get().append(Failed(name, f"{of}: {fault(e)}" if of else fault(e), GIVE))
    finally:
        _within.reset(token)


def fault(e: BaseException) -> str:
    """An exception in a line: its type, where in skewkit it was raised, and what it says without what it quotes of the data."""
    ours = [f for f in traceback.extract_tb(e.__traceback__) if Path(f.filename).is_relative_to(HERE)]
    place = f" at {Path(ours[-1].filename).relative_to(HERE.parent).as_posix()}:{ours[-1].lineno}" if ours else ""
    said = "" if isinstance(e, KeyError) else re.sub(r"(['\"]).*?\1", "'…'", " ".join(str(e).split()))[:200]
    return f"{type(e).__name__}{place}" + (f" ({said})" if said else "")


def shown(instead):
    """A display that never takes a run with it: where the method fails, ``instead`` makes what is shown of the failure."""

    def decorate(method):
        @wraps(method)
        def display(*args, **kwargs):
            try:
                return method(*args, **kwargs)
            except Exception as e:
                if os.environ.get(RAISE):
                    raise
                if (found := _failed.get()) is not None:
                    found.append(Failed("plot", fault(e), GIVE))
                return instead(f"This could not be shown: {fault(e)}. The result is whole without it.")

        return display

    return decorate


def told(items: Iterable, total: int, what: str) -> Iterator:
    """The items as they come; how many of ``total`` there were is said beside, once it takes long. ``what`` they are: columns."""
    if os.environ.get(RUN):
        return _lines(items, total, what)
    from tqdm.auto import tqdm

    return iter(tqdm(items, total=total, unit=f" {what}", delay=AFTER, leave=False, disable=None))


def _lines(items, total, what):
    begun = time.monotonic()
    said = begun + AFTER - EVERY
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - said >= EVERY and done < total:
            said, left = now, (now - begun) / done * (total - done)
            print(f"{done:,} of {total:,} {what}, about {left:.0f} s left", file=sys.stderr, flush=True)
