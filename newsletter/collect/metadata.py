"""Pictures without what cameras and editors write into them: positions, names, dates, thumbnails, earlier versions.

Every format is a row of parts. Only those stay that a browser needs to show the picture, so that what nobody thought
of goes too; so does all that follows the end, where phones put films and some editors leave what was cropped away.
Nothing is decoded.

Sources: PNG third edition, section 11; JPEG ITU-T T.81, annex B; Exif 2.32, section 4.6; GIF89a; RFC 9649 (WebP).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

PNG_PARTS: Final = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP mDCV cLLI sBIT bKGD pHYs acTL fcTL fdAT".split()
)
WEBP_PARTS: Final = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"})
WEBP_METADATA_FLAGS: Final = 0x0C  # in VP8X: there is Exif, there is XMP
GIF_LOOPS: Final = frozenset({b"NETSCAPE2.0", b"ANIMEXTS1.0"})

EOI: Final = 0xD9
SOS: Final = 0xDA
APP0: Final = 0xE0
APP1: Final = 0xE1
COMMENT: Final = 0xFE
JPEG_PARTS: Final = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}  # without the last, wrong colours
EXIF: Final = b"Exif\0\0"
ORIENTATION: Final = 0x0112
UPRIGHT: Final = 1
ORIENTATIONS: Final = range(1, 9)

# Inside a scan FF is followed by 00 or a restart mark; anything else ends it.
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def kind_of(data: bytes) -> str | None:
    """What its first bytes say: png, jpeg, gif or webp; None for everything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    magic = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF87a": "gif", b"GIF89a": "gif"}
    return next((kind for first, kind in magic.items() if data.startswith(first)), None)


def without_metadata(data: bytes) -> bytes:
    """The same picture, pixel for pixel, with nothing about whoever made it; doing it twice changes nothing more.

    Raises:
        ValueError: it is none of the four kinds, or its parts do not follow each other to the end.
    """
    kind = kind_of(data)
    if kind is None:
        raise ValueError("no PNG, JPEG, GIF or WebP")
    return _CLEANERS[kind](data)


def _part(data: bytes, at: int, size: int) -> bytes:
    part = data[at : at + size]
    if len(part) < size:
        raise ValueError("it ends too early")
    return part


def _number(data: bytes, at: int, size: int, order: Literal["little", "big"] = "big") -> int:
    return int.from_bytes(_part(data, at, size), order)


def _png(data: bytes) -> bytes:
    kept, at, name = [data[:8]], 8, b""
    while name != b"IEND":
        name = _part(data, at + 4, 4)
        chunk = _part(data, at, 12 + _number(data, at, 4))
        kept += [chunk] if name in PNG_PARTS else []
        at += len(chunk)
    return b"".join(kept)


def _webp(data: bytes) -> bytes:
    kept, at, end = b"", 12, 8 + _number(data, 4, 4, "little")
    while at < end:
        size = _number(data, at + 4, 4, "little")
        chunk = _part(data, at, 8 + size + size % 2)
        at += len(chunk)
        if chunk[:4] == b"VP8X":
            chunk = chunk[:8] + bytes([_number(chunk, 8, 1) & ~WEBP_METADATA_FLAGS]) + chunk[9:]
        kept += chunk if chunk[:4] in WEBP_PARTS else b""
    return b"RIFF" + (4 + len(kept)).to_bytes(4, "little") + b"WEBP" + kept


def _gif(data: bytes) -> bytes:
    at = 13 + _colours(_number(data, 10, 1))
    kept = [_part(data, 0, at)]
    while (mark := _part(data, at, 1)) != b";":
        if mark not in b",!":
            raise ValueError("its parts do not follow each other")
        is_image = mark == b","
        blocks = at + (11 + _colours(_number(data, at + 9, 1)) if is_image else 2)
        end = _after_blocks(data, blocks)
        is_timing = data[at + 1] == 0xF9  # noqa: PLR2004 -- the graphic control extension
        kept += [data[at:end]] if is_image or is_timing or data[at + 3 : at + 14] in GIF_LOOPS else []
        at = end
    return b"".join((*kept, b";"))


def _colours(flags: int) -> int:
    """How many bytes the table of colours takes that these flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    while size := _number(data, at, 1):
        at += 1 + size
    return at + 1


def _jpeg(data: bytes) -> bytes:
    kept, at = [data[:2]], 2
    while True:
        if _part(data, at, 1) != b"\xff":
            raise ValueError("its parts do not follow each other")
        mark = _number(data, at + 1, 1)
        if mark == EOI:
            return b"".join((*kept, data[at : at + 2]))
        if mark == 0xFF:  # noqa: PLR2004 -- a byte that fills up
            at += 1
            continue
        segment = _part(data, at, 2 + max(2, _number(data, at + 2, 2)))
        kept.append(_kept_of(mark, segment))
        at += len(segment)
        if mark == SOS:
            found = _SCAN_END.search(data, at)
            end = found.start() if found else len(data)
            kept.append(data[at:end])
            at = end


def _kept_of(mark: int, segment: bytes) -> bytes:
    """What stays of a segment: of Exif, which way up the picture is, since phones turn it by nothing else."""
    if mark == APP1 and segment[4:10] == EXIF and (turned := _orientation(segment[10:])) != UPRIGHT:
        entry = ORIENTATION.to_bytes(2) + b"\0\3\0\0\0\1\0" + bytes([turned]) + b"\0\0"
        body = EXIF + b"MM\0*\0\0\0\x08\0\1" + entry + b"\0\0\0\0"
        return b"\xff\xe1" + (2 + len(body)).to_bytes(2) + body
    is_ours = not (APP0 <= mark < APP0 + 16 or mark == COMMENT)
    return segment if is_ours or (mark in JPEG_PARTS and segment[4:].startswith(JPEG_PARTS[mark])) else b""


def _orientation(tiff: bytes) -> int:
    """The orientation in the first directory; upright where there is none."""
    order: Literal["little", "big"] = "little" if tiff[:2] == b"II" else "big"
    start = 2 + int.from_bytes(tiff[4:8], order)
    entries = int.from_bytes(tiff[start - 2 : start], order)
    for at in range(start, min(start + 12 * entries, len(tiff)), 12):
        if int.from_bytes(tiff[at : at + 2], order) == ORIENTATION:
            turned = int.from_bytes(tiff[at + 8 : at + 10], order)
            return turned if turned in ORIENTATIONS else UPRIGHT
    return UPRIGHT


_CLEANERS: Final[dict[str, Callable[[bytes], bytes]]] = {"png": _png, "jpeg": _jpeg, "gif": _gif, "webp": _webp}
