"""What can be wrong with an ADNI-like cohort. One subject of it has DICOM series; the others have NIfTI files."""

import gzip

from tests.training.inspection import faults
from tests.training.inspection.cohort import dicom
from tests.training.inspection.faults import Found

PEOPLE, VISITS, SCORES, IMAGES = "PTDEMOG.csv", "DXSUM_PDXCONV_ADNIALL.csv", "ADSP_PHC_COGN.csv", "images.csv"


def missing(cohort):
    faults.missing(cohort)
    return Found("table", "Image Data ID its folder ADNI/<subject>/*/*/<image> holds 0 NIfTI files", cohort.rows[3].place)


def in_series(cohort):
    return next(index for index in range(len(cohort.rows)) if cohort.file(index).is_dir())


def other_kind(cohort):
    index = in_series(cohort)
    for path in cohort.rows[index].images["pet"].iterdir():
        with dicom(path) as dataset:
            dataset.Modality = "MR"
    return Found("unsuitable", "No image fits the input pet: modality is not PT", cohort.rows[index].place)


def header(cohort):
    index = in_series(cohort)
    for name in ("mri", "pet"):
        for path in cohort.rows[index].images[name].iterdir():
            with dicom(path) as dataset:
                dataset.PatientSex = "M" if dataset.PatientSex == "F" else "F"
    return Found("header", "the table contradicts the DICOM header in: sex", cohort.rows[index].place)


def leak(cohort):
    well = {row.patient for row in cohort.rows if row.target["cn"]}
    with cohort.table(VISITS) as records:
        numbers = {record["RID"] for record in records if record["PTID"] in well}
    with cohort.table(PEOPLE) as records:
        for record in records:
            record["PTEDUCAT"] = "20" if record["RID"] in numbers else "9"
    return Found("leak", "The field education_years gives cn away (AUC 1.000)")


def bad_cell(cohort):
    with cohort.table(PEOPLE) as records:
        records[9]["PTGENDER"] = "3"
    return Found("table", "PTGENDER is none of the codes", "PTDEMOG.csv:11")


def contradiction(cohort):
    with cohort.table(SCORES) as records:
        records[10]["DX"] = "1" if records[10]["DX"] == "3" else "3"
    return Found("left_out", "1 case is left out: diagnoses disagree", "", "look")


def two_sexes(cohort):
    with cohort.table(IMAGES) as records:
        records[0]["Sex"] = "M" if records[0]["Sex"] == "F" else "F"
    return Found("table", "Sex contradicts PTDEMOG", "images.csv:2")


def cut_genotypes(cohort):
    path = cohort.rows[11].images["genotypes"]
    path.write_bytes(path.read_bytes()[:-300])
    return Found("unreadable", "1 row would be refused", path.name)


def same_genotypes(cohort):
    """One person's calls under another's name."""
    one, other = (cohort.rows[index].images["genotypes"] for index in (12, 13))
    names = [path.name.removesuffix(".vcf.gz").encode() for path in (one, other)]
    other.write_bytes(gzip.compress(gzip.decompress(one.read_bytes()).replace(*names)))
    return Found("duplicate", "1 file stands in several rows as genotypes, the same call for call", cohort.rows[12].place)


def no_genotypes(cohort):
    cohort.rows[14].images["genotypes"].unlink()
    return Found("left_out", "1 case is left out: no genotype file", "", "look")


def bad_panel(cohort):
    path = cohort.folder / "genotypes" / "panel.csv"
    path.write_text(path.read_text().replace("GRCh37", "hg18", 1))
    return [Found("table", "build is not one of GRCh37 and GRCh38", "genotypes/panel.csv:2")]


TWELVE = {
    "missing": missing, "truncated": faults.truncated, "constant": faults.constant, "saturated": faults.saturated,
    "too small": faults.too_small, "same file": lambda cohort: faults.same_file(cohort, 0, 1),
    "same pixels": lambda cohort: faults.same_pixels(cohort, 0, 1), "other kind": other_kind, "leak": leak, "bad cell": bad_cell,
    "contradiction": contradiction, "header": header,
}  # fmt: skip
MORE = {
    "two sexes": two_sexes, "cut genotypes": cut_genotypes, "same genotypes": same_genotypes, "no genotypes": no_genotypes,
    "bad panel": bad_panel,
}  # fmt: skip
