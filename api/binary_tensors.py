"""Tensors whose data lie behind the JSON of a request, as NVIDIA's client sends them by default.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
A request's header tells how long its JSON is; each tensor tells its bytes in `binary_data_size`. A
string is its length, four bytes with the lowest first, then its UTF-8. What is asked for in this
form is answered in the JSON nonetheless, which that client reads just so.
"""

from typing import Any

from api.problems import Problem

HEADER = "inference-header-content-length"


def split(body: bytes, length: str | None) -> tuple[bytes, bytes]:
    """The JSON of a body and what lies behind it; without a `length` all of it is JSON.

    >>> split(b"{}abc", "2")
    (b'{}', b'abc')
    """
    if length is None:
        return body, b""
    if not (length.isascii() and length.isdigit() and len(length) < 20):
        raise Problem(400, f"{HEADER}: wanted a number of bytes")
    n_bytes = int(length)
    if n_bytes > len(body):
        raise Problem(400, f"{HEADER}: wanted at most {len(body)}, which came, got {n_bytes}")
    return body[:n_bytes], body[n_bytes:]


def texts_in(tail: bytes, size: Any, where: str) -> tuple[list[str], bytes]:
    """The texts in the first `size` bytes, and the rest.

    >>> texts_in(b"\\3\\0\\0\\0vpn...", 7, "inputs.0")
    (['vpn'], b'...')
    """
    if type(size) is not int or not 0 <= size <= len(tail):
        raise Problem(400, f"{where}: wanted a list, or a binary_data_size that fits what came")
    texts, at = [], 0
    while at < size:
        start = at + 4
        at = start + int.from_bytes(tail[at:start], "little")
        if at > size:
            raise Problem(400, f"{where}: its last text is longer than its binary_data_size")
        try:
            texts.append(tail[start:at].decode())
        except UnicodeDecodeError:
            raise Problem(400, f"{where}.{len(texts)}: wanted UTF-8") from None
    return texts, tail[size:]
