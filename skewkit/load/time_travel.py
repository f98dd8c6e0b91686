"""What was known, and what held, at a moment of the past: point-in-time joins, and lookups with valid-from and valid-to.

So that what was served on a past day can be rebuilt. Frames go in and come out, and none is changed. Times are compared
as moments, whatever their zones and units; naive ones are refused, unless ``zone`` says where they were written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..evidence import shown
from ..records import SkewkitError, moment, needs
from ..tables.columns import kind_of
from ..tables.equality import same
from ..timeline import NEVER, Timeline, after, before, duration, nanoseconds
from ..timeline import zone as checked_zone

VALID = ("valid_from", "valid_to")
Columns = Sequence[str] | Mapping[str, str] | None
ALWAYS, FOREVER = NEVER + 1, np.iinfo("i8").max  # since when, and until when, a row holds that does not say


def as_of(
    requests: pd.DataFrame,
    history: pd.DataFrame,
    *,
    entity: str,
    time: str,
    happened: str,
    columns: Columns = None,
    ingested: str | None = None,
    at_most: str | None = None,
    strictly: bool = False,
    zone: str = "",
) -> pd.DataFrame:
    """The requests, and beside each the newest row that ``history`` had of its entity at its time.

    The newest is the one that ``happened`` last, at or before the request's ``time`` (``strictly``: before it). With
    ``ingested``, only rows whose time in that column is at or before the request's were known. Of rows that happened at
    once the one ingested last is the newest, and of those the last of the table. Where it is older than ``at_most``
    ("6h"), where there is none, and where entity or time is null, the request gets nulls; a row of history without
    entity or time is never found.

    ``columns`` are those to join, or a mapping of their names to new ones; when not given, all but ``entity``,
    ``happened`` and ``ingested``. Name ``happened`` among them to carry the row's own time along, for `compare`'s
    ``as_of``. Index, order and columns of the requests stay; whole numbers and booleans stay such beside nulls.
    """
    needs(requests, [entity, time], "as_of")
    needs(history, [entity, happened, *([ingested] if ingested else [])], "as_of")
    names = _names(requests, history, columns, (entity, happened, ingested))
    _one_kind(requests, history, entity, "history")
    when, at = _times(requests, time, "requests", zone), _times(history, happened, "history", zone)
    came = _times(history, ingested, "history", zone) if ingested else at
    row = _newest(history[entity], at, came, strictly, requests[entity], when)
    if at_most is not None:
        row[np.append(at, NEVER)[row] < before(when, duration(at_most, "at_most"))] = -1
    return _beside(requests, history, names, row)


def look_up(
    requests: pd.DataFrame,
    lookup: pd.DataFrame,
    *,
    key: str,
    time: str,
    columns: Columns = None,
    valid: tuple[str, str] = VALID,
    zone: str = "",
) -> pd.DataFrame:
    """The requests, and beside each the row of ``lookup`` that held for its key at its time.

    ``valid`` names the columns since when a row holds, and until when (left out); null is since ever, and still. A gap
    gives nulls, and so does a null key or time. ``columns`` is as in `as_of`; when not given, all but the key and
    ``valid``. Raises SkewkitError where two rows of one key hold at once.
    """
    needs(requests, [key, time], "look_up")
    since, until = _held(lookup, key, valid, zone)
    names = _names(requests, lookup, columns, (key, *valid))
    _one_kind(requests, lookup, key, "lookup")
    when, there = _times(requests, time, "requests", zone), np.flatnonzero(since < until)
    found = Timeline(lookup[key].iloc[there], since[there]).latest(requests[key], when)
    row = np.append(there, -1)[found]
    row[when >= np.append(until, FOREVER)[row]] = -1
    return _beside(requests, lookup, names, row)


def snapshot(
    lookup: pd.DataFrame, when: Any, key: str, *, valid: tuple[str, str] = VALID, zone: str = ""
) -> pd.DataFrame:
    """The table as it stood at a moment: the rows of ``lookup`` that held ``when``, without the columns ``valid``.

    Index and order of these rows stay. Raises SkewkitError where two rows of one key hold at once, whenever that is.
    """
    stamp = moment(when, "when")
    if stamp is None:
        raise SkewkitError(f"snapshot was asked for when={when!r}; give a moment, like 2024-03-08T12:00:00Z")
    since, until = _held(lookup, key, valid, zone)
    (at,) = nanoseconds([stamp])
    return lookup[(since <= at) & (at < until)].drop(columns=list(valid))


def slowly_changing(
    rows: pd.DataFrame | Mapping[Any, pd.DataFrame],
    key: str,
    at: str | None = None,
    *,
    deleted: str | None = None,
    zone: str = "",
) -> pd.DataFrame:
    """A lookup with valid-from and valid-to, made of a log of changes, or of snapshots; `snapshot` gives them back.

    A log of changes has a row each time that something of a key changed, and its moment in the column ``at`` (null:
    since ever). It holds until the key's next row; of two at once the last of the table counts. Where the boolean column
    ``deleted`` is true, the key is gone from then on. Snapshots are a mapping of moments to whole tables: each stands
    until the next, and the last still does. Rows that change nothing make no version of their own.

    Gives the columns of the rows, but for ``at`` and ``deleted``, and `VALID` as times in UTC; keys in the order in
    which they first appear, and the versions of a key in order of time.
    """
    if isinstance(rows, Mapping):
        if at or deleted:
            raise SkewkitError("at or deleted was given with snapshots; they name columns of a log of changes")
        rows, since, until = _of_snapshots(rows, key)
    else:
        rows, since, until = _of_changes(rows, key, at, deleted, zone)
    if taken := [c for c in VALID if c in rows]:
        raise SkewkitError(f"the rows have a column {taken[0]!r} already; rename it, for the result has one")
    if rows[key].isna().any():
        raise SkewkitError(f"{rows[key].isna().sum()} rows have no {key!r}; drop them, for no request can find them")
    order = _in_order(rows[key], since)
    rows, since, until = rows.iloc[order].reset_index(drop=True), since[order], until[order]
    above, below = rows.iloc[:-1], rows.iloc[1:]
    alike = np.logical_and.reduce([until[:-1] == since[1:], *(same(above[c], below[c]) for c in rows)])
    first, last = np.r_[True, ~alike][: len(rows)], np.r_[~alike, True][: len(rows)]
    stamps = (since[first], np.where(until == FOREVER, NEVER, until)[last])
    columns = {c: pd.DatetimeIndex(t.view("M8[ns]"), tz="UTC") for c, t in zip(VALID, stamps, strict=True)}
    return rows[first].reset_index(drop=True).assign(**columns)


def _of_changes(log, key, at, deleted, zone):
    """The rows of a log that are not deleted, since when, and until when each holds."""
    if at is None:
        raise SkewkitError("a log of changes was given without at=; name its column, or give {moment: table}")
    needs(log, [key, at, *([deleted] if deleted else [])], "slowly_changing")
    gone = log[deleted] if deleted else pd.Series(False, log.index)
    if kind_of(gone) != "boolean" and gone.notna().any():
        raise SkewkitError(f"deleted={deleted!r} is {kind_of(gone)}; give a column that is true or false")
    since = _times(log, at, "rows", zone)
    order = _in_order(log[key], since)
    log, since, code = log.iloc[order], since[order], _codes(log[key])[order]
    until = np.append(np.where(code[1:] == code[:-1], since[1:], FOREVER), FOREVER)[: len(log)]
    keep = ~gone.eq(True).fillna(False).to_numpy(bool)[order] & (since < until)
    return log[keep].drop(columns=[c for c in (at, deleted) if c]), since[keep], until[keep]


def _of_snapshots(snapshots, key):
    """The rows of all snapshots, since when, and until when each holds."""
    stamps = [moment(m, "a snapshot's moment") for m in snapshots]
    if not stamps or None in stamps or len(set(stamps)) < len(stamps):
        raise SkewkitError(f"{len(stamps)} snapshots were given; give one at least, and each a moment of its own")
    for stamp, table in zip(stamps, snapshots.values(), strict=True):
        needs(table, [key], f"the snapshot of {stamp}")
        if (double := table[key].duplicated()).any():
            raise SkewkitError(
                f"the snapshot of {stamp} holds {int(double.sum())} rows too many, one of key "
                f"{shown(table[key][double].iloc[0], 'masked')!r}; give each key once"
            )
    order = sorted(range(len(stamps)), key=stamps.__getitem__)
    tables, starts = [list(snapshots.values())[i] for i in order], nanoseconds(stamps)[order]
    rows = pd.concat([t for t in tables if len(t)] or tables[:1], ignore_index=True)
    return rows, *(np.repeat(m, [len(t) for t in tables]) for m in (starts, np.append(starts[1:], FOREVER)))


def _codes(keys):
    """Each key's number, in the order in which they first appear; -1 for none."""
    return pd.factorize(keys.astype(object))[0]


def _in_order(keys, since):
    """The rows by key and time; of two alike, the later one of the table comes later."""
    return np.lexsort((since, _codes(keys)))


def _held(lookup, key, valid, zone):
    """Since when and until when each row of a lookup holds, shape (rows,) each; refused where two of a key hold at once."""
    needs(lookup, [key, *valid], "the lookup")
    since, until = (_times(lookup, c, "lookup", zone) for c in valid)
    since, until = np.where(since == NEVER, ALWAYS, since), np.where(until == NEVER, FOREVER, until)
    rows = _in_order(lookup[key], since)
    rows = rows[(since < until)[rows] & lookup[key].notna().to_numpy(bool)[rows]]
    one, other, code = rows[:-1], rows[1:], _codes(lookup[key])
    clash = np.flatnonzero((code[one] == code[other]) & (since[other] < until[one]))
    if len(turned := np.flatnonzero(since > until)):
        raise _wrong(lookup, key, valid, f"{len(turned)} rows end before they begin", turned[:1])
    if len(clash):
        two = [one[clash[0]], other[clash[0]]]
        raise _wrong(lookup, key, valid, f"{len(clash)} rows still hold when the next of their key begins", two)
    return since, until


def _wrong(lookup, key, valid, what, rows):
    """An error that shows some rows' intervals, and of a text key how it is written and not which."""
    pairs = lookup[list(valid)].iloc[rows].itertuples(index=False)
    held = (f"[{'ever' if pd.isna(a) else a}, {'still' if pd.isna(b) else b})" for a, b in pairs)
    return SkewkitError(
        f"lookup: {what}; key {shown(lookup[key].iloc[rows[0]], 'masked')!r} has {' and '.join(held)}; "
        f"end each row where the next begins, or make the table anew with sk.slowly_changing"
    )


def _newest(who, at, came, strictly, asked, when):
    """The row of the newest event of ``asked`` that was known ``when``, shape (requests,); -1 where there is none."""
    there = np.flatnonzero((at > NEVER) & (came > NEVER))
    newer = there[np.lexsort((came[there], at[there]))]  # stable: of two alike, the last of the table is the newer
    known = np.maximum(after(at, 1) if strictly else at, came)[newer]
    who = who.astype(object).to_numpy()[newer]
    heard = np.argsort(known, kind="stable")
    best = pd.Series(heard).groupby(who[heard], sort=False).cummax()
    # what comes after a newer one is never the newest; without it, the newest known is the one that came last
    heard = heard[(best == heard).to_numpy()]
    return np.append(newer[heard], -1)[Timeline(who[heard], known[heard]).latest(asked, when)]


def _names(requests, table, columns, beside):
    """What each joined column is called there, and here."""
    if isinstance(columns, str):
        raise SkewkitError(f"columns={columns!r} was given as text; it is a list, like [{columns!r}]")
    columns = [c for c in table if c not in beside] if columns is None else columns
    names = dict(columns) if isinstance(columns, Mapping) else {c: c for c in columns}
    needs(table, names, "columns")
    taken = [*requests, *names.values()]
    if twice := [theirs for theirs, ours in names.items() if taken.count(ours) > 1]:
        raise SkewkitError(
            f"columns would add {names[twice[0]]!r}, which is there already; give another name, like "
            f"columns={{{twice[0]!r}: '{twice[0]}_then'}}"
        )
    return names


def _one_kind(requests, table, key, name):
    """Raise SkewkitError where text should meet numbers: nothing would be found, and nothing said."""
    sides = {n: kind_of(t[key]) for n, t in (("requests", requests), (name, table)) if t[key].notna().any()}
    if len({k.replace("integer", "number") for k in sides.values()}) > 1:
        (a, one), (b, other) = sides.items()
        raise SkewkitError(f"{key!r} is {one} in {a} and {other} in {b}; write both as one type")


def _times(frame, column, name, zone):
    """A column's moments, as `nanoseconds` gives them."""
    times, zone = frame[column].reset_index(drop=True), zone and checked_zone(zone)
    kind = kind_of(times)
    if times.isna().all():
        return np.full(len(times), NEVER)
    if kind != "time" and not (kind == "naive time" and zone):
        raise SkewkitError(
            f"{name}: {column!r} is a {kind}, and a time with its zone is needed; give zone=, the zone it was written in, "
            f"or write it in UTC with a Z"
        )
    try:
        return nanoseconds(times if kind == "time" else pd.to_datetime(times).dt.tz_localize(zone))
    except SkewkitError:
        raise
    except Exception as e:  # pandas 2 raises pytz's own errors here, which have no base of their own
        raise SkewkitError(
            f"{name}: a time in {column!r} does not exist, or exists twice, in {zone} where clocks change ({e}); "
            f"write it in UTC with a Z"
        ) from None


def _beside(requests, table, names, row):
    """The requests, and the table's columns at the rows, null where a row is -1."""
    missing = (row < 0).any()
    joined = {}
    for theirs, ours in names.items():
        column = table[theirs].reset_index(drop=True)
        if missing and isinstance(column.dtype, np.dtype) and column.dtype.kind in "iub":
            column = column.convert_dtypes()  # as floats, large whole numbers would lose digits
        joined[ours] = column.reindex(row).array
    return pd.concat([requests, pd.DataFrame(joined, index=requests.index)], axis=1)
