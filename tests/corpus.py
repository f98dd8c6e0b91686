"""Inputs on which a check once said ok, or a canary promote, where it must not; or raised an alarm, or failed, over nothing.

Each entry is made by code and stands for its kind. `python -m tests.bench.ok` prints how many there are of each and how they
end; `tests/test_corpus.py` holds every one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

import skewkit as sk
from skewkit.report.page import page
from skewkit.report.run import Run, document
from skewkit.testing import assert_parity

from .columns import KINDS

N = 4_000
ROWS = np.arange(N)


@dataclass(frozen=True)
class Entry:
    """``ends`` tries the input and says how it ended; ``right`` says which ends are right."""

    kind: str
    name: str
    ends: Callable[[], str]
    right: Callable[[str], bool]

    def __str__(self):
        return f"{self.kind}: {self.name}"


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"id": ROWS, "steady": ROWS % 7, **columns})


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def verdict(training, served, *replayed, **roles) -> str:
    """The verdict of every check; or how the input was refused."""
    try:
        return sk.check(sk.compare(training, served, *replayed, **{"key": "id", **roles})).verdict
    except sk.SkewkitError as e:
        return f"refused: {e}"


def examined(training, served, *replayed, **roles) -> str:
    """The verdict of a whole run, with what it costs and why."""
    return sk.examine(sk.compare(training, served, *replayed, **{"key": "id", **roles})).verdict


def parity(offline, online, inputs=None) -> str:
    try:
        assert_parity(offline, online, frame(x=ROWS / 3, y=ROWS % 5) if inputs is None else inputs, key="id")
    except AssertionError as e:
        return f"differ: {e}"
    except sk.SkewkitError as e:
        return f"refused: {e}"
    return "equal"


def never_ok(end: str) -> bool:
    return end not in ("ok", "equal", "promote")


def breach(end: str) -> bool:
    return end == "breach"


def ok(end: str) -> bool:
    return end == "ok"


def quiet(end: str) -> bool:
    return end in ("ok", "inconclusive")


def corpus() -> Iterator[Entry]:
    """Every entry."""
    for make in (
        *(paths, predictions, parts, numbers, times, things, categories, representations, keys),
        *(rollouts, csv_files, orders, windows, unnamed, thresholds),
    ):
        yield from make()


def paths():
    """Two paths that return other columns, rows or types."""
    same = lambda d: d  # noqa: E731
    for name, online in {
        "dropped": lambda d: d.drop(columns="x"),
        "only the key": lambda d: d[["id"]],
        "renamed": lambda d: d.rename(columns={"x": "z"}),
        "added": lambda d: d.assign(z=1.0),
        "as text": lambda d: d.assign(x=d["x"].astype(str)),
        "another key": lambda d: d.assign(id=d["id"] + 1),
        "rows reversed": lambda d: d.iloc[::-1],
    }.items():
        yield Entry(
            "two paths that return other columns", f"{name}, online", lambda o=online: parity(same, o), never_ok
        )
        yield Entry(
            "two paths that return other columns", f"{name}, offline", lambda o=online: parity(o, same), never_ok
        )
    yield Entry(
        "two paths that return other columns", "none: equal", lambda: parity(same, same), lambda e: e == "equal"
    )


def predictions():
    """Equal features and other predictions, with labels and without."""
    p = rng().beta(2, 5, N)
    r = frame(x=p, y=(rng(1).random(N) < p).astype(int), score=p)
    kind = "equal features, other predictions"
    some = rng(2).random(N) < 0.02
    for name, score in {
        "1 - score": 1 - p,
        "of another row": np.roll(p, 1),
        "rounded": np.round(p, 2),
        "constant": np.full(N, 0.5),
        "null": np.full(N, np.nan),
        "two in a hundred null": np.where(some, np.nan, p),
        "two in a hundred off": np.where(some, p / 2, p),
    }.items():
        for label in ("y", None):
            roles = {"label": label, "prediction": "score", "features": ["steady", "x"]}
            of = "with labels" if label else "without"
            yield Entry(kind, f"{name}, {of}", lambda s=score, k=roles: verdict(r, r.assign(score=s), r, **k), breach)
            yield Entry(
                kind,
                f"{name}, {of}, whole run",
                lambda s=score, k=roles: examined(r, r.assign(score=s), r, **k),
                breach,
            )


def parts():
    """The request's own time, entity, segment or label differs."""
    at = pd.Series(pd.date_range("2024-01-01", periods=N, freq="7min", tz="UTC"))
    r = frame(at=at, who=ROWS % 50, where=np.where(ROWS % 3, "a", "b"), y=(ROWS % 5 == 0).astype(int))
    half = at.where(ROWS % 2 == 0, at + pd.Timedelta("1h"))
    kind = "the request's own time, entity, segment or label"
    for name, column, values, roles in (
        ("8 h early", "at", at - pd.Timedelta("8h"), {"time": "at"}),
        ("a second late", "at", at + pd.Timedelta("1s"), {"time": "at"}),
        ("an hour late in every second row", "at", half, {"time": "at"}),
        ("another zone's wall clock", "at", at.dt.tz_localize(None).dt.tz_localize("America/New_York"), {"time": "at"}),
        ("entity of the next row", "who", np.roll(r["who"], 1), {"entity": "who"}),
        ("entity plus one", "who", r["who"] + 1, {"entity": "who"}),
        ("segment of the next row", "where", np.roll(r["where"], 1), {"segments": ["where"]}),
        ("label turned", "y", 1 - r["y"], {"label": "y"}),
    ):
        yield Entry(kind, name, lambda c=column, v=values, k=roles: verdict(r, r.assign(**{c: v}), r, features=["steady"], **k), breach)  # fmt: skip
    since = {"time": "at", "since": at[N // 2], "features": ["steady"]}
    yield Entry(
        kind,
        "8 h early, of the later half",
        lambda: verdict(r, r.assign(at=at - pd.Timedelta("8h")), r, **since),
        never_ok,
    )
    waiting = r.assign(y=r["y"].astype("Int64").mask(ROWS > N / 2))
    yield Entry(
        kind,
        "labels that have not come: no difference",
        lambda: verdict(r, waiting, r, label="y", features=["steady"]),
        ok,
    )


def numbers():
    """Numbers of which a relative tolerance would forgive anything."""
    since = 1_700_000_000 + 60 * ROWS
    big = 2**60 + 4096 * ROWS
    ids = [10**20 + int(i) for i in ROWS]
    kind = "numbers beyond a tolerance's sense"
    for name, right, wrong in (
        ("seconds since 1970, 15 minutes stale", since, since - 900),
        ("the same as floats", since * 1.0, since - 900.0),
        ("the same with fractions", since + 0.5, since - 899.5),
        ("the same beside a default of 0", np.where(ROWS % 50, since + 0.5, 0), np.where(ROWS % 50, since - 899.5, 0)),
        ("milliseconds since 1970, a second stale", since * 1000.0, since * 1000.0 - 1000),
        ("nanoseconds since 1970 as floats, a second stale", since * 1e9, since * 1e9 - 1e9),
        ("int64 against float64, 1,000 off at 2**60", big, (big + 1000).astype(float)),
        (
            "Int64 with a null, one off at 2**60",
            pd.array(big, "Int64"),
            pd.Series(big + 1).astype("Int64").mask(ROWS == 5),
        ),
        ("uint64, one off beyond 2**63", big.astype("u8") + 2**63, big.astype("u8") + 2**63 + 1),
        ("ids of 21 digits, one off", ids, [i + 1 for i in ids]),
        ("ids of 21 digits that became floats", ids, [float(i) for i in ids]),
        ("ids of nine digits, one off", 987_654_321.0 + ROWS, 987_654_322.0 + ROWS),
        ("billionths that have doubled", 1e-9 * (1 + ROWS), 2e-9 * (1 + ROWS)),
        ("a count one more", (ROWS % 9).astype(float), (ROWS % 9) + 1.0),
        ("a narrow reading on a large offset", 1e6 + np.sin(ROWS) / 100, 1e6 + np.sin(ROWS) / 100 + 0.005),
    ):
        yield Entry(kind, name, lambda a=right, b=wrong: verdict(frame(x=a), frame(x=b), frame(x=a)), breach)


def times():
    """Times beyond what nanoseconds hold."""
    kind = "times outside 1678 to 2261"

    def column(year):
        return pd.Series(np.where(ROWS % 2, f"{year}-12-31", "2024-03-01").astype("M8[us]"))

    for name, cast in {"in microseconds": lambda x: x, "in seconds": lambda x: x.dt.as_unit("s"), "as objects": lambda x: x.astype(object), "as dates": lambda x: x.dt.date}.items():  # fmt: skip
        a, b = (frame(x=cast(column(year))) for year in (2999, 9999))
        yield Entry(kind, f"2999 against 9999, {name}", lambda a=a, b=b: verdict(a, b, a), breach)
        yield Entry(kind, f"2999 against 9999, {name}, no recomputation", lambda a=a, b=b: verdict(a, b), breach)
        yield Entry(kind, f"themselves, {name}", lambda a=a: verdict(a, a, a), ok)
    old, older = (frame(x=column(y)) for y in ("1500", "0001"))
    yield Entry(kind, "1500 against 1", lambda: verdict(old, older, old), breach)


def things():
    """Features without an order, each the only one."""
    kind = "features that have no order, alone"
    for name in ("list", "bytes", "mapping", "length of time"):
        x = KINDS[name].make(rng(), N)
        a, b = (pd.DataFrame({"id": ROWS, "x": v}) for v in (x, KINDS[name].other(x)))
        yield Entry(kind, f"{name}, other", lambda a=a, b=b: verdict(a, b, a), breach)
        if name != "length of time":  # a second more in a day is told by pairs alone
            yield Entry(kind, f"{name}, other, no recomputation", lambda a=a, b=b: verdict(a, b), never_ok)
        yield Entry(kind, f"{name}, the same", lambda a=a: verdict(a, a, a), ok)
        gone = a.assign(x=None)
        yield Entry(kind, f"{name}, all gone, no recomputation", lambda a=a, b=gone: verdict(a, b), breach)


def categories():
    """Labels under other codes."""
    kind = "categories under other codes"
    x = pd.Series(rng().choice(["a", "b", "c"], N))
    a = frame(x=x.astype(pd.CategoricalDtype(["a", "b", "c"])))
    for name, order in {"another order": ["c", "a", "b"], "one label more in front": ["0", "a", "b", "c"]}.items():
        b = frame(x=x.astype(pd.CategoricalDtype(order)))
        yield Entry(kind, name, lambda b=b: verdict(a, b, a), never_ok)
    more = frame(x=x.astype(pd.CategoricalDtype(["a", "b", "c", "d"])))
    yield Entry(kind, "one label more at the end: the same codes", lambda: verdict(a, more, a), ok)


def representations():
    """The same values held otherwise."""
    for name, kind in KINDS.items():
        x = kind.make(rng(4), N)
        for held, change in kind.held.items():
            a, b = frame(x=x), frame(x=change(x))
            yield Entry("the same values held otherwise", f"{name}, {held}", lambda a=a, b=b: verdict(a, b, a), ok)
            yield Entry("the same values held otherwise", f"{name}, {held}, no recomputation", lambda a=a, b=b: verdict(a, b), quiet)  # fmt: skip
    empty = frame(x=None)
    yield Entry(
        "the same values held otherwise", "null on all sides", lambda: verdict(empty, frame(x=np.nan), empty), ok
    )


def keys():
    """Keys of 64 bits, and one that is null."""
    kind = "keys"
    key = pd.Series(pd.array(2**53 + 2 + 3 * ROWS, dtype="Int64"))

    def lost(k):
        a, b = (pd.DataFrame({"id": v, "x": ROWS % 7}) for v in (key, k))
        case = sk.compare(a, b, a, key="id")
        return f"{case.pairs.n} pairs"

    for dtype in ("Int64", "object", "int64[pyarrow]"):
        yield Entry(kind, f"64 bits and one null, {dtype}", lambda d=dtype: lost(key.mask(ROWS == 7).astype(d)), lambda e: e == f"{N - 1} pairs")  # fmt: skip
    yield Entry(kind, "int64 against uint64", lambda: lost(key.astype("uint64")), lambda e: e == f"{N} pairs")


def decision(current, candidate, **roles) -> str:
    asked = {
        "key": "id",
        "time": "at",
        "prediction": "score",
        "latency": "ms",
        "error": "failed",
        "features": ["steady"],
    }
    try:
        return sk.decide(sk.rollout(current, candidate, **(asked | roles)), draws=20).decision
    except sk.SkewkitError as e:
        return f"refused: {e}"


def rollouts():
    """A candidate beside the current model, with nothing to compare."""
    kind = "promote, though nothing was compared"
    at = pd.Timestamp("2024-03-02T00:00Z") + pd.to_timedelta(30 * ROWS, "s")
    log = frame(at=at, score=rng().beta(1, 9, N), ms=rng(1).lognormal(2, 0.3, N), failed=False)
    status = pd.Series(np.where(rng(2).random(N) < 0.3, 500, 200))
    for name, current, candidate, roles in (
        ("HTTP status as the flag, and every score inverted", log.assign(err=200), log.assign(err=status, score=1 - log["score"]), {"error": "err"}),
        ("both fail always", log.assign(failed=True), log.assign(failed=True), {}),
        ("neither has a score", log.assign(score=np.nan), log.assign(score=np.nan), {}),
        ("the candidate has no score", log, log.assign(score=np.nan), {}),
        ("latency null throughout", log.assign(ms=np.nan), log.assign(ms=np.nan), {}),
        ("latency below 0", log, log.assign(ms=-log["ms"]), {}),
        ("another month", log, log.assign(at=at + pd.Timedelta("30D")), {}),
        ("other requests", log, log.assign(id=ROWS + N), {}),
        ("each request twice", log, pd.concat([log, log]), {}),
        ("flags of words", log.assign(failed="no"), log.assign(failed="perhaps"), {}),
        ("infinite scores", log, log.assign(score=np.inf), {}),
        ("the feature null on both sides", log.assign(steady=None), log.assign(steady=None), {}),
    ):  # fmt: skip
        yield Entry(kind, name, lambda a=current, b=candidate, k=roles: decision(a, b, **k), never_ok)
    ruled = {"error": "err >= 400"}
    yield Entry(kind, "a third of status 500, by a rule", lambda: decision(log.assign(err=200), log.assign(err=status), **ruled), lambda e: e == "roll back")  # fmt: skip
    yield Entry(kind, "the same model once more: promote", lambda: decision(log, log), lambda e: e == "promote")


def csv_verdict(text: str | bytes, other: pd.DataFrame, **roles) -> str:
    """The verdict of a frame against a CSV file that should hold the same."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "served.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return verdict(other, path, other, **roles)


def csv_files():
    """CSV as people have it, against the same rows in memory."""
    kind = "CSV as people have it"
    price = np.round(rng().exponential(30, N) + 1000, 2)
    table = frame(price=price, word=rng(1).choice(["red", "blue", "a b"], N), paid=rng(2).random(N) < 0.4)
    late = np.where(ROWS < N - 1, ROWS % 5, 2.5)
    plain = table.to_csv(index=False)
    german = table.to_csv(index=False, sep=";", decimal=",")
    some = table.assign(word=table["word"].where(ROWS % 5 > 0), n=pd.Series(ROWS).astype("Int64").mask(ROWS % 7 == 0))
    for name, text, right, how, ends in (
        ("a semicolon and a decimal comma", german, table, {}, ok),
        ("tabs", table.to_csv(index=False, sep="\t"), table, {}, ok),
        ("pipes", table.to_csv(index=False, sep="|"), table, {}, ok),
        ("UTF-16", plain.encode("utf-16"), table, {}, ok),
        ("a byte order mark", plain.encode("utf-8-sig"), table, {}, ok),
        ("lines of Windows", plain.replace("\n", "\r\n"), table, {}, ok),
        ("nulls of text and of whole numbers", some.to_csv(index=False), some, {}, ok),
        ("a fraction in the last row alone", frame(x=late).to_csv(index=False).replace(".0\n", "\n"), frame(x=late), {}, ok),
        ("a column that begins empty", frame(x=pd.Series(ROWS * 1.0).mask(ROWS < N / 2)).to_csv(index=False), frame(x=pd.Series(ROWS * 1.0).mask(ROWS < N / 2)), {}, ok),
        ("ids of 21 digits", frame(x=[str(10**20 + int(i)) for i in ROWS]).to_csv(index=False), frame(x=[str(10**20 + int(i)) for i in ROWS]), {}, ok),
        ("ids with zeros in front", frame(x=[f"{i:06d}" for i in ROWS]).to_csv(index=False), frame(x=[f"{i:06d}" for i in ROWS]), {}, ok),
        ("ids of 21 digits, one off", frame(x=[str(10**20 + int(i) + 1) for i in ROWS]).to_csv(index=False), frame(x=[str(10**20 + int(i)) for i in ROWS]), {}, breach),
        ("a comment on top, said", "# made by hand\n" + plain, table, {"csv": {"comment": "#"}}, ok),
        ("a total line at the end", plain + "total,,1234.5,,\n", table, {}, lambda e: e.startswith("refused")),
        ("a second header in the middle", plain + plain, table, {}, lambda e: e.startswith("refused")),
        ("one name twice", plain.replace("steady", "price", 1), table, {}, lambda e: e.startswith("refused") and "price" in e),
        ("an empty name", plain.replace("steady", "", 1), table, {}, lambda e: e.startswith("refused")),
    ):  # fmt: skip
        yield Entry(kind, name, lambda t=text, r=right, k=how: csv_verdict(t, r, **k), ends)


def whole_run(training, served, *replayed, **roles) -> str:
    """The verdict of a run down to its page, and which steps failed in it."""
    result = sk.examine(sk.compare(training, served, *replayed, **{"key": "id", **roles}))
    sentences = [f.sentence for f in result.diagnosis.fits]
    made = document(Run("check", {}, Path("run"), Path("run")), result)
    page(made)
    assert all(sentences)
    return made["verdict"]


def orders():
    """Columns in each other's places, and names that a figure or a page may trip over."""
    kind = "runs that were lost"
    table = frame(**{c: rng(i).normal(i, 1 + i, N) for i, c in enumerate("abcd")})
    for name, order in {
        "three rotated": "bcad",
        "all rotated": "bcda",
        "reversed": "dcba",
        "two swaps": "badc",
    }.items():
        served = table.assign(**{c: table[o].to_numpy() for c, o in zip("abcd", order, strict=True)})
        yield Entry(kind, name, lambda s=served: whole_run(table, s, table), breach)
        yield Entry(kind, f"{name}, no recomputation", lambda s=served: whole_run(table, s), never_ok)
    for name in ("self", "price_$_per_$_sold", "<b>x</b>", "key", "replayed", "index", "x" * 300, "🙂"):
        odd, other = frame(**{name: rng().normal(size=N)}), frame(**{name: rng().normal(3, 1, N)})
        yield Entry(kind, f"a column called {name[:20]}", lambda a=odd, b=other: whole_run(a, b, a), breach)
    for name in ("list", "bytes", "mapping"):
        x = KINDS[name].make(rng(), N)
        yield Entry(
            kind,
            f"{name} that differ",
            lambda a=frame(x=x), b=frame(x=KINDS[name].other(x)): whole_run(a, b, a),
            breach,
        )


def hours(days: int, seed: int = 0) -> pd.DataFrame:
    """A table of hours, with the calendar beside a count that follows it."""
    at = pd.Series(pd.date_range("2023-01-01", periods=24 * days, freq="h", tz="UTC"))
    warm = 15 - 10 * np.cos(2 * np.pi * at.dt.dayofyear / 365) + rng(seed).normal(0, 3, len(at))
    return pd.DataFrame(
        {
            **{"id": np.arange(len(at)), "at": at, "mnth": at.dt.strftime("%b"), "season": at.dt.quarter, "hr": at.dt.hour},
            **{"weekday": at.dt.dayofweek, "workingday": (at.dt.dayofweek < 5).astype(int), "temp": np.round(warm, 2)},
            "rides": rng(seed + 1).poisson(20 + 10 * (at.dt.hour > 6)),
        }
    )  # fmt: skip


def windows():
    """A served window of an hour, a day or a week of a table of two years, with nothing wrong."""
    kind = "clean windows of a day or an hour"
    table = hours(730)
    training, later = table[table["at"] < "2024-10-01"], table[table["at"] >= "2024-10-01"].reset_index(drop=True)
    for name, length in {"hour": 1, "day": 24, "week": 168}.items():
        for at in (24 * 10, 24 * 33 + 5, 24 * 61):
            served = later[at : at + length].reset_index(drop=True)
            for what, given in (("alone", [training, served]), ("with a recomputation", [training, served, served])):

                def ends(given=given):
                    case = sk.compare(*given, key="id", time="at")
                    return f"{sk.check(case).verdict}, {len(sk.diagnose(case).fits)} causes"

                yield Entry(
                    kind, f"{name} from {at}, {what}", ends, lambda e: e in ("ok, 0 causes", "inconclusive, 0 causes")
                )


def unnamed():
    """What is said where no cause is named, training and served alone."""
    kind = "what is called smooth"
    x = pd.Series(np.round(rng().normal(200, 40, N), 1)).mask(rng(1).random(N) < 0.2)
    word = pd.Series(rng(2).choice(["red", "blue", "green"], N))

    def said(training, served):
        return " | ".join(f.sentence for f in sk.diagnose(sk.compare(training, served, key="id")).fits) or "nothing"

    for name, a, b in (
        ("-999 for null", x, x.fillna(-999)),
        ("a quarter in inches", x, x.where(ROWS % 4 > 0, x / 25.4)),
        ("a new word", word, word.where(ROWS % 4 > 0, "mauve")),
        ("text become whole numbers", word.map({"red": "1", "blue": "2", "green": "3"}), word.map({"red": 1, "blue": 2, "green": 3})),
    ):  # fmt: skip
        yield Entry(kind, name, lambda a=a, b=b: said(frame(x=a), frame(x=b)), lambda e: "smooth" not in e and "x" in e)


def thresholds():
    """A decision of a probability is at 0.5, and any other rule is in the metric's name."""
    kind = "the threshold of decisions"
    p = rng().beta(0.5, 0.5, N)
    y = (rng(1).random(N) < p).astype(int)
    table = frame(p=p, y=y)
    costs = sk.impact(sk.compare(table, table, table, key="id", label="y", prediction="p", features=["steady"]))
    found = {c.metric: c.before for c in costs if c.change == "skew"}
    wanted = {
        "recall": (p >= 0.5)[y == 1].mean(),
        "precision": y[p >= 0.5].mean(),
        "accuracy": ((p >= 0.5) == y).mean(),
    }
    top = p >= np.quantile(p, 0.9)
    wanted |= {"precision@10%": y[top].mean()}
    for metric, value in wanted.items():
        yield Entry(
            kind, metric, lambda m=metric: f"{found.get(m, np.nan):.4f}", lambda e, v=value: abs(float(e) - v) < 1e-3
        )
