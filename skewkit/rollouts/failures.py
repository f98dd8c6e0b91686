"""Which requests failed, as a log says it: a column of 0 and 1, or a column and a rule, like "status >= 400"."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import yaml

from ..records import SkewkitError
from ..tables.columns import kind_of

RULE = re.compile(r"\s*(?P<column>.*\S)\s*(?P<how>>=|<=|==|!=|>|<)\s*(?P<value>\S.*?)\s*")
HOW = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}
FLAGS = {"0": False, "1": True, "false": False, "true": True}
SHOWN = 5  # values that an error names


@dataclass(frozen=True)
class Failure:
    """A column of both logs, and which of its values say that a request failed; ``how`` None: 0 and 1, or true and false."""

    column: str
    how: Callable[[Any, Any], Any] | None = None
    value: Any = None

    @property
    def of_nulls(self) -> bool:
        """Whether it asks for null itself, so that a null says something."""
        return self.how is not None and self.value is None

    def of(self, said: pd.Series, log: str) -> np.ndarray:
        """Which requests failed, shape (n,). One that does not say so has failed, unless the rule is about null itself."""
        null = said.isna().to_numpy(bool)
        if self.of_nulls:
            return null if self.how is operator.eq else ~null
        known = said[~null]
        failed = np.ones(len(said), bool)
        failed[~null] = self._flags(known, log) if self.how is None else self._ruled(known, log)
        return failed

    def _flags(self, known, log):
        flags = known.astype(object).map(_plain).map(FLAGS)
        strange = known[flags.isna()].map(repr).drop_duplicates().tolist()
        if strange:
            more = f" and {len(strange) - SHOWN} more" if len(strange) > SHOWN else ""
            raise SkewkitError(
                f"{log}: error={self.column!r} holds {', '.join(strange[:SHOWN])}{more}, and whether a request failed is 0 or 1, "
                f'true or false; say which values failed, like error="{self.column} >= 400"'
            )
        return flags.to_numpy(bool)

    def _ruled(self, known, log):
        text = isinstance(self.value, str)
        if len(known) and (kind := kind_of(known)) not in (("text",) if text else ("integer", "number", "boolean")):
            raise SkewkitError(
                f"{log}: error compares {self.column!r} with {self.value!r}, and it holds {kind}, like {known.iloc[0]!r}; "
                f"give a value of its kind"
            )
        return np.asarray(self.how(known.astype(str if text else float).to_numpy(), self.value), bool)


def failure(error: str | None, columns: Iterable[str]) -> Failure | None:
    """How ``error`` says that a request failed; None where it says nothing. A column's own name goes before a rule."""
    if error and not isinstance(error, str):
        raise SkewkitError(f'error={error!r} was given; it is a column, or a rule as text, like "status >= 400"')
    if not error or error in columns or not (rule := RULE.fullmatch(error)):
        return Failure(error) if error else None
    try:
        value = yaml.safe_load(rule["value"])
    except yaml.YAMLError:
        value = rule["value"]
    value = value if value is None or isinstance(value, (int, float)) else str(value)
    if value is None and rule["how"] not in ("==", "!="):
        raise SkewkitError(f"error={error!r} orders values by null; write == null or != null")
    return Failure(rule["column"], HOW[rule["how"]], value)


def _plain(value):
    """How a flag is written: 1, 1.0 and True are one."""
    return (
        f"{value:g}" if isinstance(value, float) else str(int(value)) if isinstance(value, bool) else str(value).lower()
    )
