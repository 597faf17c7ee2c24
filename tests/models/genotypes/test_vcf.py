"""VCF: every way to write a call, and every way to be wrong about it."""

import contextlib
import gzip
import time

import numpy as np
import pytest

from models.errors import TooLargeError, UnreadableGenotypesError, UnsuitableGenotypesError, UnsupportedFormatError
from models.genotypes import read_genotypes
from models.genotypes.lines import lines_of
from models.spec import Genotypes, Panel, Variant
from tests.models.decode.real import DATA, needs_data
from tests.models.genotypes.files import B37, COLUMNS, END, FORMS, PANEL, PART, PLACES, bgzip, record, vcf, with_record


def read(data, part=PART, panel=PANEL):
    return read_genotypes(data, panel, part)


def called(data, index=0):
    return read(data).tensor[index]


def checks(data):
    return {check.check: check for check in read(data).quality}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_calls_stand_in_the_order_of_the_panel_however_the_file_is_packed(form, end):
    genotypes = ["0/0", "0|1", "1|0", "1/1", "./."]
    text = vcf(*reversed([record(index, each) for index, each in enumerate(genotypes)]), end=end)
    reading = read(FORMS[form](text))
    assert reading.tensor.tolist() == [0, 1, 1, 2, -1]
    assert reading.tensor.dtype == np.float32
    assert (reading.used.called, reading.used.variants, reading.used.format) == (4, 5, "VCF")
    assert len(reading.used.sha256) == 64


@pytest.mark.parametrize(("genotype", "copies"), [
    ("0/0", 0), ("0|0", 0), ("0/1", 1), ("1|0", 1), ("1/1", 2), ("|1|1", 2), ("./.", -1), (".|.", -1), (".", -1), ("./1", -1), ("0/.", -1),
    ("1", -1), ("0/1/1", -1), ("", -1),
])  # fmt: skip
def test_a_call_is_two_alleles_or_none(genotype, copies):
    assert called(with_record(0, genotype)) == copies


@pytest.mark.parametrize(("changed", "copies"), [
    ({"alt": "G,C", "genotype": "0/2"}, 1), ({"alt": "G,C", "genotype": "2|2"}, 2), ({"alt": "G,C", "genotype": "0/1"}, -1),
    ({"alt": "G,C", "genotype": "1/2"}, -1), ({"alt": "G", "genotype": "0/0"}, 0), ({"alt": "G", "genotype": "0/1"}, -1),
    ({"alt": ".", "genotype": "0/0"}, 0), ({"alt": "<NON_REF>", "genotype": "0/0"}, 0), ({"alt": "C,<NON_REF>", "genotype": "0/1"}, 1),
    ({"alt": "C,*", "genotype": "1/2"}, -1), ({"ref": "TG", "alt": "CG,T", "genotype": "0/1"}, 1),
    ({"ref": "TG", "alt": "CG,T", "genotype": "1/2"}, -1), ({"ref": "t", "alt": "c", "genotype": "1/1"}, 2),
    ({"ref": "C", "alt": "T", "genotype": "0/0"}, 2), ({"ref": "C", "alt": "T", "genotype": "0/1"}, 1),
    ({"ref": "C", "alt": ".", "genotype": "0/0"}, 2), ({"ref": "A", "alt": "G", "genotype": "0/1"}, -1),
    ({"filter": "LowQual"}, -1), ({"filter": "."}, 1), ({"format": "DP:GT", "genotype": "12:0/1"}, 1),
    ({"format": "DP", "genotype": "12"}, -1),
    ({"chrom": "chr19"}, 1), ({"chrom": "X"}, -1), ({"pos": 45411942}, -1),
])  # fmt: skip
def test_alleles_are_told_by_their_bases_not_by_their_numbers(changed, copies):
    assert called(with_record(0, **changed)) == copies


@pytest.mark.parametrize("index", [3, 4])
def test_complementary_alleles_the_other_way_round_are_no_call(index):
    _, _, reference, alternate = PLACES[index]
    assert called(with_record(index, "1/1"), index) == 2
    assert called(with_record(index, "1/1", ref=alternate, alt=reference), index) == -1
    assert "strand-ambiguous" in checks(with_record(index, "1/1", ref=alternate, alt=reference))["genotypes_called"].detail


def test_of_a_record_split_by_allele_the_one_about_the_panel_s_counts():
    rest = [record(index) for index in range(1, 5)]
    for split in ([record(0, "0/1"), record(0, "0/1", alt="G")], [record(0, "0/0", alt="G"), record(0, "1/1")]):
        assert called(vcf(*split, *rest)) in {1, 2}


def test_a_variant_that_stands_twice_with_different_calls_is_refused():
    with pytest.raises(UnreadableGenotypesError, match="twice"):
        read(vcf(record(0, "0/1"), record(0, "1/1"), *[record(index) for index in range(1, 5)]))
    assert called(vcf(record(0, "./."), record(0, "1/1"), *[record(index) for index in range(1, 5)])) == 2


def test_a_position_that_the_file_does_not_mention_is_not_called():
    data = vcf(*[record(index) for index in range(1, 5)])
    assert called(data) == -1
    assert "1 not in the file" in checks(data)["genotypes_called"].detail


def test_too_few_calls_are_refused_with_what_is_missing():
    with pytest.raises(UnsuitableGenotypesError, match=r"3 of 5 variants .* are not called, more than 40%: 2 not in the file, 1 no call"):
        read(vcf(record(0), record(1), record(2, "./.")))


@pytest.mark.parametrize(("header", "passed"), [
    ([B37], True), (["##contig=<ID=chr1,assembly=b37,length=249250621>"], True), (["##reference=hs37d5.fa"], True),
    (["##reference=hg19.fa", "##contig=<length=249250621,ID=1>"], True), ([], False), (["##contig=<ID=1>"], False),
    (["##reference=hg19ToHg38.fa"], False),
])  # fmt: skip
def test_a_file_that_does_not_state_its_build_is_a_reservation(header, passed):
    assert checks(vcf(header=header))["genotype_build"].passed is passed


@pytest.mark.parametrize("header", [["##contig=<ID=chr1,length=248956422>"], ["##reference=GRCh38.fa"], ["##contig=<ID=1,assembly=hg38>"],
                                    ["##reference=hg19.fa", "##contig=<ID=2,length=242193529>"]])  # fmt: skip
def test_another_build_is_refused(header):
    with pytest.raises(UnsuitableGenotypesError, match="on GRCh38, the panel is on GRCh37"):
        read(vcf(header=header))


def test_other_alleles_at_the_panel_s_positions_are_another_build_or_strand():
    swapped = [record(index, ref="G" if index else "A", alt="A" if index else "G") for index in range(5)]
    with pytest.raises(UnsuitableGenotypesError, match="other alleles"):
        read(vcf(*swapped, header=[]))


@pytest.mark.parametrize("samples", [(), ("a", "b")])
def test_one_person_is_read(samples):
    with pytest.raises(UnsuitableGenotypesError, match=f"{len(samples)} samples"):
        read(vcf(samples=samples))


@pytest.mark.parametrize("data", [
    vcf(version="##fileformat=VCFv3.3"), vcf(version="##fileformat=VCFv5.0"),
])  # fmt: skip
def test_another_version_is_no_format_that_is_read(data):
    with pytest.raises(UnsupportedFormatError):
        read(data)


@pytest.mark.parametrize("data", [
    b"##fileformat=VCFv4.2\n", b"##fileformat=VCFv4.2\n##a=b\n", vcf().replace(b"#CHROM", b"#CHROMOSOME"), vcf()[:-30],
    vcf().replace(b"0/1", b"0/7"),
    vcf() + b"19\n", vcf() + b"\n", vcf("19\t45411941\t."), gzip.compress(vcf())[:-9], bgzip(vcf())[: -len(END)], bgzip(vcf())[:-1],
    gzip.compress(vcf()) + b"junk", gzip.compress(vcf())[:90] + b"\xff" * 40, gzip.compress(vcf()[:-40]) + gzip.compress(vcf()[-40:])[:-3],
])  # fmt: skip
def test_a_broken_file_is_refused_without_its_words(data):
    with pytest.raises((UnreadableGenotypesError, UnsuitableGenotypesError)) as refusal:
        read(data)
    assert "person" not in str(refusal.value)


@pytest.mark.parametrize("content", [b"#" * (32 << 20), b"\n" * (32 << 20)])
def test_a_bomb_is_refused_before_it_is_inflated(content):
    given = []
    with pytest.raises(TooLargeError, match="1 MiB"):
        given.extend(lines_of(gzip.compress(content, 1), 1 << 20))
    assert len(given) + sum(map(len, given)) <= 1 << 20


def test_a_line_without_end_is_refused():
    with pytest.raises(TooLargeError):
        read(gzip.compress(vcf() + b"#" * (40 << 20), 1))


def test_damaged_files_are_read_or_refused_and_nothing_else():
    rng = np.random.default_rng(0)
    for packed in (vcf(), bgzip(vcf())):
        for _ in range(400):
            data = bytearray(packed)
            for position in rng.integers(0, len(data), rng.integers(1, 5)):
                data[position] = rng.integers(256)
            length = rng.choice([len(data), rng.integers(1, len(data))])
            with contextlib.suppress(TooLargeError, UnreadableGenotypesError, UnsuitableGenotypesError, UnsupportedFormatError):
                assert set(read(bytes(data[:length])).tensor.tolist()) <= {-1, 0, 1, 2}


def test_a_chip_s_worth_of_lines_takes_a_few_seconds():
    text = vcf(*[f"7\t{position}\t.\tA\tG\t.\tPASS\t.\tGT\t0/1" for position in range(1, 300_000)], *[record(index) for index in range(5)])
    start = time.process_time()  # of this process alone: what else the machine does is no matter
    assert read(gzip.compress(text, 1)).used.called == 5
    assert time.process_time() - start < 10  # lines looked at more than once would take minutes


@needs_data
def test_real_calls_of_the_1000_genomes_project():
    text = gzip.decompress((DATA / "alzheimer" / "genotypes_1kg_chr21.vcf.gz").read_bytes()).decode()
    header = [line for line in text.splitlines() if line.startswith("##")]
    records = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    simple = [each for each in records if len(each[3]) == len(each[4]) == 1]
    panel = Panel(name="chr21", build="GRCh37", variants=tuple(
        Variant(chromosome=each[0], position=each[1], reference=each[3], alternate=each[4], mode=0) for each in (
            (row[0], int(row[1]), row[2], row[3], row[4]) for row in simple)
    ))  # fmt: skip
    part = Genotypes(name="genotypes", description="", max_missing=0.02)
    with pytest.raises(UnsuitableGenotypesError, match="2504 samples"):
        read_genotypes(gzip.compress(text.encode()), panel, part)
    for person in (9, 400, 2512):
        one = "\n".join([*header, "\t".join([*COLUMNS, "P"]),
                         *["\t".join([*each[:9], each[person]]) for each in records], ""])  # fmt: skip
        reading = read_genotypes(bgzip(one.encode(), 60_000), panel, part)
        assert reading.tensor.tolist() == [each[person].count("1") for each in simple]
        assert all(check.passed for check in reading.quality)
