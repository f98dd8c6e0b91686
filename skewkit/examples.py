"""A small made-up table that every skew's examples act on, and the runbooks' commands run on."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .records import Roles
from .timeline import PARTS, days_between, local

ZONE = "America/New_York"
MEAN_INCOME = 3_377.85  # as fitted once; where the income is not known, it stands in its place
FEATURES = (
    "hour",
    "weekday",
    "date",
    "days_since_last",
    "merchant",
    "country",
    "amount",
    "amount_scaled",
    "recent_amount",
    "recent_count",
    "income",
    "city",
    "refused",
    "typing",
)
ROLES = Roles(
    key="request",
    entity="account",
    time="asked",
    label="fraud",
    prediction="score",
    segments=("country",),
    features=FEATURES,
)


def table(rows: int = 2_000, seed: int = 0) -> pd.DataFrame:
    """Card payments over thirty days across a change of clocks, shape (rows, 21), without a null.

    ``merchant`` is a code with -1 for unknown, ``country`` and ``city`` are names; ``last`` is the account's earlier
    purchase. ``income`` is MEAN_INCOME where it is not known, ``typing`` (keys a second) is what a ``device``
    recorded; ``refused`` is the share of the account's earlier payments that were.
    """
    rng = np.random.default_rng(seed)
    asked = pd.Series(
        pd.Timestamp("2024-02-25", tz="UTC") + pd.to_timedelta(np.sort(rng.integers(0, 30 * 86_400, rows)), "s")
    )
    wall, last = local(asked, ZONE), asked - pd.to_timedelta(rng.integers(60, 5 * 86_400, rows), "s")
    amount = np.round(rng.lognormal(3, 1, rows), 2)
    income = np.round(rng.lognormal(8, 0.5, rows), 2)
    income[rng.random(rows) < 0.15] = MEAN_INCOME
    fraud = (rng.random(rows) < 0.02 + 0.3 * (amount > 60)).astype("int64")
    return pd.DataFrame(
        {
            "request": np.arange(rows) + 1_000,
            "account": rng.integers(0, max(1, rows // 20), rows),
            "asked": asked,
            "last": last,
            **{p: PARTS[p](wall).astype("int64" if p != "date" else wall.dtype) for p in ("hour", "weekday", "date")},
            "days_since_last": days_between(wall, local(last, ZONE)).astype("int64"),
            "merchant": rng.choice([-1, 0, 1, 2, 3], rows, p=[0.1, 0.4, 0.2, 0.2, 0.1]),
            "country": rng.choice(["US", "DE", "IN"], rows, p=[0.5, 0.3, 0.2]),
            "amount": amount,
            "amount_scaled": (amount - amount.mean()) / amount.std(),
            "recent_amount": np.round(rng.lognormal(3, 1, rows), 2),
            "recent_count": rng.poisson(4, rows),
            "income": income,
            "city": rng.choice(["Zürich", "São Paulo", "New York", "Köln"], rows),
            "typing": np.round(rng.normal(5, 1, rows), 3),
            "device": rng.choice(["old", "new"], rows, p=[0.7, 0.3]),
            "fraud": fraud,
            "score": np.clip(0.05 + 0.3 * (amount > 60) + rng.normal(0, 0.05, rows), 0, 1),
            "refused": rng.binomial(20, 0.1, rows) / 20,
        }
    )
