"""PLINK .raw, the panel's JSON, what is neither, and genotypes as a part of a study."""

import gzip
import json

import pytest

from models.alzheimer import SPEC
from models.decode import Limits
from models.errors import (
    MissingGenotypesError,
    StudyError,
    UnreadableGenotypesError,
    UnsuitableGenotypesError,
    UnsupportedFormatError,
)
from models.genotypes import is_genotypes, panel_digest, read_genotypes
from models.spec import Measured
from models.study import NoPanelError, Part, Study, read_study
from tests.models.decode.real import DATA, needs_data
from tests.models.genotypes.files import FORMS, PANEL, PART, PLACES, raw, vcf
from tests.models.heads import METADATA, volume_file

FULL = SPEC.with_measured(Measured(training_data="made up", recipe="none", seed=0, panel=PANEL))
IMAGES = (Part(volume_file(), "mri"), Part(volume_file("LPI"), "pet"))


def read(data):
    return read_genotypes(data, PANEL, PART)


def tensor(data):
    return read(data).tensor.tolist()


def panel_json(calls=(1, 0, 2, 1, -1), panel=PANEL.name, **more):
    return json.dumps({"panel": panel, "calls": list(calls), **more}).encode()


def test_every_format_says_the_same():
    text = vcf(*["\t".join([*map(str, place[:2]), ".", *place[2:], ".", "PASS", ".", "GT", genotype])
                 for place, genotype in zip(PLACES, ("0/1", "0/0", "1/1", "1|0", "./."), strict=True)])  # fmt: skip
    assert tensor(text) == tensor(raw()) == tensor(panel_json()) == [1, 0, 2, 1, -1]
    assert {read(data).used.format for data in (text, raw(), panel_json())} == {"VCF", "PLINK .raw", "panel JSON"}


@pytest.mark.parametrize("form", FORMS)
def test_raw_may_be_packed_and_separated_by_tabs(form):
    assert tensor(FORMS[form](raw(separator="\t"))) == [1, 0, 2, 1, -1]


def test_raw_columns_count_the_allele_that_they_name():
    names = ["chr19:45411941_T", "19_45412079_T", "1:207692049_G(/A)", "2:127892810_T", "11:85868640:C:G_C"]
    assert tensor(raw("0 1 2 1 2", names)) == [2, 1, 2, -1, 0]  # a complementary pair without both alleles could be the other strand


def test_raw_columns_of_heterozygosity_and_of_other_variants_are_passed_over():
    names = [*[f"{a}:{b}:{c}:{d}_{d}" for a, b, c, d in PLACES], "19:45411941:T:C_HET", "7:5:A:G_G", "rs429358_C"]
    assert tensor(raw("1 0 2 1 NA 1 2 0", names)) == [1, 0, 2, 1, -1]


@pytest.mark.parametrize(("data", "error"), [
    (raw(people=2), UnsuitableGenotypesError), (raw(people=0), UnsuitableGenotypesError),
    (raw(names=["rs1_C", "rs2_T", "rs3_G", "rs4_T", "rs5_G"]), UnsuitableGenotypesError),
    (raw("1 0 2 1"), UnreadableGenotypesError), (raw("1 0 2 1 3"), UnreadableGenotypesError),
    (raw("1 0 2 1 0.97"), UnreadableGenotypesError),
    (raw().replace(b"PHENOTYPE ", b""), UnreadableGenotypesError),
    (raw(names=[f"{a}:{b}:G:A_A" for a, b, *_ in PLACES]), UnsuitableGenotypesError),
    (raw("NA NA NA 1 1"), UnsuitableGenotypesError),
])  # fmt: skip
def test_a_raw_file_that_is_not_one_person_s_calls_is_refused(data, error):
    with pytest.raises(error):
        read(data)


def test_the_panel_s_json_names_the_panel_by_name_or_digest():
    assert tensor(panel_json(panel=panel_digest(PANEL))) == [1, 0, 2, 1, -1]
    other = PANEL.model_copy(update={"variants": PANEL.variants[::-1]})
    assert panel_digest(other) != panel_digest(PANEL)


@pytest.mark.parametrize(("data", "error"), [
    (panel_json(panel="another"), UnsuitableGenotypesError), (panel_json((1, 2)), UnsuitableGenotypesError),
    (panel_json((1, 0, 2, 1, 3)), UnreadableGenotypesError), (panel_json((1, 0, 2, True, 0)), UnreadableGenotypesError),
    (panel_json((1, 0, 2, 1.0, 0)), UnreadableGenotypesError), (panel_json(more=1), UnreadableGenotypesError),
    (b"{" * 900, UnreadableGenotypesError), (b'{"panel": ' + b"[" * 900, UnreadableGenotypesError), (b"{} {}", UnreadableGenotypesError),
    (b'{"panel": "a", "panel": "test-panel", "calls": [1,0,2,1,0]}', UnreadableGenotypesError),
    (b'{"panel": "test-panel", "calls": [' + b"9" * 1000 + b"]}", UnsuitableGenotypesError),
    (b'{"panel": "test-panel", "calls": [1,0,2,1,' + b"9" * 900 + b"]}", UnreadableGenotypesError),
    (b" " * 5000 + panel_json(), UnsupportedFormatError),
    (panel_json() + b" " * 5000, UnsuitableGenotypesError), (panel_json(panel=["a"]), UnreadableGenotypesError),
    (panel_json((-1, -1, -1, 0, 0)), UnsuitableGenotypesError), (gzip.compress(panel_json(), mtime=0), UnsupportedFormatError),
])  # fmt: skip
def test_json_that_is_not_the_panel_s_is_refused(data, error):
    with pytest.raises(error):
        read(data)


@pytest.mark.parametrize("data", [b"BCF\2\2" + bytes(99), b"\x6c\x1b\x01", b"hello", b"\x1f\x8b" + bytes(30), volume_file(), b"PK\3\4"])
def test_what_is_no_genotypes_is_refused_with_the_way_to_convert_it(data):
    assert not is_genotypes(data)
    with pytest.raises(UnsupportedFormatError) as refusal:
        read(data)
    assert "bcftools" in refusal.value.hint


def test_an_empty_file_is_missing_genotypes():
    with pytest.raises(MissingGenotypesError):
        read(b"")


@needs_data
def test_no_plink_file_whole_or_broken_does_more_than_be_refused():
    for path in sorted([*(DATA / "alzheimer" / "plink").iterdir(), *(DATA / "alzheimer" / "plink_hostile").iterdir()]):
        with pytest.raises(StudyError):
            read(path.read_bytes())


def study(*parts, spec=FULL):
    return read_study(spec, Study((*IMAGES, *parts), dict(METADATA)), Limits())


@pytest.mark.parametrize("name", ["genotypes", None])
def test_genotypes_are_a_part_of_the_study_by_name_or_by_content(name):
    reading = study(Part(gzip.compress(vcf()), name))
    assert reading.tensors["genotypes"].tolist() == [1, 1, 1, 1, 1]
    assert (reading.genotypes.panel, reading.genotypes.called) == ("test-panel", 5)
    assert {"genotypes_called", "genotype_build"} <= {check.check for check in reading.quality if check.passed}


def test_a_study_has_one_file_of_genotypes():
    with pytest.raises(MissingGenotypesError):
        study()
    with pytest.raises(UnsuitableGenotypesError):
        study(Part(vcf(), "genotypes"), Part(raw(), None))


def test_an_artifact_without_a_panel_is_a_fault_of_ours_not_of_the_study():
    with pytest.raises(NoPanelError):
        study(Part(vcf(), "genotypes"), spec=SPEC)
