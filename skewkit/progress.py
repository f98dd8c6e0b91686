"""How far a long run is: a bar in a notebook or a terminal, and plain lines from a scheduled run."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator

RUN = "SKEWKIT_RUN"  # the runner names the folder of a run here; a notebook on its own makes one
AFTER = 3.0  # seconds, before which nothing is said
EVERY = 10.0  # seconds between two lines


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
