"""Texts as unit vectors of a sentence encoder, run by onnxruntime: no torch in sight."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from features.plain import read_json, write_json
from features.text import MAX_CHARACTERS

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

MAX_TOKENS = 256
"""What the encoder was trained to read, some 200 words; what stands behind them is not read."""

MODEL, TOKENIZER, ABOUT = "encoder.onnx", "tokenizer.json", "encoder.json"
FILES = (MODEL, TOKENIZER)


class Encoder:
    """A sentence encoder: texts of like meaning get vectors that point alike.

    Each text is run alone. The 8-bit arithmetic scales its numbers by the largest in the batch,
    so that in company a text would get another vector than by itself; alone it needs no padding
    either, and one thread gains nothing from company.

    Parameters
    ----------
    model
        ONNX: `input_ids` and `attention_mask` (n_texts, n_tokens) in, one vector a token out.
    tokenizer
        The tokenizer's JSON, as the `tokenizers` package writes it.
    n_dimensions
        Length of a vector.
    """

    def __init__(self, model: bytes, tokenizer: bytes, n_dimensions: int) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.n_dimensions = n_dimensions

    @cached_property
    def id(self) -> str:
        """SHA-256 of all that decides a vector: the same id, the same vectors."""
        digest = hashlib.sha256(str(MAX_TOKENS).encode())
        for content in (self.model, self.tokenizer):
            digest.update(hashlib.sha256(content).digest())
        return digest.hexdigest()

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors (n_texts, n_dimensions), float32, each of length 1; of a blank text all 0."""
        vectors = np.zeros((len(texts), self.n_dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            if text.strip():
                vectors[row] = self._vector(readable(text))
        return vectors

    def _vector(self, text: str) -> np.ndarray:
        ids = np.array([self._reader.encode(text).ids], dtype=np.int64)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        mean = np.asarray(self._session.run(None, given)[0])[0].mean(axis=0)
        unit: np.ndarray = mean / np.linalg.norm(mean)
        return unit

    @cached_property
    def _session(self) -> "InferenceSession":
        from onnxruntime import InferenceSession, SessionOptions  # here: not every model has one

        options: Any = SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # From bytes it cannot name other files to be read in.
        return InferenceSession(self.model, options, providers=["CPUExecutionProvider"])

    @cached_property
    def _reader(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        reader = Tokenizer.from_buffer(self.tokenizer)
        reader.no_padding()
        reader.enable_truncation(MAX_TOKENS)
        return reader

    def save(self, folder: Path) -> None:
        """Write encoder.json, encoder.onnx and tokenizer.json."""
        contents = dict(zip(FILES, (self.model, self.tokenizer), strict=True))
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        write_json(folder / ABOUT, {"n_dimensions": self.n_dimensions, "sha256": hashes})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote; ValueError names the file that is not what it should be."""
        about = read_json(folder / ABOUT, {"n_dimensions": int, "sha256": dict})
        model, tokenizer = (_checked(folder / name, about["sha256"].get(name)) for name in FILES)
        return cls(model, tokenizer, about["n_dimensions"])


def _checked(path: Path, sha256: str | None) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{path} is not the file that encoder.json beside it names; copy it again")
    return content


def readable(text: str) -> str:
    """What is read of a text: its first `MAX_CHARACTERS`, half letters replaced.

    >>> readable("vpn \\ud800 down")
    'vpn ? down'
    """
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
