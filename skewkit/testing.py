"""For a team's own tests: a table fulfils its contract, and two paths agree, each in two lines."""

from __future__ import annotations

from typing import Any

from .contracts.contract import Contract, read_contract
from .load.locations import Source, open_table
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


def _fact(f):
    """What a finding that is no share of rows says beside its number: which path alone has a column, what its type became."""
    told = f.detail[0].items() if f.unit == "yes or no" and f.detail else ()
    return "".join(f", {name} {value}" for name, value in told)


def assert_parity(offline: Any, online: Any, inputs: Any, key: str, tolerance: float = 1e-6, **more: Any) -> None:
    """Raise AssertionError where two paths disagree in any row: in which features, why, and the smallest input that shows it.

    A column that one path alone returns is a disagreement, by its name; so is a number that became text.

    ``offline`` and ``online`` take a frame and return one of features with a row for each; or they are endpoints, as
    ``oip:http://localhost:8000/v2/models/NAME``, or sides of a Feast store, as ``feast:REPO#SERVICE``. ``inputs`` is a frame, or a contract of what may come in, of which
    10,000 profiles are drawn (``more`` goes to `skewkit.profiles.profiles` then, else to `skewkit.parity.two_paths.round_trip`).
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    from .parity.profiles import profiles
    from .parity.two_paths import path, round_trip

    sides = [path(p, n, more.get("time")) for p, n in ((offline, "offline"), (online, "online"))]
    if isinstance(inputs, (str, Contract)):
        agreed = inputs if isinstance(inputs, Contract) else read_contract(inputs)
        inputs, more = profiles(agreed, key=key, **more), {}
    found = round_trip(*sides, inputs, key, tolerance=tolerance, **more)
    if not found.equal:
        said = [
            f"{f.feature or 'rows'}: {f.statistic} {f.value:.4g} ({f.unit}) of {f.n:,}{_fact(f)}"
            for f in found.differing
        ]
        fits = found.result.diagnosis.fits
        why = [line for f in fits for line in (f.sentence, *(fact for fact in f.facts if fact not in f.sentence))]
        raise AssertionError("\n".join(["the two paths differ", *said, *why, *map(str, found.smallest)]))
