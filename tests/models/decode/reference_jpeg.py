"""A JPEG decoder written from ITU-T T.81 alone, slow and plain: the second opinion where only one library can decode.

Single-component sequential DCT (8 and 12 bits) and lossless Huffman images without restart markers.
"""

import struct

import numpy as np


class Bits:
    """The entropy-coded bits after SOS, without byte stuffing."""

    def __init__(self, data):
        stripped = data.replace(b"\xff\x00", b"\xff")
        self._data = stripped + bytes(8)
        self._position = 0

    def peek(self, count=16):
        byte, offset = divmod(self._position, 8)
        return int.from_bytes(self._data[byte : byte + 4], "big") >> (32 - offset - count) & ((1 << count) - 1)

    def skip(self, count):
        self._position += count

    def take(self, count):
        value = self.peek(count) if count else 0
        self._position += count
        return value

    def signed(self, category):
        """T.81 F.2.2.1, EXTEND; category 16 of the lossless process (H.1.2.2) has no further bits."""
        if category == 16:
            return 32768
        value = self.take(category)
        return value if category == 0 or value >> (category - 1) else value - (1 << category) + 1


def huffman_table(segment):
    """T.81 annex C: 16-bit lookahead -> (length, value)."""
    counts, values = segment[:16], iter(segment[16:])
    table, code = [(0, 0)] * 65536, 0
    for length, count in enumerate(counts, 1):
        for _ in range(count):
            span = 1 << (16 - length)
            table[code * span : (code + 1) * span] = [(length, next(values))] * span
            code += 1
        code <<= 1
    return table


def symbol(bits, table):
    length, value = table[bits.peek()]
    assert length
    bits.skip(length)
    return value


def segments(data):
    position = 2
    while True:
        assert data[position] == 0xFF
        marker = data[position + 1]
        (length,) = struct.unpack_from(">H", data, position + 2)
        yield marker, data[position + 4 : position + 2 + length]
        position += 2 + length
        if marker == 0xDA:
            yield None, data[position:]
            return


def decode(data):
    """(rows, columns) of a single-component JPEG."""
    huffman, quantization, bodies = {}, {}, {}
    for marker, body in segments(data):
        bodies[marker] = body
        if marker == 0xC4:
            read_huffman(body, huffman)
        elif marker == 0xDB:
            read_quantization(body, quantization)
    process = next(marker for marker in (0xC0, 0xC1, 0xC3) if marker in bodies)
    precision, rows, columns, components, _, _, quantizer = struct.unpack_from(">BHHBBBB", bodies[process])
    assert components == 1
    assert bodies.get(0xDD, b"\0\0") == b"\0\0"
    bits, scan = Bits(bodies[None][: bodies[None].rfind(b"\xff\xd9")]), bodies[0xDA]
    tables = huffman[scan[2] >> 4], huffman.get(16 + (scan[2] & 15))
    if process == 0xC3:
        return lossless(bits, tables[0], (rows, columns), precision, predictor=scan[3], shift=scan[5] & 15)
    return sequential(bits, tables, (rows, columns), precision, quantization[quantizer])


def read_huffman(body, tables):
    while body:
        size = 17 + sum(body[1:17])
        tables[body[0]] = huffman_table(body[1:size])
        body = body[size:]


def read_quantization(body, tables):
    while body:
        wide = body[0] >> 4
        tables[body[0] & 15] = np.frombuffer(body, ">u2" if wide else "u1", 64, 1).astype(np.int64)
        body = body[1 + 64 * (1 + wide) :]


def lossless(bits, table, shape, precision, predictor, shift):
    """T.81 H.1.2."""
    rows, columns = shape
    out = []
    above = None
    for _ in range(rows):
        line = []
        for x in range(columns):
            if above is None:
                guess = line[-1] if line else 1 << (precision - shift - 1)
            elif not line:
                guess = above[0]
            else:
                a, b, c = line[-1], above[x], above[x - 1]
                guess = (0, a, b, c, a + b - c, a + (b - c >> 1), b + (a - c >> 1), a + b >> 1)[predictor]
            line.append((guess + bits.signed(symbol(bits, table))) & 0xFFFF)
        out.append(line)
        above = line
    return np.array(out, np.int64) << shift


ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8))
COSINE = np.array([[np.cos((2 * x + 1) * u * np.pi / 16) * (np.sqrt(0.125) if u == 0 else 0.5) for u in range(8)] for x in range(8)])


def sequential(bits, tables, shape, precision, quantization):
    """T.81 F.2 and A.3.3, in float64."""
    rows, columns = shape
    out = np.zeros((-(-rows // 8) * 8, -(-columns // 8) * 8))
    dc = 0
    for top in range(0, rows, 8):
        for left in range(0, columns, 8):
            block = np.zeros(64)
            dc += bits.signed(symbol(bits, tables[0]))
            block[0] = dc * quantization[0]
            k = 1
            while k < 64:
                run, size = divmod(symbol(bits, tables[1]), 16)
                if size == 0 and run != 15:
                    break
                k += run
                if size:
                    block[ZIGZAG[k]] = bits.signed(size) * quantization[k]
                k += 1
            out[top : top + 8, left : left + 8] = COSINE @ block.reshape(8, 8) @ COSINE.T
    return np.clip(np.rint(out[:rows, :columns] + (1 << precision - 1)), 0, (1 << precision) - 1).astype(np.int64)
