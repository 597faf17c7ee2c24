"""Every decoder is tried with a known image, and one that fails is not used."""

import numpy as np
import pytest

from models.decode import Limits, read_header, selftest
from models.decode.codecs import SYNTAXES
from models.decode.selftest import VECTORS, self_test, without_failed
from models.errors import UnsupportedFormatError
from tests.models.decode.vectors import vectors


def test_every_transfer_syntax_and_picture_format_is_tried_and_works_here():
    tested = self_test()
    assert {each.syntax for each in tested} == {*SYNTAXES, "png", "jpeg"}
    assert [each.name for each in tested if not each.works] == []
    assert all(each.decoder for each in tested)


def test_the_vectors_are_tiny_and_there_is_none_without_a_syntax():
    files = list(VECTORS.iterdir())
    assert {file.name for file in files} == set(vectors())
    assert max(file.stat().st_size for file in files) < 4096


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.1"])
def test_a_decoder_that_gives_other_values_fails_and_its_syntax_is_refused(uid, monkeypatch):
    monkeypatch.setattr(selftest, "stored_values", lambda *_: np.full((selftest.ROWS, selftest.COLUMNS), 7, np.uint16))
    tested = self_test()
    assert not any(each.works for each in tested)
    monkeypatch.undo()
    with pytest.raises(UnsupportedFormatError, match="self-test"):
        read_header((VECTORS / f"{uid}.dcm").read_bytes(), without_failed(Limits(), tested))


def test_a_missing_vector_is_a_failure_not_a_crash(monkeypatch, tmp_path):
    monkeypatch.setattr(selftest, "VECTORS", tmp_path)
    assert not any(each.works for each in self_test())
