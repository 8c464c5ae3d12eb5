"""Compare the reading of DICOM with DCMTK's dcmj2pnm, on pydicom's test images and made ones.

python -m tests.campaigns.dcmtk
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless

from cxr_gradcam.imaging.dicom.file import read_dicom
from cxr_gradcam.imaging.radiograph import RadiographError
from tests.campaigns.seeds import as_radiographs
from tests.imaging.dicom.dicom_files import (
    NOISE,
    baseline,
    compressed,
    dataset,
    file_of,
    lut,
    pieces,
    with_items,
)
from tests.imaging.dicom.jpeg_files import encapsulated, lossless

PROGRAM, PROGRAM_OF_JPEG_LS = "dcmj2pnm", "dcml2pnm"
ROUNDING = 1 / 255
"""What the output of 8 bits, and rounding in the steps before it, can make of a difference."""

MAX_BYTES = 10_000_000

# Grey of 16 bits, or colour of 8
_OUTPUTS = (("+on2", "png"), ("+op", "pnm"))


class Comparison(NamedTuple):
    """One file, read by both.

    Attributes:
        name: The file's name.
        difference: The greatest difference of grey values; None where one of both does not read
            the file, or where the sizes differ.
        said: What was said of it.
    """

    name: str
    difference: float | None
    said: str = ""


def is_installed() -> bool:
    """Return whether DCMTK's programs can be run."""
    return None not in map(shutil.which, (PROGRAM, PROGRAM_OF_JPEG_LS))


def displayed(data: bytes, windowing: list[str]) -> NDArray[np.float64] | str:
    """Return the grey values that DCMTK displays, or its message."""
    said = ""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "image.dcm")
        source.write_bytes(data)
        for program, (option, ending) in product((PROGRAM, PROGRAM_OF_JPEG_LS), _OUTPUTS):
            target = Path(folder, f"image.{ending}")
            run = subprocess.run(
                [program, option, "--frame", "1", *windowing, source, target],
                capture_output=True,
                text=True,
                check=False,
            )
            said = run.stderr.strip() or said
            if run.returncode == 0 and target.exists():
                return grey(np.asarray(Image.open(target)))
    return said


def grey(pixels: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return grey values in [0, 1] of an image of 8 or 16 bits, grey or in colour."""
    values = pixels.astype(np.float64) / (2 ** (8 * pixels.dtype.itemsize) - 1)
    return values @ [0.299, 0.587, 0.114] if values.ndim == 3 else values


def windowing_of(data: bytes) -> list[str]:
    """Return the options that make DCMTK apply what this reader applies."""
    header = pydicom.dcmread(BytesIO(data), force=True, stop_before_pixels=True)
    if header.get("VOILUTSequence"):
        return ["+Wl", "1"]
    if header.get("WindowCenter") is not None and header.get("WindowWidth"):
        return ["+Wi", "1"]
    return ["+Wm"] if header.get("SamplesPerPixel", 1) == 1 else []


def compare(name: str, data: bytes) -> Comparison:
    """Read one file with both."""
    theirs = displayed(data, windowing_of(data))
    try:
        ours = read_dicom(data)
    except RadiographError as error:
        return Comparison(name, None, f"not read here: {error}")
    if isinstance(theirs, str):
        return Comparison(name, None, f"not read by DCMTK: {theirs.splitlines()[-1:]}")
    if ours.shape != theirs.shape:
        return Comparison(name, None, f"sizes differ: {ours.shape}, DCMTK {theirs.shape}")
    return Comparison(name, float(np.abs(ours - theirs).max()))


def variants() -> Iterator[tuple[str, Dataset]]:
    """Yield the kinds of files that are read although the standard asks for others."""
    for interpretation in ("MONOCHROME1", "MONOCHROME2", "monochrome1", "MONOCHROME 1"):
        for shape in (None, "IDENTITY", "INVERSE", "INVERSE ", "LIN OD"):
            made = dataset(NOISE, PhotometricInterpretation=interpretation)
            if shape:
                made.PresentationLUTShape = shape
            yield f"{interpretation}, {shape}", made
    window = {"WindowCenter": 2000, "WindowWidth": 1500}
    for function in ("LINEAR", "SIGMOID", "SIGMOID "):
        yield f"VOI LUT Function {function!r}", dataset(NOISE, VOILUTFunction=function, **window)
    yield "two windows", dataset(NOISE, WindowCenter=[2000, 100], WindowWidth=[1500, 50])
    yield "rescale", dataset(NOISE, RescaleSlope=-2, RescaleIntercept=9000, **window)
    yield "VOI LUT", dataset(NOISE, VOILUTSequence=lut(0, 12, list(range(4096))))
    yield "signed", dataset(NOISE.astype(np.int16) - 2048)
    yield "high bit", dataset(NOISE << 4, BitsStored=12, HighBit=15)
    yield from fragments()
    deflated = dataset(NOISE)
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    yield "deflated", deflated
    yield "odd", dataset(NOISE[:33].astype(np.uint8))


def fragments() -> Iterator[tuple[str, Dataset]]:
    """Yield one frame in several fragments, with several offset tables."""
    made = {
        JPEGBaseline8Bit: baseline((NOISE >> 4).astype(np.uint8)),
        RLELossless: compressed(NOISE, RLELossless),
        "JPEG Lossless": encapsulated(lossless(NOISE, 12), NOISE, BitsStored=12),
    }
    for name, each in made.items():
        frame = pydicom.encaps.get_frame(each.PixelData, 0, number_of_frames=1)
        for table in ([], [0], [0, 7], [64]):
            for count in (1, 3):
                changed = with_items(each, table, pieces(frame, count))
                yield f"{name}, {count} fragments, table {table}", changed


def campaign() -> list[Comparison]:
    """Compare pydicom's images, as radiographs, and the variants."""
    made = [(name, file_of(each)) for name, each in variants()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = [(name, first_frame(data)) for name, data in as_radiographs(MAX_BYTES)]
        return [compare(name, data) for name, data in [*theirs, *made]]


def first_frame(data: bytes) -> bytes:
    """Return the file with its first frame alone."""
    header = pydicom.dcmread(BytesIO(data), force=True)
    announced = str(header.get("NumberOfFrames", ""))
    if not announced.isdigit() or announced in "01" or "PixelData" not in header:
        return data
    frames = int(announced)
    if header.file_meta.TransferSyntaxUID.is_encapsulated:
        frame = pydicom.encaps.get_frame(header.PixelData, 0, number_of_frames=frames)
        header.PixelData = pydicom.encaps.encapsulate([frame])
    else:
        header.PixelData = header.PixelData[: len(header.PixelData) // frames]
    header.NumberOfFrames = 1
    stream = BytesIO()
    header.save_as(stream)
    return stream.getvalue()


def main() -> int:
    """Run the campaign and print every difference; the status is 1 where DCMTK is missing."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--above", type=float, default=ROUNDING, help="the least that is printed")
    above = options.parse_args().above
    if not is_installed():
        print(f"{PROGRAM} is not installed: apt-get install dcmtk", file=sys.stderr)
        return 1
    found = campaign()
    both = [each for each in found if each.difference is not None]
    for each in found:
        if each.difference is None or each.difference > above:
            print(f"{each.name}: {each.said or round(each.difference, 4)}")
    same = sum(each.difference <= ROUNDING for each in both)
    print(json.dumps({"files": len(found), "read by both": len(both), "same": same}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
