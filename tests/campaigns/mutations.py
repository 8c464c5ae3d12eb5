"""Ways to damage a file that get past its first check: lengths, offsets, tables, streams."""

import random
import re
import zlib

_EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
# Where numbers stand that a reader trusts: DICOM groups, JPEG markers, PNG chunks
_PLACES = re.compile(
    rb"\x28\0.\0|\x28\0.\x10|\x28\0.\x30|\xe0\x7f\x10\0|\xfe\xff\0\xe0|\x02\0\x10\0|\x08\0\x60\0"
    rb"|\xff[\xc0-\xcf\xda\xdb\xdd\xf7\xf8]|\xff[\x4f-\x5d]|IHDR|IDAT|eXIf|VP8|II\x2a\0|RIFF",
    re.DOTALL,
)
_PNG_CHUNK = re.compile(rb"....(?:IHDR|IDAT|eXIf|PLTE|tRNS)", re.DOTALL)


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Return the file with one to six faults."""
    damaged = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4, 6))):
        if len(damaged) < 16:
            break
        rng.choice((_set_number, _set_number, _set_bytes, _flip, _cut, _repeat, _insert))(
            damaged, rng
        )
    return _with_checksums(damaged) if data.startswith(b"\x89PNG") else bytes(damaged)


def _place(data: bytearray, rng: random.Random) -> int:
    places = [match.start() for match in _PLACES.finditer(data)]
    if places and rng.random() < 0.8:
        return min(rng.choice(places) + rng.randint(0, 16), len(data) - 8)
    return rng.randrange(len(data) - 8)


def _set_number(data: bytearray, rng: random.Random) -> None:
    start, width = _place(data, rng), rng.choice((1, 2, 2, 4))
    value = rng.choice((*_EXTREMES, rng.getrandbits(32))) % 2 ** (8 * width)
    data[start : start + width] = value.to_bytes(width, rng.choice(("little", "big")))


def _set_bytes(data: bytearray, rng: random.Random) -> None:
    start = _place(data, rng)
    data[start : start + 4] = rng.randbytes(4)


def _flip(data: bytearray, rng: random.Random) -> None:
    data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _cut(data: bytearray, rng: random.Random) -> None:
    start = _place(data, rng)
    del data[start : start + rng.choice((1, 2, 8, 64, len(data)))]


def _repeat(data: bytearray, rng: random.Random) -> None:
    start = _place(data, rng)
    data[start:start] = data[start : start + rng.choice((2, 8, 64, 512))]


def _insert(data: bytearray, rng: random.Random) -> None:
    start = _place(data, rng)
    data[start:start] = rng.randbytes(rng.choice((1, 2, 16)))


def _with_checksums(data: bytearray) -> bytes:
    """Return a PNG whose chunks' checksums hold again, so that its reader goes on."""
    for match in _PNG_CHUNK.finditer(bytes(data)):
        start = match.start() + 4
        end = start + 4 + int.from_bytes(data[match.start() : start])
        if end + 4 <= len(data):
            data[end : end + 4] = zlib.crc32(data[start:end]).to_bytes(4)
    return bytes(data)
