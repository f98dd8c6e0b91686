"""Write a scenario's tables as a team would have them: python -m skewkit.scenarios flights data/flights"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from time import perf_counter

from ..injection import inject
from ..records import SkewkitError
from ..scope import Scope
from ..skews import make
from . import scenario

PLANTS = {
    "flights": {
        "time_zone": {"serving": "UTC"},
        "encoding": {"features": ["carrier"]},
        "normalization_window": {"features": ["carrier_delay"], "serving": "1D"},
        "staleness": {"lag": "6h"},
    },
    "payments": {
        "time_zone": {"serving": "UTC"},
        "encoding": {"features": ["category"], "how": "unknown_to_default"},
        "late_events": {"features": ["count_1h", "count_24h", "sum_24h"]},
        "unit_change": {"features": ["paid"], "unit": "units_to_cents"},
    },
}
SHARE = 0.25  # of the requests


def write(name: str, folder: Path, told=lambda text: None, **parameters) -> list[Path]:
    """training, replayed, served (clean), and one served table a skew, as Parquet files with the logged scores.

    ``told`` hears how long it took to make the world's raw tables; ``parameters`` are a simulated world's own.
    """
    begun = perf_counter()
    world = scenario(name, **parameters)
    told(f"{name}: {len(world.requests):,} requests and their raw tables in {perf_counter() - begun:.1f} s")
    training, replayed = world.tables
    tables = {"training": training, "replayed": replayed, "served": replayed}
    for stem, parameters in PLANTS[name].items():
        served = inject(replayed, make(stem, **parameters), Scope(share=SHARE), world.roles, world)
        tables[f"served_{stem}"] = served.assign(**{world.roles.prediction: world.score(served)})
    tables |= {f"events_{n}": _events(raw, world.requests) for n, raw in world.raw.items()}
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for stem, table in tables.items():
        path = folder / f"{stem}.parquet"
        table.to_parquet(path.with_suffix(".aside"), index=False)
        os.replace(path.with_suffix(".aside"), path)
        written.append(path)
    return written


def _events(raw, requests):
    """A raw table as a team has it: what a request is looked up by, when it happened and was known, and its numbers."""
    return raw.drop(columns=[c for c in raw if raw[c].dtype == object and c not in requests])


if __name__ == "__main__":
    try:
        name, folder = sys.argv[1:]
        print("\n".join(map(str, write(name, Path(folder), told=print))))
    except ValueError:
        sys.exit("give a scenario and a folder: python -m skewkit.scenarios flights data/flights")
    except SkewkitError as e:
        sys.exit(str(e))
