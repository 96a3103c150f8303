"""Saved models as plain files: JSON and arrays, looked at closely before they are believed."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Shape = tuple[int | None, ...]


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """One object, the same bytes for the same content, and ASCII: a term may hold half a letter."""
    text = json.dumps(value, indent=1, allow_nan=False, sort_keys=True)
    path.write_text(text + "\n", encoding="ascii")


def read_json(path: Path, wanted: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
    """The object in `path`, with exactly the keys of `wanted`, each of its type.

    ValueError names the file and what is wrong with it.
    """
    try:
        value = json.loads(path.read_text(encoding="ascii"), parse_constant=_no_number)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # of the text's encoding or of its JSON
        raise ValueError(f"{path} is not JSON: {error}; train or publish again") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds {type(value).__name__}, wanted an object")
    of_type(path, value, wanted)
    return value


def of_type(
    path: Path, value: Mapping[str, Any], wanted: Mapping[str, type | tuple[type, ...]]
) -> None:
    """ValueError unless `value` has exactly the keys of `wanted`, each of its type."""
    _same_keys(path, set(value), set(wanted))
    for key, kind in wanted.items():
        _of_type(path, key, value[key], kind)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _of_type(path: Path, key: str, value: Any, kind: type | tuple[type, ...]) -> None:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if type(value) not in kinds:
        names = " or ".join(one.__name__ for one in kinds)
        raise ValueError(f"{path}: {key} is {type(value).__name__}, wanted {names}")


def _same_keys(path: Path, came: set[str], wanted: set[str]) -> None:
    if came != wanted:
        missing, extra = sorted(wanted - came), sorted(came - wanted)
        raise ValueError(f"{path}: missing {missing}, not wanted {extra}")


def strings(path: Path, key: str, value: Any) -> tuple[str, ...]:
    """`value` as strings that differ from each other, or ValueError."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{path}: {key} must be a list of strings")
    if len(set(value)) != len(value):
        raise ValueError(f"{path}: {key} names something twice")
    return tuple(value)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Arrays of numbers, by name."""
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_arrays(path: Path, wanted: Mapping[str, tuple[str, Shape]]) -> dict[str, np.ndarray]:
    """The arrays in `path`: exactly those `wanted`, of that type and shape, all finite.

    `wanted` maps a name to a type such as "float32" and a shape, where None is any length.
    Nothing is unpickled. ValueError names the file and what is wrong with it.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":
                raise ValueError("no npz archive")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not an archive of plain arrays: {error}") from error
    _same_keys(path, set(arrays), set(wanted))
    for name, (dtype, shape) in wanted.items():
        _of_shape(path, name, arrays[name], np.dtype(dtype), shape)
    return arrays


def _of_shape(path: Path, name: str, array: np.ndarray, dtype: np.dtype, shape: Shape) -> None:
    fits = array.ndim == len(shape) and all(
        size in (None, came) for size, came in zip(shape, array.shape, strict=True)
    )
    if array.dtype != dtype or not fits:
        raise ValueError(
            f"{path}: {name} is {array.dtype} of shape {array.shape}, wanted {dtype} of {shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{path}: {name} holds numbers that are not finite")
