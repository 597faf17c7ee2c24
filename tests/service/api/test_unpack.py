"""Studies of several inputs: volumes and genotypes under their names, in every form that can hold them."""

from __future__ import annotations

import base64
import gzip
import json

import pytest
from starlette.requests import Request

from models import SPECS
from models.alzheimer import SPEC
from service.api.body import Budget, Lease, RequestLimits
from service.api.unpack import unpack
from service.errors import InvalidParameterError, UnsupportedMediaTypeError

LIMITS = RequestLimits(max_request_bytes=1 << 20, max_metadata_bytes=4096, max_instances=8, receive_timeout_s=5.0)
DICOM, NIFTI = bytes(128) + b"DICM" + bytes(8), gzip.compress(b"a volume", mtime=0)
VCF = gzip.compress(b"##fileformat=VCFv4.2\n", mtime=0)


async def unpacked(content_type, body, spec=SPEC):
    sent = [{"type": "http.request", "body": body, "more_body": False}]
    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", content_type.encode())]}

    async def receive():
        return sent.pop()

    return await unpack(Request(scope, receive), spec, LIMITS, Lease(Budget(1 << 30)))


def form(**files):
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n\r\n'.encode() + data + b"\r\n"
        for name, several in files.items() for data in (several if isinstance(several, list) else [several])
    ]  # fmt: skip
    return "multipart/form-data; boundary=b", b"".join([*parts, b"--b--\r\n"])


def related(*parts):
    pieces = [f"--b\r\nContent-Type: {kind}\r\n\r\n".encode() + data + b"\r\n" for kind, data in parts]
    return 'multipart/related; type="application/dicom"; boundary=b', b"".join([*pieces, b"--b--\r\n"])


def as_json(**files):
    images = {name: [{"content_type": kind, "data": base64.b64encode(data).decode()}] for name, (kind, data) in files.items()}
    return "application/json", json.dumps({"images": images}).encode()


async def test_a_form_names_volumes_and_genotypes():
    study = await unpacked(*form(mri=[DICOM, DICOM], pet=NIFTI, genotypes=VCF, metadata=b'{"sex": "male"}'))
    assert [part.input for part in study.parts] == ["mri", "mri", "pet", "genotypes"]
    assert (study.parts[2].data, study.parts[3].data) == (NIFTI, VCF)
    assert study.metadata == {"sex": "male"}


@pytest.mark.parametrize("kind", ["application/gzip", "text/vcf", "application/x-nifti", "", "application/octet-stream"])
async def test_json_holds_nifti_and_vcf_whatever_they_are_called(kind):
    study = await unpacked(*as_json(mri=(kind, NIFTI), genotypes=(kind, VCF)))
    assert [(part.input, part.data) for part in study.parts] == [("mri", NIFTI), ("genotypes", VCF)]


@pytest.mark.parametrize(("kind", "data"), [("application/gzip", DICOM), ("application/dicom", VCF), ("image/png", NIFTI)])
async def test_a_file_that_plainly_is_something_else_is_refused(kind, data):
    with pytest.raises(UnsupportedMediaTypeError):
        await unpacked(*as_json(mri=(kind, data)))


@pytest.mark.parametrize("kind", ["text/vcf", "application/gzip"])
async def test_genotypes_may_stand_beside_dicom_instances_for_a_model_that_reads_them(kind):
    body = related(("application/dicom", DICOM), (kind, VCF))
    assert [part.input for part in (await unpacked(*body)).parts] == [None, None]
    with pytest.raises(UnsupportedMediaTypeError):
        await unpacked(*body, spec=SPECS["bmd"])


async def test_genotypes_are_an_unknown_part_for_a_model_that_reads_none():
    with pytest.raises(InvalidParameterError) as refusal:
        await unpacked(*form(image=DICOM, genotypes=VCF), spec=SPECS["bmd"])
    assert "genotypes" not in refusal.value.hint
    with pytest.raises(InvalidParameterError) as refusal:
        await unpacked(*form(mri=NIFTI, genome=VCF))
    assert "genotypes" in refusal.value.hint


async def test_a_body_in_single_bytes_does_not_become_a_million_objects():
    data = DICOM + bytes(200_000)
    sent = ({"type": "http.request", "body": data[at : at + 1], "more_body": at + 1 < len(data)} for at in range(len(data)))
    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/dicom")]}

    async def receive():
        return next(sent)

    (part,) = (await unpack(Request(scope, receive), SPECS["bmd"], LIMITS, Lease(Budget(1 << 30)))).parts
    assert part.data == data
    assert len(part.pieces) < 10
