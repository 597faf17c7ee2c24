"""FastAPI and ONNX Runtime: what one writes in an hour. One process, a thread for each core."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import FastAPI, File, Form

from benchmarks.peers.study import CORES, Network, artifact, port


def create_app(folder: Path) -> FastAPI:
    """The server of one artifact."""
    network, threads, app = Network(folder), ThreadPoolExecutor(CORES), FastAPI()

    @app.post("/predict")
    async def predict(image: Annotated[bytes, File()], metadata: Annotated[str, Form()]) -> dict[str, list[float]]:
        return await asyncio.get_running_loop().run_in_executor(threads, network.answer, image, json.loads(metadata))

    return app


if __name__ == "__main__":
    uvicorn.run(create_app(artifact()), port=port(), log_level="warning")
