"""Tables and logs on which each rule is kept, and on which it is broken: python -m skewkit.rule_examples data/rules

The README's table of rules has the commands that read them.
"""

from __future__ import annotations

import shutil
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from . import examples
from .durable import put
from .injection import inject
from .load.models import write_model
from .log.feature_log import FeatureLog
from .origin import stamped
from .records import SkewkitError
from .scope import Scope, coin
from .skews import make

ROWS, CANARY = 20_000, 100_000  # requests of each table, and of the traffic of which a canary takes a share
LOGGED, KEPT = 30_000, 0.05  # requests of a service, and the share of them that its log keeps
CACHED = ("recent_amount", "recent_count")  # what the service reads from a cache
TRAINED, OTHER = "3f2a" * 16, "9c1d" * 16  # hashes of two sets of definitions


def write(folder: Path, rows: int = ROWS, canary: int = CANARY) -> None:
    """Every file of the README's table of rules; a log that is there already is written anew."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {**_served(rows), **_fetched(rows), **_candidates(rows), **_canary(canary)}
    tables |= _asked()
    for name, table in tables.items():
        put(folder / f"{name}.parquet", partial(table.to_parquet, index=False))
    _models(folder, tables["training"])
    _logs(folder)


def _later(rows):
    """The requests of a month after training, and what the model said."""
    table = examples.table(rows, seed=1)
    return table.assign(request=table["request"] + 10**6)


def _served(rows):
    """What the model learnt from and was served; clocks read in UTC for half of the requests; a tenth by other definitions."""
    later, half = _later(rows), Scope(share=0.5)
    clocks = make("time_zone", serving="UTC", training=examples.ZONE, features=["hour", "weekday", "date"])
    served = later.assign(log_definitions=TRAINED)
    return {
        "training": stamped(examples.table(rows), definitions=TRAINED),
        "replayed": later,
        "served": served,
        "served_clocks": inject(served, clocks, half, examples.ROLES),
        "served_other": served.assign(log_definitions=np.where(served.index % 10, TRAINED, OTHER)),
    }


def _fetched(rows):
    """What the service's cache gave it: fresh; and by one limit each, stale, missed, slow, and missed when the model errs."""
    later, rng = _later(rows), np.random.default_rng(2)
    n, day = len(CACHED) * rows, later["asked"].dt.day.to_numpy()
    asked = pd.concat([later["asked"]] * len(CACHED), ignore_index=True)
    often = np.tile(0.0015 * day, len(CACHED))  # of the misses on each day, 2.4 percent of a month's
    whole = pd.DataFrame(
        {
            "request": np.tile(later["request"], len(CACHED)),
            "feature": np.repeat(CACHED, rows),
            "value_time": asked - pd.to_timedelta(rng.uniform(0, 9, n), "s"),
            "hit": rng.random(n) > 0.02,
            "fetch_ms": np.round(rng.lognormal(0, 0.5, n), 3),  # p99: 3.2 ms
        }
    )
    lagging = rng.random(n) < 0.15  # of the requests, five minutes behind: the incident stale-cache
    off = later["score"] + np.where(later["fraud"] == 1, -1, 1) * 0.01 * day
    return {
        "fetched": whole,
        "fetched_stale": whole.assign(value_time=whole["value_time"] - pd.to_timedelta(lagging * 300, "s")),
        "fetched_missed": whole.assign(hit=rng.random(n) > 0.12),
        "fetched_slow": whole.assign(fetch_ms=np.round(3 * whole["fetch_ms"], 3)),
        "fetched_erring": whole.assign(hit=rng.random(n) >= often),
        "served_erring": later.assign(score=off.clip(0, 1)),
    }


def _answered(table, seed):
    """How long each answer took, and which requests failed."""
    rng, n = np.random.default_rng(seed), len(table)
    return table.assign(latency_ms=rng.lognormal(2.5, 0.4, n).round(3), failed=rng.random(n) < 0.0005)


def _candidates(rows):
    """A current model, a candidate that does nothing worse, and one for each way to do so."""
    current, well = (_answered(_later(rows), seed) for seed in (3, 4))
    tenth, fifth = well.index % 10 == 0, well.index % 5 == 0
    return {
        "current": current,
        "candidate": well,
        "candidate_moved": well.assign(score=np.where(fifth, well["score"] * 1.1, well["score"])),
        "candidate_rounding": well.assign(amount=np.floor(well["amount"])),
        "candidate_nulls": well.assign(income=well["income"].mask(tenth)),
        "candidate_defaults": well.assign(income=well["income"].mask(fifth, 0.0)),
        "candidate_failing": well.assign(failed=well["failed"] | (well.index % 40 == 0)),
        "candidate_slow": well.assign(latency_ms=2 * well["latency_ms"]),
    }


def _canary(rows):
    """A candidate that answers a share of the requests, by a hash of them: 5 percent as meant, or 10; and with a bug."""
    traffic = _answered(_later(rows), 5)
    chosen, wide = (coin(traffic["request"], "canary") < share for share in (0.05, 0.10))
    cut = traffic.assign(amount=np.floor(traffic["amount"]))
    return {
        "canary_current": traffic[~chosen],
        "canary": traffic[chosen],
        "canary_rounding": cut[chosen],
        "canary_wide_current": traffic[~wide],
        "canary_wide": traffic[wide],
    }


def _asked():
    """All requests of the service, and the labels that came: each once, and one of them also with another value."""
    numbers = np.arange(LOGGED)
    labels = pd.DataFrame({"join_key": [f"o{i}" for i in numbers], "label": (numbers % 50 == 0).astype(float)})
    other = labels.iloc[:1].assign(label=lambda t: 1 - t["label"])
    return {
        "requests": pd.DataFrame({"request": numbers}),
        "labels": labels,
        "labels_twice": pd.concat([labels, other]),
    }


def _models(folder, training):
    """A model that bears the hash of the definitions that training bears, and one that bears another."""
    fitted = LogisticRegression().fit(training[["amount", "hour"]], training["fraud"])
    for name, said in (("model", TRAINED), ("model_other", OTHER)):
        write_model(fitted, folder / f"{name}.skops", definitions=said)


def _logs(folder):
    """Logs of a service: well kept; of too few requests; with a fifth of what was chosen lost; and without join keys for some."""
    kept = {"log": KEPT, "log_sparse": 0.002, "log_lossy": KEPT, "log_unjoinable": KEPT}
    for name, share in kept.items():
        shutil.rmtree(folder / name, ignore_errors=True)
        with FeatureLog(folder / name, share=share, key="request", definitions=TRAINED) as log:
            for i in range(LOGGED):
                if name != "log_lossy" or i % 5:
                    order = None if name == "log_unjoinable" and i % 5 == 0 else f"o{i}"
                    log({"amount": i % 97 + 0.5}, 0.1, key=i, join_key=order)


# -- two paths that a team wrote twice


def offline(rows: pd.DataFrame) -> pd.DataFrame:
    """A share, as training computes it."""
    return pd.DataFrame({"share": rows["part"].astype(float) / rows["whole"].astype(float)})


def printed(rows: pd.DataFrame) -> pd.DataFrame:
    """The same from a service in another language, which prints six digits."""
    return offline(rows).map(lambda value: float(f"{value:.6g}"))


def truncated(rows: pd.DataFrame) -> pd.DataFrame:
    """The same after a rewrite that cuts off after two decimals."""
    return np.floor(offline(rows) * 100) / 100


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("give a folder: python -m skewkit.rule_examples data/rules")
    try:
        write(Path(sys.argv[1]))
    except SkewkitError as e:
        sys.exit(str(e))
