"""Arrays as one npz, and back without a copy: a large desk's state must be there at once."""

import io
import struct
import zipfile
from collections.abc import Mapping

import numpy as np

LOCAL_HEADER = struct.Struct("<26xHH")  # before a zip's member: the lengths of name and extra


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """One npz, not compressed: at 100,000 series that would take a minute a look."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def unpack(npz: bytes) -> dict[str, np.ndarray]:
    """The arrays of an npz; those that are not compressed are read-only views of its bytes.

    >>> unpack(pack({"a": np.arange(3), "b": np.array("text")}))
    {'a': array([0, 1, 2]), 'b': array('text', dtype='<U4')}
    """
    with zipfile.ZipFile(io.BytesIO(npz)) as members:
        return {
            one.filename.removesuffix(".npy"): _array(npz, members, one)
            for one in members.infolist()
        }


def _array(npz: bytes, members: zipfile.ZipFile, one: zipfile.ZipInfo) -> np.ndarray:
    if one.compress_type != zipfile.ZIP_STORED:
        with members.open(one) as file:
            array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
        return array
    begin = one.header_offset + LOCAL_HEADER.size
    begin += sum(LOCAL_HEADER.unpack_from(npz, one.header_offset))
    head = io.BytesIO(npz[begin : begin + min(one.file_size, 65_536)])
    version = np.lib.format.read_magic(head)
    read = np.lib.format.read_array_header_1_0
    shape, fortran, dtype = (read if version == (1, 0) else np.lib.format.read_array_header_2_0)(
        head
    )
    if dtype.hasobject:
        raise ValueError(f"{one.filename} holds objects, wanted plain numbers or text")
    n = int(np.prod(shape))
    flat = np.frombuffer(npz, dtype, n, begin + head.tell())
    return flat.reshape(shape, order="F" if fortran else "C")
