"""A script that decodes one JPEG code stream with GDCM; `jpeg` starts it in a separate process.

The frame is read from standard input, and the pixels are written to standard output. The script
imports nothing of this package, so it starts quickly.
"""

import json
import os
import sys
from types import ModuleType


def limit(memory: int, seconds: int) -> None:
    """Limit this process.

    Args:
        memory: Bytes of address space.
        seconds: Seconds of CPU time.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limits; only the time limit of `jpeg` applies.
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    # A core file would hold the patient's pixels.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def decode(
    gdcm: ModuleType,
    frame: bytes,
    *,
    columns: int,
    rows: int,
    samples: int,
    precision: int,
    syntax: str,
) -> bytes:
    """Decode a frame.

    Args:
        gdcm: The module.
        frame: The code stream.
        columns: Width in pixels.
        rows: Height in pixels.
        samples: Samples per pixel.
        precision: Bits per sample.
        syntax: The transfer syntax UID.

    Returns:
        The samples in native byte order, those of one pixel side by side.
    """
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(frame)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation
    image.SetPhotometricInterpretation(kind(kind.MONOCHROME2 if samples == 1 else kind.RGB))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(syntax)))
    bits = 8 if precision <= 8 else 16
    image.SetPixelFormat(gdcm.PixelFormat(samples, bits, precision, precision - 1, 0))
    # GDCM's Python interface returns the buffer as a str.
    return bytes(image.GetBuffer().encode("utf-8", "surrogateescape"))


def main() -> None:
    """Decode the frame on standard input; the first argument is JSON with limits and sizes."""
    request = json.loads(sys.argv[1])
    # The decoder may print, which must not get between the pixels.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    limit(request.pop("memory"), request.pop("seconds"))
    sys.path.append(request.pop("folder"))
    import gdcm

    pixels = decode(gdcm, sys.stdin.buffer.read(), **request)
    output.write(pixels)
    output.close()


if __name__ == "__main__":
    main()
