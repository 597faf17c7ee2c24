"""Files are whole or not there; a folder has one worker."""

import pytest

from training.storage import locked, replacing


def test_a_folder_is_worked_in_by_one_process_at_a_time(tmp_path):
    with locked(tmp_path / "run"), pytest.raises(FileExistsError, match="another process"), locked(tmp_path / "run"):
        pass
    with locked(tmp_path / "run"):  # it was given back
        pass


def test_a_file_that_could_not_be_written_leaves_the_one_before(tmp_path):
    (tmp_path / "file").write_bytes(b"before")
    with pytest.raises(TypeError), replacing(tmp_path / "file") as file:
        file.writelines([b"half", "and something that is no bytes"])
    assert (tmp_path / "file").read_bytes() == b"before"
