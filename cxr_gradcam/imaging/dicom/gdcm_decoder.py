"""Decode one JPEG code stream with GDCM, in the process of its own that `jpeg` starts.

Run as a script: the frame comes from standard input, the pixels go to standard output. It imports
nothing of this package, so that it starts quickly.
"""

import json
import os
import sys
from types import ModuleType


def limit(memory: int, seconds: int) -> None:
    """Let the system end this process at so many bytes of address space or seconds of CPU."""
    try:
        import resource
    except ImportError:  # Windows has no such limits; there the time limit of `jpeg` is left.
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
    """Return the samples of a frame, colour by pixel, in the machine's byte order."""
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
    # GDCM hands its buffer out as a str.
    return bytes(image.GetBuffer().encode("utf-8", "surrogateescape"))


def main() -> None:
    """Decode what standard input holds, as the first argument describes it."""
    request = json.loads(sys.argv[1])
    # The decoder may print, so it gets another standard output.
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
