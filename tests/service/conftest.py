"""A running service without a network: real decoder processes, a tiny real ONNX artifact, requests through ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from models import SPECS
from models.study import Part, Study
from service.app import create_app
from service.settings import Settings
from tests.service.artifact import build_artifact
from tests.service.studies import METADATA, hip_png


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    study = Study((Part(hip_png(), "image"),), dict(METADATA))
    build_artifact(folder / "bmd", SPECS["bmd"], study)
    return folder


@pytest.fixture(scope="session")
def settings(artifacts: Path) -> Settings:
    limits = {"max_request_bytes": 4 << 20, "max_metadata_bytes": 4096, "max_instances": 8}
    return Settings(artifacts=artifacts, models=("bmd",), gate=False, decoder_workers=1, **limits)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        await app.state.proved.wait()
        yield app


@pytest_asyncio.fixture(loop_scope="session")
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://chiasm") as client:
        yield client
