"""Tables from anywhere, and every bad input with an error that says what to do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import skewkit as sk
from skewkit import examples
from skewkit.records import SkewkitError

from .conftest import ROLES

FILES = {"training": "training.parquet", "served": "served.parquet", "replayed": "replayed.parquet"}


def verdict(**changes):
    return sk.check(sk.compare(**{**FILES, **ROLES, **changes})).verdict


def test_paths_frames_globs_and_csv_say_the_same(folder):
    """One table as a file, a frame, several files and CSV: the same findings, to the last digit."""
    frames = {n: pd.read_parquet(f) for n, f in FILES.items()}
    (folder / "log").mkdir()
    for i, part in enumerate(np.array_split(np.arange(len(frames["served"])), 3)):
        frames["served"].iloc[part].to_parquet(folder / "log" / f"part{i}.parquet", index=False)
    for n, frame in frames.items():
        frame.to_csv(folder / f"{n}.csv", index=False)
    wanted = sk.check(sk.compare(**FILES, **ROLES)).to_frame()
    for tables in (
        frames,
        {**FILES, "served": "log/*.parquet"},
        {**FILES, "served": "log"},
        {n: f"{n}.csv" for n in FILES},
    ):
        pd.testing.assert_frame_equal(sk.check(sk.compare(**tables, **ROLES)).to_frame(), wanted)


def test_features_are_what_is_left_of_training(folder):
    """Every column of training without another part is a feature when none are named."""
    case = sk.compare(**FILES, **{**ROLES, "features": []})
    assert set(case.roles.features) == {*ROLES["features"], "last", "device"}


def test_since_and_until_bound_the_requests_and_not_training(folder):
    """Since is in, until is out; training is what it is."""
    since, until = "2024-03-01T00:00:00Z", "2024-03-08T00:00:00+00:00"
    case = sk.compare(**FILES, **ROLES, since=since, until=until)
    times = case.served.column("asked")
    assert times.min() >= pd.Timestamp(since) and times.max() < pd.Timestamp(until)
    assert len(case.training) == 2_000 and 0 < case.pairs.n == len(case.served) == len(case.replayed) < 2_000


def test_a_sample_takes_the_same_keys_of_both_sides(folder):
    """About as many rows as asked, all of them still paired."""
    case = sk.compare(**FILES, **ROLES, sample=500)
    assert 400 < len(case.served) < 600 and case.pairs.n == len(case.served) == len(case.replayed)


def test_rename_maps_their_names_to_ours(folder):
    """The log calls it ts and id; with rename it is the table it was."""
    log = pd.read_parquet("served.parquet").rename(columns={"asked": "ts", "request": "id"})
    log.to_parquet("log.parquet")
    renamed = sk.check(
        sk.compare(**{**FILES, "served": "log.parquet"}, **ROLES, rename={"ts": "asked", "id": "request"})
    )
    pd.testing.assert_frame_equal(renamed.to_frame(), sk.check(sk.compare(**FILES, **ROLES)).to_frame())


def test_a_declared_zone_makes_a_naive_time_usable(folder):
    """The same instants, logged on New York's wall clock and declared as such, are the same table."""
    log = pd.read_parquet("served.parquet")
    log = log[log["asked"] < pd.Timestamp("2024-03-10T00:00Z")]
    log.assign(asked=log["asked"].dt.tz_convert("America/New_York").dt.tz_localize(None)).to_parquet("log.parquet")
    case = sk.compare(**{**FILES, "served": "log.parquet"}, **ROLES, time_zone="America/New_York")
    assert case.served.column("asked").tolist() == log["asked"].tolist()


def double_amounts(requests):
    """A replay for the tests: what a team's own function may look like."""
    assert "amount" in requests
    requests["amount"] = -1.0  # must not reach the log
    clean = examples.table(seed=1)
    clean["request"] += 1_000_000
    return clean[clean["request"].isin(requests["request"])]


def test_a_replay_function_stands_in_for_a_replayed_table(folder):
    """A dotted function of the logged requests gives the same findings as the table it would have written."""
    named = {"training": "training.parquet", "served": "served.parquet", "replay": f"{__name__}.double_amounts"}
    by_function = sk.check(sk.compare(**named, **ROLES))
    pd.testing.assert_frame_equal(by_function.to_frame(), sk.check(sk.compare(**FILES, **ROLES)).to_frame())


def test_a_name_in_braces_is_read_from_the_environment_and_never_shown(folder, monkeypatch):
    """The path works; the case, the result and the error hold the name alone."""
    monkeypatch.setenv("WHERE", str(folder))
    case = sk.compare(**{**FILES, "served": "${WHERE}/served.parquet"}, **ROLES)
    assert case.served.uri == "${WHERE}/served.parquet" and str(folder) not in repr(sk.check(case).to_frame().to_dict())
    for missing in ("${WHERE}/nothing.parquet", "${WHERE}/broken.parquet"):
        (folder / "broken.parquet").write_bytes(b"PAR1 not really")
        with pytest.raises(SkewkitError) as e:
            sk.compare(**{**FILES, "served": missing}, **ROLES)
        assert str(folder) not in str(e.value) and "${WHERE}" in str(e.value) and e.value.__cause__ is None


def naive(t):
    return t.assign(asked=t["asked"].dt.tz_localize(None))


BAD = {
    "a missing file": ({"served": "gone.parquet"}, "no file at gone.parquet"),
    "a folder with nothing in it": ({"served": "empty/*.parquet"}, "no file at"),
    "no table": ({"served": ""}, "give a frame, a path"),
    "a file of another kind": ({"served": "notes.txt"}, "give Parquet"),
    "a broken file": ({"served": "broken.parquet"}, "cannot be read"),
    "a missing key column": ({"key": "order"}, "has no column 'order'"),
    "a missing time column": ({"time": "when"}, "has no column 'when'"),
    "a missing segment": ({"segments": ["planet"]}, "has no column 'planet'"),
    "a feature that no table has": ({"features": ["amount", "amuont"]}, "no table has 'amuont'"),
    "a label that no table has": ({"label": "truth"}, "no table has 'truth'"),
    "an empty table": ({"served": "nobody.parquet"}, "no rows"),
    "a naive time": ({"served": "naive.parquet"}, "time_zone="),
    "a naive bound": ({"since": "2024-03-01"}, "has no zone"),
    "a bound that is no time": ({"until": "soon"}, "not a time"),
    "a bound that leaves nothing": ({"since": "2030-01-01T00:00:00Z"}, "its times run from"),
    "a rename of nothing": ({"rename": {"tz": "asked"}}, "no table has 'tz'"),
    "a rename onto a column": ({"rename": {"amount": "hour"}}, "already"),
    "no key to pair by": ({"key": None}, "without key="),
    "keys of other requests": ({"served": "strangers.parquet"}, "no key of served is in replayed"),
    "keys of another type": ({"served": "textkeys.parquet"}, "as one type"),
    "two replays": ({"replay": "math.floor"}, "both replayed and replay"),
    "a function that is not there": ({"replayed": None, "replay": "no.such.function"}, "dotted name"),
    "keys that are all double": ({"served": "double.parquet"}, "no key stands alone"),
    "a replay of another kind": ({"replayed": None, "replay": "builtins.len"}, "returns a frame"),
    "text for a list": ({"segments": "country"}, "a list of columns"),
    "a cost in words": ({"cost": {"false_positive": "x"}}, "cost a number"),
    "a replay that fails": ({"replayed": None, "replay": "math.floor"}, "replay=math.floor failed"),
    "a negative sample": ({"sample": -5}, "number of rows"),
    "an unknown task": ({"task": "ranking"}, "binary"),
    "an unknown cost": ({"cost": {"false_hope": 1}}, "false_positive"),
    "an unknown zone": ({"time_zone": "Mars/Olympus"}, "no time zone"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_refused_with_what_there_is_and_what_to_do(what, folder):
    """A SkewkitError that names the trouble; and no file has changed."""
    served = pd.read_parquet("served.parquet")
    served.iloc[:0].to_parquet("nobody.parquet")
    naive(served).to_parquet("naive.parquet")
    pd.concat([served, served]).to_parquet("double.parquet")
    served.assign(request=served["request"] + 10**9).to_parquet("strangers.parquet")
    served.assign(request=served["request"].astype(str)).to_parquet("textkeys.parquet")
    (folder / "broken.parquet").write_bytes(b"PAR1 but nothing else")
    (folder / "notes.txt").write_text("hello")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    changes, said = BAD[what]
    with pytest.raises(SkewkitError, match=said.replace("(", r"\(")):
        verdict(**changes)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_table_that_holds_a_column_twice_is_refused():
    """Two columns of one name cannot be told apart."""
    frame = pd.DataFrame([[1, 2, 3]], columns=["k", "x", "x"])
    with pytest.raises(SkewkitError, match="x is there twice"):
        sk.compare(frame, frame)


def test_a_truncated_file_is_an_error_when_its_column_is_read(folder):
    """A file cut off in the middle is no table, and is named."""
    whole = (folder / "served.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SkewkitError, match=r"cut\.parquet"):
        verdict(served="cut.parquet")


def test_inputs_are_never_modified(folder):
    """A whole examination leaves every byte of its inputs as it was."""
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    sk.examine(sk.compare(**FILES, **ROLES))
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_other_people_s_domain_works_as_well(tmp_path, monkeypatch):
    """Wine, from scikit-learn: three classes, text keys, no times; a fault in one column of it is found and costed."""
    from sklearn.datasets import load_wine
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    wine = load_wine(as_frame=True)
    rows = pd.concat([wine.frame] * 20, ignore_index=True).rename(columns={"target": "cultivar"})
    rows.insert(0, "bottle", [f"b{i:05d}" for i in range(len(rows))])
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(wine.data, wine.target)

    def score(features):
        return pd.DataFrame(model.predict_proba(features), columns=model.classes_)

    log = rows.assign(alcohol=rows["alcohol"].where(rows.index % 3 > 0, rows["alcohol"] * 0.789))
    log.to_parquet(tmp_path / "log.parquet")
    case = sk.compare(
        rows, tmp_path / "log.parquet", replay=lambda asked: rows[rows["bottle"].isin(asked["bottle"])],
        key="bottle", label="cultivar", task="multiclass", model=score,
    )  # fmt: skip
    result = sk.examine(case)
    breached = {f.feature for f in result.findings if f.check == "parity" and str(f.verdict) == "breach"}
    assert breached == {"alcohol", None}  # and the fleet rule: one feature of thirteen
    assert result.impact.get("accuracy").delta < 0 and result.impact.get("auc_macro").delta < 0


def test_a_replay_without_times_is_cut_to_the_requests_in_the_span(folder):
    """Requests outside since and until are not missing from the log, whichever table has the times."""
    pd.read_parquet("replayed.parquet").drop(columns="asked").to_parquet("timeless.parquet")
    case = sk.compare(**{**FILES, "replayed": "timeless.parquet"}, **ROLES, since="2024-03-01T00:00:00Z")
    assert case.pairs.missing == 0 and case.pairs.n == len(case.served) == len(case.replayed) < 2_000


def test_a_label_that_cannot_be_read_does_not_hide_what_the_checks_found(folder):
    """The findings stay, and the impact says why it was not measured."""
    served = pd.read_parquet("served.parquet")
    result = sk.examine(sk.compare(**{**FILES, "served": served.assign(fraud="yes")}, **ROLES))
    assert result.verdict == "breach" and any("fraud" in n.reason for n in result.not_run)
