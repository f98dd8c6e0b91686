"""Write a scenario's tables as a team would have them: python -m skewkit.scenarios flights data/flights"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..injection import inject
from ..records import SkewkitError
from ..scope import Scope
from ..skews import make
from . import scenario

PLANTS = {
    "time_zone": {"serving": "UTC"},
    "encoding": {"features": ["carrier"]},
    "normalization_window": {"features": ["carrier_delay"], "serving": "1D"},
    "staleness": {"lag": "6h"},
}
SHARE = 0.25  # of the requests


def write(name: str, folder: Path) -> list[Path]:
    """training, replayed, served (clean), and one served table a skew, as Parquet files with the logged scores."""
    world = scenario(name)
    training, replayed = world.tables
    tables = {"training": training, "replayed": replayed, "served": replayed}
    for stem, parameters in PLANTS.items():
        served = inject(replayed, make(stem, **parameters), Scope(share=SHARE), world.roles, world)
        tables[f"served_{stem}"] = served.assign(**{world.roles.prediction: world.score(served)})
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for stem, table in tables.items():
        path = folder / f"{stem}.parquet"
        table.to_parquet(path.with_suffix(".aside"), index=False)
        os.replace(path.with_suffix(".aside"), path)
        written.append(path)
    return written


if __name__ == "__main__":
    try:
        name, folder = sys.argv[1:]
        print("\n".join(map(str, write(name, Path(folder)))))
    except ValueError:
        sys.exit("give a scenario and a folder: python -m skewkit.scenarios flights data/flights")
    except SkewkitError as e:
        sys.exit(str(e))
