"""The result as plain JSON, and the page made from it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

import skewkit as sk
from skewkit.page import page, runbook, runbooks, summary
from skewkit.records import SkewkitError
from skewkit.report import begin, plain

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
    """A breach on the two skewed features, each with its runbook, inputs hashed, and what was not run."""
    breached = {f["feature"] for f in checked["findings"] if f["verdict"] == "breach" and f["statistic"] == "differ"}
    assert breached == {"hour", "weekday"}
    assert all(
        f["runbook"] == f"runbooks/{f['check']}.md" for f in checked["findings"] if f["verdict"] not in (None, "ok")
    )
    assert {i["role"]: i["rows"] for i in checked["inputs"]} == {"training": 2_000, "replayed": 2_000, "served": 2_000}
    assert {n["step"] for n in checked["not_run"]} == {"diagnose"}
    assert checked["parameters"]["served"] == "served.parquet" and checked["parameters"]["rename"] == {}


def test_a_drill_s_result_tells_each_planting_apart(drilled):
    """Drift once, each planting's findings under its name, and a table that says what noticed."""
    result = result_of(drilled)
    assert [c["plant"] for c in result["drill"]] == ["time_zone@0", "time_zone@0.3", "time_zone@1"]
    assert {f["plant"] for f in result["findings"]} == {None, "time_zone@0", "time_zone@0.3", "time_zone@1"}
    assert {f["change"] for f in result["findings"] if f["plant"] is None} == {"drift"}
    assert [c["row"]["noticed"] == "" for c in result["drill"]] == [True, False, False]
    assert result["drill"][1]["skews"][0] == {
        "skew": "time_zone",
        "features": [],
        "serving": "UTC",
        "training": "",
        "time": "",
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
    """The first heading is the verdict, the first sentence what differs and what it cost."""
    text = page(checked)
    first = re.search(r"<h1>.*?</h1>\s*<p>(.*?)</p>", text, re.S)
    assert "Breach" in first.group(0) and "hour differs in" in first.group(1) and "weekday" in first.group(1)


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
    assert runbooks(checked)[0] == "runbooks/parity.md"
    assert runbooks(result_of(drilled)) == ["runbooks/distribution.md", "runbooks/time_zone.md"]
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
            link = tab.locator("ol a").first
            link.click()
            book = tab.locator(f"details[id='{link.get_attribute('href')[1:]}']")
            assert (
                book.get_attribute("open") is not None
                and book.locator("h4", has_text="First five minutes").is_visible()
            )
            assert errors == []
        browser.close()
