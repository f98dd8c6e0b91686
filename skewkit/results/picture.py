"""A figure with its text, the text alone where it could not be drawn, and names out of the data as figures show them."""

from __future__ import annotations

import base64
import io
from html import escape

from matplotlib.figure import Figure

from ..progress import shown

LONGEST = 60  # characters of a name in a picture


class Picture:
    """A figure with its alternative text."""

    def __init__(self, figure: Figure | None, alt: str):
        self.figure, self.alt = figure, alt

    def __repr__(self):
        return f"<picture: {self.alt}>"

    def png(self) -> bytes:
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
        return buffer.getvalue()

    @shown(lambda text: said(text))
    def html(self) -> str:
        """An image element that holds the picture itself; a sentence where there is none."""
        if self.figure is None:
            return said(self.alt)
        data = base64.b64encode(self.png()).decode()
        return f'<img alt="{escape(self.alt)}" src="data:image/png;base64,{data}">'

    _repr_html_ = html


def said(text: str) -> str:
    """A sentence in place of what could not be shown."""
    return f"<p>{escape(text)}</p>"


def undrawn(text: str) -> Picture:
    """A picture that could not be drawn, and why."""
    return Picture(None, text)


def name_of(name) -> str:
    """A name out of the data as a figure shows it: no formula between dollars, and no longer than it has room for."""
    name = str(name)
    name = name if len(name) <= LONGEST else f"{name[: LONGEST // 2]}…{name[-LONGEST // 2 :]}"
    return name.replace("$", r"\$")
