"""What was chosen for an image input, and the way from there to the network's tensor, its thumbnail and its provenance."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from models.decode import Header, Image, Side
from models.gate import GATE
from models.headers import Rejected, name_of
from models.prediction import DECODE, PREPROCESS, Plane, Quality, Tensors, UsedImage
from models.preprocess import image_tensor, resize_of, thumbnail
from models.spec import ImageInput

Timing = dict[str, float]


@dataclass(frozen=True, eq=False)
class Picture:
    """Decoded pixels and where they came from."""

    image: Image
    sha256: str
    files: int = 1
    plane: Plane | None = None
    instance_uids: tuple[str, ...] = ()  # of the files of a volume


@dataclass(frozen=True, eq=False)
class Chosen:
    """The files that were chosen for one image input, by their index among the candidates; nothing of them is decoded yet.

    `headers` are those of all candidates that can be read, `decode` makes the picture for a side.
    """

    image: ImageInput
    header: Header
    headers: tuple[Header, ...]
    files: tuple[int, ...]
    reason: str
    rejected: tuple[Rejected, ...]
    decode: Callable[[Side | None], Picture]
    quality: tuple[Quality, ...] = ()

    def checks(self) -> Iterator[Quality]:
        """What the header says, or fails to say, of the picture."""
        yield _body_part(self.image, self.header)
        if self.image.views:
            yield _view(self.image, self.header)
        yield _annotation(self.header)
        yield from self.quality


def read_picture(chosen: Chosen, side: Side | None, tensors: Tensors, thumbnails: Tensors | None, timing_ms: Timing) -> UsedImage:
    """Decode and preprocess what was chosen into `tensors` and, where they are wanted, `thumbnails`; say where it came from."""
    part = chosen.image
    with timed(timing_ms, DECODE):
        picture = chosen.decode(side)
    image, header = picture.image, picture.image.header
    with timed(timing_ms, PREPROCESS):
        tensors[part.name], geometry = image_tensor(part, image, side)
        if thumbnails is not None:
            thumbnails[part.name] = thumbnail(image, GATE.size, GATE.intensity)
    return UsedImage(
        input=part.name,
        sha256=picture.sha256,
        sop_instance_uid=header.sop_instance_uid,
        transfer_syntax=header.transfer_syntax,
        photometric_interpretation=header.photometric_interpretation,
        rows=header.rows,
        columns=header.columns,
        decoder=image.decoder,
        resolution_level=image.grid.level,
        lut=image.lut,
        geometry=geometry,
        resize=resize_of(part),
        chosen_because=chosen.reason,
        body_part=header.body_part,
        files=picture.files,
        series_instance_uid=header.series_instance_uid if picture.plane else "",
        plane=picture.plane,
        study_instance_uid=header.study_instance_uid,
        instance_uids=picture.instance_uids or (header.sop_instance_uid,),
    )


@contextmanager
def timed(timing_ms: Timing, stage: str) -> Iterator[None]:
    """Add what the block takes to the time of a stage."""
    start = time.perf_counter()
    yield
    timing_ms[stage] = timing_ms.get(stage, 0.0) + 1000 * (time.perf_counter() - start)


def _body_part(image: ImageInput, header: Header) -> Quality:
    if header.body_part:
        return Quality("body_part", passed=True, detail=f"the header states {header.body_part}")
    silent = "the header does not state the body part" if header.format == "dicom" else f"a {name_of(header)} has no header"
    accepted = " or ".join(image.body_parts)
    return Quality("body_part", passed=False, detail=f"{silent}: nothing shows that this is a {accepted}")


def _view(image: ImageInput, header: Header) -> Quality:
    stated, accepted = header.view_position, " or ".join(image.views)
    return Quality("view", bool(stated), f"the header states {stated}" if stated else f"nothing shows that the view is {accepted}")


def _annotation(header: Header) -> Quality:
    stated = header.burned_in
    detail = "the header states burned-in annotation: text may lie over the picture" if stated else "the header states none"
    return Quality("burned_in_annotation", passed=not stated, detail=detail)
