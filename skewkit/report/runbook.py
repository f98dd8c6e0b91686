"""Runbooks as text, and as a part of the page that leads to them."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import mistune
import yaml

from ..records import SkewkitError


class _Inside(mistune.HTMLRenderer):
    """A runbook inside the page: its headings below the page's, its links to other runbooks within the page."""

    def heading(self, text, level, **attrs):
        return super().heading(text, min(level + 2, 6), **attrs)

    def link(self, text, url, title=None):
        inside = url.endswith(".md") and "/" not in url
        return super().link(text, f"#runbooks/{url}" if inside else url, title)


markdown = mistune.create_markdown(renderer=_Inside(escape=True), plugins=["table"])


def reachable(names: list[str]) -> list[str]:
    """These runbooks and all that they link to: who reads the page at night may have nothing else at hand."""
    found = list(names)
    for name in found:  # grows as it is read
        linked = [f"runbooks/{stem}.md" for stem in re.findall(r"\]\((\w+)\.md\)", runbook(name))]
        found += [n for n in dict.fromkeys(linked) if n not in found]
    return found


def front(text: str) -> tuple[dict[str, Any], str]:
    """A page's front matter (YAML between two lines of ---), and the rest of it."""
    found = re.match(r"---\n(.*?)\n---\n", text, re.S)
    told = yaml.safe_load(found[1]) if found else None
    return (told if isinstance(told, dict) else {}), text[found.end() :] if found else text


def runbook(name: str) -> str:
    """The text of a runbook, from the repository or from inside the installed package.

    Its front matter becomes one line below the heading.
    """
    inside = Path(str(files("skewkit")))
    for folder in (inside.parent, inside):
        if (folder / name).is_file():
            told, text = front((folder / name).read_text("utf-8"))
            line = "; ".join(f"{key.replace('_', ' ')}: {value}" for key, value in told.items())
            return text.replace("\n", f"\n\n*{line[0].upper()}{line[1:]}.*\n", 1) if line else text
    raise SkewkitError(f"there is no {name}; every check and skew has one in runbooks/")
