"""A report as PDF: one accessible page, with real text that wraps and three pictures."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from PIL import Image

from cxr_gradcam.explanation.display import Display
from cxr_gradcam.imaging.radiograph import RadiographError
from cxr_gradcam.imaging.rendering import RGBImage, color_table
from cxr_gradcam.report.contents import DISCLAIMER, TITLE, Panels, Report
from cxr_gradcam.report.letters import (
    FONT,
    check_letters,
    fonts,
    printable,
    require_letters,
    typed_lines,
)
from cxr_gradcam.report.model import Measured

if TYPE_CHECKING:
    pass

DPI = 300
PAPERS: dict[str, tuple[float, float]] = {"a4": (595.28, 841.89), "letter": (612.0, 792.0)}
"""Width and height of the papers, in points (1/72 inch)."""

_MARGIN, _GAP, _CAPTION = 39.0, 9.0, 14.0  # points
# The pictures' greatest share of the page's height, and the least part of it for long texts
_TALLEST, _SMALLEST = 0.56, 0.42
_HEAD = ("", "X-rays", "AUC", "sensitivity", "specificity")


Kind = Literal["row", "column", "beside", "below"]


@dataclass(frozen=True)
class Arrangement:
    """Layout and size of the three pictures on the page, in points.

    Attributes:
        kind: "row" or "column" of three; or the overlay large, "beside" or "below" the others.
        sizes: {picture: (width, height)}.
    """

    kind: Kind
    sizes: dict[str, tuple[float, float]]

    @property
    def rows(self) -> list[str]:
        """The vertically stacked pictures, which determine the height of the arrangement."""
        rows = {"column": [*self.sizes], "below": ["original", "overlay"]}
        return rows.get(self.kind, ["overlay"])

    @property
    def height(self) -> float:
        """The total height of the stacked pictures."""
        return sum(self.sizes[name][1] for name in self.rows)

    @property
    def fixed(self) -> float:
        """The height of captions and gaps, which does not change when pictures are scaled."""
        return len(self.rows) * _CAPTION + (len(self.rows) - 1) * _GAP

    @property
    def area(self) -> float:
        """The area of the three pictures."""
        return sum(width * height for width, height in self.sizes.values())


def write_pdf(report: Report, paper: str = "a4") -> bytes:
    """Write a report as PDF.

    The file is tagged (PDF/UA-1): it has a language, a title, a reading order and a description of
    each picture. The text can be selected and searched; a long text continues on a second page. The
    font DejaVu Sans has Latin, Greek, Cyrillic, Arabic and other letters.

    Args:
        report: the contents.
        paper: "a4" or "letter".

    Returns:
        The bytes of the file, which contains no name of a patient, user or path.

    Raises:
        ValueError: the paper is unknown.
        RadiographError: a text has letters that the font of the PDF lacks.
        MissingExtraError: packages that a PDF needs are not installed.
    """
    if paper not in PAPERS:
        raise ValueError(f"no paper {paper!r}: choose from {', '.join(PAPERS)}")
    check_letters(title=report.title, remark=report.remark)
    page = _page(report, paper)
    require_letters("report", json.dumps(page, ensure_ascii=False), is_bold=False)
    require_letters("answer", report.answer, is_bold=True)
    files = {"data.json": json.dumps(page).encode(), **dict(_pictures(report.panels, page))}
    return _compiled(files, report)


def panel_width(paper: str) -> int:
    """Return the width in pixels of a common radiograph's panel on a paper.

    Args:
        paper: "a4" or "letter".

    Returns:
        The width of the largest picture at 300 dpi; it differs for radiographs of other aspect
        ratios.
    """
    return _pixels(_arrange(5 / 6, paper).sizes["overlay"][0])


def _arrange(aspect: float, paper: str) -> Arrangement:
    """Arrange three pictures of the same shape as large as possible.

    Args:
        aspect: width of a picture divided by its height.
        paper: "a4" or "letter".
    """
    width, height = PAPERS[paper][0] - 2 * _MARGIN, PAPERS[paper][1] * _TALLEST
    between = _GAP + _CAPTION  # between stacked pictures
    row = min(height, (width - 2 * _GAP) / 3 / aspect)
    column = min((height - 2 * between) / 3, width / aspect)
    beside = min(height, ((width - _GAP) / aspect + between / 2) / 1.5)
    below = min(width / aspect, (height - between + _GAP / 2 / aspect) / 1.5)
    arrangements = (
        _sized("beside", aspect, (beside - between) / 2, beside),
        _sized("below", aspect, (below - _GAP / aspect) / 2, below),
        _sized("row", aspect, row, row),
        _sized("column", aspect, column, column),
    )
    return max(arrangements, key=lambda arrangement: arrangement.area)


def _sized(kind: Kind, aspect: float, small: float, large: float) -> Arrangement:
    """Return an arrangement by the heights of the overlay and of the other two pictures."""
    heights = {"original": small, "heatmap": small, "overlay": large}
    return Arrangement(kind, {name: (aspect * each, each) for name, each in heights.items()})


def _page(report: Report, paper: str) -> dict[str, Any]:
    """Return the data that `page.typ` uses."""
    panels = report.panels
    height, width = panels.original.shape[:2]
    arrangement = _arrange(width / height, paper)
    captions = {
        "original": ("Original", "The X-ray"),
        "heatmap": ("Heat map", "The heat map alone"),
        "overlay": ("Overlay", f"The heat map over the X-ray. {report.place}"),
    }
    return {
        **{"width": PAPERS[paper][0], "height": PAPERS[paper][1], "margin": _MARGIN, "gap": _GAP},
        **{"caption": _CAPTION, "font": FONT, "smallest": _SMALLEST},
        "document": TITLE,
        "footer": "No diagnosis; not for clinical use",
        "title": typed_lines(report.title or TITLE),
        "warning": report.warning,
        "answer": printable(report.answer),
        "place": report.place,
        "remark": typed_lines(report.remark) if report.remark else [],
        "facts": [[name, printable(said)] for name, said in report.facts()],
        "measured": _measured(report.model.measured),
        "disclaimer": DISCLAIMER,
        "arrangement": arrangement.kind,
        "tall": arrangement.height,
        "fixed": arrangement.fixed,
        "panels": {
            name: {"width": across, "height": down, "caption": shown, "alt": alt}
            for (name, (across, down)), (shown, alt) in zip(
                arrangement.sizes.items(), captions.values(), strict=True
            )
        },
        **_legend(panels.display),
    }


def _legend(display: Display) -> dict[str, Any]:
    """Return the legend of the colours: a bar, or a line for each contour."""
    lines = []
    if display.style == "contours":
        colors = color_table(display.colormap)
        for share in display.contours:
            red, green, blue = colors[ceil(255 * share)]
            color = f"#{red:02x}{green:02x}{blue:02x}"
            lines.append({"label": f"{share:.0%}", "color": color})
    bar = "0 % to 100 % of this map's maximum"
    says = "of this map's maximum" if lines else f"{bar}; overlay: {display}"
    return {"contours": lines, "bar": f"The colours of the heat map, {bar}", "legend": says}


def _measured(measured: Sequence[Measured]) -> dict[str, Any]:
    rows = [
        [
            f"{each.finding}, {each.group}",
            f"{each.images:,}",
            *(_figure(each.values.get(name)) for name in ("auc", *_HEAD[3:])),
        ]
        for each in measured
    ]
    about = (
        "Measured on X-rays that no training has seen, with the 95 % interval in brackets; the "
        "model card says what these figures are worth"
    )
    return {"about": about, "head": list(_HEAD), "rows": rows}


def _figure(values: tuple[float, float, float] | None) -> str:
    return "" if values is None else "{:.2f} ({:.2f} to {:.2f})".format(*values)


def _pictures(panels: Panels, page: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    for name, place in page["panels"].items():
        size = _pixels(place["width"]), _pixels(place["height"])
        yield f"{name}.svg", _svg(getattr(panels, name), size)
    bar = np.broadcast_to(color_table(panels.display.colormap), (16, 256, 3))
    yield "bar.svg", _svg(np.ascontiguousarray(bar), (256, 16))


def _pixels(points: float) -> int:
    return max(1, round(points / 72 * DPI))


def _svg(picture: RGBImage, size: tuple[int, int]) -> bytes:
    """Return a picture as SVG, the only format that Typst accepts from memory.

    Args:
        picture: RGB (H, W, 3); saved as grey if it has no colours.
        size: width and height in pixels; a picture that differs by one pixel is not resized.
    """
    image = Image.fromarray(picture)
    if (picture == picture[..., :1]).all():
        image = Image.fromarray(np.ascontiguousarray(picture[..., 0]))
    if any(abs(side - wanted) > 1 for side, wanted in zip(image.size, size, strict=True)):
        image = image.resize(size, Image.Resampling.LANCZOS)
    file = BytesIO()
    image.save(file, "PNG", compress_level=1)
    width, height = image.size
    data = b64encode(file.getvalue()).decode()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
        f'<image width="{width}" height="{height}" href="data:image/png;base64,{data}"/></svg>'
    ).encode()


def _compiled(files: Mapping[str, bytes], report: Report) -> bytes:
    import typst

    main = Path(__file__).with_name("page.typ").read_bytes()
    try:
        return typst.compile(
            cast("Any", {"main.typ": main, **files}),
            format="pdf",
            font_paths=fonts(),
            ignore_system_fonts=True,
            pdf_standards="ua-1",
            timestamp=int(report.date.timestamp()),
        )
    except typst.TypstError as error:
        raise RadiographError(
            f"The report cannot be set as PDF: {error.message}. Save it as JSON."
        ) from error
