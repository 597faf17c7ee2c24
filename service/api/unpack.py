"""A request body becomes a Study: the four forms of POST /predict/{model}."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from models.spec import ModelSpec
from models.study import Part, Study
from service.api import multipart, strict_json
from service.api.body import Lease, RequestLimits, chunks
from service.errors import (
    InvalidParameterError,
    MalformedRequestError,
    Pointed,
    SlowRequestError,
    TooLargeRequestError,
    UnsupportedMediaTypeError,
)

T = TypeVar("T")
METADATA = "metadata"
DICOM, JSON, GZIP = "application/dicom", "application/json", "application/gzip"
GENOTYPES = {"text/vcf", "text/x-vcf", GZIP, "application/x-gzip"}  # none is registered; a bgzipped VCF is gzip
TOLD_APART = {DICOM, "image/png", "image/jpeg", GZIP}  # types that bytes show
SIGNATURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"\x1f\x8b": GZIP}
SIGNED_BYTES = 132  # that show what a file is; DICOM's come last (PS3.10 7.1)
LARGE_BYTES = 256 << 10  # parsing and decoding base64 beyond this takes more than a millisecond: not on the event loop


@dataclass(frozen=True)
class _Incoming:
    """A body on its way in, and what it is read against."""

    chunks: AsyncIterator[bytes]
    options: dict[bytes, bytes]  # the parameters of the Content-Type
    spec: ModelSpec
    limits: RequestLimits

    async def read(self) -> list[bytes]:
        """The whole body, in the pieces it came in."""
        return [chunk async for chunk in self.chunks]

    async def parts(self) -> list[multipart.BodyPart]:
        """The parts of a multipart body."""
        return await multipart.parts(self.chunks, self.options.get(b"boundary", b""), self.limits.max_instances + 1)

    def metadata(self, text: bytes) -> dict[str, Any]:
        """The metadata object."""
        return strict_json.metadata(text, self.limits.max_metadata_bytes)


async def unpack(request: Request, spec: ModelSpec, limits: RequestLimits, lease: Lease) -> Study:
    """The study that a request brings.

    Raises
    ------
    RequestError
        The body is malformed, too large, too slow, of another media type, or has parts that the model does not read.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    form = FORMS.get(kind.decode("latin-1").lower())
    if form is None:
        raise UnsupportedMediaTypeError("the Content-Type is absent or not one of the request forms")
    try:
        async with asyncio.timeout(limits.receive_timeout_s):
            study = await form(_Incoming(chunks(request, limits, lease), options, spec, limits))
    except TimeoutError:
        raise SlowRequestError(f"the body did not arrive within {limits.receive_timeout_s:g} s") from None
    if len(study.parts) > limits.max_instances:
        raise TooLargeRequestError(f"more than CHIASM_MAX_INSTANCES ({limits.max_instances}) files")
    return study


async def _form(incoming: _Incoming) -> Study:
    parts = await incoming.parts()
    texts = [part.data for part in parts if part.name == METADATA]
    if len(texts) > 1:
        raise MalformedRequestError("the part metadata occurs twice")
    files = [part for part in parts if part.name != METADATA]
    _check_names(incoming.spec, [part.name for part in files])
    return Study(tuple(Part(part.pieces, part.name) for part in files), incoming.metadata(texts[0]) if texts else {})


async def _related(incoming: _Incoming) -> Study:
    if incoming.options.get(b"type", DICOM.encode()).lower() != DICOM.encode():
        raise UnsupportedMediaTypeError('multipart/related must say type="application/dicom"')
    parts = await incoming.parts()
    beside = GENOTYPES if incoming.spec.genotypes else set()
    if any(part.content_type not in {DICOM, JSON, "", *beside} for part in parts):
        raise UnsupportedMediaTypeError("a part of multipart/related is neither application/dicom nor application/json")
    texts = [part.data for part in parts if part.content_type == JSON]
    if len(texts) > 1:
        raise MalformedRequestError("there is more than one application/json part")
    files = tuple(Part(part.pieces) if part.content_type in beside else _dicom(part.pieces) for part in parts if part.content_type != JSON)
    return Study(files, incoming.metadata(texts[0]) if texts else {})


async def _raw(incoming: _Incoming) -> Study:
    return Study((_dicom(await incoming.read()),), {})


class _JsonFile(msgspec.Struct, forbid_unknown_fields=True):
    data: bytes  # base64 in the JSON
    content_type: str = ""


class _JsonStudy(msgspec.Struct, forbid_unknown_fields=True):
    images: msgspec.Raw
    metadata: msgspec.Raw = msgspec.Raw(b"{}")


class _Key:
    """A member's name that equals no other: a dict keeps the members that JSON repeats."""

    def __init__(self, name: str) -> None:
        self.name = name


_members = msgspec.json.Decoder(dict[_Key, msgspec.Raw], dec_hook=lambda kind, name: kind(name)).decode


async def _json(incoming: _Incoming) -> Study:
    body = b"".join(await incoming.read())
    text, images = await asyncio.to_thread(_parse_json, body) if len(body) > LARGE_BYTES else _parse_json(body)
    metadata = incoming.metadata(text)
    _check_names(incoming.spec, list(images))
    files = [(name, file) for name, files in images.items() for file in files]
    for _, file in files:
        _check_declared(file.content_type, [file.data])
    return Study(tuple(Part(file.data, name) for name, file in files), metadata)


def _parse_json(body: bytes) -> tuple[bytes, dict[str, list[_JsonFile]]]:
    """The text of the metadata, and the files of each image input. Base64 is skipped, at memory speed, until its own turn."""
    try:
        study = _decode(body, _JsonStudy)
        images = _decode(study.images, dict[str, list[msgspec.Raw]])
        return bytes(study.metadata), {name: [_decode(file, _JsonFile) for file in files] for name, files in images.items()}
    except msgspec.ValidationError:
        raise MalformedRequestError(
            "the JSON is not of the form of a study",
            hint='Send {"images": {"<input>": [{"content_type": "application/dicom", "data": "<base64>"}]}, "metadata": {}}.',
        ) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise MalformedRequestError("the body is not JSON") from None


def _decode(text: bytes | msgspec.Raw, kind: type[T]) -> T:
    """A JSON object whose members each occur once: parsers differ about the others, and so about which study it is."""
    names = [key.name for key in _members(text)]
    if len(set(names)) < len(names):
        raise MalformedRequestError("a member of the JSON occurs twice")
    return msgspec.json.decode(text, type=kind)


FORMS: dict[str, Callable[[_Incoming], Awaitable[Study]]] = {
    "multipart/form-data": _form,
    "multipart/related": _related,
    DICOM: _raw,
    JSON: _json,
}


def _check_names(spec: ModelSpec, names: list[str]) -> None:
    """Refuse files under a name that no input has; the name itself is not repeated, it may say anything."""
    unknown = [number for number, name in enumerate(names) if name not in spec.file_inputs]
    if unknown:
        raise InvalidParameterError(
            f"{len(unknown)} part(s) are named after no input of {spec.name}",
            hint=f"Name the files {' or '.join(spec.file_inputs)}, and the JSON {METADATA}.",
            details=tuple(Pointed(f"/images/{number}", "unknown part name") for number in unknown),
        )


def _dicom(pieces: Sequence[bytes]) -> Part:
    _check_declared(DICOM, pieces)
    return Part(pieces)


def _check_declared(content_type: str, pieces: Sequence[bytes]) -> None:
    """Refuse bytes that plainly are something else than they are declared to be; what they are is the decoder's to say."""
    declared, actual = content_type.lower(), _signature(pieces)
    if actual and declared in TOLD_APART and declared != actual:
        raise UnsupportedMediaTypeError("a file is not what its content type says", hint="Declare what the file is, or leave the type out.")


def _signature(pieces: Sequence[bytes]) -> str | None:
    data = b"".join(piece[:SIGNED_BYTES] for piece in pieces[:SIGNED_BYTES])
    if data[128:SIGNED_BYTES] == b"DICM":
        return DICOM
    return next((kind for beginning, kind in SIGNATURES.items() if data.startswith(beginning)), None)
