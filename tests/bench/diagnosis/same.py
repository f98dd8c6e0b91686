"""Whether parameters say the same: by what they do on the case's rows, not by how they are written. Nothing of skewkit."""

from __future__ import annotations

from datetime import timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from .cases import load

LENGTH = 0.02  # relative: lengths of time that count as the same
NUMBER = 1e-6
LENGTHS = ("lag", "ttl", "snapshot", "window", "horizon", "watermark", "edge")
RATES = ("rate", "late", "twice")
INSTEAD = {  # parameters that say another thing where the truth has them not
    "staleness": ("lag", "ttl", "snapshot"),
    "late_events": ("watermark", "late", "edge"),
    "unit_change": ("factor", "offset", "function"),
    "precision": ("to", "decimals"),
    "clipping": ("low", "high"),
    "rate_definition": ("how", "setting"),
    "misjoin": ("by",),
}
READS = {  # what a clock's feature is read from a local time
    "hour": lambda wall: wall.dt.hour,
    "weekday": lambda wall: wall.dt.day_of_week,
    "day": lambda wall: wall.dt.day,
    "date": lambda wall: wall.dt.normalize(),
    "days_since": lambda wall: wall.dt.normalize(),
}


class Look:
    """The case's frames, read only where a comparison needs them."""

    def __init__(self, out, name):
        self.out, self.name, self._case = out, name, None

    @property
    def case(self):
        if self._case is None:
            self._case = load(self.out, self.name)
        return self._case

    @property
    def times(self):
        time = self.case["roles"]["time"]
        return None if time is None else self.case["replayed"][time]


def same(cause: dict, said: dict, look, fit: dict) -> bool:
    """Whether parameters say the same as the truth, or as what predicts the same rows."""
    true = cause["parameters"]
    if cause["cause"] == "encoding":
        return _same_mapping(true["mapping"], said.get("mapping") or ())
    if true.get("how") == "swapped":
        both = {*fit["features"], *listed(said.get("with"))}
        return said.get("how") == "swapped" and both == set(cause["features"])
    if cause["cause"] == "time_zone":
        return _same_zones(true, said, look)
    if cause["cause"] == "missing_values" and true["how"] == "at_random":
        n, share = _scope_rows(cause, look), (cause.get("share") or 1) * true["rate"]
        asked = (fit.get("share") or 1) * (said.get("rate") or 0)
        return said.get("how") == "at_random" and _near_rate(share, asked, n)
    ways = [true, *cause.get("alternatives", ())]
    return any(_all_same(way, said, cause, look) for way in ways)


def _all_same(true, said, cause, look) -> bool:
    named = {k: v for k, v in true.items() if not k.endswith("_between")}
    defaults = {
        "gain": 1.0,
        "offset": 0.0,
        "noise": 0.0,
        "factor": 1.0,
        "overflow": "wrap",
        "how": "clip",
        "clock": "stream",
    }
    for name in INSTEAD.get(cause["cause"], ()):
        if named.get(name) is None and said.get(name) not in (None, "", "0s", 0, defaults.get(name)):
            return False
    if cause["cause"] == "measurement" and named["saturation"] is not None and said.get("saturation") is None:
        return False
    return all(_one_same(k, v, said.get(k, defaults.get(k)), true, cause, look) for k, v in named.items())


def _one_same(name, true, said, every, cause, look) -> bool:
    if name == "overflow" and not str(every.get("to", "")).startswith("int"):
        return True
    if name in LENGTHS or (name == "serving" and every.get("setting") == "window"):
        return _same_length(true, said, cause.get("ranges", {}).get(name))
    if isinstance(true, (list, str)) or isinstance(said, (list, str)) or true is None or said is None:
        return listed(true) == listed(said) if name in ("to", "with") else true == said
    if between := every.get(f"{name}_between"):
        return min(between) - NUMBER <= said <= max(between) + NUMBER
    if name in RATES:
        return abs(true - said) <= 0.02 * abs(true) or (true < 1 and _near_rate(true, said, _scope_rows(cause, look)))
    if name == "noise" and true:
        return abs(said - true) <= 3 * true / np.sqrt(2 * max(cause["rows"], 2))
    step = 0.05 * every["noise"] if every.get("noise") else 0.0  # what noise leaves of a gain or an offset
    return bool(np.isclose(said, true, rtol=NUMBER + (0.02 if step else 0), atol=1e-9 + step))


def _near_rate(true, said, n) -> bool:
    return abs(true - said) <= 3 * np.sqrt(max(true * (1 - true), 1e-9) / max(n, 1)) + 1e-3


def _scope_rows(cause, look) -> int:
    """How many rows a cause could have been on."""
    table, times = look.case["replayed"], look.times
    hit = np.ones(len(table), bool)
    if cause["where"]:
        hit &= (table[cause["where"][0]].astype(str) == str(cause["where"][1])).to_numpy()
    if cause["since"]:
        hit &= (times >= pd.Timestamp(cause["since"])).to_numpy()
    if cause["until"]:
        hit &= (times < pd.Timestamp(cause["until"])).to_numpy()
    return int(hit.sum())


def _same_mapping(true, said) -> bool:
    """The same on the values that occur; what was not there may be mapped to anything."""
    known = {str(x): y for x, y in said}
    return all(str(x) in known and _alike(known[str(x)], y) for x, y in true)


def _alike(a, b) -> bool:
    if a is None or b is None or isinstance(a, str) or isinstance(b, str):
        return a == b
    return bool(np.isclose(a, b))


def _same_length(true, said, between) -> bool:
    a, b = _seconds_of(true), _seconds_of(said)
    if a is None or b is None:
        return true == said
    low, high = between or (a, a)
    return low * (1 - LENGTH) <= b <= high * (1 + LENGTH)


def _seconds_of(length):
    if isinstance(length, (int, float)):
        return float(length)
    try:
        return pd.Timedelta(length).total_seconds()
    except (ValueError, TypeError):
        return None


def _same_zones(true, said, look) -> bool:
    """Zones are the same where the clocks they make read alike at the case's request times; each row's own fits all."""
    if said.get("serving") is None:
        return False
    known = ["serving"] + ["training"] * (true.get("training") is not None and said.get("training") is not None)
    return all(_same_clock(true[n], said[n], true.get("reads", {}), look) for n in known)


def _same_clock(a, b, reads, look) -> bool:
    times = (
        look.times if look.times is not None else pd.Series(pd.date_range("2025-03-01", periods=24, freq="h", tz="UTC"))
    )
    try:
        walls = [times.dt.tz_convert(_zone(z)).dt.tz_localize(None) for z in (a, b)]
    except (KeyError, ValueError, OSError):
        return False
    return all((READS[p](walls[0]) == READS[p](walls[1])).all() for p in set(reads.values()) or {"hour"})


def _zone(name):
    if name[0] not in "+-":
        return ZoneInfo(name)
    east = timedelta(hours=int(name[1:3]), minutes=int(name[4:6]))
    return timezone(east if name[0] == "+" else -east)


def listed(value):
    return [value] if isinstance(value, str) else list(value or ())
