"""Makes the files of the self-test: ``python -m tests.models.decode.vectors``."""

import imagecodecs
import numpy as np

from models.decode.selftest import VECTORS, pattern
from tests.models.decode import synthetic as made

DEFLATED = "1.2.840.10008.1.2.1.99"
HTJ2K = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203")
NATIVE = (made.IMPLICIT, made.EXPLICIT, made.BIG, DEFLATED)


def vectors():
    """File name -> bytes."""
    deep, shallow = pattern(12), pattern(8).astype(np.uint8)
    files = {f"{syntax}.dcm": made.dicom(deep, syntax=syntax) for syntax in NATIVE}
    for syntax in (made.RLE, made.EXTENDED, made.LOSSLESS, made.LOSSLESS_SV1, made.LS, made.J2K):
        files[f"{syntax}.dcm"] = made.compressed(deep, syntax)
    lossy = {
        made.LS_NEAR: imagecodecs.jpegls_encode(deep, level=2),
        made.J2K_LOSSY: imagecodecs.jpeg2k_encode(deep, level=75, codecformat="j2k", bitspersample=12, reversible=False),
        HTJ2K[2]: imagecodecs.htj2k_encode(deep, level=0.0001, reversible=False),
    }
    files[f"{made.BASELINE}.dcm"] = made.compressed(shallow, made.BASELINE, bits=8)
    lossless = {syntax: imagecodecs.htj2k_encode(deep, reversible=True) for syntax in HTJ2K[:2]}
    for syntax, frame in (lossy | lossless).items():
        files[f"{syntax}.dcm"] = made.compressed(deep, syntax, frames=[bytes(frame)])
    return files | {"vector.png": made.png(shallow), "vector.jpeg": made.jpeg(shallow)}


if __name__ == "__main__":
    VECTORS.mkdir(exist_ok=True)
    for name, data in vectors().items():
        (VECTORS / name).write_bytes(data)
