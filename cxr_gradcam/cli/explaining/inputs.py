"""The files that `explain` works on: files, folders, patterns, ZIP archives, lists."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cxr_gradcam.batch.sources import Source, find_sources, listed


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add the files, and the list that names further ones."""
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="a radiograph, a folder, a ZIP archive, a pattern such as 'films/**/*.dcm', or a URI",
    )
    parser.add_argument(
        "--files-from",
        metavar="LIST",
        help="a text file with one of these a line; - for standard input",
    )


def sources_of(options: argparse.Namespace) -> list[Source]:
    """Return the files that the options of `add_inputs` name.

    Raises:
        ValueError: there are none.
        OSError: the list cannot be read.
    """
    names = [*options.files, *_from_list(options.files_from)]
    if not names:
        raise ValueError(
            "name radiographs: files, folders, ZIP archives, or a list by --files-from"
        )
    sources = find_sources(names)
    if not sources:
        raise ValueError(f"no files in {', '.join(map(str, names))}")
    return sources


def _from_list(path: str | None) -> list[str]:
    if path is None:
        return []
    if path == "-":
        return listed(sys.stdin)
    try:
        return listed(Path(path).read_text(encoding="utf-8-sig").split("\n"))
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no list of names: write one a line, in UTF-8") from None
