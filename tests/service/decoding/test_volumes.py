"""Volumes and genotypes through a real decoder process, within its time and its memory."""

import asyncio
import gzip
import tarfile
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from models.decode import Limits
from models.errors import StudyError, TooLargeError
from models.study import Part, Study, read_study
from service.decoding.pool import DecoderPool
from service.decoding.process import Bounds
from tests.models.decode.real import DATA, needs_data
from tests.models.genotypes.files import vcf
from tests.models.genotypes.test_reading import FULL
from tests.models.heads import METADATA, SCORES, mri, pet, volume_file

MEMORY_BYTES, TIMEOUT_S = 2 << 30, 20.0  # as the service is set
GENOTYPES = Part(gzip.compress(vcf()), "genotypes")
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def decode() -> AsyncIterator[DecoderPool]:
    async with DecoderPool(1, Limits(), Bounds(timeout_s=TIMEOUT_S, memory_bytes=MEMORY_BYTES)) as decode:
        yield decode


def study(mri_files, pet_files, metadata=METADATA):
    named = [Part(data, "mri") for data in mri_files] + [Part(data, "pet") for data in pet_files]
    return Study((*named, GENOTYPES), dict(metadata))


async def test_a_reading_of_volumes_and_genotypes_crosses_unchanged(decode):
    sent = study(mri(), pet())
    here, there = read_study(FULL, sent, Limits()), await decode(FULL, sent)
    assert (there.images, there.genotypes, there.quality) == (here.images, here.genotypes, here.quality)
    assert there.images[0].plane.volume == (56, 60, 64)
    assert all((there.tensors[name] == here.tensors[name]).all() for name in here.tensors)


async def test_a_volume_that_would_fill_the_memory_is_refused_before_it_does(decode):
    claimed = bytearray(gzip.decompress(volume_file()))
    claimed[42:48] = (2000).to_bytes(2, "little") * 3
    for data in (bytes(claimed), gzip.compress(bytes(claimed))):
        with pytest.raises((TooLargeError, StudyError)):
            await decode(FULL, study([data], [volume_file()]))
    assert (await decode(FULL, study([volume_file("LPI")], [volume_file()]))).images


@needs_data
async def test_a_real_t1_series_takes_a_few_seconds_of_a_worker(decode):
    with tarfile.open(DATA / "alzheimer" / "t1_dicom_series_studyforrest.tar.xz") as archive:
        files = [archive.extractfile(member).read() for member in archive.getmembers() if member.isfile()]
    started = asyncio.get_running_loop().time()
    reading = await decode(FULL, study(files, [(DATA / "alzheimer" / "mni_icbm152_t1.nii.gz").read_bytes()], {**SCORES, "age_years": 47.0}))
    assert asyncio.get_running_loop().time() - started < 6
    assert (reading.images[0].files, reading.images[0].plane.volume) == (384, (384, 384, 274))
