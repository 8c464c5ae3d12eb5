"""Films for the benchmarks of many files: small JPEGs, and DICOM of a detector's size."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import gdcm
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEGLosslessSV1,
    generate_uid,
)

from cxr_gradcam.synthetic.chest import draw_phantom

DRAWN = 8
"""Films that are drawn; the others are these with other noise."""

DETECTOR = 2500, 2000
"""Rows and columns."""


def jpegs(folder: Path, count: int, size: int = 224) -> list[Path]:
    """Write so many different JPEGs, square, of 8 bits."""
    drawn = [draw_phantom(seed, size=size, opacity=seed % 2 == 0).pixels for seed in range(DRAWN)]
    rng = np.random.default_rng(0)
    paths = [folder / f"{number:05}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        noisy = drawn[number % DRAWN] + rng.normal(0, 0.02, (size, size))
        Image.fromarray((255 * noisy.clip(0, 1)).astype(np.uint8)).save(path, quality=90)
    return paths


def dicoms(folder: Path, count: int, *, lossless: bool) -> list[Path]:
    """Write so many DICOM files of a detector's size, 12 bits, uncompressed or JPEG Lossless.

    Only `DRAWN` of them differ; the others are links to these, which are read and decoded as well.
    """
    paths = [folder / f"{number:05}.dcm" for number in range(count)]
    for number, path in enumerate(paths):
        if number >= DRAWN:
            os.link(paths[number % DRAWN], path)
            continue
        _dataset(_detected(number), number).save_as(path, enforce_file_format=True)
        if lossless:
            _compress(path)
    return paths


def _detected(seed: int) -> NDArray[np.uint16]:
    """Draw a chest at the size of a detector, with a detector's noise."""
    small = draw_phantom(seed, size=512, opacity=seed % 2 == 0).pixels
    grey = 4095 * cv2.resize(small, DETECTOR[::-1], interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(seed).normal(0, 4, DETECTOR)
    return (grey + noise).clip(0, 4095).astype("<u2")


def _dataset(pixels: NDArray[np.uint16], number: int) -> Dataset:
    made = Dataset()
    made.SOPClassUID = DigitalXRayImageStorageForPresentation
    made.SOPInstanceUID = generate_uid(entropy_srcs=["film", str(number)])
    made.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    made.SeriesInstanceUID = generate_uid(entropy_srcs=["series"])
    made.PatientName, made.PatientID, made.Modality = "Phantom", "1", "DX"
    made.PhotometricInterpretation, made.SamplesPerPixel = "MONOCHROME2", 1
    made.Rows, made.Columns = pixels.shape
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
    made.PixelRepresentation = 0
    made.WindowCenter, made.WindowWidth = 2048, 4096
    made.PixelData = pixels.tobytes()
    made["PixelData"].VR = "OW"
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def _compress(path: Path) -> None:
    """Rewrite a file as JPEG Lossless, first-order prediction."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    change = gdcm.ImageChangeTransferSyntax()
    syntax = gdcm.TransferSyntax.GetTSType(str(JPEGLosslessSV1))
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    is_read = reader.Read()
    change.SetInput(reader.GetImage())
    is_changed = change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))  # which empties the file
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    if not (is_read and is_changed and writer.Write()):
        raise RuntimeError(f"{path} was not compressed")
