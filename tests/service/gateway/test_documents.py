"""Which content may stand in which class, and what the copy of a document is."""

from __future__ import annotations

from copy import deepcopy

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage, SecondaryCaptureImageStorage

from service.gateway.documents import classes, of_class
from tests.service.gateway.results import objects, opened

NEWEST, MIDDLE, OLDEST = Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage


def item(relation: str, value: str, *children: Dataset) -> Dataset:
    made = Dataset()
    made.RelationshipType = relation
    if value:
        made.ValueType = value
    else:
        made.ReferencedContentItemIdentifier = [1, 2]
    if children:
        made.ContentSequence = list(children)
    return made


def with_item(*added: Dataset) -> Dataset:
    report = opened(objects()[0])
    report.ContentSequence.extend(added)
    return report


def test_our_own_report_fits_all_three_and_a_page_only_its_own():
    assert classes(opened(objects()[0])) == (NEWEST, MIDDLE, OLDEST)
    assert classes(opened(objects()[1])) == (SecondaryCaptureImageStorage,)


@pytest.mark.parametrize(
    ("added", "allowed"),
    [
        (item("CONTAINS", "SCOORD", item("SELECTED FROM", "IMAGE")), (NEWEST, MIDDLE, OLDEST)),
        (item("CONTAINS", "SCOORD3D"), (NEWEST,)),
        (item("CONTAINS", "NUM", item("INFERRED FROM", "SCOORD3D")), (NEWEST,)),
        (item("CONTAINS", "TCOORD", item("SELECTED FROM", "SCOORD3D")), (NEWEST,)),
        (item("CONTAINS", "CODE", item("HAS PROPERTIES", "CONTAINER")), (NEWEST, MIDDLE)),
        (item("CONTAINS", "CODE", item("HAS OBS CONTEXT", "UIDREF")), (NEWEST, MIDDLE)),
        (item("CONTAINS", "PNAME", item("HAS PROPERTIES", "TEXT")), (NEWEST,)),
        (item("CONTAINS", "TABLE"), (NEWEST,)),
        (item("CONTAINS", "NUM", item("INFERRED FROM", "")), (NEWEST,)),
        (item("CONTAINS", "SCOORD", item("SELECTED FROM", "SCOORD")), (NEWEST,)),
    ],
)
def test_a_class_that_does_not_allow_the_content_is_not_proposed(added, allowed):
    assert classes(with_item(added)) == allowed


def test_the_copy_is_another_object_that_names_the_first_and_is_the_same_each_time():
    report = opened(objects()[0])
    before = deepcopy(report)
    copies = [of_class(report, each) for each in (MIDDLE, OLDEST)]
    assert report == before
    assert of_class(report, NEWEST) is report
    assert len({report.SOPInstanceUID, *(each.SOPInstanceUID for each in copies)}) == 3
    assert [of_class(report, each) for each in (MIDDLE, OLDEST)] == copies
    changed = {"SOPClassUID", "SOPInstanceUID", "PredecessorDocumentsSequence"}
    for copy in copies:
        assert {each.keyword for each in copy if each.keyword not in report or report[each.tag] != each} == changed
