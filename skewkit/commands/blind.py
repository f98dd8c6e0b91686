"""`skewkit blind`: a drill whose team is not told what was planted. Begun, played, revealed, and written down."""

from __future__ import annotations

import json
import time
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from ..records import SkewkitError

CODES = "exit codes: 0 done, 2 refused; of due: 3 where something is due"


def arguments(parser) -> None:
    """What the command takes."""
    parser.epilog = CODES
    verbs = parser.add_subparsers(dest="verb", required=True)

    def verb(name, about, sealed=False, who=False):
        made = verbs.add_parser(name, help=about)
        made.add_argument("folder", type=Path, help="the drill's folder, whose name is the drill's")
        if sealed:
            made.add_argument("--passphrase-file", help="else SKEWKIT_PASSPHRASE, else it is asked for")
        if who:
            made.add_argument("--who", default="", help="who says so")
        return made

    start = verb("start", "check the steady state, plant in copies, seal the truth (facilitator)", sealed=True)
    start.add_argument("--world", default="payments", help="flights or payments, if not your own tables")
    start.add_argument("--own", metavar="PARAMS", help="a YAML file of your own tables, as skewkit run check takes it")
    start.add_argument(
        "--production",
        default="",
        metavar="LOCATION",
        help="the served location again, where it is not a file of this machine",
    )
    start.add_argument("--difficulty", default="medium", choices=("easy", "medium", "hard"))
    start.add_argument("--skew", help="what to plant, as JSON; else the seed picks")
    start.add_argument("--scope", default="{}", help="for whom, as JSON: share, where, since")
    start.add_argument("--placebo", action="store_true", default=None, help="plant nothing")
    start.add_argument("--chance", type=float, default=0.25, help="of a placebo, where the seed picks (default: 0.25)")
    start.add_argument(
        "--seed", type=int, help="the same seed plants the same; who knows it knows the truth. Random if not given"
    )
    start.add_argument("--hours", type=int, default=6)
    start.add_argument("--step", default="", help="how much of the log an hour brings, like 6h")
    start.add_argument("--quarter", default="", help="like 2026-Q4; this one if not given")
    start.add_argument("--roster", help="a YAML file: people: [...]")
    start.add_argument("--away", default="", help="people of the roster who are not there, like Ana,Ben")
    start.add_argument("--policy", default="")
    clock = verb("clock", "let the hours of the log come (facilitator)", sealed=True)
    clock.add_argument("--once", action="store_true", help="the next hour alone")
    clock.add_argument("--every", type=float, default=300.0, help="seconds between two hours (default: 300)")
    verb("status", "where it stands, and its journal")
    mark = verb("mark", "say that something has happened", who=True)
    mark.add_argument("what", choices=("detected", "localised", "verified", "note"))
    mark.add_argument("--features", default="")
    mark.add_argument("--text", default="")
    claim = verb("claim", "say what it is", who=True)
    claim.add_argument("cause", nargs="+", help="skews by their names in runbooks/README.md, or: nothing, unknown")
    claim.add_argument("--features", default="", help="like a,b")
    claim.add_argument("--since", default="", help="a time of the log with its zone, like 2024-06-14T12:00:00Z")
    claim.add_argument(
        "--mitigation",
        default="",
        choices=("", "recompute"),
        help="from the next hour on these features are served right",
    )
    claim.add_argument("--text", default="")
    verb("replay", "have the hours that came recomputed by the training code", who=True)
    verb("hint", "give the next hint; it is counted (facilitator)", sealed=True)
    verb("reveal", "end it and tell the truth (facilitator)", sealed=True)
    verb("abort", "end it at once and take every copy back", who=True).add_argument("--why", default="")
    report = verb("report", "score it, and write its lesson")
    report.add_argument(
        "--edit", nargs=2, action="append", default=[], metavar=("PAGE", "WHAT"), help="what a runbook's page is to say"
    )
    report.add_argument("--owner", default="", help="of the edits")
    report.add_argument(
        "--retest", default="", help="the day by which a drill shall show that they helped, like 2027-02-28"
    )
    report.add_argument("--runbooks", type=Path, default=Path("runbooks"))
    report.add_argument(
        "--last", type=Path, action="append", default=[], help="the folder of last quarter's drill, to stand beside it"
    )
    waiting = verbs.add_parser(
        "due", help="lessons that were never tested again, and skews not drilled for a year", epilog=CODES
    )
    waiting.add_argument("--runbooks", type=Path, default=Path("runbooks"))
    waiting.add_argument("--today", type=date.fromisoformat, default=None, help="like 2026-11-22; today if not given")


def command(asked) -> int:
    """Do what was asked; gives the exit code."""
    return globals()[f"_{asked.verb}"](asked)


def _start(asked):
    from ..blind.facilitator import passphrase
    from ..blind.prepare import start
    from ..blind.roster import of_roster
    from ..policy_file import read_policy

    people = of_roster(asked.roster, asked.quarter, _listed(asked.away))
    given = {"difficulty": asked.difficulty, "placebo": asked.placebo, "chance": asked.chance, "seed": asked.seed}
    given |= {"hours": asked.hours, "step": asked.step, "quarter": asked.quarter, "roles": people}
    given |= {"skew": _json("--skew", asked.skew), "scope": _json("--scope", asked.scope)}
    world = _own(asked.own, asked.production) if asked.own else asked.world
    drill = start(
        asked.folder, world, passphrase=passphrase(asked.passphrase_file), policy=read_policy(asked.policy), **given
    )
    print(drill.status())
    print(f"the team's notebook: {asked.folder}/participant.ipynb\nyour script: {asked.folder}/script.md")
    return 0


def _own(path, production):
    from ..load.own_tables import own, refuse_production

    try:
        told = yaml.safe_load(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as e:
        why = getattr(e, "strerror", None) or type(e).__name__
        raise SkewkitError(f"--own {path}: {why}; give the YAML file of your tables") from None
    if not isinstance(told, dict):
        raise SkewkitError(f"--own {path} holds a {type(told).__name__}; it holds one parameter a line, as name: value")
    refuse_production(told.get("served"), production)
    return own(**{str(name): value for name, value in told.items() if name not in ("policy", "seed")})


def _json(name, text) -> Any:
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        raise SkewkitError(
            f'{name} {text} is no JSON; write it like \'{{"skew": "staleness", "lag": "6h"}}\''
        ) from None


def _clock(asked):
    from ..blind.facilitator import next_hour, passphrase

    secret = passphrase(asked.passphrase_file)
    while (hour := next_hour(asked.folder, secret)) is not None:
        print(f"hour {hour} is there", flush=True)
        if asked.once:
            return 0
        time.sleep(asked.every)
    print("every hour is there")
    return 0


def _status(asked):
    print(_drill(asked).status())
    return 0


def _mark(asked):
    print(_said(_drill(asked).mark(asked.what, asked.text, _listed(asked.features), asked.who)))
    return 0


def _claim(asked):
    given = (_listed(asked.features), asked.since or None, asked.mitigation, asked.who, asked.text)
    print(_said(_drill(asked).claim(asked.cause, *given)))
    if asked.mitigation:
        print(
            "from the next hour on these features are served as training computes them: replay that hour, and look at it alone"
        )
    return 0


def _replay(asked):
    print(f"the replay of {_drill(asked).ask_replay(asked.who)} hours is in {asked.folder}/replayed")
    return 0


def _hint(asked):
    from ..blind.facilitator import hint, passphrase

    print(hint(asked.folder, passphrase(asked.passphrase_file)))
    return 0


def _reveal(asked):
    from ..blind.facilitator import passphrase, reveal

    truth = reveal(asked.folder, passphrase(asked.passphrase_file))
    planted = " and ".join(s["skew"] for s in truth["skews"]) or "nothing: a placebo"
    print(f"planted: {planted}\nfeatures: {', '.join(truth['features']) or 'none'}\nsince: {truth['since'] or 'never'}")
    print(
        f"the whole truth: {asked.folder}/truth.json; its hash is the one shown at the start: {_drill(asked).told['hash']}"
    )
    return 0


def _abort(asked):
    from ..blind.facilitator import abort

    print(f"{asked.folder} has ended, and {abort(asked.folder, asked.why, asked.who)} copies were taken back")
    return 0


def _report(asked):
    from ..blind.debrief import debrief
    from ..blind.lessons import Edit, write_lesson
    from ..blind.score import side_by_side

    drill = _drill(asked)
    now, *last = (debrief(folder) for folder in (asked.folder, *asked.last))
    print(side_by_side([now, *last]).to_string())
    if not asked.edit:
        print("no lesson was written; a drill ends with one edit: --edit PAGE WHAT --owner NAME --retest DAY")
        return 0
    try:
        retest = date.fromisoformat(asked.retest)
    except ValueError:
        raise SkewkitError(f"--retest {asked.retest!r} is no day; write it like 2027-02-28") from None
    edits = [Edit(page, what, asked.owner, retest) for page, what in asked.edit]
    print(f"the lesson: {write_lesson(drill, now, edits, asked.runbooks, last)}")
    return 0


def _due(asked):
    from ..blind.lessons import due

    waiting = due(asked.runbooks, asked.today or date.today())
    print("\n".join(one.text for one in waiting) or "nothing is due")
    return 3 if waiting else 0


def _drill(asked):
    from ..blind.team import Blind

    return Blind(asked.folder)


def _listed(text):
    return [part.strip() for part in text.split(",") if part.strip()]


def _said(line):
    from ..blind.team import told_as

    return told_as(line)
