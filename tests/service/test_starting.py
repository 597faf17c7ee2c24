"""What the command does once the models have proved themselves."""

import asyncio
import gc
import socket
from types import SimpleNamespace

import uvicorn
from fastapi import FastAPI

from service.__main__ import Server


async def test_what_the_start_has_loaded_is_not_searched_for_rubbish_again():
    app = FastAPI()
    app.state.proved = asyncio.Event()
    app.state.proved.set()
    app.state.serving = SimpleNamespace(predictors={})
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Server(uvicorn.Config(app), app, 0.0)
        server.servers = [SimpleNamespace(sockets=[listening])]
        try:
            await server._tell()
            assert len(gc.get_objects()) < gc.get_freeze_count() / 10
        finally:
            gc.unfreeze()
