"""Pictures made by hand, part by part: whole, and with whatever a camera or an editor might add."""

from __future__ import annotations

import zlib

SECRET = b"46.2044 N 6.1432 E"
SCAN = b"\xff\xda\x00\x04\x01\x00" + b"pixels \xff\x00 more \xff\xd0 pixels"
TABLE = b"\xff\xdb\x00\x05\x00\x01\x02"


def chunk(name: bytes, data: bytes) -> bytes:
    """A part of a PNG."""
    return len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4)


def png(*extra: bytes, tail: bytes = b"") -> bytes:
    """One white pixel, and extra chunks."""
    head = chunk(b"IHDR", b"\0\0\0\1\0\0\0\1\x08\0\0\0\0")
    pixels = chunk(b"IDAT", zlib.compress(b"\0\xff"))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + pixels + chunk(b"IEND", b"") + tail


def segment(mark: int, data: bytes) -> bytes:
    """A part of a JPEG."""
    return bytes([0xFF, mark]) + (len(data) + 2).to_bytes(2) + data


def jpeg(*extra: bytes, tail: bytes = b"") -> bytes:
    """The parts of a progressive JPEG, two scans, and extra segments in front."""
    jfif = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
    return b"\xff\xd8" + jfif + b"".join(extra) + TABLE + SCAN + TABLE + SCAN + b"\xff\xd9" + tail


def exif(orientation: int, order: str = "<") -> bytes:
    """The segment that a camera writes: which way up, and where it was."""
    short = (lambda n: n.to_bytes(2, "little")) if order == "<" else (lambda n: n.to_bytes(2, "big"))
    first = (8).to_bytes(4, "little" if order == "<" else "big")
    where = short(0x8825) + short(4) + b"\0" * 8
    turned = short(0x0112) + short(3) + b"\1\0\0\0" + short(orientation) + b"\0\0"
    tiff = (b"II*\0" if order == "<" else b"MM\0*") + first + short(2) + where + turned + b"\0\0\0\0" + SECRET
    return segment(0xE1, b"Exif\0\0" + tiff)


def gif(*extra: bytes, tail: bytes = b"") -> bytes:
    """One pixel in two colours, and extra blocks."""
    pixels = b",\0\0\0\0\1\0\1\0\0\x02\x02\x44\x01\x00"
    return b"GIF89a\1\0\1\0\x80\0\0" + b"\0\0\0\xff\xff\xff" + b"".join(extra) + pixels + b";" + tail


def riff(name: bytes, data: bytes) -> bytes:
    """A part of a WebP."""
    return name + len(data).to_bytes(4, "little") + data + b"\0" * (len(data) % 2)


def webp(*extra: bytes, flags: int = 0x1C, tail: bytes = b"") -> bytes:
    """An extended WebP that says that it has alpha, Exif and XMP; and extra chunks."""
    body = b"WEBP" + riff(b"VP8X", bytes([flags]) + b"\0" * 9) + riff(b"VP8L", b"/pixels") + b"".join(extra)
    return b"RIFF" + len(body).to_bytes(4, "little") + body + tail
