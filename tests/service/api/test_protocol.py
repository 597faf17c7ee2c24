import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
import uvicorn

from service.api.protocol import BoundedProtocol


class Quick(BoundedProtocol):
    header_timeout_s = 0.3
    linger_s = 0.3
    linger_bytes = 2_000_000


async def answer(scope, receive, send) -> None:
    """Refuse at once, answer slowly, or read the body and answer."""
    if scope["path"] == "/slow":
        await asyncio.sleep(0.7)
    while scope["path"] != "/refuse" and (await receive()).get("more_body"):
        pass
    status = 413 if scope["path"] == "/refuse" else 200
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest_asyncio.fixture
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(answer, port=0, http=Quick, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield server.servers[0].sockets[0].getsockname()[1]
    await server.shutdown()


@asynccontextmanager
async def connected(port: int):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(5):
        yield reader, writer
    writer.close()


async def send_for_ever(writer: asyncio.StreamWriter, piece: bytes = b"x" * 1000, pause_s: float = 0.02) -> None:
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(pause_s)


@pytest.mark.parametrize("start", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\r\n"])
async def test_headers_that_do_not_come_to_an_end_are_cut_off(port, start):
    async with connected(port) as (reader, writer):
        writer.write(start)
        received = await reader.read()
    assert received.startswith(b"HTTP/1.1 408")
    assert b'"code":"slow_request"' in received


async def test_headers_that_trickle_are_cut_off_too(port):
    async with connected(port) as (reader, writer):
        async def trickle() -> None:
            while True:
                writer.write(b"X: y\r\n")
                await asyncio.sleep(0.05)

        writer.write(b"GET / HTTP/1.1\r\n")
        task = asyncio.create_task(trickle())
        received = await reader.read(12)
        task.cancel()
    assert received == b"HTTP/1.1 408"


async def test_an_idle_connection_is_kept(port):
    async with connected(port) as (reader, writer):
        for _ in range(3):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.5)


async def test_a_slow_answer_is_not_cut_off_by_what_follows_it(port):
    async with connected(port) as (reader, writer):
        writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"GET / HT")
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        writer.write(b"TP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")


async def test_a_slow_body_is_the_applications_business(port):
    async with connected(port) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
        for _ in range(10):
            writer.write(b"x")
            await asyncio.sleep(0.06)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")


async def test_a_refused_body_is_not_read_for_ever(port):
    async with connected(port) as (reader, writer):
        writer.write(b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000000\r\n\r\n")
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 413")
        with pytest.raises(ConnectionError):
            await send_for_ever(writer)


async def test_who_asks_to_close_reads_the_answer_and_its_end_before_the_connection_goes(port):
    async with connected(port) as (reader, writer):
        writer.write(b"POST /refuse HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4000000000\r\n\r\n")
        assert (await reader.read()).endswith(b"ok")
        for _ in range(5):
            writer.write(b"x" * 1000)
            await writer.drain()
            await asyncio.sleep(0.02)
        with pytest.raises(ConnectionError):  # but not for ever
            await send_for_ever(writer)


@pytest.mark.parametrize("connection", [b"close", b"keep-alive"])
async def test_a_refused_body_is_not_read_beyond_a_size(port, connection):
    async with connected(port) as (reader, writer):
        writer.write(b"POST /refuse HTTP/1.1\r\nHost: x\r\nConnection: " + connection + b"\r\nContent-Length: 4000000000\r\n\r\n")
        assert await reader.readuntil(b"ok")
        started = asyncio.get_running_loop().time()
        with pytest.raises(ConnectionError):
            await send_for_ever(writer, b"x" * 100_000, pause_s=0)
        assert asyncio.get_running_loop().time() - started < 0.25


async def test_a_refusal_in_the_middle_of_a_body_ends_its_request(port):
    async with connected(port) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"nonsense\r\n")
        received = await reader.read()
    assert received.startswith(b"HTTP/1.1 400")
    assert received.count(b"HTTP/1.1 ") == 1


async def test_a_refused_body_that_does_end_leaves_the_connection_usable(port):
    async with connected(port) as (reader, writer):
        writer.write(b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 413")
        writer.write(b"x" * 1000)
        await asyncio.sleep(0.5)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
