"""Multipart as RFC 2046 5.1.1 draws it, in whatever pieces it arrives."""

import time
from collections.abc import AsyncIterator

import pytest

from service.api.multipart import parts
from service.errors import MalformedRequestError

IMAGE = b'Content-Disposition: form-data; name="image"\r\nContent-Type: application/dicom\r\n\r\n'
CONTENT = b"abc\r\n-\r\n--"
FOUND = ("image", "application/dicom", CONTENT)


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("before", "padding", "after"),
    [
        (b"", b"", b""), (b"", b"", b"\r\n"), (b"\r\n", b"", b"\r\n"), (b"This is a preamble.\r\nNo --b here.\r\n", b"", b"\r\n"),
        (b"", b" \t ", b"\r\n"), (b"", b"", b"\r\nepilogue --b\r\n--b\r\n"), (b"", b" ", b" \t\r\n"),
    ],
)
async def test_preamble_padding_and_epilogue_are_ignored(size, before, padding, after):
    line = b"--b" + padding + b"\r\n"
    body = before + line + IMAGE + CONTENT + b"\r\n" + line + b"\r\nno headers\r\n--b--" + after
    found = [(part.name, part.content_type, part.data) for part in await parts(pieces(body, size), b"b", 2)]
    assert found == [FOUND, ("", "", b"no headers")]


@pytest.mark.parametrize(
    "body",
    [
        b"x" * 100_000 + b"\r\n--b\r\n\r\nabc\r\n--b--", b"--b" + b" " * 10_000 + b"\r\n\r\nabc\r\n--b--", b"--bx\r\n\r\nabc\r\n--b--",
        b"--b\n\nabc\n--b--", b"x--b\r\n\r\nabc", b"--b\r\n folded: x\r\n\r\nabc\r\n--b--", b"--b\r\n\r\nabc\r\n--b-",
    ],
    ids=["long preamble", "long padding", "another boundary", "bare line feeds", "not at the start of a line", "folded", "half an end"],
)
@pytest.mark.parametrize("size", [1000, 7])
async def test_what_goes_beyond_is_malformed(body, size):
    with pytest.raises(MalformedRequestError):
        await parts(pieces(body, size), b"b", 2)


async def test_a_large_part_costs_its_length_and_not_its_square():
    body = b"--b\r\n\r\n" + b"\r\n--" * (4 << 20) + b"\r\n--b--"
    started = time.process_time()
    (part,) = await parts(pieces(body, 4096), b"b", 1)
    assert len(part.data) == 16 << 20
    assert time.process_time() - started < 10  # the square would take hours


async def test_what_holds_nothing_but_content_is_passed_on_without_a_copy():
    whole = [b"x" * 1000, b"y" * 1000 + b"\r", b"\n--z" + b"z" * 1000]

    async def arriving() -> AsyncIterator[bytes]:
        for piece in (b"--b\r\n\r\n", *whole, b"\r\n--b--"):
            yield piece

    (part,) = await parts(arriving(), b"b", 1)
    assert part.data == b"".join(whole)
    assert part.pieces[0] is whole[0]
    assert all(part.pieces)
