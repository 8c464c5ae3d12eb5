"""The letters of a report as PDF: those of DejaVu Sans."""

from __future__ import annotations

from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_gradcam.extras import require
from cxr_gradcam.imaging.radiograph import RadiographError

if TYPE_CHECKING:
    from typst import Fonts

FONT = "DejaVu Sans"
"""The font's name."""

_FONT_FILES = {False: "DejaVuSans.ttf", True: "DejaVuSans-Bold.ttf"}  # key: is it bold?
_LONGEST_WORD = 30  # letters of a typed word, beyond which a line may break within it


def check_letters(*, title: str, remark: str) -> None:
    """Raise an error for letters that the font of the PDF cannot show.

    Args:
        title: title of a report, as typed.
        remark: remark of a report, as typed.

    Raises:
        RadiographError: the font lacks a letter of the title or the remark.
        MissingExtraError: packages that a PDF needs are not installed.
    """
    require("app", "A report as PDF")
    require_letters("title", title, is_bold=True)
    require_letters("remark", remark, is_bold=False)


def printable(text: str) -> str:
    """Return a text with a blank instead of each character that cannot be printed."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def typed_lines(text: str) -> list[str]:
    """Return the lines of a typed text; words longer than a line may break anywhere."""
    return [" ".join(map(_breakable, printable(line).split(" "))) for line in text.splitlines()]


def _breakable(word: str) -> str:
    parts = (word[at : at + _LONGEST_WORD] for at in range(0, len(word), _LONGEST_WORD))
    return "\u200b".join(parts)  # zero width space


def require_letters(name: str, text: str, *, is_bold: bool) -> None:
    """Refuse a text that the font cannot show.

    Args:
        name: the name of the text in the message.
        text: the text.
        is_bold: whether it is set in bold letters.

    Raises:
        RadiographError: the font lacks a letter of the text.
    """
    known = _letters(is_bold)
    lacking = sorted({letter for letter in text if letter.isprintable() and letter not in known})
    if lacking:
        shown = " ".join(lacking[:10]) + (" …" if len(lacking) > 10 else "")
        raise RadiographError(
            f"The {name} has letters that the font of the PDF lacks: {shown} (Latin, Greek, "
            "Cyrillic, Arabic and others are there). Write it without them, or save the report as "
            "JSON, which takes all letters."
        )


@cache
def _letters(is_bold: bool) -> frozenset[str]:
    from fontTools.ttLib import TTFont

    return frozenset(map(chr, TTFont(_font_folder() / _FONT_FILES[is_bold]).getBestCmap()))


def _font_folder() -> Path:
    # matplotlib includes DejaVu Sans; importing it would make a folder in the user's home.
    return Path(f"{distribution('matplotlib').locate_file('matplotlib/mpl-data/fonts/ttf')}")


@cache
def fonts() -> Fonts:
    """Return the fonts of the PDF, for Typst."""
    from typst import Fonts

    return Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[_font_folder()]
    )
