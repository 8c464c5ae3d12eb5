"""A report as PDF: real text that wraps, and the three panels at 300 dpi."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.metadata import distribution
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image

from cxr_gradcam.extras import require
from cxr_gradcam.imaging.rendering import RGBImage, color_table
from cxr_gradcam.report.contents import DISCLAIMER, TITLE, Report
from cxr_gradcam.report.model import Measured

if TYPE_CHECKING:
    from reportlab.lib.styles import ParagraphStyle

DPI = 300
PAPERS: dict[str, tuple[float, float]] = {"a4": (595.28, 841.89), "letter": (612.0, 792.0)}
"""Width and height of the papers, in points (1/72 inch)."""

_MARGIN, _PADDING, _GAP = 39.0, 6.0, 9.0
_TALLEST = 330.0
_FONT, _BOLD = "DejaVuSans", "DejaVuSans-Bold"
_GREY, _RED = "#555555", "#a00000"
# ReportLab keeps its fonts in one place for all threads.
_LOCK = Lock()


def write_pdf(report: Report, paper: str = "a4") -> bytes:
    """Write a report as PDF.

    The text can be selected and searched; what is longer than a page goes on on the next. The
    letters are those of DejaVu Sans: Latin, Greek, Cyrillic and others, but no Chinese.

    Args:
        report: what it says.
        paper: "a4" or "letter".

    Returns:
        The file, which names neither patient nor user nor path.

    Raises:
        ValueError: no such paper.
    """
    if paper not in PAPERS:
        raise ValueError(f"no paper {paper!r}: choose from {', '.join(PAPERS)}")
    require("app", "A report as PDF")
    from reportlab.platypus import SimpleDocTemplate

    file = BytesIO()
    with _LOCK:
        _register_fonts()
        document = SimpleDocTemplate(
            file,
            pagesize=PAPERS[paper],
            leftMargin=_MARGIN,
            rightMargin=_MARGIN,
            topMargin=_MARGIN,
            bottomMargin=_MARGIN,
            title=TITLE,
            author="",
            creator="cxr_gradcam",
            lang="en",
        )
        document.build(
            _story(report, document.width - 2 * _PADDING), onFirstPage=_footer, onLaterPages=_footer
        )
    return file.getvalue()


def panel_width(paper: str) -> int:
    """Return how many pixels a panel is wide on a paper, unless it is taller than it may be."""
    return _pixels(_column(PAPERS[paper][0] - 2 * (_MARGIN + _PADDING)))


def _column(width: float) -> float:
    return (width - 2 * _GAP) / 3


def _story(report: Report, width: float) -> list[Any]:
    from reportlab.platypus import Spacer

    story = [_text(report.title or TITLE, 15, bold=True)]
    if report.warning:
        story.append(_text(report.warning, 11, color=_RED, bold=True))
    story += [_text(report.answer, 12, bold=True), Spacer(0, 6)]
    story += [_panels(report, width), _key(report, width), Spacer(0, 8)]
    if report.remark:
        story += [_text(report.remark, 10), Spacer(0, 8)]
    story += [_facts(report, width)]
    if report.model.measured:
        story += [Spacer(0, 6), *_measured(report.model.measured, width)]
    return [*story, Spacer(0, 6), _text(DISCLAIMER, 10, bold=True)]


def _text(text: str, size: float, *, color: str = "black", bold: bool = False) -> Any:  # noqa: ANN401 - ReportLab's
    from reportlab.platypus import Paragraph

    lines = (
        "".join(letter if letter.isprintable() else " " for letter in line)
        for line in text.splitlines()
    )
    return Paragraph("<br/>".join(map(escape, lines)), _style(size, color, bold))


def _style(size: float, color: str, bold: bool) -> ParagraphStyle:
    from reportlab.lib.styles import ParagraphStyle

    font = _BOLD if bold else _FONT
    return ParagraphStyle(
        "text", fontName=font, fontSize=size, leading=1.35 * size, textColor=color, spaceAfter=4
    )


def _panels(report: Report, width: float) -> Any:  # noqa: ANN401 - ReportLab's
    panels = report.panels
    pictures = {
        "Original": panels.original,
        "Heat map": panels.heatmap,
        "Overlay": panels.overlay,
    }
    height, across = panels.original.shape[:2]
    column = _column(width)
    shown = min(column, _TALLEST * across / height)
    size = _pixels(shown), _pixels(shown * height / across)
    images = [_picture(picture, size) for picture in pictures.values()]
    names = [_text(name, 9, color=_GREY) for name in pictures]
    return _table([images, names], [column + _GAP, column + _GAP, column])


def _pixels(points: float) -> int:
    return max(1, int(points / 72 * DPI))


def _picture(picture: RGBImage, size: tuple[int, int]) -> Any:  # noqa: ANN401 - ReportLab's
    """Return a picture at exactly 300 dpi; grey where it has no colours."""
    from reportlab.platypus import Image as Flowable

    image = Image.fromarray(picture)
    if (picture == picture[..., :1]).all():
        image = Image.fromarray(np.ascontiguousarray(picture[..., 0]))
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    file = BytesIO()
    image.save(file, "PNG", compress_level=1)
    across, down = (side * 72 / DPI for side in size)
    return Flowable(BytesIO(file.getvalue()), across, down, hAlign="LEFT")


def _key(report: Report, width: float) -> Any:  # noqa: ANN401 - ReportLab's
    """Return the colours of the map, from weak to strong."""
    bar = np.broadcast_to(color_table(report.panels.display.colormap), (16, 256, 3))
    size = _pixels(120), _pixels(7)
    key = _picture(np.ascontiguousarray(bar), size)
    says = _text("weak to strong; strong is this map's maximum", 9, color=_GREY)
    return _table([[key, says]], [126, width - 126])


def _facts(report: Report, width: float) -> Any:  # noqa: ANN401 - ReportLab's
    rows = [[_text(name, 9, color=_GREY), _text(text, 9)] for name, text in report.facts()]
    return _table(rows, [85, width - 85])


def _measured(measured: Sequence[Measured], width: float) -> list[Any]:
    said = (
        "Measured on X-rays that no training has seen, in brackets the 95 % interval; "
        "what these figures are worth is told by the model card"
    )
    head = ["", "X-rays", "AUC", "sensitivity", "specificity"]
    rows = [[_text(name, 8, color=_GREY) for name in head]]
    for each in measured:
        figures = [_figure(each.values.get(name)) for name in ("auc", *head[3:])]
        cells = [f"{each.finding}, {each.group}", f"{each.images:,}", *figures]
        rows.append([_text(cell, 8) for cell in cells])
    columns = [width - 50 - 3 * 110, 50, 110, 110, 110]
    return [_text(said, 9, color=_GREY), _table(rows, columns)]


def _figure(values: tuple[float, float, float] | None) -> str:
    return "" if values is None else "{:.2f} ({:.2f} to {:.2f})".format(*values)


def _table(rows: list[list[Any]], columns: list[float]) -> Any:  # noqa: ANN401 - ReportLab's
    from reportlab.platypus import Table

    tight = [(f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "TOP", "BOTTOM")]
    top = ("VALIGN", (0, 0), (-1, -1), "TOP")
    return Table(rows, columns, style=[*tight, top], hAlign="LEFT")


def _footer(canvas: Any, document: Any) -> None:  # noqa: ANN401 - ReportLab's
    canvas.setFont(_FONT, 8)
    left, right = _MARGIN + _PADDING, document.pagesize[0] - _MARGIN - _PADDING
    canvas.drawString(left, _MARGIN / 2, "No diagnosis; not for clinical use")
    canvas.drawRightString(right, _MARGIN / 2, f"page {document.page}")


@cache
def _register_fonts() -> None:
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    # matplotlib brings DejaVu Sans along; importing it would make a folder in the user's home.
    fonts = distribution("matplotlib").locate_file("matplotlib/mpl-data/fonts/ttf")
    for name in (_FONT, _BOLD):
        registerFont(TTFont(name, f"{fonts}/{name}.ttf"))
