"""The names of the pictures that are saved for a file."""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from cxr_gradcam.imaging.formats import EXTENSIONS

# The longest name in ext4, XFS, APFS and NTFS, minus the longest ending, "-heatmap.png"
MAX_BYTES: int = 255 - 12

# Characters that Windows forbids, and single surrogates, which only Linux's file systems allow
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f\ud800-\udfff]')
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.IGNORECASE)


def unique_stems(files: Sequence[Path]) -> list[str]:
    """Return for each file a name with which the names of its pictures start.

    Args:
        files: paths in any folders; their names may be the same.

    Returns:
        A name for each file, unique even if case is ignored: the file's own name without a known
        extension, with a number if an earlier file has the same name. A numbered name is never
        another file's own name. Characters that Windows forbids become "_", and names longer than
        `MAX_BYTES` in UTF-8 are cut.

    Example:
        >>> unique_stems([Path("a/1.2.3"), Path("a/1.2.4"), Path("a/film.png"), Path("b/Film.dcm")])
        ['1.2.3', '1.2.4', 'film', 'Film-2']
    """
    own = [_shortened(_stem(file.name), MAX_BYTES) for file in files]
    reserved = {_key(stem) for stem in own}
    taken: set[str] = set()
    return [_claimed(stem, taken, reserved) for stem in own]


def unique_places(places: Sequence[Path]) -> list[Path]:
    """Return for each file the path below the output folder with which its pictures start.

    Args:
        places: relative paths of the files.

    Returns:
        A path for each file: its folder, and a name from `unique_stems` for the files of this
        folder.

    Example:
        >>> [place.as_posix() for place in unique_places([Path("a/x.png"), Path("b/x.png")])]
        ['a/x', 'b/x']
    """
    folders = [Path(*map(_cleaned, place.parent.parts)) for place in places]
    inside: dict[str, list[int]] = {}
    for number, folder in enumerate(folders):
        inside.setdefault(_key(folder.as_posix()), []).append(number)
    made = list(places)
    for numbers in inside.values():
        stems = unique_stems([places[number] for number in numbers])
        for number, stem in zip(numbers, stems, strict=True):
            made[number] = folders[number] / stem
    return made


def _stem(name: str) -> str:
    path = Path(name)
    return _cleaned(path.stem if path.suffix.lower() in EXTENSIONS else name)


def _cleaned(name: str) -> str:
    name = _FORBIDDEN.sub("_", name) or "_"
    return f"_{name}" if _DEVICE.match(name) else name


def _shortened(stem: str, size: int) -> str:
    return stem.encode()[:size].decode(errors="ignore")


def _key(stem: str) -> str:
    # Windows and macOS ignore case, and macOS also ignores how accents are composed.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", stem).casefold())


def _claimed(stem: str, taken: set[str], reserved: set[str]) -> str:
    name, number = stem, 1
    while _key(name) in taken or (number > 1 and _key(name) in reserved):
        number += 1
        ending = f"-{number}"
        name = _shortened(stem, MAX_BYTES - len(ending)) + ending
    taken.add(_key(name))
    return name
