"""Image inputs that are one picture: the instance that fits is chosen by its header, and decoded as far as the network needs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from models.chosen import Chosen, Picture
from models.decode import Header, Limits, Side, decode
from models.errors import StudyError
from models.headers import Rejected, read_headers
from models.preprocess import sufficient_level, view_geometry
from models.select import select
from models.spec import ImageInput

LARGE_BYTES = 1 << 20  # SHA-256 takes half a millisecond of a processor that has instructions for it


def choose_picture(image: ImageInput, files: Sequence[bytes], limits: Limits, side: Side | None) -> Chosen:
    """Choose the file that fits an image input; errors are those of `read_headers` and `select`."""
    found = read_headers(image, files, limits)
    readable = [index for index, header in enumerate(found) if isinstance(header, Header)]
    headers = tuple(header for header in found if isinstance(header, Header))
    selection = select(image, headers, side)
    rejected = [Rejected((readable[rejection.index],), rejection.reason) for rejection in selection.rejected]
    rejected += [Rejected((index,), str(error)) for index, error in enumerate(found) if isinstance(error, StudyError)]
    index, header = readable[selection.index], headers[selection.index]
    make = partial(decode_picture, image, files[index], header, limits)
    return Chosen(image, header, headers, (index,), selection.reason, tuple(rejected), make)


def decode_picture(image: ImageInput, data: bytes, header: Header, limits: Limits, side: Side | None) -> Picture:
    """Decode one file at the resolution that the network's view needs; errors are those of `decode`."""
    level = sufficient_level(image, view_geometry(image, header, side))
    with _digest(data, limits.threads) as digest:
        decoded = decode(data, header, limits, apply_voi=image.intensity.apply_voi, level=level)
    return Picture(decoded, digest())


@contextmanager
def _digest(data: bytes, threads: int) -> Iterator[Callable[[], str]]:
    """The SHA-256 of a file: computed beside the block where there is a core for it and the file is worth a thread."""
    if threads == 1 or len(data) < LARGE_BYTES:
        yield lambda: hashlib.sha256(data).hexdigest()
        return
    with ThreadPoolExecutor(1) as beside:
        yield beside.submit(lambda: hashlib.sha256(data).hexdigest()).result
