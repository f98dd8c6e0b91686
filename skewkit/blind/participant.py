"""The team's notebook, made from the facilitator's: without the cells that only the facilitator has, and without outputs."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

FACILITATOR = "facilitator"  # the tag of such a cell


def participant(notebook: Path, folder: str) -> nbformat.NotebookNode:
    """The notebook for those who are not told, its ``folder`` set to the drill's."""
    made = nbformat.read(notebook, as_version=4)
    made.cells = [c for c in made.cells if FACILITATOR not in c.metadata.get("tags", [])]
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = re.sub(
                r'^folder: str = ".*?"', lambda _: f'folder: str = "{folder}"', cell.source, flags=re.M
            )
    return made
