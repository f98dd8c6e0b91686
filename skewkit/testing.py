"""For a team's own tests: a table fulfils its contract, in two lines."""

from __future__ import annotations

from typing import Any

from .contract import Contract, read_contract
from .locations import Source, open_table
from .records import SkewkitError

LEVEL = 0.01  # how often chance alone may break an agreed share of nulls


def broken(table: Source, contract: Any) -> list[str]:
    """Each rule of a contract that a table breaks, in words; for what a table, and a contract, may be see `sk.compare`.

    A share of nulls is broken when it is above the agreed one by more than chance allows.
    """
    agreed = contract if isinstance(contract, Contract) else read_contract(contract)
    asked = open_table("table", table)
    if not len(asked):
        raise SkewkitError("table has no rows, and would keep any promise; give one with rows")
    return [str(o) for o in agreed.test(asked) if o.beyond(LEVEL)[0] > 0]


def assert_contract(table: Source, contract: Any) -> None:
    """Raise AssertionError with every rule of the contract that the table (a frame, or files) breaks, and the worst values."""
    __tracebackhide__ = True  # pytest shows the line of the test
    if found := broken(table, contract):
        raise AssertionError("\n".join([f"{len(found)} broken rules of the contract:", *found]))
