"""Profiles keep the contract that they are drawn from, and hold the edges that bite."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skewkit as sk
from skewkit.contracts.column_rules import ColumnRule
from skewkit.contracts.contract import Contract
from skewkit.parity.profiles import NEVER_SEEN, profiles
from skewkit.tables.engines import Local

AGREED = Contract(
    {
        "request": ColumnRule("integer", unique=True),
        "asked": ColumnRule("time"),
        "amount": ColumnRule("number", range=(-5.0, None), nulls=0.2),
        "pieces": ColumnRule("integer", range=(0, 2**60)),
        "shop": ColumnRule("text", values=("a", "b")),
        "town": ColumnRule("text"),
        "new": ColumnRule("boolean"),
    }
)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400), st.integers(0, 2**32))
def test_profiles_keep_their_contract_and_are_the_same_again(n, seed):
    """Whatever the number and the seed."""
    made = profiles(AGREED, n, seed, key="request")
    pd.testing.assert_frame_equal(made, profiles(AGREED, n, seed, key="request"))
    broken = [o for o in AGREED.test(Local(made)) if o.share > max(o.agreed, 1 / n if o.agreed else 0)]
    assert [str(o) for o in broken] == [] and len(made) == n


def test_the_edges_are_there():
    """Negative zero, 2**53, nulls, what is never seen, unicode in both spellings, midnight, the changes of clocks."""
    made = profiles(AGREED, 10_000, 0, key="request", zones=["Europe/Berlin"])
    amount = made["amount"].to_numpy()
    assert (np.signbit(amount) & (amount == 0)).any() and (amount == 2.0**53).any() and np.isnan(amount).any()
    assert {2**53, 2**53 + 1, 0} <= set(made["pieces"])
    assert {NEVER_SEEN, "Zürich", "Zu\u0308rich", ""} <= set(made["town"])
    assert set(made["shop"]) == {"a", "b"}
    wanted = pd.to_datetime(
        ["2024-02-29", "2024-03-31 01:00", "2024-10-27 01:00", "2024-03-31 00:59:59.999999"], utc=True, format="ISO8601"
    )
    assert set(wanted) <= set(made["asked"])


def test_an_open_column_takes_what_is_known():
    """Entities come from the list that is given; a contract that says nothing of a column is refused by its name."""
    agreed = Contract({"who": ColumnRule("integer")})
    assert set(profiles(agreed, 100, known={"who": [3, 5]})["who"]) == {3, 5}
    with pytest.raises(sk.SkewkitError, match=r"known=.'who'"):
        profiles(agreed, 100)
