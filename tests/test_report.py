"""The result as plain JSON, and the page made from it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

import skewkit as sk
from skewkit.records import SkewkitError
from skewkit.report.page import matrix_text, page, runbooks, summary
from skewkit.report.run import begin, document, plain, validate
from skewkit.report.runbook import runbook
from skewkit.results import blindspots, plots
from skewkit.results.words import incident, telling

from .conftest import ROLES, chromium, play

FILES = {"training": "training.parquet", "served": "served.parquet", "replayed": "replayed.parquet"}
SEVERITIES = [0, 0.3, 1]


def result_of(folder):
    return json.loads((folder / "runs" / "latest" / "result.json").read_text())


@pytest.fixture
def checked(folder):
    play("check", **FILES, **ROLES)
    return result_of(folder)


@pytest.fixture(scope="module")
def drilled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drilled")
    with pytest.MonkeyPatch.context() as m:
        m.chdir(folder)
        play("drill", severities=SEVERITIES, sample=8_000)
    return folder


EVIL = "<script>alert(1)</script>"
REGIMES = ("training and served", "with replay", "with events")
PLANTS = {  # what fires in each regime at half and at all, the change of AUC with its interval, and what the metric needs
    "loud": [({"schema": 100},) * 3, ({"schema": 100},) * 3, (-0.2, -0.3, -0.1), 400],
    "quiet": [({}, {"parity": 1600}, {"parity": 1600}), ({}, {"parity": 100}, {"parity": 100}), (-0.1, -0.2, -0.05), 12_345],
    "late": [({}, {}, {}), ({"distribution": 6400}, {"parity": 800, "distribution": 800}, {"parity": 0}), (-0.05, -0.1, -0.01), 20_000],
    "chance": [({},) * 3, ({},) * 3, (-0.09, -0.2, 0.02), None],
    "unscored": [({},) * 3, ({},) * 3, None, None],
    "blind": [({},) * 3, ({},) * 3, (-0.03, -0.04, -0.02), 5_000],
    EVIL: [({"schema": 100},) * 3, ({"schema": 100},) * 3, (0.0, -0.1, 0.1), None],
}  # fmt: skip
INCIDENT = {
    "reported": f"AUC fell by a tenth {EVIL}",
    "metric": "AUC",
    "measure": "change",
    "segment": "country=DE",
    "seeds": [0, 1],
    "before": 0.9,
    "after": 0.79,
    "values": [-0.1, -0.12],
    "mean": -0.11,
    "from": -0.12,
    "to": -0.1,
    "low": -0.15,
    "high": -0.0667,
    "landed": True,
    "mitigated": {"recompute": -0.002},
    "offline": 0.91,
    "noticed": ["parity"],
    "fires": 1600,
    "fires_alone": None,
    "needs": 12_345,
    "note": "a note",
}


@pytest.fixture
def crowded(drilled):
    """A result of seven skews, made by hand from a drill's: at severities 0, a half and 1."""
    result = result_of(drilled)
    control, _, whole = result["drill"]
    cells = []
    for name, (half, full, cost, needs) in PLANTS.items():
        cells.append({**control, "plant": f"{name}@0", "row": {**control["row"], "skew": name}})
        for severity, fires in ((0.5, half), (1, full)):
            low = dict(zip(("auc", "auc_low", "auc_high"), cost or (None,) * 3, strict=True))
            row = {**whole["row"], "skew": name, "severity": severity, "needs": needs, **low, "precision@10%": None}
            found = {r: {"fires": f, "already": ["distribution"]} for r, f in zip(REGIMES, fires, strict=True)}
            cells.append({**whole, "plant": f"{name}@{severity:g}", "row": row, "regimes": found})
    after = {
        **whole,
        "plant": "blind@1, recompute",
        "mitigation": "recompute",
        "row": {**whole["row"], "skew": "blind"},
    }
    return {**result, "drill": [*cells, after], "incident": INCIDENT}


class Outline(HTMLParser):
    """Tags, images' texts and table headers of a page, and whether it is nested well."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.images = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "img":
            self.images.append(dict(attrs).get("alt", ""))
        elif tag not in ("meta", "br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_result_says_what_why_and_where_to_look(checked):
    """A breach on the two skewed features, led to the cause that is named, inputs hashed, and what was not run."""
    breached = {f["feature"] for f in checked["findings"] if f["verdict"] == "breach" and f["statistic"] == "differ"}
    assert breached == {"hour", "weekday"}
    (fit,) = checked["fits"]
    assert (fit["skew"], set(fit["features"]), fit["explained"]) == ("time_zone", breached, 1)
    assert fit["parameters"]["serving"] == "UTC" and fit["patch"].startswith("served = sk.inject(replayed, ")
    for f in (f for f in checked["findings"] if f["verdict"] not in (None, "ok")):
        led = f["feature"] in breached and f["change"] == "skew"
        assert f["runbook"] == ("runbooks/time_zone.md" if led else f"runbooks/{f['check']}.md")
    assert {i["role"]: i["rows"] for i in checked["inputs"]} == {"training": 2_000, "replayed": 2_000, "served": 2_000}
    assert {n["step"] for n in checked["not_run"]} == {"contract", "lineage", "freshness", "leakage"}
    assert checked["parameters"]["served"] == "served.parquet" and checked["parameters"]["rename"] == {}


def test_a_drill_s_result_tells_each_planting_apart(drilled):
    """Drift once, each planting's findings under its name, and a table that says what noticed."""
    result = result_of(drilled)
    assert [c["plant"] for c in result["drill"]] == ["time_zone@0", "time_zone@0.3", "time_zone@1"]
    assert {f["plant"] for f in result["findings"]} == {None, "time_zone@0", "time_zone@0.3", "time_zone@1"}
    assert {f["change"] for f in result["findings"] if f["plant"] is None} == {"drift", "training"}
    assert {f["change"] for f in result["findings"] if f["plant"]} == {"skew"}
    assert [c["row"]["noticed"] == "" for c in result["drill"]] == [True, False, False]
    assert result["drill"][1]["skews"][0] == {
        "skew": "time_zone",
        "features": [],
        "serving": "UTC",
        "training": "",
        "time": "",
        "reads": "",
    }


def test_every_figure_has_a_text_and_every_table_a_caption_and_headers(checked, drilled):
    """A page for someone who hears it."""
    for result in (checked, result_of(drilled)):
        outline = Outline(re.sub(r'<details id="runbooks.*?</details>', "", page(result), flags=re.S))
        tags = [t for t, _ in outline.tags]
        assert outline.images and all(len(alt) > 40 for alt in outline.images)
        assert tags.count("caption") == tags.count("table") and dict(outline.tags)["html"] == {"lang": "en"}
        assert all(a.get("scope") in ("row", "col") for t, a in outline.tags if t == "th") and tags.count("h1") == 1
        levels = [int(t[1]) for t in tags if re.fullmatch(r"h\d", t)]
        assert all(b <= a + 1 for a, b in pairwise(levels))


def test_a_runbook_s_links_stay_on_the_page(checked):
    """Each page that a page links to is there too, and opens in place."""
    text = page(checked)
    inner = set(re.findall(r'href="#([^"]+)"', text))
    assert "runbooks/staleness.md" in inner and all(f'id="{name}"' in text for name in inner)
    assert not re.findall(r'href="(?!#)', text)


def test_the_verdict_comes_first_in_words(checked):
    """The first heading is the verdict, the first sentence the cause, of what, how sure, and which page to open."""
    text = page(checked)
    first = re.search(r"<h1>.*?</h1>\s*<p>(.*?)</p>", text, re.S)
    said = (
        "<code>hour</code> and <code>weekday</code> are read in UTC",
        "rows reproduced",
        "Open runbooks/time_zone.md",
    )
    assert "Breach" in first.group(0) and all(s in first.group(1) for s in said)


def test_what_comes_from_data_is_escaped(folder):
    """A column called like a script is text on the page."""
    import pandas as pd

    evil = "<script>alert(1)</script>"
    frames = {n: pd.read_parquet(p).rename(columns={"amount": evil}) for n, p in FILES.items()}
    features = [evil if f == "amount" else f for f in ROLES["features"]]
    frames["served"][evil] += 1
    result = sk.examine(sk.compare(**frames, **{**ROLES, "features": features}))
    run = begin("check")
    run.finish(result)
    text = (folder / "runs" / "latest" / "report.html").read_text()
    assert evil not in text and "&lt;script&gt;alert(1)" in text
    assert evil not in result._repr_html_()


def test_values_that_do_not_exist_are_null():
    """No NaN and no infinity in JSON, at any depth, of any library's type."""
    import numpy as np
    import pandas as pd

    odd = {
        "a": np.float64("nan"),
        "b": [float("inf"), np.int64(3)],
        "c": (np.bool_(True), None),
        "d": pd.Timestamp("2024-01-01"),
    }
    assert plain(odd) == {"a": None, "b": [None, 3], "c": [True, None], "d": "2024-01-01 00:00:00"}


def test_every_runbook_a_result_opens_is_there(checked, drilled):
    """By the findings beyond their threshold, and by the skews that a drill planted."""
    assert runbooks(checked)[0] == "runbooks/time_zone.md"
    assert runbooks(result_of(drilled)) == ["runbooks/time_zone.md"]  # what the season did is no more than months do
    for name in (*runbooks(checked), *runbooks(result_of(drilled))):
        assert runbook(name).startswith("# ")
    with pytest.raises(SkewkitError):
        runbook("runbooks/nothing.md")


def test_a_clean_and_an_inconclusive_run_say_so(folder):
    """Nothing beyond what is tolerated; or too little data to say."""
    import pandas as pd

    from skewkit import examples

    replayed = pd.read_parquet("replayed.parquet")
    few = replayed.head(50)
    for table, verdict in ((few, "inconclusive"), (examples.table(12_000), "ok")):
        begin("check").finish(sk.examine(sk.compare(table, table, table, **ROLES)))
        result = result_of(folder)
        assert result["verdict"] == verdict and verdict in page(result)
        assert ("cannot tell" in summary(result)) == (verdict == "inconclusive")
        assert runbooks(result)[:1] == (["runbooks/inconclusive.md"] if verdict == "inconclusive" else [])


def test_blind_spots_are_counted_apart_for_each_regime(crowded):
    """Fourteen plantings: the control, what was mended and what was noticed are no blind spots."""
    spots = blindspots.frame(crowded["drill"])
    assert len(spots) == 14 * 3
    alone, replay, events = blindspots.by_regime(spots)
    assert [(s.regime, s.planted, s.noticed) for s in (alone, replay, events)] == [
        ("training and served", 14, 5),
        ("with replay", 14, 7),
        ("with events", 14, 7),
    ]
    assert [(s.largest["skew"], s.largest["severity"], s.unmeasured) for s in (alone, replay)] == [
        ("quiet", 0.5, 2),
        ("late", 0.5, 2),
    ]
    assert "quiet at 50%, -0.1000 AUC (-0.2000 to -0.0500). 2 that the model could not score" in telling(alone)


def test_a_loss_that_chance_may_be_is_no_largest_loss(crowded):
    """The larger of two is in doubt: the other is told; alone, it is told as what it is; and noticed, nothing is."""
    rows = blindspots.frame(crowded["drill"])
    (both,) = blindspots.by_regime(rows[rows["skew"].isin(["chance", "blind"]) & (rows["regime"] == REGIMES[0])])
    (doubt,) = blindspots.by_regime(rows[(rows["skew"] == "chance") & (rows["regime"] == REGIMES[0])])
    (loud,) = blindspots.by_regime(rows[(rows["skew"] == "loud") & (rows["regime"] == REGIMES[0])])
    assert both.largest["skew"] == "blind" and "The largest loss" in telling(both)
    assert "costs more than chance may" in telling(doubt) and telling(loud) == "all noticed (2 plantings)."


def test_of_an_error_more_is_a_loss(crowded):
    """The mean absolute error rises when the model gets worse."""
    rows = blindspots.frame(crowded["drill"]).assign(metric="mae")
    assert (
        blindspots.by_regime(rows.assign(cost=-rows["cost"], low=-rows["high"], high=-rows["low"]))[0].largest["skew"]
        == "quiet"
    )
    assert blindspots.by_regime(rows)[0].largest["sure"] is False


def test_each_skew_says_from_when_it_is_noticed_and_what_the_metric_needs(crowded):
    """The smallest severity, the requests at the worst, and never where there is none."""
    found = {one["skew"]: one for one in blindspots.by_skew(blindspots.frame(crowded["drill"]))}
    assert found["late"]["regimes"][REGIMES[0]] == {"from": 1, "fires": 6400, "first": "distribution"}
    assert found["late"]["regimes"]["with events"]["fires"] == 0
    assert found["quiet"]["regimes"]["with replay"] == {"from": 0.5, "fires": 100, "first": "parity"}
    assert found["blind"]["regimes"]["with replay"] == {"from": None, "fires": None, "first": None}
    text = page(crowded)
    row = re.search(
        r'<tr><th scope="row">quiet</th>(.*?)</tr>', text[text.index("From which severity each skew") :], re.S
    )[1]
    assert "<strong>never</strong>" in row and "from 50%" in row and "12,345" in row and "after 100, parity" in row


def test_a_drill_s_blind_spots_are_those_of_its_result(folder):
    """One computation: from the cells in hand, and from what was written of them."""
    import pandas as pd

    roles = {**ROLES, "prediction": None}
    case = sk.compare(**{n: pd.read_parquet(p) for n, p in FILES.items()}, **roles)
    made = sk.drill(case, [{"skew": "unit_change", "features": ["amount"], "unit": "sign"}], severities=[0, 0.5, 1])
    spots = blindspots.frame(document(begin("drill"), made)["drill"])
    pd.testing.assert_frame_equal(made.blind_spots(), spots)
    assert len(spots) == 6 and spots["fires"].notna().any()


def test_the_matrix_is_drawn_in_words_too_and_said_first(crowded):
    """The picture's text has each regime's count and worst; the page's first sentence the counts; it is nested well."""
    validate(crowded)
    alt = plots.matrix(blindspots.frame(crowded["drill"])).alt
    assert (
        "training and served: 5 of 14 noticed, the largest loss unnoticed is -0.1000 AUC by quiet at severity 0.5"
        in alt
    )
    text = page(crowded)
    outline = Outline(re.sub(r'<details id="runbooks.*?</details>', "", text, flags=re.S))
    assert len(outline.images) == 1 and "5 of 14 noticed" in outline.images[0]
    assert (
        "14 plantings of 7 skews. Noticed: 5 with training and served alone, 7 with replay, 7 with events."
        in text.split("<h2>")[0]
    )
    tags = [t for t, _ in outline.tags]
    assert tags.count("caption") == tags.count("table")
    assert all(a.get("scope") in ("row", "col") for t, a in outline.tags if t == "th")
    assert EVIL not in text and "blind, after recompute" in text


def test_a_picture_of_the_matrix_grows_with_its_rows(crowded):
    """Each planting has its letter and number, each regime its columns, and 22 rows more room than 7."""
    spots = blindspots.frame(crowded["drill"])
    few = plots.matrix(spots).figure
    import pandas as pd

    more = plots.matrix(
        pd.concat([spots.assign(skew=spots["skew"] + str(i)) for i in range(3)], ignore_index=True)
    ).figure
    assert more.get_figheight() > 2 * few.get_figheight() - 2
    drawn = [t.get_text() for t in few.axes[0].texts]
    assert drawn.count("S 100") == 12 and "P 0" in drawn and "P 1.6k" in drawn and "D 6.4k" in drawn
    hatched = [p for p in few.axes[0].patches if p.get_hatch()]
    assert len(hatched) == 42 - 5 - 7 - 7 and len(few.axes[0].patches) == 42


def test_an_incident_stands_beside_what_was_measured(crowded):
    """Each line by hand, on the page escaped, and in the terminal; and without one, nothing."""
    lines = dict(incident(INCIDENT))
    assert lines["looked for"] == "change of AUC, where country is DE"
    assert lines["AUC, before and after"] == "0.9000 → 0.7900"
    assert lines["measured"] == "-0.1100 (mean of 2 seeds, from -0.1200 to -0.1000)"
    assert lines["counts as reached"] == "-0.1500 to -0.0667" and lines["reached"] == "yes"
    assert lines["requests until the first check fires, with a replay"] == "1,600"
    assert lines["requests until the first check fires, training and served alone"] == "never"
    assert lines["left after recompute"] == "-0.0020 AUC" and lines["note"] == "a note"
    shares = {"measure": "relative", "mean": -0.2, "from": -0.3, "to": -0.1, "landed": False}
    assert dict(incident({**INCIDENT, **shares}))["measured"] == "-20% (mean of 2 seeds, from -30% to -10%)"
    assert "Reported and measured" in page(crowded) and "AUC fell by a tenth &lt;script&gt;" in page(crowded)
    assert "left after recompute: -0.0020 AUC" in matrix_text(crowded)
    assert incident(None) == [] and "Reported and measured" not in page({**crowded, "incident": None})


def test_a_drill_that_planted_nothing_has_a_page(crowded):
    """Seven skews at severity 0 alone: no blind spots, no regimes, and no error."""
    nothing = {**crowded, "drill": [c for c in crowded["drill"] if c["row"]["severity"] == 0], "incident": None}
    assert "Blind spots" not in page(nothing) and "0 plantings of 0 skews" in matrix_text(nothing) + summary(nothing)


def test_a_terminal_is_told_a_row_a_skew_of_many(crowded):
    """Short, with each regime's count; of a few skews a row a cell."""
    lines = matrix_text({**crowded, "incident": None}).splitlines()
    assert len(lines) < 7 + 8 and any(re.match(r" *quiet +- +from 50%, after 100 ", line) for line in lines)
    assert "with replay: 7 of 14 plantings noticed." in "\n".join(lines)
    few = matrix_text({**crowded, "drill": crowded["drill"][:6]})
    assert sum(line.split()[0] == "quiet" for line in few.splitlines()) == 3 and "noticed by" in few


def test_a_run_of_many_skews_leaves_its_matrix_as_table_and_picture(folder):
    """Beside the page, and equal to what the result gives."""
    import pandas as pd

    roles = {**ROLES, "prediction": None}
    case = sk.compare(**{n: pd.read_parquet(p) for n, p in FILES.items()}, **roles)
    skews = [{"skew": "unit_change", "features": ["amount"], "factor": f} for f in (2, 3, 4, 5, 6, 7, 8)]
    run = begin("drill")
    run.finish(sk.drill(case, skews, severities=[1]))
    latest = folder / "runs" / "latest"
    assert (latest / "matrix.png").read_bytes()[:4] == b"\x89PNG"
    found = pd.read_csv(latest / "matrix.csv")
    assert (
        len(found) == 7 * 3
        and found["skew"].nunique() == 7
        and found.loc[found["regime"] == "with replay", "fires"].eq(100).all()
    )


@pytest.mark.parametrize("width", [1200, 400])
def test_the_page_reads_well_in_a_browser(checked, drilled, folder, width):
    """No error, nothing wider than the screen, every picture drawn, and a runbook's link opens it."""
    arguments = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(**arguments)
        for where in (folder, drilled):
            tab = browser.new_page(viewport={"width": width, "height": 900})
            errors = []
            tab.on("pageerror", lambda e, errors=errors: errors.append(str(e)))
            tab.on("console", lambda m, errors=errors: errors.append(m.text) if m.type == "error" else None)
            tab.on("request", lambda r, errors=errors: errors.append(r.url) if r.url.startswith("http") else None)
            tab.goto((where / "runs" / "latest" / "report.html").as_uri())
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert tab.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 100)")
            link = tab.locator("main > ol a, main > p a").first
            link.click()
            book = tab.locator(f"details[id='{link.get_attribute('href')[1:]}']")
            assert (
                book.get_attribute("open") is not None
                and book.locator("h4", has_text="First five minutes").is_visible()
            )
            assert errors == []
        browser.close()
