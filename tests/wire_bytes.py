"""Remote-write requests written down byte by byte, by the published schema and not by our code."""

import struct

import cramjam


def packed(message: bytes) -> bytes:
    """As it goes over the wire."""
    return bytes(cramjam.snappy.compress_raw(message))


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    low = bytes([number & 127 | (128 if number > 127 else 0)])
    return low + (varint(number >> 7) if number > 127 else b"")


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def sample(value: float, ms: int) -> bytes:
    return b"\x09" + struct.pack("<d", value) + b"\x10" + varint(ms)


def request_v1(*series: tuple[dict[str, str], list[tuple[float, int]]], histograms: int = 0):
    """`prometheus.WriteRequest`: labels and samples of each series."""
    message = b""
    for labels, samples in series:
        told = b"".join(
            field(1, field(1, name.encode()) + field(2, value.encode()))
            for name, value in labels.items()
        )
        told += b"".join(field(2, sample(*one)) for one in samples)
        message += field(1, told + histograms * field(4, b"\x78\x01"))
    return packed(message)


def request_v2(*series: tuple[dict[str, str], int, list[tuple[float, int]]], histograms: int = 0):
    """`io.prometheus.write.v2.Request`: labels, type of the metric and samples of each series."""
    symbols, told = [""], b""
    for labels, kind, samples in series:
        texts = [text for pair in labels.items() for text in pair]
        symbols += [text for text in texts if text not in symbols]
        refs = b"".join(varint(symbols.index(text)) for text in texts)
        one = field(1, refs) + b"".join(field(2, sample(*s)) for s in samples)
        one += histograms * field(3, b"\x78\x01") + field(5, b"\x08" + varint(kind))
        told += field(5, one)
    return packed(b"".join(field(4, text.encode()) for text in symbols) + told)
