"""PNG files without an imaging library: 8-bit gray or color, equal pixels giving equal bytes."""

import base64
import struct
import zlib

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GRAY, _COLOR = 0, 2
# Each line as differences of neighboring pixels, which are mostly small, and so pack well.
_DIFFERENCES = 1


def encode_png(pixels: np.ndarray) -> bytes:
    """Pixels (H, W) or (H, W, 3), uint8, as the content of a PNG file."""
    height, width = pixels.shape[:2]
    lines = np.ascontiguousarray(pixels).reshape(height, width, -1)
    differences = np.concatenate([lines[:, :1], lines[:, 1:] - lines[:, :-1]], axis=1).reshape(height, -1)
    marked = np.insert(differences, 0, _DIFFERENCES, axis=1)
    header = struct.pack(">2I5B", width, height, 8, _GRAY if pixels.ndim == 2 else _COLOR, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(marked.tobytes(), 9)), (b"IEND", b"")]
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks)


def png_uri(pixels: np.ndarray) -> str:
    """The same as the address of an image that a page holds itself."""
    return "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
