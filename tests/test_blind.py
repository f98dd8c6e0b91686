"""Blind drills: played without a person, sealed until the reveal, and picked up again wherever they were left."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import nbformat
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import skewkit as sk
from skewkit import examples
from skewkit.__main__ import main
from skewkit.blind import facilitator, lessons, roster, seal
from skewkit.blind.choice import DIFFICULTIES, chosen
from skewkit.blind.debrief import chaos, debrief, findings, truth_told
from skewkit.blind.journal import Journal
from skewkit.blind.prepare import start
from skewkit.blind.score import score, side_by_side
from skewkit.blind.script import script
from skewkit.load.own_tables import refuse_production
from skewkit.skews import SKEWS

from .conftest import ROLES, ROOT, play

SECRET = "only the facilitator knows"
CENTS = {"skew": "unit_change", "features": ["amount"], "unit": "units_to_cents"}
LATE = {"skew": "unit_change", "features": ["recent_amount"], "factor": 3.0}


class Clock:
    """Minutes pass when the test says so."""

    def __init__(self):
        self.at = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

    def __call__(self):
        return self.at

    def later(self, minutes):
        self.at += timedelta(minutes=minutes)


@pytest.fixture(scope="module")
def own():
    """A team's own tables: a training table, and a clean log of a month of which a day is an hour of the drill."""
    later = examples.table(4_000, seed=1)
    later["request"] += 1_000_000
    return sk.compare(examples.table(3_000), later, **ROLES)


@pytest.fixture(scope="module")
def begun(own, tmp_path_factory):
    """A drill that was begun with cents for units; tests play copies of it."""
    return start(
        tmp_path_factory.mktemp("drills") / "2026-Q4", own, passphrase=SECRET, skew=CENTS, seed=0, hours=6, step="1D"
    ).folder


@pytest.fixture
def drill(begun, tmp_path):
    shutil.copytree(begun, tmp_path / begun.name)
    return sk.Blind(tmp_path / begun.name)


def placebo(own, folder, **asked):
    return start(folder, own, passphrase=SECRET, placebo=True, step="1D", hours=3, seed=4, **asked)


def come(drill, hours=1, now=None):
    for _ in range(hours):
        facilitator.next_hour(drill.folder, SECRET, *([now] if now else []))


# -- a whole drill, and a placebo


def test_a_whole_drill_without_a_person(own, tmp_path):
    """Six hours, a wrong claim, a hint, the right claim with a mitigation that works, the reveal, the score by hand."""
    clock = Clock()
    drill = start(tmp_path / "2026-Q4", own, passphrase=SECRET, skew=CENTS, seed=0, hours=6, step="1D", now=clock)
    come(drill, now=clock)
    hour = json.loads(facilitator.lock_of(drill, SECRET).open((drill.folder / "sealed" / "truth").read_bytes()))["hour"]
    assert hour == 1
    assert sk.check(drill.case(replayed=False)).verdict != "ok"  # amounts a hundred times as large
    clock.later(4)
    drill.mark("detected", who="Ana")
    drill.claim("missing_fill", ["typing"], who="Ana")
    drill.ask_replay()
    clock.later(2)
    come(drill, now=clock)
    assert facilitator.hint(drill.folder, SECRET, clock) == "family: number"
    drill.ask_replay()
    (fit,) = sk.diagnose(drill.case()).fits
    clock.later(5)
    drill.claim(fit.skew, fit.features, since=fit.since, mitigation="recompute", who="Ben")
    come(drill, now=clock)
    drill.ask_replay()
    served, replayed = (pd.read_parquet(drill.folder / n / "hour-03.parquet") for n in ("served", "replayed"))
    assert served["amount"].equals(replayed["amount"])
    clock.later(1)
    drill.mark("verified")
    come(drill, 3, now=clock)
    assert facilitator.next_hour(drill.folder, SECRET) is None and drill.hour == 6
    truth = facilitator.reveal(drill.folder, SECRET, clock)
    assert truth["skews"][0] | CENTS == truth["skews"][0] and truth["features"] == ["amount"]
    made = debrief(drill.folder)
    assert made.grade == "exact" and made.claimed == ("unit_change",) == made.planted
    assert {n: (m.hours, m.minutes) for n, m in made.times.items()} == {
        "detect": (0, 4.0),
        "localise": (1, 11.0),
        "name": (1, 11.0),
        "mitigate": (1, 11.0),
        "verify": (2, 12.0),
    }
    assert (made.features_planted, made.features_found, made.features_beside) == (1, 1, 0)
    assert (made.false_alarms, made.wrong_claims, made.hints) == (0, 1, 1)
    assert made.machine["with replay"]["hour"] == 1 and made.machine["with replay"]["named"] == ["unit_change"]
    assert findings(made).verdict == "ok"
    runbooks = tmp_path / "runbooks"
    shutil.copytree(ROOT / "runbooks", runbooks)
    edit = lessons.Edit("unit_change", "say how to tell cents", "Ana", date(2027, 2, 28))
    text = lessons.write_lesson(drill, made, [edit], runbooks).read_text()
    told, body = lessons.front(text)
    assert told["planted"] == ["unit_change"] and told["edits"][0]["owner"] == "Ana" and told["times"]["detect"] == 4.0
    assert "say how to tell cents" in body and "claim by Ben" in body and told["hash"] == drill.told["hash"]
    assert lessons.front((runbooks / "unit_change.md").read_text())[0]["last_drilled"] == told["day"]
    assert lessons.front((runbooks / "staleness.md").read_text())[0]["last_drilled"] != told["day"]


def test_a_placebo_is_exact_only_when_nothing_is_claimed(own, tmp_path):
    """Silence is no claim; "nothing" is exact; an alarm is false; and the checks with a replay notice nothing."""
    drill = placebo(own, tmp_path / "2026-Q4-b")
    come(drill, 3)
    drill.ask_replay()
    assert sk.check(drill.case()).by_check()["parity"].name == "ok" and sk.diagnose(drill.case()).fits == []
    truth = facilitator.reveal(drill.folder, SECRET)
    assert truth["skews"] == [] and truth["rows"] == 0
    silent = debrief(drill.folder)
    assert silent.grade == "none" and silent.machine["with replay"]["hour"] is None and silent.false_alarms == 0


def test_a_placebo_s_claims_are_graded(own, tmp_path):
    """Claimed nothing at last: exact, and the alarm before it is a false one."""
    drill = placebo(own, tmp_path / "2026-Q4-b")
    come(drill, 2)
    drill.mark("detected")
    drill.claim("staleness", ["recent_amount"])
    drill.claim("nothing")
    facilitator.reveal(drill.folder, SECRET)
    made = score(drill, truth_told(drill))
    assert made.placebo and made.grade == "exact" and made.false_alarms == 2 and made.wrong_claims == 1
    assert all(m is None for m in made.times.values()) and findings(made).verdict == "warn"
    assert {f.statistic for f in findings(made)} == {"unnamed", "false_alarms"}


# -- the truth


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_truth_is_in_no_byte_before_the_reveal(drill):
    """Neither what was planted, nor its seed or passphrase, nor the nonce of its hash; after the reveal it is (the control)."""
    truth = facilitator.truth_of(drill, SECRET)
    said = [
        SECRET,
        truth["nonce"],
        "units_to_cents",
        truth["since"],
        f'"seed": {truth["seed"]}',
        '"skews"',
        '"families"',
    ]
    come(drill, 2)
    drill.ask_replay()
    drill.status()
    for name, content in files(drill.folder).items():
        assert not [s for s in said if s.encode() in content], name
    facilitator.reveal(drill.folder, SECRET)
    shown = b"".join(files(drill.folder).values())
    assert [s for s in said if s.encode() not in shown] == [SECRET]


def test_what_is_open_does_not_depend_on_the_truth(own, tmp_path):
    """Two drills that differ in what is planted alone, a placebo among them: only what is sealed, the hash and the served hours differ."""
    made = {}
    for name, asked in {"a": {"skew": CENTS}, "b": {"skew": LATE}, "c": {"placebo": True}}.items():
        clock = Clock()
        drill = start(
            tmp_path / name / "2026-Q4", own, passphrase=SECRET, seed=4, hours=3, step="1D", now=clock, **asked
        )
        come(drill, 1, clock)
        made[name] = drill
    seen = {n: files(d.folder) for n, d in made.items()}
    assert seen["a"].keys() == seen["b"].keys() == seen["c"].keys()
    lengths = {n: {k: len(v) for k, v in found.items() if k.startswith("sealed/")} for n, found in seen.items()}
    assert lengths["a"] == lengths["b"] == lengths["c"]
    for path in seen["a"]:
        if path.startswith(("sealed/", "served/hour")):
            continue
        spelled = {
            v[path].decode("latin-1").replace(made[n].told["hash"], "").replace(str(made[n].folder), "")
            for n, v in seen.items()
        }
        if path == "journal.jsonl":
            spelled = {"".join(json.loads(line)["kind"] for line in text.splitlines()) for text in spelled}
        assert len(spelled) == 1, path


def test_the_hash_holds_the_truth(drill):
    """Another truth sealed with the same passphrase is not revealed, nor is one that was changed by a byte."""
    path = drill.folder / "sealed" / "truth"
    whole, lock = path.read_bytes(), facilitator.lock_of(drill, SECRET)
    other = seal.with_nonce({**facilitator.truth_of(drill, SECRET), "features": ["typing"]})
    path.write_bytes(lock.shut(seal.spelled(other)))
    with pytest.raises(sk.SkewkitError, match="not the one whose hash was shown"):
        facilitator.reveal(drill.folder, SECRET)
    path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    with pytest.raises(sk.SkewkitError, match="passphrase"):
        facilitator.reveal(drill.folder, SECRET)
    path.write_bytes(whole)
    with pytest.raises(sk.SkewkitError, match="passphrase"):
        facilitator.reveal(drill.folder, "another passphrase")
    facilitator.reveal(drill.folder, SECRET)
    told = json.loads((drill.folder / "truth.json").read_text())
    (drill.folder / "truth.json").write_text(json.dumps({**told, "features": ["typing"]}))
    with pytest.raises(sk.SkewkitError, match="not what was sealed"):
        debrief(drill.folder)


def test_a_hash_cannot_be_guessed(drill):
    """Who knows all but the nonce cannot tell whether a guess is right."""
    truth = facilitator.truth_of(drill, SECRET)
    bare = {k: v for k, v in truth.items() if k != "nonce"}
    assert seal.digest(seal.spelled(truth)) == drill.told["hash"]
    assert drill.told["hash"] not in {
        seal.digest(seal.spelled(t)) for t in (bare, seal.with_nonce(bare), {**bare, "nonce": ""})
    }


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=9_000), st.binary(max_size=9_000))
def test_what_is_sealed_opens_to_what_it_was(one, other):
    """Any two contents come back whole; of those shorter than a page the sealed lengths are the same."""
    lock = seal.Lock(SECRET, b"0" * 16)
    both = seal.joined(one, other)
    assert seal.parted(lock.open(lock.shut(both))) == {"served": one, "replayed": other}
    assert len(lock.shut(both, 1 << 15)) == len(lock.shut(b"", 1 << 15))


# -- what is left when the machine goes down


def test_a_drill_goes_on_after_kill_9(drill, tmp_path):
    """Its clock killed at any moment, again and again: every hour comes once, as in a drill that nobody killed."""
    calm = sk.Blind(shutil.copytree(drill.folder, tmp_path / "calm" / "2026-Q4"))
    come(calm, 6)
    code = f"from skewkit.blind.facilitator import next_hour\nwhile next_hour({str(drill.folder)!r}, {SECRET!r}): pass"
    pause, kills = random.Random(5), 0
    while drill.hour < 6 and kills < 60:
        child = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
        before = drill.hour
        limit = time.monotonic() + 60
        while drill.hour == before and child.poll() is None and time.monotonic() < limit:
            time.sleep(0.002)  # until the next hour is told, then a little more, into the one after
        time.sleep(pause.random() * 0.05)
        child.send_signal(signal.SIGKILL)
        child.wait()
        kills += 1
    assert drill.hour == 6 and kills > 1
    hours = [line["hour"] for line in drill.journal.lines() if line["kind"] == "hour"]
    assert hours == [1, 2, 3, 4, 5, 6]
    assert files(drill.folder / "served") == files(calm.folder / "served")


def test_two_clocks_let_each_hour_come_once(drill):
    """Whoever comes second takes the next hour, or none."""
    with ThreadPoolExecutor(4) as pool:
        came = list(pool.map(lambda _: facilitator.next_hour(drill.folder, SECRET), range(8)))
    assert sorted(h for h in came if h) == [1, 2, 3, 4, 5, 6] and came.count(None) == 2
    assert [line["hour"] for line in drill.journal.lines() if line["kind"] == "hour"] == [1, 2, 3, 4, 5, 6]


def test_a_torn_line_of_the_journal_is_set_aside(drill):
    """The machine went down in the middle of a line: what was whole stays, and the next line follows it."""
    drill.mark("note", "before")
    lines = drill.journal.lines()
    with open(drill.journal.path, "ab") as file:
        file.write(b'{"n": 3, "at": "2026-11-2')
    assert drill.journal.lines() == lines
    drill.mark("note", "after")
    assert [line.get("text") for line in drill.journal.lines()][-2:] == ["before", "after"]
    assert drill.journal.path.with_suffix(".torn").read_bytes().startswith(b'{"n": 3')


def test_after_a_mend_the_new_hours_are_judged(own, tmp_path):
    """A renamed column is mended from hour 2 on: what is judged are the hours like the newest, and any that are asked for alone."""
    renamed = {"skew": "schema_change", "how": "renamed", "features": ["amount"]}
    made = start(tmp_path / "d", own, passphrase=SECRET, skew=renamed, seed=0, hours=4, step="1D")
    come(made)
    assert sk.check(made.case()).verdict == "breach" and made.hour == 1
    made.claim("schema_change", ["amount"], mitigation="recompute")
    come(made, 2)
    made.ask_replay()
    case = made.case(evidence="rows")
    assert len(case.served) == sum(len(pd.read_parquet(made.folder / "served" / f"hour-0{h}.parquet")) for h in (2, 3))
    assert sk.check(case).by_check()["schema"].name == "ok" and sk.check(made.case(hours=[1])).verdict == "breach"
    come(made)
    assert len(made.case(hours=[2]).served) < len(case.served)
    for asked, words in (([5], "4 have come"), ([4], "not replayed")):
        with pytest.raises(sk.SkewkitError, match=words):
            made.case(hours=asked)


def test_a_journal_is_only_appended(drill):
    """A line that was changed, taken out or put between is told, and nothing is scored from it."""
    for text in ("one", "two", "three"):
        drill.mark("note", text)
    whole = drill.journal.path.read_text()
    rows = whole.splitlines(keepends=True)
    for changed in (
        whole.replace('"two"', '"TWO"'),
        "".join(rows[:2] + rows[3:]),
        "".join([*rows[:2], rows[3], rows[2], *rows[4:]]),
    ):
        drill.journal.path.write_text(changed)
        with pytest.raises(sk.SkewkitError, match="was changed at line"):
            drill.journal.lines()
    drill.journal.path.write_text(whole)
    assert len(drill.journal.lines()) == 4


def test_many_write_one_journal(tmp_path):
    """The team and the clock at once: every line is there, in one chain."""
    paths = [Journal(tmp_path / "journal.jsonl") for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda at: paths[at % 8].append("mark", str(at), mark="note"), range(80)))
    lines = paths[0].lines()
    assert sorted(int(line["who"]) for line in lines) == list(range(80)) and [line["n"] for line in lines] == list(
        range(1, 81)
    )


def test_a_start_that_fails_leaves_nothing(own, tmp_path):
    """No half of a drill, whatever went wrong."""
    with pytest.raises(sk.SkewkitError, match="changes nothing"):
        start(
            tmp_path / "a",
            own,
            passphrase=SECRET,
            skew={"skew": "clipping", "features": ["amount"], "high": 1e9},
            step="1D",
        )
    assert list(tmp_path.iterdir()) == []


# -- copies, and production


def test_copies_bear_the_drill_in_their_metadata_alone(drill, own):
    """A placebo's would too. No column and no row says so, and the values are those of the log."""
    for path in [drill.folder / "training.parquet", *(drill.folder / "served").glob("*.parquet")]:
        frame = pd.read_parquet(path)
        assert not any("drill" in str(c) or "skewkit" in str(c) for c in frame)
        assert "2026-Q4" not in frame.to_csv() and frame.attrs == {}
    history = pd.read_parquet(drill.folder / "served" / "history.parquet")
    log = own.served.frame().set_index("request").loc[history["request"]].reset_index()
    assert log[list(examples.FEATURES)].equals(history[list(examples.FEATURES)])


def test_production_refuses_a_copy(drill, own, tmp_path, monkeypatch, capsys):
    """By check, by contract, by baseline; in another drill too; in its own it is read. The log itself is not refused."""
    come(drill)
    training, served = (str(drill.folder / n) for n in ("training.parquet", "served/hour-01.parquet"))
    roles = {k: v for k, v in ROLES.items() if k not in ("prediction", "label")}
    for asked in ({}, {"drill": "2025-Q1"}):
        with pytest.raises(sk.SkewkitError, match="copy made for the drill 2026-Q4"):
            sk.compare(training, served, **roles, **asked)
    assert len(sk.compare(training, served, **roles, drill="2026-Q4").served) > 100
    monkeypatch.chdir(tmp_path)
    assert main(["contract", "infer", training]) == 2 and "2026-Q4" in capsys.readouterr().err
    assert main(["baseline", training, "-o", "b.json"]) == 2 and not (tmp_path / "b.json").exists()
    frame = own.training.frame()
    frame.to_parquet(tmp_path / "plain.parquet")
    assert main(["contract", "infer", "plain.parquet"]) == 0


def test_production_is_refused_unless_asked_twice(tmp_path, capsys):
    """A database or a store may be production: its location must be said again, letter by letter; a file here need not."""
    served = f"duckdb://{tmp_path}/log.db#served"
    for again in ("", "yes", served + " "):
        with pytest.raises(sk.SkewkitError, match="may be production"):
            refuse_production(served, again)
    for said in ((served, served), (str(tmp_path / "log.parquet"), ""), ("s3://log/*.parquet", "s3://log/*.parquet")):
        refuse_production(*said)
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump({"served": served, **ROLES}))
    asked = ["blind", "start", str(tmp_path / "d"), "--own", str(params)]
    assert main(asked) == 2 and "may be production" in capsys.readouterr().err
    assert main([*asked, "--production", served]) == 2 and "may be production" not in capsys.readouterr().err
    params.write_text(yaml.safe_dump({"srved": served, **ROLES}))
    assert main(asked) == 2 and "srved" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_the_team_s_own_files_are_left_as_they_are(tmp_path, own):
    """A drill reads them, and changes no byte."""
    frames = {"training": own.training.frame(), "served": own.served.frame()}
    for name, frame in frames.items():
        frame.to_parquet(tmp_path / f"{name}.parquet")
    before = files(tmp_path)
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump({**{n: str(tmp_path / f"{n}.parquet") for n in frames}, **ROLES}))
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    asked = [
        "blind",
        "start",
        str(tmp_path / "d" / "x"),
        "--own",
        str(params),
        "--step",
        "1D",
        "--hours",
        "2",
        "--seed",
        "1",
    ]
    assert main([*asked, "--skew", json.dumps(CENTS), "--passphrase-file", str(secret)]) == 0
    assert main(["blind", "clock", str(tmp_path / "d" / "x"), "--once", "--passphrase-file", str(secret)]) == 0
    assert {n: v for n, v in files(tmp_path).items() if n in before} == before


def test_abort_rolls_back_always(drill):
    """Without a passphrase, at any time, twice: every copy is taken away, the journal stays, and nothing more is taken."""
    come(drill, 2)
    drill.ask_replay()
    assert facilitator.abort(drill.folder, "the shop burns", "Ana") > 6
    assert list(drill.folder.rglob("*.parquet")) == [] and list((drill.folder / "sealed").glob("hour-*")) == []
    assert facilitator.abort(drill.folder) == 0
    kinds = [line["kind"] for line in drill.journal.lines()]
    assert kinds == ["start", "hour", "hour", "replay", "abort", "rollback"]
    for refused in (
        lambda: drill.mark("detected"),
        lambda: drill.claim("nothing"),
        drill.ask_replay,
        lambda: come(drill),
    ):
        with pytest.raises(sk.SkewkitError, match=r"ended \(abort\)"):
            refused()
    with pytest.raises(sk.SkewkitError, match="aborted"):
        facilitator.reveal(drill.folder, SECRET)
    made = chaos(drill.told, drill.journal.lines(), facilitator.truth_of(drill, SECRET))
    assert made["status"] == "aborted" and len(made["rollbacks"]) == 1


def test_an_abort_that_was_killed_is_finished_by_the_next(drill):
    """The journal said abort, and the copies are still there."""
    drill.journal.append("abort", hour=0)
    assert facilitator.abort(drill.folder) > 0 and list(drill.folder.rglob("*.parquet")) == []


# -- what is planted


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_what_is_drawn_is_of_its_difficulty_and_there_again(own, tmp_path, difficulty):
    """Of a dozen seeds each plant changes enough rows, at a share of its level; the same seed plants the same rows."""
    level, stems = DIFFICULTIES[difficulty], set()
    for seed in range(4):
        made = [
            start(
                tmp_path / f"{seed}{again}",
                own,
                passphrase=SECRET,
                difficulty=difficulty,
                placebo=False,
                seed=seed,
                step="1D",
                hours=4,
            )
            for again in "ab"
        ]
        truths = [facilitator.truth_of(d, SECRET) for d in made]
        one, two = ({k: v for k, v in t.items() if k not in ("nonce", "drill")} for t in truths)
        assert one == two and one["rows"] >= level.least and one["hour"] in (1, 2)
        names = {s["skew"] for s in one["skews"]}
        whole = any(SKEWS[n].whole for n in names)
        assert names <= set(level.stems) and len(names) <= level.together
        assert one["scope"]["share"] in ((1.0,) if whole else level.shares)
        stems |= names
    assert len(stems) > 1


def test_one_round_in_four_is_a_placebo(own):
    """The draw of a placebo is a coin of the chance that was given; the facilitator's own list is never one."""
    from skewkit.blind.choice import stream

    rounds = [stream(seed, "placebo").random() < 0.25 for seed in range(2_000)]
    assert abs(sum(rounds) / 2_000 - 0.25) < 4 * (0.25 * 0.75 / 2_000) ** 0.5


def test_what_cannot_be_drilled_blind_is_refused(own, tmp_path):
    """A skew in training, a skew and a placebo, no time, a short passphrase, a folder that is there, too short a log."""
    begin = {"passphrase": SECRET, "step": "1D"}
    with pytest.raises(sk.SkewkitError, match="hour by hour"):
        chosen({**CENTS, "scope": {"side": "training"}}, sk.Scope(), None)
    for asked, words in (
        ({"skew": CENTS, "placebo": True}, "both"),
        ({"passphrase": "short"}, "8 or more"),
        ({"hours": 1}, "2 at least"),
        ({"difficulty": "hellish"}, "easy, medium, hard"),
        ({"hours": 20}, "the log spans"),
        ({"skew": {"skew": "unit_chang"}}, "unit_change"),
    ):
        with pytest.raises(sk.SkewkitError, match=words):
            start(tmp_path / "x", own, **(begin | asked))
    with pytest.raises(sk.SkewkitError, match="there already"):
        start(tmp_path, own, **begin)
    nameless = {k: v for k, v in ROLES.items() if k != "time"}
    with pytest.raises(sk.SkewkitError, match="by its time"):
        start(tmp_path / "x", sk.compare(examples.table(), examples.table(seed=1), **nameless), **begin)
    assert list(tmp_path.iterdir()) == []


def test_a_burning_house_is_not_drilled(tmp_path):
    """Where the log as it is breaches already, the drill does not begin."""
    log = examples.table(4_000, seed=1)
    burning = sk.inject(log, sk.skews.read(CENTS), sk.Scope(share=0.1), examples.ROLES)
    with pytest.raises(sk.SkewkitError, match="steady state is a breach already: distribution formats of amount"):
        start(tmp_path / "x", sk.compare(examples.table(), burning, log, **ROLES), passphrase=SECRET, step="1D")
    start(tmp_path / "y", sk.compare(examples.table(), log, log, **ROLES), passphrase=SECRET, step="1D", seed=0)


def test_claims_and_marks_are_of_what_there_is(drill):
    """An unknown cause, feature, mark or mitigation is refused, and not in the journal."""
    for refused, words in (
        (lambda: drill.claim("gremlins"), "gremlins"),
        (lambda: drill.claim([]), "no cause"),
        (lambda: drill.claim(["nothing", "staleness"]), "claim nothing, or what it is"),
        (lambda: drill.claim("staleness", ["amuont"]), "amuont"),
        (lambda: drill.claim("staleness", mitigation="recompute"), "without features"),
        (lambda: drill.claim("staleness", ["amount"], mitigation="pray"), "recompute"),
        (lambda: drill.claim("staleness", ["amount"], since="noon"), "noon"),
        (lambda: drill.mark("panic"), "detected"),
        (lambda: drill.mark("localised"), "without features"),
    ):
        with pytest.raises(sk.SkewkitError, match=words):
            refused()
    assert [line["kind"] for line in drill.journal.lines()] == ["start"]


# -- the score, by hand


def line(n, kind, minute, hour, **told):
    base = {"causes": [], "features": [], "since": None, "mitigation": "", "text": ""} if kind == "claim" else {}
    return (
        {"n": n, "at": f"2026-11-22T09:{minute:02d}:00.000Z", "kind": kind, "who": "", "hour": hour, "before": ""}
        | base
        | told
    )


class Told:
    """A drill's folder as its score reads it."""

    def __init__(self, lines, hours=6):
        self.told, self.hour, self.folder = {"drill": "d", "quarter": "2026-Q4"}, hours, "d"
        self.journal = self
        self.lines = lambda: lines


def truth(hour=2, skews=("staleness",), features=("a", "b", "c", "d")):
    return {
        "since": "2026-11-01T12:00:00+00:00",
        "hour": hour,
        "skews": [{"skew": s} for s in skews],
        "features": list(features),
    }


def test_the_score_by_hand():
    """An alarm before the fault is false; half of the features do not locate it; a family is no name; a part does not mitigate."""
    lines = [
        line(1, "hour", 0, 1),
        line(2, "mark", 1, 1, mark="detected"),  # nothing is wrong yet
        line(3, "hour", 5, 2, mended=[]),
        line(
            4, "claim", 8, 2, causes=["late_events"], features=["a", "b"]
        ),  # the right family; two of four is no more than half
        line(5, "claim", 10, 2, causes=["unit_change"], features=["a", "b", "c"], mitigation="recompute"),
        line(6, "hour", 12, 3, mended=["a", "b", "c"]),
        line(7, "mark", 13, 3, mark="verified"),  # it is not over: d is wrong still
        line(
            8,
            "claim",
            20,
            3,
            causes=["staleness"],
            since="2026-11-01T14:30:00+01:00",
            features=["d", "e"],
            mitigation="recompute",
        ),
        line(9, "mark", 21, 3, mark="verified"),  # and no hour has come since
        line(10, "hour", 22, 4, mended=["a", "b", "c", "d", "e"]),
        line(11, "mark", 25, 4, mark="verified"),
    ]
    made = score(Told(lines, 4), truth())
    assert made.false_alarms == 1 and made.wrong_claims == 1 and made.grade == "exact"
    assert (made.features_found, made.features_beside, made.since_off) == (1, 1, 1.5)
    assert {n: (m.hours, m.minutes) for n, m in made.times.items()} == {
        "detect": (0, 3.0),
        "localise": (0, 5.0),
        "name": (1, 15.0),
        "mitigate": (1, 15.0),
        "verify": (2, 20.0),
    }
    table = side_by_side([made])["d"]
    assert table["time to name"] == "1 h, 15 min" and table["features found"] == "1 of 4"


@pytest.mark.parametrize(
    ("causes", "grade"),
    [
        (["staleness"], "exact"),
        (["late_events"], "right family"),
        (["staleness", "late_events"], "right family"),
        (["staleness", "unit_change"], "wrong"),
        (["unit_change"], "wrong"),
        (["unknown"], "wrong"),
        (["nothing"], "wrong"),
    ],
)
def test_grades(causes, grade):
    """Exact is the planted set and no more; the right family has nothing of another; the rest is wrong."""
    lines = [line(1, "hour", 0, 1), line(2, "hour", 1, 2), line(3, "claim", 2, 2, causes=causes)]
    assert score(Told(lines), truth()).grade == grade


def test_every_skew_has_a_family_and_none_is_alone():
    """Else the right family would be the right name."""
    families = Counter(kind.family for kind in SKEWS.values())
    assert set(families) == {"time", "events", "number", "missing", "code"} and min(families.values()) >= 2


def test_a_drill_that_ended_before_its_fault_has_no_score():
    """Nobody could have noticed."""
    with pytest.raises(sk.SkewkitError, match="ended before its hour 2"):
        score(Told([line(1, "hour", 0, 1)], 1), truth())


# -- people


@given(st.integers(2, 12), st.integers(2020 * 4, 2040 * 4))
def test_everybody_has_every_role_as_often(n, begin):
    """Over as many quarters as there are people, with nobody away; and the facilitator never responds."""
    people = [f"p{i}" for i in range(n)]
    had = {role: Counter() for role in roster.ROLES}
    for at in range(begin, begin + n):
        given_ = roster.roles(people, f"{at // 4}-Q{at % 4 + 1}")
        assert given_ == roster.roles(people, f"{at // 4}-Q{at % 4 + 1}")
        assert set(given_["facilitator"]).isdisjoint({p for r in roster.ROLES[1:] for p in given_[r]})
        assert {p for names in given_.values() for p in names} == set(people) and all(given_.values())
        for role, names in given_.items():
            had[role].update(names)
    for role, counts in had.items():
        assert set(counts) == set(people) and len(set(counts.values())) == 1, role


def test_the_roster_s_next_stands_in(tmp_path):
    """Whoever is away has no role; a roster that is none says how one is written."""
    path = tmp_path / "roster.yaml"
    path.write_text("people: [Ana, Ben, Chloe, Dev, Eva]\n")
    people = roster.read_roster(path)
    whole = roster.roles(people, "2026-Q4")
    away = whole["facilitator"][0]
    assert (
        away not in str(roster.roles(people, "2026-Q4", [away]))
        and whole["facilitator"] != roster.roles(people, "2027-Q1")["facilitator"]
    )
    for text in (
        "people: Ana",
        "[Ana, Ben]",
        "people: [Ana]",
        "people: [Ana, Ana]",
        "people: [Ana, Ben]\nextra: 1",
        "people: [",
    ):
        path.write_text(text)
        with pytest.raises(sk.SkewkitError, match="roster"):
            roster.read_roster(path)
    for asked in ("2026Q4", "2026-Q5", ""):
        with pytest.raises(sk.SkewkitError, match="2026-Q4"):
            roster.roles(people, asked)
    with pytest.raises(sk.SkewkitError, match="Zoe"):
        roster.roles(people, "2026-Q4", ["Zoe"])


def test_the_script_takes_an_hour_and_tells_no_truth(drill):
    """Its minutes rise to sixty at most, each hour of the log is let come once, and the hash is in it."""
    for hours in (2, 6, 12):
        text = script({**drill.told, "hours": hours}, "drills/2026-Q4")
        minutes = [int(m[3:5]) for m in text.splitlines() if m.startswith("## ")]
        assert minutes == sorted(minutes) and minutes[-1] == 55 and text.count("--once") == hours
        assert drill.told["hash"] in text and "unit_change" not in text


# -- lessons


def lesson(folder, drill, day, planted, retest, retested=""):
    told = {
        "drill": drill,
        "quarter": "2026-Q1",
        "day": day,
        "world": "own tables",
        "hash": "0",
        "planted": planted,
        "grade": "wrong",
        "times": {},
    }
    told["edits"] = [
        {
            "page": "parity",
            "edit": "say more",
            "owner": "Ana",
            "retest": retest,
            **({"retested": retested} if retested else {}),
        }
    ]
    (folder / "lessons").mkdir(exist_ok=True)
    (folder / "lessons" / f"{drill}.md").write_text(f"---\n{yaml.safe_dump(told)}---\n# {drill}\n")


def test_what_is_due(tmp_path, capsys):
    """A lesson until a later drill plants the same, or a day is written; a skew a year after it was drilled, or never."""
    lesson(tmp_path, "a", date(2026, 1, 10), ["staleness"], date(2026, 4, 1))
    lesson(tmp_path, "b", date(2026, 1, 11), ["encoding"], date(2026, 4, 1), "2026-03-01")
    lesson(tmp_path, "c", date(2025, 1, 12), ["time_zone"], date(2025, 4, 1))
    lesson(tmp_path, "d", date(2025, 12, 1), ["time_zone"], date(2027, 4, 1))
    (tmp_path / "clipping.md").write_text("---\nlast_drilled: 2026-02-01\n---\n# clipping\n")
    (tmp_path / "precision.md").write_text("---\nlast_drilled: never\n---\n# precision\n")
    found = lessons.due(tmp_path, date(2026, 6, 1))
    assert [d.what for d in found if d.kind == "lesson"] == ["a"]
    assert {d.what for d in found if d.kind == "skew"} == set(SKEWS) - {
        "staleness",
        "encoding",
        "time_zone",
        "clipping",
    }
    assert [d.what for d in lessons.due(tmp_path, date(2026, 3, 31)) if d.kind == "lesson"] == []
    assert "time_zone" in {d.what for d in lessons.due(tmp_path, date(2027, 1, 1))}
    assert main(["blind", "due", "--runbooks", str(tmp_path), "--today", "2026-06-01"]) == 3
    assert "a: parity: say more (Ana)" in capsys.readouterr().out


def test_a_lesson_without_an_edit_an_owner_or_a_page_is_refused(drill, tmp_path):
    """A drill ends in one edit with an owner."""
    come(drill, 2)
    facilitator.reveal(drill.folder, SECRET)
    made = score(drill, truth_told(drill))
    with pytest.raises(sk.SkewkitError, match="without an edit"):
        lessons.write_lesson(drill, made, [], tmp_path)
    with pytest.raises(sk.SkewkitError, match="without its owner"):
        lessons.Edit("parity", "more", " ", date(2027, 1, 1))
    with pytest.raises(sk.SkewkitError, match="no page 'praity'"):
        lessons.write_lesson(drill, made, [lessons.Edit("praity", "more", "Ana", date(2027, 1, 1))], ROOT / "runbooks")
    assert (
        not (ROOT / "runbooks" / "lessons" / "2026-Q4.md").exists()
        or drill.told["hash"] not in (ROOT / "runbooks" / "lessons" / "2026-Q4.md").read_text()
    )


# -- the notebooks, and the shell


def test_the_team_s_notebook_has_no_cell_of_the_facilitator(begun):
    """Made from 7_quarterly, with the drill's folder in it, and nothing of passphrases."""
    theirs = nbformat.read(begun / "participant.ipynb", as_version=4)
    whole = nbformat.read(ROOT / "notebooks" / "7_quarterly.ipynb", as_version=4)
    hidden = [c for c in whole.cells if "facilitator" in c.metadata.get("tags", [])]
    assert len(hidden) == 2 and len(theirs.cells) == len(whole.cells) - 2
    text = json.dumps(theirs)
    assert "passphrase" not in text and "next_hour" not in text and str(begun) in text
    nbformat.validate(theirs)


def test_the_notebooks_play_a_drill(drill, tmp_path, monkeypatch):
    """The quarterly one checks the hours that came; the debrief shows the score, draws it, and warns of what was not named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(facilitator.PASSPHRASE, SECRET)
    names = play("quarterly", folder=str(drill.folder), come=2, replay=True)
    assert names["drill"].hour == 2 and names["result"].verdict == "breach"
    assert [f.skew for f in names["result"].diagnosis.fits] == ["unit_change"]
    facilitator.reveal(drill.folder, SECRET)
    names = play("debrief", folder=str(drill.folder))
    result = json.loads((tmp_path / "runs" / "latest" / "result.json").read_text())
    assert result["verdict"] == "warn" and {f["statistic"] for f in result["findings"] if f["verdict"] == "warn"} == {
        "unnamed", "undetected", "unfound", "unverified",
    }  # fmt: skip
    drawn = names["result"].plot()
    assert "at work in hours 1, 2" in drawn.alt and "the checks notice in hour 1" in drawn.alt
    page = (tmp_path / "runs" / "latest" / "report.html").read_text()
    assert (
        "Planted: unit_change; nothing was claimed. Nobody detected it; the checks with a replay would have noticed after 0 h."
        in page
    )
    assert "time to verify" in page and drawn.alt in page and "<h2>What it costs" not in page and "hour: hour 2" in page


def test_the_commands_of_the_brief_are_taken(drill):
    """A replay and hours by parameter, in the words of the command line, before a kernel starts."""
    from skewkit.notebook import checked, declared, find
    from skewkit.notebook import given as read

    takes = declared(find("quarterly"))
    pairs = [("folder", str(drill.folder)), ("replay", "true"), ("only", "[3]")]
    assert checked(read([], pairs, takes), takes, "quarterly") | {"replay": True, "only": [3]} == checked(
        read([], pairs, takes), takes, "quarterly"
    )
    takes = declared(find("check"))
    assert checked(read([], [("features", "a, b")], takes), takes, "check") == {"features": ["a", "b"]}
    for text in ("[a", '{"a": 1}', '"a"'):
        with pytest.raises(sk.SkewkitError, match="features"):
            checked(read([], [("features", text)], takes), takes, "check")


def test_the_shell_plays_a_drill(drill, tmp_path, monkeypatch, capsys):
    """Every verb once; the passphrase from the environment; what is asked in vain is told, with exit code 2."""
    monkeypatch.setenv(facilitator.PASSPHRASE, SECRET)
    shutil.copytree(ROOT / "runbooks", tmp_path / "runbooks")
    folder, books = str(drill.folder), str(tmp_path / "runbooks")
    for words in (
        ["clock", folder, "--every", "0"],
        ["mark", folder, "detected", "--who", "Ana"],
        ["replay", folder],
        ["hint", folder],
        [
            "claim",
            folder,
            "unit_change",
            "--features",
            "amount",
            "--since",
            "2024-03-20T00:00:00Z",
            "--mitigation",
            "recompute",
        ],
        ["status", folder],
        ["reveal", folder],
        ["report", folder],
        [
            "report",
            folder,
            "--runbooks",
            books,
            "--edit",
            "unit_change",
            "more",
            "--owner",
            "Ana",
            "--retest",
            "2027-02-28",
        ],
    ):
        assert main(["blind", *words]) == 0, words
    said = capsys.readouterr().out
    assert "every hour is there" in said and "claim: causes unit_change" in said and "planted: unit_change" in said
    assert (tmp_path / "runbooks" / "lessons" / "2026-Q4.md").exists()
    told = json.loads((drill.folder / "journal.json").read_text())
    assert {"experiment", "start", "end", "status", "deviated", "steady_states", "run", "rollbacks"} <= set(told)
    assert told["status"] == "completed" and told["deviated"] and all(n["output"]["n"] for n in told["run"])
    assert main(["blind", "mark", folder, "detected"]) == 2 and "ended (reveal)" in capsys.readouterr().err
    assert main(["blind", "status", str(tmp_path)]) == 2
    assert main(["blind", "report", folder, "--edit", "parity", "x", "--owner", "A", "--retest", "soon"]) == 2
    monkeypatch.delenv(facilitator.PASSPHRASE)
    assert main(["blind", "hint", folder, "--passphrase-file", str(tmp_path / "nowhere")]) == 2


def test_a_drill_of_a_scenario(payments, tmp_path):
    """The payments: a knob is turned, the served score is the model's on what it was served, labels have not come."""
    made = start(
        tmp_path / "2026-Q4",
        payments,
        passphrase=SECRET,
        skew={"skew": "time_zone", "serving": "UTC"},
        seed=1,
        hours=2,
        step="1D",
    )
    come(made, 2)
    made.ask_replay()
    served, replayed = (pd.read_parquet(made.folder / n / "hour-02.parquet") for n in ("served", "replayed"))
    assert "fraud" not in served and (served["hour"] != replayed["hour"]).any()
    assert (
        served["score"].to_numpy() == pytest.approx(payments.score(served))
        and (served["score"] != replayed["score"]).any()
    )
    assert "time_zone" in {f.skew for f in sk.diagnose(made.case(history=False)).fits}
    assert os.path.exists(made.folder / "model.skops")
