"""run.json, in the folder of every run: what made its networks, session by session, and how long each took.

Recipe and cohort belong to the run: one with others is refused. Code and environment belong to a session: a run may go on under others,
which is told and recorded. Of the cohort there stand its folder's name, the number of rows and two digests: of its content (each row's
table entries and its files' bytes, whatever they are called and wherever they lie), and of what reads it (the spec and the code that
makes tensors of files). No patient's data, and no place on a machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from training.curves import read_history
from training.data import Cohort, reading_digest
from training.environment import Facts
from training.recipes import Recipe
from training.sources import Row
from training.storage import RecordError, locked, replacing

Record = dict[str, Any]
NAME = "run.json"
TOLD_OF_SESSIONS = ("code", "environment", "pretrained")


def read_record(run: Path) -> Record:
    """What made the run.

    Raises
    ------
    RecordError
        The folder is no run, or was made before runs were recorded so.
    """
    path = run / NAME
    if not path.exists():
        raise RecordError(f"{run} is no run: it has no {NAME}. `python -m training fit` makes one")
    record: Record = json.loads(path.read_text())
    if not isinstance(record.get("recipe"), dict):
        raise RecordError(f"{path} was written before runs were recorded in full: train into another --run")
    return record


def check_record(run: Path, recipe: Recipe, cohort: Cohort, name: str) -> None:
    """Leave recipe and cohort (in a folder called `name`) on record; a folder that holds others' networks is not gone on with.

    Raises
    ------
    FileExistsError
        The folder belongs to another recipe or cohort, or the code that reads studies has changed since.
    """
    facts = {"name": name, "rows": len(cohort.rows), "content": content_digest(cohort), "reading": reading_digest(cohort.spec)}
    seeds = {"splits": recipe.seed, "weights": recipe.seed, "epochs": f"1000 x {recipe.seed} + epoch"}
    mine = {"recipe": json.loads(json.dumps(asdict(recipe))), "seeds": seeds, "cohort": facts}
    with locked(run, wait=True):
        if not (run / NAME).exists():
            _write(run / NAME, mine | {"sessions": [], "networks": {}})
            return
    other = differences(_identity(read_record(run)), _identity(mine))
    if other:
        raise FileExistsError(f"{run} holds networks of another recipe, cohort or preprocessing ({', '.join(other)}): choose another --run")


@contextmanager
def session(run: Path, code: Facts, environment: Facts, command: Sequence[str], pretrained: Path | None = None) -> Iterator[list[str]]:
    """Record that networks are trained from now on, and, however that ends short of a kill, until when.

    Gives lines for the user: what is other than when the run was last trained.
    """
    begun = {
        "started": _now(), "ended": None, "command": shlex.join(without_places(command)), "code": code, "environment": environment,
        "pretrained": file_digest(pretrained) if pretrained else None,
    }  # fmt: skip
    with locked(run, wait=True):
        record = read_record(run)
        sessions = record["sessions"]
        _write(run / NAME, record | {"sessions": [*sessions, begun]})
    try:
        yield _changes(sessions[-1], begun) if sessions else []
    finally:
        with locked(run, wait=True):
            record = whole_record(run)
            record["sessions"][len(sessions)]["ended"] = _now()
            _write(run / NAME, record)


def whole_record(run: Path) -> Record:
    """The record with what its networks have reached by now; an epoch that was interrupted is not counted."""
    networks = {}
    for path in sorted(run.glob("*/*/history.csv")):
        history = read_history(path.parent)
        seconds = round(sum(row["seconds"] for row in history), 1)
        finished = (path.parent / "held_out.npz").exists()
        networks[path.parent.relative_to(run).as_posix()] = {"epochs": len(history), "seconds": seconds, "finished": finished}
    return read_record(run) | {"networks": networks}


def export_record(run: Path, artifact: Path) -> None:
    """Leave the record beside the artifact that came of the run, tied to it by the digest of its graph."""
    _write(artifact / NAME, {"artifact": file_digest(artifact / "model.onnx"), **whole_record(run)})


def tie_record(record: Record | None, artifact: Path) -> None:
    """The same record beside an artifact that was changed without being trained again."""
    if record is not None:
        _write(artifact / NAME, {**record, "artifact": file_digest(artifact / "model.onnx")})


def artifact_record(artifact: Path) -> Record | None:
    """The record beside an artifact; None where there is none, or it is another artifact's."""
    if not (artifact / NAME).exists() or not (artifact / "model.onnx").exists():
        return None
    record = read_record(artifact)
    return record if record.get("artifact") == file_digest(artifact / "model.onnx") else None


def differences(one: Record, other: Record, within: str = "") -> dict[str, tuple[Any, Any]]:
    """What differs between two records, by dotted name; None where one of them says nothing."""
    found: dict[str, tuple[Any, Any]] = {}
    for name in [*one, *(name for name in other if name not in one)]:
        mine, theirs = one.get(name), other.get(name)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            found |= differences(mine, theirs, f"{within}{name}.")
        elif mine != theirs:
            found[f"{within}{name}"] = (mine, theirs)
    return found


def content_digest(cohort: Cohort) -> str:
    """Of the rows and of their files' bytes; kept beside the tensors, which are made anew when either changes."""
    kept = cohort.folder / "content.sha256"
    if not kept.exists():
        digest = hashlib.sha256()
        for row in cohort.rows:
            digest.update(_row_facts(row).encode())
        with replacing(kept) as file:
            file.write(f"sha256:{digest.hexdigest()}".encode())
    return kept.read_text()


def file_digest(path: Path) -> str:
    """``sha256:<hex>`` of a file's bytes."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def without_places(command: Sequence[str]) -> list[str]:
    """A command line without the folders in which its files and folders lie."""
    words = (word.partition("=") if word.startswith("-") else ("", "", word) for word in command)
    return [f"{option}{sign}{Path(value).name if os.sep in value else value}" for option, sign, value in words]


def _row_facts(row: Row) -> str:
    """All that a row says, and digests of its files in the order in which they are sent."""
    files = {name: [file_digest(path) for path in _files(where)] for name, where in sorted(row.images.items())}
    told = [row.patient, dict(row.metadata), row.target, row.strata, row.group, row.part, row.side, files]
    return json.dumps(told, sort_keys=True)


def _files(where: Path) -> list[Path]:
    return sorted(where.iterdir()) if where.is_dir() else [where]


def _identity(record: Record) -> Record:
    """What must not change while a run goes on; a cohort may be moved."""
    return {"recipe": record["recipe"], "cohort": {name: value for name, value in record["cohort"].items() if name != "name"}}


def _changes(before: Record, now: Record) -> list[str]:
    changed = differences({name: before[name] for name in TOLD_OF_SESSIONS}, {name: now[name] for name in TOLD_OF_SESSIONS})
    return [f"this run goes on under another {name}: {was} before, {now} now" for name, (was, now) in changed.items()]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _write(path: Path, record: Record) -> None:
    with replacing(path) as file:
        file.write((json.dumps(record, indent=2) + "\n").encode())
