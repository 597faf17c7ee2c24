"""Which transfer syntaxes are read, and what decodes each: one table, one decoder per syntax, chosen here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import imagecodecs
import jpeg_ls
import numpy as np
from numpy.typing import NDArray

from models.decode import reduction
from models.decode.codestream import Codestream, probe_jpeg, probe_jpeg2000, probe_rle
from models.decode.dataset import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, Encoding
from models.decode.versions import versioned
from models.errors import UnreadableImageError

Samples = NDArray[np.unsignedinteger]
Buffer = bytes | bytearray | NDArray[np.unsignedinteger]


@dataclass(frozen=True)
class Codec:
    """One decoder: (frame, what the frame says of itself, Bits Allocated, threads) -> little-endian samples in one contiguous buffer."""

    distribution: str
    decode: Callable[[bytes, Codestream, int, int], Buffer]
    deepest: int = 16  # bits of a sample that it can decode

    @property
    def name(self) -> str:
        """The decoder and its version, as the answer reports it."""
        return versioned(self.distribution)

    def samples(self, frame: bytes, said: Codestream, bits_allocated: int, threads: int = 1) -> Samples:
        """Decode a frame to (rows * columns,) unsigned samples; the container is as wide as the decoder made it.

        Raises UnreadableImageError where not as many come out as the codestream says.
        """
        samples: Samples = np.frombuffer(self.decode(frame, said, bits_allocated, threads), "u1" if said.precision <= 8 else "<u2")
        if samples.size != said.rows * said.columns:
            raise UnreadableImageError("The decoded pixel data has another size than its codestream says.")
        return samples


@dataclass(frozen=True)
class Compression:
    """How the frames of a transfer syntax are compressed, and what decodes them: the first codec that is deep enough."""

    probe: Callable[[bytes], Codestream]
    codecs: tuple[Codec, ...]
    scaled: reduction.Scaled | None = None  # what decodes a lower resolution
    processes: frozenset[int] = frozenset({0})  # JPEG: the start of frame markers that the syntax allows

    def codec(self, precision: int) -> Codec:
        """The decoder of samples of so many bits; UnreadableImageError where there is none."""
        fitting = [codec for codec in self.codecs if precision <= codec.deepest]
        if not fitting:
            raise UnreadableImageError("The compressed pixel data has more bits than its transfer syntax allows.")
        return fitting[0]


@dataclass(frozen=True)
class Syntax:
    """A transfer syntax, by its name in PS3.6 table A-1; without a compression its pixel data is native."""

    name: str
    encoding: Encoding
    compression: Compression | None = None
    deflated: bool = False  # the whole data set, not its pixels


def _decode_rle(frame: bytes, said: Codestream, bits_allocated: int, _: int) -> Buffer:
    """Into memory of the size that the header demands. The decoder refuses segments that give more, and is silent of those that give less.

    It fills each byte plane from its first pixel to its last: where the last is what stood there before, whatever that was, a segment
    may have ended early, and what stands behind it would be memory that nobody wrote.
    """
    samples = np.empty(said.rows * said.columns * bits_allocated // 8, np.uint8)
    last = samples[-bits_allocated // 8 :]
    untouched = np.ones(last.shape, np.bool_)
    for unlikely in (0xA5, 0x5A):
        last[:] = unlikely
        imagecodecs.dicomrle_decode(frame, f"<u{bits_allocated // 8}", out=samples.data)
        untouched &= last == unlikely
        if not untouched.any():
            return samples
    raise UnreadableImageError("The RLE segments do not fit the pixel data.")


def _decode_jpeg2000(frame: bytes, _: Codestream, __: int, threads: int) -> Buffer:
    """By OpenJPEG, also for HTJ2K: OpenJPH takes half the time, but returns a picture for half a codestream."""
    samples: Samples = imagecodecs.jpeg2k_decode(frame, numthreads=threads)
    return samples


def _decode_jpeg_ls(frame: bytes, _: Codestream, *__: int) -> bytearray:
    samples: bytearray = jpeg_ls.decode_pixel_data(frame)[0]
    return samples


def _decode_jpeg(frame: bytes, said: Codestream, *_: int) -> Buffer:
    return reduction.decode_jpeg(frame, said, 0)


def _decode_jpeg_deep(frame: bytes, _: Codestream, *__: int) -> Buffer:
    samples: Samples = imagecodecs.jpeg8_decode(frame)
    return samples


BASELINE, EXTENDED, LOSSLESS, LS = 0xC0, 0xC1, 0xC3, 0xF7

JPEG_8 = Codec("simplejpeg", _decode_jpeg, deepest=8)
JPEG_DEEP = Codec("imagecodecs", _decode_jpeg_deep)

RLE = Compression(probe_rle, (Codec("imagecodecs", _decode_rle),))
JPEG_BASELINE = Compression(probe_jpeg, (JPEG_8,), reduction.JPEG, frozenset({BASELINE}))
JPEG_EXTENDED = Compression(probe_jpeg, (JPEG_8, JPEG_DEEP), reduction.JPEG, frozenset({BASELINE, EXTENDED}))
JPEG_LOSSLESS = Compression(probe_jpeg, (JPEG_DEEP,), processes=frozenset({LOSSLESS}))
JPEG_LS = Compression(probe_jpeg, (Codec("pyjpegls", _decode_jpeg_ls),), processes=frozenset({LS}))
JPEG_2000 = Compression(probe_jpeg2000, (Codec("imagecodecs", _decode_jpeg2000),), reduction.JPEG_2000)

SYNTAXES = {
    "1.2.840.10008.1.2": Syntax("Implicit VR Little Endian", IMPLICIT_LITTLE),
    "1.2.840.10008.1.2.1": Syntax("Explicit VR Little Endian", EXPLICIT_LITTLE),
    "1.2.840.10008.1.2.2": Syntax("Explicit VR Big Endian", EXPLICIT_BIG),
    "1.2.840.10008.1.2.1.99": Syntax("Deflated Explicit VR Little Endian", EXPLICIT_LITTLE, deflated=True),
    "1.2.840.10008.1.2.5": Syntax("RLE Lossless", EXPLICIT_LITTLE, RLE),
    "1.2.840.10008.1.2.4.50": Syntax("JPEG Baseline", EXPLICIT_LITTLE, JPEG_BASELINE),
    "1.2.840.10008.1.2.4.51": Syntax("JPEG Extended", EXPLICIT_LITTLE, JPEG_EXTENDED),
    "1.2.840.10008.1.2.4.57": Syntax("JPEG Lossless", EXPLICIT_LITTLE, JPEG_LOSSLESS),
    "1.2.840.10008.1.2.4.70": Syntax("JPEG Lossless SV1", EXPLICIT_LITTLE, JPEG_LOSSLESS),
    "1.2.840.10008.1.2.4.80": Syntax("JPEG-LS Lossless", EXPLICIT_LITTLE, JPEG_LS),
    "1.2.840.10008.1.2.4.81": Syntax("JPEG-LS Near-lossless", EXPLICIT_LITTLE, JPEG_LS),
    "1.2.840.10008.1.2.4.90": Syntax("JPEG 2000 Lossless", EXPLICIT_LITTLE, JPEG_2000),
    "1.2.840.10008.1.2.4.91": Syntax("JPEG 2000", EXPLICIT_LITTLE, JPEG_2000),
    "1.2.840.10008.1.2.4.201": Syntax("HTJ2K Lossless", EXPLICIT_LITTLE, JPEG_2000),
    "1.2.840.10008.1.2.4.202": Syntax("HTJ2K Lossless RPCL", EXPLICIT_LITTLE, JPEG_2000),
    "1.2.840.10008.1.2.4.203": Syntax("HTJ2K", EXPLICIT_LITTLE, JPEG_2000),
}

# References to pixels elsewhere, and deflated frames, which no archive was seen to hold: refused before the first byte is inflated.
REFUSED_DEFLATED = frozenset(
    {
        "1.2.840.10008.1.2.4.95",  # JPIP Referenced Deflate
        "1.2.840.10008.1.2.4.205",  # JPIP HTJ2K Referenced Deflate
        "1.2.840.10008.1.2.8.1",  # Deflated Image Frame Compression
    }
)
