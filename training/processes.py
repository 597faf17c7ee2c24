"""Worker processes that end with the one that started them, even where that one was killed and could tell them nothing."""

from __future__ import annotations

import os
import threading
from multiprocessing import connection, parent_process


def end_with_parent() -> None:
    """Initializer of a pool's worker: without it, workers of a killed command train on, beside those that take the run up again."""
    threading.Thread(target=_wait_and_end, daemon=True).start()


def _wait_and_end() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
