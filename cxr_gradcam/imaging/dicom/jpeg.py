"""JPEG Lossless, 12-bit JPEG and JPEG-LS, decoded by GDCM in a separate process for each frame.

A crash, an endless loop or a leak of the decoder ends only that process, and no pixels of one
patient stay in memory that decodes the next patient's. Starting the process takes about 0.1 s.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import JPEGExtended12Bit, JPEGLossless, JPEGLSNearLossless

from cxr_gradcam.imaging.dicom.code_stream import FrameHeader, jpeg_header

_SCRIPT = Path(__file__).with_name("gdcm_decoder.py")
_EXTENDED, _LOSSLESS, _LS = 0xC1, 0xC3, 0xF7
_SYNTAXES = {_EXTENDED: JPEGExtended12Bit, _LOSSLESS: JPEGLossless, _LS: JPEGLSNearLossless}
_END = b"\xff\xd9"

# 5 million pixels take 0.3 s of CPU time; the limit of elapsed time allows for a busy machine.
_CPU_SECONDS, _CPU_SECONDS_PER_MEGAPIXEL, _CLOCK_SECONDS = 3, 0.4, 60
# The interpreter with GDCM in bytes, and the copies of the pixels that Python's interface makes
_MEMORY, _COPIES = 384 * 2**20, 10


def needs_gdcm(header: FrameHeader) -> bool:
    """Return whether a code stream is JPEG Lossless, JPEG-LS, or JPEG of more than 8 bits."""
    return header.marker in (_LOSSLESS, _LS) or (
        header.marker == _EXTENDED and header.precision > 8
    )


def decode_with_gdcm(frame: bytes) -> NDArray[np.unsignedinteger]:
    """Decode a code stream for which `needs_gdcm` is true.

    Args:
        frame: The code stream; the caller has checked the size that it announces.

    Returns:
        Samples (H, W) or (H, W, S), uint8 up to a precision of 8 bits and uint16 above.

    Raises:
        ValueError: If the code stream is cut short, or the decoder fails or exceeds a limit.
        ModuleNotFoundError: If python-gdcm is not installed.
    """
    header = jpeg_header(frame)
    if _END not in frame.rstrip(b"\0")[-64:]:
        # The decoder would fill the rest with arbitrary values.
        raise ValueError("the code stream has no end")
    kind = np.dtype(np.uint8 if header.precision <= 8 else np.uint16)
    pixels = np.frombuffer(_run(frame, header, kind.itemsize), dtype=kind)
    shape = (header.rows, header.columns, header.samples)
    return pixels.reshape(shape[:2] if header.samples == 1 else shape)


def _run(frame: bytes, header: FrameHeader, sample_bytes: int) -> bytes:
    count = header.rows * header.columns * header.samples
    request = {
        **header._asdict(),
        "syntax": str(_SYNTAXES[header.marker]),
        "folder": _folder_of_gdcm(),
        "memory": _MEMORY + 2 * len(frame) + _COPIES * count * sample_bytes,
        "seconds": int(_CPU_SECONDS + _CPU_SECONDS_PER_MEGAPIXEL * count / 1e6),
    }
    del request["marker"]
    # Isolated: no environment variable and no file beside the script can affect it.
    ended = subprocess.run(  # noqa: S603 - the interpreter itself and a script of this package
        [sys.executable, "-I", "-S", str(_SCRIPT), json.dumps(request)],
        input=frame,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=_CLOCK_SECONDS,
        check=False,
    )
    if ended.returncode:
        raise ValueError(f"the decoder ended with status {ended.returncode}")
    return ended.stdout


def _folder_of_gdcm() -> str:
    spec = importlib.util.find_spec("gdcm")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("python-gdcm is not installed")
    return str(Path(spec.origin).parent)
