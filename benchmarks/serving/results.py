"""What was measured so far, one JSON line a phase, so that a run that was interrupted goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Record = dict[str, Any]
KEY = ("model", "payload", "server", "round", "phase", "of")  # `of`: digests of the file and of the artifact


class OtherSettingsError(ValueError):
    """The results on disk were measured otherwise; the message is for whoever runs the benchmark."""


class Results:
    """A file of records, and the settings that all of them share in its first line.

    Raises
    ------
    OtherSettingsError
        The file was begun with other settings.
    """

    def __init__(self, path: Path, settings: Record, *, fresh: bool = False) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if fresh or not path.exists() or not path.read_text().strip():
            path.write_text(json.dumps(settings) + "\n")
        lines = path.read_text().splitlines()
        before = json.loads(lines[0])
        if before != settings:
            changed = ", ".join(f"{name} {before.get(name)}, now {value}" for name, value in settings.items() if before.get(name) != value)
            raise OtherSettingsError(f"{path} holds results of other settings ({changed}): go on with those, or begin anew with --fresh")
        self.records: list[Record] = [json.loads(line) for line in lines[1:] if line.endswith("}")]  # the last may be cut off
        self._done = {key_of(record) for record in self.records}
        path.write_text("\n".join([lines[0], *map(json.dumps, self.records)]) + "\n")

    def __contains__(self, key: tuple[Any, ...]) -> bool:
        return key in self._done

    def add(self, record: Record) -> None:
        """Keep one record, on disk at once."""
        with self._path.open("a") as file:
            file.write(json.dumps(record) + "\n")
        self.records.append(record)
        self._done.add(key_of(record))

    def of(self, **wanted: object) -> list[Record]:
        """The records that have these values, by round."""
        found = [record for record in self.records if all(record.get(name) == value for name, value in wanted.items())]
        return sorted(found, key=lambda record: int(record["round"]))


def key_of(record: Record) -> tuple[Any, ...]:
    """What is measured only once."""
    return tuple(record[name] for name in KEY)


def abba(names: Sequence[str], number: int) -> list[str]:
    """The order of a round: forwards, then backwards, so that a drift of the machine falls on all alike."""
    return list(names) if number % 2 == 0 else list(reversed(names))
