"""DCMTK's sender at the door: every transfer syntax that it offers, again and again, killed, and many at once."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from tests.service.gateway.door import (
    HERE,
    SMALL,
    Door,
    FullSpool,
    association,
    echoscu,
    hip,
    needs,
    small,
    store_dataset,
    storescu,
    tool,
    wait_until,
)
from tests.service.studies import hip_dicom


def eight_bit() -> dict[str, Any]:
    return {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "Rows": 64, "Columns": 64, "PixelData": bytes(range(256)) * 16}


TRANSCODERS = {  # storescu's option: what makes the file it sends
    "-xi": ("dcmconv", "+ti"), "-xe": ("dcmconv", "+te"), "-xb": ("dcmconv", "+tb"), "-xd": ("dcmconv", "+td"),
    "-xs": ("dcmcjpeg", "+e1"), "-xy": ("dcmcjpeg", "+eb"), "-xx": ("dcmcjpeg", "+ee"), "-xr": ("dcmcrle",),
    "-xt": ("dcmcjpls", "+el"), "-xu": ("dcmcjpls", "+en"), "-xv": ("gdcmconv", "-K"), "-xw": ("gdcmconv", "-K", "-Y"),
}  # fmt: skip


@pytest.mark.parametrize("option", TRANSCODERS)
def test_storescu_stores_in_every_transfer_syntax_that_it_offers(option: str, tmp_path: Path) -> None:
    (tmp_path / "plain.dcm").write_bytes(hip_dicom(**eight_bit() if option == "-xy" else {}))
    made = tool(*TRANSCODERS[option], tmp_path / "plain.dcm", tmp_path / "sent.dcm")
    assert made.returncode == 0, made.stderr
    sent = dcmread(tmp_path / "sent.dcm")
    with Door(tmp_path) as door:
        answered = storescu(door, "-R", option, tmp_path / "sent.dcm")
        assert answered.returncode == 0, answered.stderr
        (instance,) = door.received(sent.StudyInstanceUID)
        kept = door.stored(instance)
    assert kept.file_meta.TransferSyntaxUID == instance.transfer_syntax == sent.file_meta.TransferSyntaxUID
    assert kept.PixelData == sent.PixelData
    assert kept == sent


def test_the_same_instance_again_is_one_instance(tmp_path: Path) -> None:
    (tmp_path / "sent.dcm").write_bytes(hip_dicom())
    with Door(tmp_path) as door:
        assert storescu(door, "--repeat", 3, tmp_path / "sent.dcm").returncode == 0
        (instance,) = door.received(dcmread(tmp_path / "sent.dcm").StudyInstanceUID)
        assert door.files() == [instance.file]
        assert door.receiver.tally().operations == {("C-STORE", 0): 3}


def test_storescu_fails_where_its_object_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sent.dcm").write_bytes(hip_dicom())
    with Door(tmp_path, spool=FullSpool, min_free_bytes=1000) as door:
        assert "OutOfResources" in storescu(door, "-v", tmp_path / "sent.dcm").stderr.replace(" ", "")


def test_echo(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        assert echoscu(door).returncode == 0
        wait_until(lambda: door.receiver.tally().associations.get("released") == 1)
        assert door.receiver.tally().operations == {("C-ECHO", 0): 1}


def test_a_sender_that_is_killed_leaves_nothing_half_received(tmp_path: Path) -> None:
    needs("storescu")
    big = hip(Rows=6000, Columns=6000, PixelData=bytes(2 * 6000 * 6000))
    big.save_as(tmp_path / "big.dcm")
    with Door(tmp_path) as door:
        command = ["storescu", "--max-send-pdu", "4096", "-aec", "CHIASM", HERE, str(door.port), str(tmp_path / "big.dcm")]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as sender:
            wait_until(lambda: door.receiver.tally().open == 1)
            time.sleep(0.2)
            sender.send_signal(signal.SIGKILL)
        wait_until(lambda: door.receiver.tally().associations.get("aborted") == 1)
        assert door.received(big.StudyInstanceUID) == []
        assert door.files() == []
        with association(door) as other:
            assert store_dataset(other, small()) == 0


def test_many_senders_at_once_lose_nothing(tmp_path: Path) -> None:
    needs("storescu")
    studies = [generate_uid() for _ in range(5)]
    with Door(tmp_path) as door:
        senders = []
        for number, study in enumerate(studies):
            folder = tmp_path / f"study{number}"
            folder.mkdir()
            for count in range(20):
                (folder / f"{count}.dcm").write_bytes(hip_dicom(**SMALL, StudyInstanceUID=study))
            senders.append(subprocess.Popen(["storescu", "+sd", "-aec", "CHIASM", HERE, str(door.port), str(folder)]))
        assert [sender.wait(60) for sender in senders] == [0] * 5
        received = door.received(*studies)
        assert [len(door.received(study)) for study in studies] == [20] * 5
        assert door.files() == sorted(instance.file for instance in received)
        assert {door.stored(instance).SOPInstanceUID for instance in received} == {instance.sop_uid for instance in received}
