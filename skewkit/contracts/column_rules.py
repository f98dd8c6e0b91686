"""What one column must be, and how many of a table's rows break it, as pandera counts them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from heapq import nlargest
from typing import Any

import numpy as np
import pandas as pd

from ..records import SkewkitError
from ..statistics.bounds import share_bounds
from ..tables.columns import kind_of
from ..tables.engines import Local
from ..timeline import nanoseconds

WORST = 5  # values that an outcome shows


@dataclass(frozen=True)
class ColumnRule:
    """What a column must be: its ``kind`` (one of `columns.KINDS`, None: any) and whether it must be there.

    ``nulls`` is the largest share of rows without a value, in [0, 1]; ``range`` the lowest and highest value, either None
    for an open end, and of times in ISO 8601; ``values`` the only ones there may be; ``unique``: none stands twice.
    """

    kind: str | None = None
    required: bool = True
    nulls: float = 0.0
    range: tuple[Any, Any] | None = None
    values: tuple[Any, ...] | None = None
    unique: bool = False


@dataclass(frozen=True)
class Outcome:
    """One rule asked of one table: how many of its ``n`` rows break it, and the worst values with their rows.

    ``agreed`` is the share that may. A rule of the whole table (absent, disordered) is broken in every row or in none.
    """

    rule: str
    column: str | None
    rows: int
    n: int
    agreed: float = 0.0
    worst: tuple[Mapping[str, Any], ...] = ()

    @property
    def share(self) -> float:
        return self.rows / self.n if self.n else 0.0

    def beyond(self, level: float, times: float = 1.0) -> tuple[float, float]:
        """The bounds of the share beyond what is agreed. They meet, for a fact is no sample, but for a share of nulls."""
        if not self.agreed:
            return self.share, self.share
        low, high = share_bounds(self.rows * times, self.n * times, level)
        return max(0.0, low - self.agreed), max(0.0, high - self.agreed)

    def __str__(self):
        what = f"{self.column}: {self.rule}" if self.column else self.rule
        if self.rule in ("absent", "disordered"):
            return what
        agreed = f", agreed {self.agreed:g}" if self.agreed else ""
        seen = ", ".join(f"{w['value']!r} ({w['rows']:,})" for w in self.worst)
        return f"{what} in {self.rows:,} of {self.n:,} rows{agreed}{f': {seen}' if seen else ''}"


def outcomes(table: Local, name: str, rule: ColumnRule) -> Iterator[Outcome]:
    """A column's outcomes, each rule once."""
    import pandera.pandas as pa
    from pandera.config import ValidationDepth, config_context

    series = table.column(name)
    n, broken = len(series), {}
    # whatever the environment says: with PANDERA_VALIDATION_ENABLED=False every table would keep every promise
    whole = config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA)
    try:
        with whole:
            pa.DataFrameSchema({name: schema(rule)}).validate(series.to_frame(), lazy=True)
    except pa.errors.SchemaErrors as e:
        for error in e.schema_errors:
            if error.check_output is None:
                raise SkewkitError(f"{table.name}: {name} could not be tested: {str(error).splitlines()[0]}") from e
            broken[error.check.name] = error.check_output
    for named in _checks(rule):
        if named == "too_many_nulls":
            yield Outcome(named, name, int(series.isna().sum()), n, rule.nulls)
        else:
            bad = series[~broken[named].to_numpy(bool)] if named in broken else series[:0]
            yield Outcome(named, name, len(bad), n, worst=_worst(bad, rule, named))


def schema(rule: ColumnRule):
    """A rule as a pandera column. It shows few failures and counts all: a million of them take a second to list."""
    import pandera.pandas as pa

    checks = [pa.Check(c, name=n, ignore_na=False, n_failure_cases=WORST) for n, c in _checks(rule).items()]
    return pa.Column(None, checks, nullable=True, required=rule.required)


def _checks(rule: ColumnRule) -> dict[str, Callable]:
    """What a column is asked, by name: which rows hold, or of the nulls, whether they are few enough."""
    checks: dict[str, Callable] = {}
    if rule.kind:
        checks["wrong_type"] = lambda s: _holds(s, lambda v: _typed(v, rule.kind))
    if rule.nulls < 1:
        checks["too_many_nulls"] = lambda s: bool(s.isna().mean() <= rule.nulls) if len(s) else True
    if rule.range:
        checks["outside"] = lambda s: _holds(s, lambda v: _beyond(v, rule) <= 0)
    if rule.values is not None:
        checks["unknown"] = lambda s: _holds(s, lambda v: (not _like(v, rule.kind)) | _values(v).isin(rule.values))
    if rule.unique:
        checks["duplicated"] = lambda s: s.isna() | ~s.duplicated(keep=False)
    return checks


def _holds(series, holds):
    """Which rows keep a rule, on the series' index; a null breaks none but that of nulls."""
    there = series.notna().to_numpy(bool)
    kept = np.ones(len(series), bool)
    if there.any():
        kept[there] = holds(series[there])
    return pd.Series(kept, series.index)


def _like(values, kind):
    """Whether a column can be asked for more than its type: whole and other numbers are one family."""
    found = kind_of(values)
    return found == kind or {found, kind} == {"integer", "number"}


def _typed(values, kind):
    """Which values are of a kind, shape (n,): pandas turns integers into floats at the first null, so whole floats are."""
    found = kind_of(values)
    if (found, kind) == ("number", "integer"):
        numbers = values.to_numpy(float)
        return np.isfinite(numbers) & (numbers == np.trunc(numbers))
    return np.full(len(values), _like(values, kind))


def _values(values):
    """Values that Python's own compare with: text as text, integers whole, times in nanoseconds."""
    kind = kind_of(values)
    if "time" in kind:
        return pd.Series(nanoseconds(values), values.index)
    if kind in ("integer", "number"):
        width = "uint64" if "uint" in str(values.dtype).lower() else "int64"
        return pd.Series(values.to_numpy(width if kind == "integer" else float), values.index)
    return values.astype(object)


def _beyond(values, rule):
    """How far each value lies out of the range, shape (n,); 0 or less: within, or of another type."""
    if not _like(values, rule.kind):
        return np.zeros(len(values))
    ends = [int(nanoseconds([pd.Timestamp(e)])[0]) if e is not None and "time" in rule.kind else e for e in rule.range]
    found = _values(values).to_numpy()
    out = np.zeros(len(values))
    # which rows are out is decided on the values as they are; only how far is in floats
    for end, side in zip(ends, (np.less, np.greater), strict=True):
        if end is not None:
            off = side(found, end)
            out[off] = np.maximum(np.abs(found[off].astype(float) - float(end)), np.finfo(float).tiny)
    return out


def _worst(bad, rule, named):
    """The values that break a rule, with their rows: the farthest out of range first, else the most frequent."""
    if bad.empty or kind_of(bad) == "other":
        return ()
    values = bad.astype(object).tolist()
    counts = Counter(values)
    first = counts.most_common(WORST)
    if named == "outside":
        far = dict(zip(values, _beyond(bad, rule), strict=True))
        first = [(v, counts[v]) for v in nlargest(WORST, far, key=far.get)]
    return tuple({"value": _json(v), "rows": n} for v, n in first)


def _json(value):
    value = value.item() if isinstance(value, np.generic) else value
    known = isinstance(value, (bool, int, str)) or (isinstance(value, float) and np.isfinite(value))
    return value if known else str(value)
