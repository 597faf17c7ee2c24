"""BentoML: a worker process for each core, one request at a time in each; files come as paths and JSON comes read, as is its way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bentoml

from benchmarks.peers.study import CORES, TIMEOUT_S, Network, artifact


@bentoml.service(workers=CORES, threads=1, traffic={"timeout": TIMEOUT_S})
class Study:
    """The service class that BentoML serves."""

    def __init__(self) -> None:
        self.network = Network(artifact())

    @bentoml.api(route="/predict")
    def predict(self, image: Path, metadata: dict[str, Any]) -> dict[str, list[float]]:
        """The answer."""
        return self.network.answer(image.read_bytes(), metadata)
