"""Labels that come later, joined to the requests that were logged.

Each night: python -m skewkit.log.labels LOG LABELS BATCH [LABEL [KNOWN]] writes the next training batch, as `join_labels` makes it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..durable import put
from ..load.locations import open_table
from ..records import SkewkitError, moment, needs
from ..tables.columns import kind_of
from .reader import SHOWN, Logged, read_log


@dataclass(frozen=True, eq=False)
class Labelled:
    """The ``log`` with its labels beside it; ``counts`` are of requests, but for ``repeated``, ``unknown`` and ``null_keys``.

    labelled, late (the label came after the window: left out), waiting (the window is open yet), never (it is over, and
    there is no label). Of the labels: repeated (once more the same), unknown (of no logged request), null_keys.
    """

    log: Logged
    counts: Mapping[str, int]

    @property
    def frame(self) -> pd.DataFrame:
        """The logged requests, a row each, with the label and, where given, when it was known."""
        return self.log.frame

    def __repr__(self):
        return f"<{', '.join(f'{n:,} {c}' for c, n in self.counts.items())}>"


def join_labels(
    log: Logged,
    labels: pd.DataFrame,
    on: str | None = None,
    label: str = "label",
    known: str | None = None,
    within: str = "7D",
    now: Any = None,
) -> Labelled:
    """Each logged request with its label: the one that bears its join key and was known ``within`` so long of the request.

    ``on`` names the join key in both (the log's own when not given), ``label`` the label's column and ``known`` that of the
    time since when it is known; without it no label is late. ``now`` is when this is asked (the newest time in both tables
    when not given): a request whose window is still open then is waiting. Run it each night over the days whose window has
    closed: the same rows come out again, and those that were waiting have their labels.

    Raises SkewkitError, naming the keys, where one key has two different labels, and for columns or kinds that cannot join.
    """
    on, time = on or log.columns["join_key"], log.columns["time"]
    needs(log.frame, [on], "join_labels")
    needs(labels, [c for c in (on, label, known) if c], "join_labels")
    if taken := [c for c in (label, known) if c in log.frame]:
        raise SkewkitError(f"the log has a column {', '.join(map(repr, taken))} already; call the labels' otherwise")
    kinds = [kind_of(t[on]) for t in (log.frame, labels)]
    if len(set(kinds)) > 1 and log.frame[on].notna().any() and len(labels):
        raise SkewkitError(
            f"{on!r} is {kinds[0]} in the log and {kinds[1]} in the labels; write it as one kind in both"
        )
    if known and kind_of(labels[known]) != "time":
        raise SkewkitError(f"{known!r} is {kind_of(labels[known])}; the time of a label is one with its zone")
    keyed = labels[labels[on].notna()]
    values = keyed.groupby(on)[label].nunique(dropna=False)
    if len(apart := values[values > 1]):
        shown = ", ".join(map(repr, apart.index[:SHOWN].tolist()))
        raise SkewkitError(
            f"{len(apart)} keys came with two different labels: {shown}{' and more' if len(apart) > SHOWN else ''}; "
            f"give the label that holds for each"
        )
    first = (keyed.sort_values(known, kind="stable") if known else keyed).drop_duplicates(on, ignore_index=True)
    there = log.frame[on].notna().to_numpy(bool)
    at = np.where(there, pd.Index(first[on].astype(object)).get_indexer(log.frame[on].astype(object)), -1)
    frame, there, over = log.frame.copy(), at >= 0, log.frame[time] + pd.Timedelta(within)
    given = {c: first[c].reindex(at).set_axis(frame.index) for c in (label, known) if c}
    late = there & (given[known] > over).to_numpy(bool) if known else np.zeros(len(frame), bool)
    frame = frame.assign(**{c: values.mask(late) for c, values in given.items()})
    newest = pd.Series([frame[time].max(), keyed[known].max() if known else pd.NaT]).max()
    waiting = ~there & (over > (moment(now, "now") or newest)).to_numpy(bool)
    counts = {
        "labelled": there & ~late,
        "late": late,
        "waiting": waiting,
        "never": ~there & ~waiting,
        "repeated": keyed.duplicated(on).to_numpy(),
        "unknown": ~np.isin(np.arange(len(first)), at),
        "null_keys": labels[on].isna().to_numpy(),
    }
    return Labelled(replace(log, frame=frame), {n: int(np.sum(v)) for n, v in counts.items()})


def nightly(folder: str, labels: str, batch: str, label: str = "label", known: str = "") -> Labelled:
    """Join the labels of a table to the log in a folder, and write the batch, a Parquet file, whole or not at all."""
    made = join_labels(read_log(folder), open_table("labels", labels).frame(), label=label, known=known or None)
    put(Path(batch), partial(made.frame.to_parquet, index=False))
    return made


if __name__ == "__main__":
    if not 3 < len(sys.argv) < 7:
        sys.exit(
            "give a log, labels and a batch to write: python -m skewkit.log.labels log labels.parquet batch.parquet"
        )
    try:
        print(nightly(*sys.argv[1:]))
    except SkewkitError as e:
        sys.exit(str(e))
