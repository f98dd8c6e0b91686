"""A candidate to try the gate on: what it was served, with the hash of its definitions, and its contract. For gate.yaml."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..contracts.contract import infer, review_contract, write_contract
from ..durable import put
from ..features.definitions import digest
from ..scenarios import Scenario, scenario

EVENTS = 20_000
RANGES = {"hour": (0, 23), "weekday": (0, 6), "amount": (0, None)}  # what any payment keeps, whatever training has seen


def write(folder: Path, world: Scenario | None = None) -> list[Path]:
    """training.parquet and served.parquet of the payments, each row with its ``definitions``, and contract.yaml, reviewed.

    In served_other.parquet a tenth of the requests were served by definitions of another window.
    """
    world = world or scenario("payments", events=EVENTS)
    training, served = (t.assign(definitions=digest(world.definitions)[:16]) for t in world.tables)
    tenth = served.index % 10 == 0
    other = digest({"pace": replace(world.definitions["pace"], weight=1.0)})[:16]
    tables = {"training": training, "served": served}
    tables["served_other"] = served.assign(definitions=served["definitions"].mask(tenth, other))
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        put(folder / f"{name}.parquet", partial(table.to_parquet, index=False))
    agreed = infer(training, features=world.roles.features, key=world.roles.key)
    columns = {n: replace(rule, range=RANGES.get(n)) for n, rule in agreed.columns.items()}
    write_contract(replace(agreed, columns=columns), folder / "contract.yaml")
    review_contract(folder / "contract.yaml", by="the example")
    return [*(folder / f"{name}.parquet" for name in tables), folder / "contract.yaml"]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("give a folder: python -m skewkit.gate.examples data/gate")
    print("\n".join(map(str, write(Path(sys.argv[1])))))
