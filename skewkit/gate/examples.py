"""A candidate to try the gate on: its model, what it was served, with the hash of its definitions, and its contract. For gate.yaml."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import copyfile

from ..contracts.contract import infer, review_contract, write_contract
from ..durable import put
from ..features.definitions import digest
from ..load.models import write_model
from ..scenarios import Scenario, scenario

EVENTS = 20_000
RANGES = {"hour": (0, 23), "weekday": (0, 6), "amount": (0, None)}  # what any payment keeps, whatever training has seen


def write(folder: Path, world: Scenario | None = None) -> list[Path]:
    """training.parquet, served.parquet and model.skops of the payments, and contract.yaml, reviewed.

    Training and the model bear the hash of the definitions in themselves; of what was served each row has it. In
    served_other.parquet a tenth of the requests were served by definitions of another window, and model_other.skops
    bears the hash of these.
    """
    world = world or scenario("payments", events=EVENTS)
    training, served = world.tables[0], world.tables[1].assign(definitions=world.sha256)
    tenth = served.index % 10 == 0
    other = digest({**world.definitions, "pace": replace(world.definitions["pace"], weight=1.0)})
    tables = {"training": training, "served": served}
    tables["served_other"] = served.assign(definitions=served["definitions"].mask(tenth, other))
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        put(folder / f"{name}.parquet", partial(table.to_parquet, index=False))
    agreed = infer(training, features=world.roles.features, key=world.roles.key)
    columns = {n: replace(rule, range=RANGES.get(n)) for n, rule in agreed.columns.items()}
    write_contract(replace(agreed, columns=columns), folder / "contract.yaml")
    review_contract(folder / "contract.yaml", by="the example")
    put(folder / "model.skops", partial(copyfile, world.model_file))
    write_model(world.model, folder / "model_other.skops", definitions=other)
    models = [folder / f"{name}.skops" for name in ("model", "model_other")]
    return [*(folder / f"{name}.parquet" for name in tables), *models, folder / "contract.yaml"]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("give a folder: python -m skewkit.gate.examples data/gate")
    print("\n".join(map(str, write(Path(sys.argv[1])))))
