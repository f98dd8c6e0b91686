"""A contract: what a feature table must be, agreed on by people. Inferred from training, kept as YAML, tested by pandera."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from ..arrays import finite
from ..durable import write
from ..names import expand
from ..records import SkewkitError, frozen, thawed
from ..tables.columns import KINDS
from ..tables.engines import Local
from .column_rules import ColumnRule, Outcome, outcomes, schema

VOCABULARY = 100  # values: a text column with more has no vocabulary


@dataclass(frozen=True)
class Review:
    """Who agreed to a contract, on which day (UTC), and the hash of what was agreed."""

    by: str
    day: str
    sha256: str


@dataclass(frozen=True)
class Contract:
    """What a feature table must be: each column's rule, and whether the columns must stand in this order.

    ``version`` counts what was reviewed. ``reviewed`` is false until a person reviews it, and again once it is edited.
    """

    columns: Mapping[str, ColumnRule]
    order: bool = False
    version: int = 1
    review: Review | None = None
    uri: str | None = field(default=None, compare=False)

    @property
    def sha256(self) -> str:
        """A hash of what is promised: of everything but version and review."""
        promised = json.dumps(_promised(self), ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(promised.encode()).hexdigest()

    @property
    def reviewed(self) -> bool:
        return self.review is not None and self.review.sha256 == self.sha256

    def test(self, table: Local) -> Iterator[Outcome]:
        """Every rule asked of a table, a column at a time; of a column that is absent, nothing more."""
        n, there = len(table), [c for c in table.columns if c in self.columns]
        for name, rule in self.columns.items():
            if rule.required:
                yield Outcome("absent", name, n * (name not in there), n)
            if name in there:  # a zone declared for the times does not make a file that promised none another one
                yield from outcomes(table if rule.kind == "time" else replace(table, zone=""), name, rule)
        if self.order:
            yield Outcome("disordered", None, n * (there != [c for c in self.columns if c in there]), n)


def infer(table: Local | pd.DataFrame, features: Sequence[str] = (), key: str | None = None) -> Contract:
    """The contract that a training table fulfils, for a person to widen, narrow and review.

    Its columns are the features and the key, or all when none are named. Ranges are as seen, with an end left open where
    a value was infinite; text has a vocabulary up to 100 values; the share of nulls is rounded up to the next thousandth. Times
    have no range, for those served come later, nor has the key, which is unique where it was. A column with nothing but
    nulls promises nothing but its name.
    """
    table = Local(table.reset_index(drop=True)) if isinstance(table, pd.DataFrame) else table
    features, key = tuple(features) or table.roles.features, key or table.roles.key
    asked = dict.fromkeys((*([key] if key else ()), *features)) if features else dict.fromkeys(table.columns)
    if absent := [c for c in (key, *asked) if c is not None and c not in table.columns]:
        raise SkewkitError(
            f"a contract was asked for {', '.join(map(repr, absent))}; the table has {', '.join(map(str, table.columns))}"
        )
    if odd := [c for c in asked if not isinstance(c, str)]:
        raise SkewkitError(f"column {odd[0]!r} has a name that is no text; name the columns in text")
    if not len(table):
        raise SkewkitError("a contract was asked for a table without rows; give one with rows")
    table = replace(table, zone="")
    kinds = table.kinds()
    return Contract({c: _seen(table, c, kinds[c], c == key) for c in table.columns if c in asked})


def _seen(table, name, kind, is_key):
    """The rule that a column keeps as it is."""
    if kind == "other":
        return ColumnRule(kind, nulls=_rounded_up(table.column(name).isna().mean()))
    d = table.distribution(name)
    nulls = _rounded_up(d.nulls / d.rows)
    if not d.n:
        return ColumnRule(nulls=1.0)
    rule = ColumnRule(kind, nulls=nulls, unique=is_key and d.n == len(d.values))
    if is_key:
        return rule
    if kind == "text" and len(d.values) <= VOCABULARY:
        return replace(rule, values=tuple(d.values.tolist()))
    if kind not in ("integer", "number"):
        return rule
    low, high = (v.item() if np.isfinite(v) else None for v in (np.nanmin(d.values), np.nanmax(d.values)))
    return rule if low is None and high is None else replace(rule, range=(low, high))


def _rounded_up(share):
    return max(float(share), min(1.0, ceil(share * 1_000) / 1_000))


def to_pandera(contract: Contract):
    """The contract as a pandera DataFrameSchema, to `validate(frame, lazy=True)` with; each check bears its rule's name."""
    import pandera.pandas as pa

    columns = {name: schema(rule) for name, rule in contract.columns.items()}
    return pa.DataFrameSchema(columns, ordered=contract.order, name=f"contract version {contract.version}")


# -- the file

HEADER = """\
# What a feature table must be. Edit it; then a person reviews it: skewkit contract review FILE --by NAME
#   order     whether the columns must stand in this order
#   kind      boolean, integer, number, text, time (with its zone), naive time or other; left out: any
#   required  whether the column must be there; left out: yes
#   nulls     the largest share of rows without a value, from 0 to 1
#   range     [lowest, highest]: both may be; null is an open end
#   values    the only values that may be
#   unique    no value stands twice; left out: it may
"""
KNOWN = ("version", "order", "columns", "review")


def write_contract(contract: Contract, path: str | Path) -> None:
    """Write a contract as YAML, whole or not at all."""
    review = asdict(contract.review) if contract.review else None
    _write(HEADER + _yaml({"version": contract.version, **_promised(contract), "review": review}), Path(path))


def review_contract(path: str | Path, by: str) -> Contract:
    """Write into a contract's file that ``by`` has reviewed it today (UTC), and give it.

    Its version is one more where it was edited since its last review. All else in the file, comments too, stays as it is.
    """
    contract = read_contract(path)
    edited = contract.review is not None and not contract.reviewed
    review = Review(by, f"{datetime.now(UTC):%Y-%m-%d}", contract.sha256)
    contract = replace(contract, version=contract.version + edited, review=review)
    text = re.sub(r"^(version:.*|review:.*(\n[ \t]+.*)*)\n?", "", Path(path).read_text("utf-8"), flags=re.M)
    text = f"{text.rstrip()}\n{_yaml({'version': contract.version, 'review': asdict(review)})}"
    try:
        same = _contract(text, path) == contract
    except SkewkitError:  # a file in another style than ours, such as all in one line
        same = False
    _write(text, Path(path)) if same else write_contract(contract, path)
    return contract


def _yaml(made):
    return yaml.dump(made, Dumper=_Quoting, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)


def _write(text, path):
    try:
        write(path, text)
    except OSError as e:
        raise SkewkitError(
            f"contract: {path} cannot be written ({type(e).__name__}); name a folder that is there"
        ) from e


def _promised(contract):
    """What a contract promises, in plain words; what is as it mostly is stays unsaid."""
    said = {
        n: {f.name: thawed(v) for f in fields(r) if (v := getattr(r, f.name)) != f.default or f.name == "nulls"}
        for n, r in contract.columns.items()
    }
    return {"order": contract.order, "columns": said}


def read_contract(path: str | os.PathLike) -> Contract:
    """The contract in a YAML file; ``${NAME}`` in its path is read from the environment.

    A word it does not know, or a value of another type, is refused with a SkewkitError: it would do nothing.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise SkewkitError(f"contract={path!r} was given; give the path of a contract, or a Contract")
    try:
        return _contract(Path(expand(os.fspath(path))).read_text("utf-8"), path)
    except UnicodeDecodeError as e:
        raise SkewkitError(f"contract: {path} is not text: {e}") from None
    except OSError:
        raise SkewkitError(
            f"contract: there is no file at {path}; make one with: skewkit contract infer TRAINING -o {path}"
        ) from None


def _contract(text, path):
    """The contract that a text holds, every word of it checked."""
    try:
        raw = yaml.load(text, Loader=_Once)
    except yaml.YAMLError as e:
        raise SkewkitError(f"contract: {path} is not YAML: {e}") from None
    _words(raw, KNOWN, path)
    _words(raw.get("columns"), None, f"{path}, columns,")
    if not raw["columns"]:
        raise SkewkitError(f"contract: {path} has no columns; name at least one")
    version, order, review = raw.get("version", 1), raw.get("order", False), raw.get("review")
    counts = isinstance(version, int) and not isinstance(version, bool) and version > 0
    _is(counts, path, "version", version, "a whole number from 1")
    _is(isinstance(order, bool), path, "order", order, "true or false")
    if review is not None:
        _words(review, names := [f.name for f in fields(Review)], f"{path}, review,")
        whole = set(review) == set(names)
        _is(whole, path, "review", review, f"{', '.join(names)}, as skewkit contract review writes them")
        review = Review(**{n: str(v) for n, v in review.items()})
    columns = {name: _rule(name, rule, f"{path}, {name},") for name, rule in raw["columns"].items()}
    return Contract(columns, order, version, review, str(path))


def _rule(name, raw, where):
    """One column's rule, every word of it checked."""
    _is(isinstance(name, str), where, "the name", name, "text; put it in quotes")
    _words(raw, [f.name for f in fields(ColumnRule)], where)
    rule = ColumnRule(**{word: frozen(value) for word, value in raw.items()})
    _is(rule.kind is None or rule.kind in KINDS, where, "kind", rule.kind, f"one of {', '.join(KINDS)}")
    for word in ("required", "unique"):
        _is(isinstance(getattr(rule, word), bool), where, word, getattr(rule, word), "true or false")
    _is(finite(rule.nulls) and 0 <= rule.nulls <= 1, where, "nulls", rule.nulls, "a share from 0 to 1")
    return replace(rule, nulls=float(rule.nulls), range=_range(rule, where), values=_vocabulary(rule, where))


def _range(rule, where):
    """The two ends in the column's own type, or an error."""
    if rule.range is None:
        return None
    ends, time = rule.range, rule.kind in ("time", "naive time")
    known = time or rule.kind in ("integer", "number")
    _is(known, where, "range", ends, "of a column of kind integer, number, time or naive time")
    two = isinstance(ends, tuple) and len(ends) == 2 and any(e is not None for e in ends)
    _is(two, where, "range", ends, "[lowest, highest], of which one may be null")
    ends = tuple(e if e is None else _time(e, rule.kind, where) if time else _number(e, rule.kind, where) for e in ends)
    low, high = (pd.Timestamp(e) if time and e is not None else e for e in ends)
    _is(low is None or high is None or low <= high, where, "range", list(ends), "[lowest, highest], in this order")
    return ends


def _time(end, kind, where):
    try:
        stamp = pd.Timestamp(end)
        fits = (
            not isinstance(end, (bool, int, float))
            and stamp is not pd.NaT
            and (stamp.tzinfo is not None) == (kind == "time")
        )
    except (ValueError, TypeError):
        fits = False
    _is(fits, where, "an end of range", end, f"a time {'with its' if kind == 'time' else 'without a'} zone, in quotes")
    return stamp.isoformat()


def _number(value, kind, where):
    whole = finite(value) and value == int(value)
    _is(
        whole or (finite(value) and kind == "number"),
        where,
        "a value",
        value,
        f"a {'whole ' * (kind == 'integer')}number",
    )
    return int(value) if kind == "integer" else float(value)


def _vocabulary(rule, where):
    """The only values, in the column's own type, or an error."""
    if rule.values is None:
        return None
    _is(isinstance(rule.values, tuple) and rule.values, where, "values", rule.values, "a list with at least one value")
    if rule.kind in ("integer", "number"):
        return tuple(_number(v, rule.kind, where) for v in rule.values)
    wanted = {"text": str, "boolean": bool}.get(rule.kind)
    _is(wanted, where, "values", list(rule.values), "of a column of kind text, integer, number or boolean")
    if odd := [v for v in rule.values if not isinstance(v, wanted)]:
        _is(False, where, "a value", odd[0], f"{rule.kind}, as its kind says{'; put it in quotes' * (wanted is str)}")
    return rule.values


def _words(raw, known, where):
    """A mapping of known words (any, when None), or an error."""
    if not isinstance(raw, dict):
        raise SkewkitError(f"contract: {where} holds {raw!r}; it holds names and values")
    if unknown := [str(w) for w in raw if known is not None and w not in known]:
        raise SkewkitError(f"contract: {where} says {', '.join(unknown)}; there are {', '.join(known)}")


def _is(so, where, word, value, wanted):
    if not so:
        raise SkewkitError(f"contract: {where} {word} is {value!r}; it is {wanted}")


class _Once(yaml.SafeLoader):
    """YAML in which no name stands twice: the first would be dropped without a word."""

    def construct_mapping(self, node, deep=False):
        names = [self.construct_object(k, deep=True) for k, _ in node.value]
        if twice := [n for i, n in enumerate(names) if n in names[:i]]:
            raise yaml.YAMLError(f"{twice[0]!r} is there twice; name it once")
        return super().construct_mapping(node, deep)


class _Quoting(yaml.SafeDumper):
    """Plain YAML, with text that holds line breaks and the like in double quotes: in others, some come back as a space."""


_Quoting.add_representer(
    str, lambda d, v: d.represent_scalar("tag:yaml.org,2002:str", v, style=None if v.isprintable() else '"')
)
