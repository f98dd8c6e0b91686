"""Two tables of one world, 25 features of all kinds: independent rows or a few users' each, steady or wobbling by the day."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm, poisson

LEVELS = (5, 20, 100, 300, 1000)  # of the categories
HOURS = np.array([1, 0.6, 0.5, 0.4, 0.4, 0.6, 1.2, 2.5, 4, 5, 5.5, 6, 6.2, 6, 5.8, 5.6, 5.8, 6.2, 6.5, 6, 5, 4, 3, 2])
DAYS, WOBBLE = 30, 0.02  # days in a table, and how far its mean moves from day to day, in standard deviations
ALIKE = 0.5  # the share of a feature's variance that is its user's


def tables(n: int, seed: int, users: bool = False, wobble: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and served, n rows each, of one world in which nothing changed."""
    rng = np.random.default_rng([seed, n, users, wobble])
    return _table(n, rng, users, wobble), _table(n, rng, users, wobble)


def _table(n, rng, users, wobble):
    user = rng.choice(max(2, n // 10), n, p=_weights(max(2, n // 10), rng)) if users else np.arange(n)
    day = rng.integers(0, DAYS, n)

    def latent():
        """Standard normal, its user's share and the day's wobble in it."""
        own = rng.standard_normal(n)
        if users:
            own = np.sqrt(ALIKE) * rng.standard_normal(user.max() + 1)[user] + np.sqrt(1 - ALIKE) * own
        return own + (WOBBLE * rng.standard_normal(DAYS)[day] if wobble else 0.0)

    columns = {f"normal{i}": latent() for i in range(4)}
    columns |= {f"lognormal{i}": np.exp(latent()) for i in range(2)}
    columns |= {"lognormal_wide": np.exp(1.5 * latent()), "pareto": (1 - norm.cdf(latent())) ** -0.8}
    columns |= {"cauchy": np.tan(np.pi * (norm.cdf(latent()) - 0.5))}
    columns |= {f"count{i}": poisson.ppf(norm.cdf(latent()), rate).astype(int) for i, rate in enumerate((0.5, 3, 20))}
    columns |= {f"heavy_count{i}": np.floor(np.exp(i + latent())).astype(int) for i in range(3)}
    columns |= {f"rounded{i}": np.round(scale * latent(), i) for i, scale in enumerate((10, 3, 1))}
    columns |= {"percent": np.round(100 * norm.cdf(latent())).astype(int)}
    columns |= {"hour": np.searchsorted(np.cumsum(HOURS / HOURS.sum())[:-1], norm.cdf(latent()))}
    for k in LEVELS:
        share = 1 / np.arange(1, k + 1)
        level = np.searchsorted(np.cumsum(share / share.sum())[:-1], norm.cdf(latent()))
        columns[f"category{k}"] = pd.Series(level).map("c{:04d}".format).to_numpy(object)
    time = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(day, unit="D")
    return pd.DataFrame({**columns, "user": user, "time": time})


def _weights(users, rng):
    """Some users are busier than others."""
    weight = np.exp(rng.standard_normal(users))
    return weight / weight.sum()


def features(table: pd.DataFrame) -> list[str]:
    return [c for c in table if c not in ("user", "time")]
