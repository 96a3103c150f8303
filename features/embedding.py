"""Texts as unit vectors of a sentence encoder, run by onnxruntime: no torch in sight."""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from features.glance import Glance
from features.plain import read_arrays, read_json, strings, write_arrays, write_json
from features.text import MAX_CHARACTERS, Fields, rows_of

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

MAX_TOKENS = 256
"""What the encoder was trained to read, some 200 words; what stands behind them is not read."""

REMEMBERED = 1 << 14
"""Words whose tokens are kept: tickets repeat theirs. About 250 bytes each."""

BLANKS = re.compile(r"[ \t\n\r]+")
STEPS = {"normalizer": "BertNormalizer", "pre_tokenizer": "BertPreTokenizer"}
"""What a tokenizer does before it looks for pieces of words, if it goes word by word."""

Make = Callable[[Sequence[str]], np.ndarray]
Keep = Callable[[Sequence[str], Make], np.ndarray]

MODEL, TOKENIZER, TABLE, ABOUT = "encoder.onnx", "tokenizer.json", "encoder.npz", "encoder.json"
TUNED = "tuned.json"
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
    table
        What each token means alone, for a first look.
    keep
        Called with texts and what makes their vectors; it may know some of them already.
    minutes
        How long it was tuned on a desk's own labels; 0 where it was not.
    """

    def __init__(
        self,
        model: bytes,
        tokenizer: bytes,
        n_dimensions: int,
        table: Glance,
        *,
        keep: Keep | None = None,
        minutes: float = 0.0,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.n_dimensions = n_dimensions
        self.table = table
        self.keep = keep
        self.minutes = minutes

    @cached_property
    def id(self) -> str:
        """SHA-256 of all that decides a vector: the same id, the same vectors."""
        digest = hashlib.sha256(str(MAX_TOKENS).encode())
        for content in (self.model, self.tokenizer):
            digest.update(hashlib.sha256(content).digest())
        return digest.hexdigest()

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors (n_texts, n_dimensions), float32, each of length 1; of a blank text all 0."""
        return self._embed(texts) if self.keep is None else self.keep(texts, self._embed)

    def glance(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors (n_texts, `table.n_dimensions`) at a glance, of length 1; of a blank text all 0.

        They are of another kind than those of `embed`, and cost a fiftieth.
        """
        return self.table.of([self._pieces(readable(text)) for text in texts])

    def _pieces(self, text: str) -> Sequence[int]:
        """The tokens of a text, without those that only an encoder reads."""
        if not self._reads_words:
            return self._tokens(text)
        ids = [id for word in BLANKS.split(text) for id in self._of_word(word)]
        return ids[:MAX_TOKENS]

    def _tokens(self, text: str) -> tuple[int, ...]:
        return tuple(self._reader.encode(text, add_special_tokens=False).ids)

    @cached_property
    def _of_word(self) -> Callable[[str], tuple[int, ...]]:
        return lru_cache(REMEMBERED)(self._tokens)

    @cached_property
    def _reads_words(self) -> bool:
        """Whether what stands between two blanks has the same tokens wherever it stands."""
        kinds = json.loads(self.tokenizer)
        return [(kinds.get(step) or {}).get("type") for step in STEPS] == list(STEPS.values())

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
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
        """Write encoder.json, .onnx, .npz and tokenizer.json; if it was tuned, tuned.json."""
        contents = dict(zip(FILES, (self.model, self.tokenizer), strict=True))
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        write_arrays(folder / TABLE, {"table": self.table.vectors})
        about = {"n_dimensions": self.n_dimensions, "scale": self.table.scale, "sha256": hashes}
        write_json(folder / ABOUT, about)
        if self.minutes:
            write_json(folder / TUNED, {"minutes": float(self.minutes)})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote; ValueError names the file that is not what it should be."""
        wanted = {"n_dimensions": int, "scale": float, "sha256": dict}
        about = read_json(folder / ABOUT, wanted)
        model, tokenizer = (_checked(folder / name, about["sha256"].get(name)) for name in FILES)
        table = read_arrays(folder / TABLE, {"table": ("int8", (None, None))})["table"]
        encoder = cls(model, tokenizer, about["n_dimensions"], Glance(table, about["scale"]))
        if (folder / TUNED).exists():
            encoder.minutes = read_json(folder / TUNED, {"minutes": float})["minutes"]
        encoder._prove(folder / MODEL)
        return encoder

    def _prove(self, path: Path) -> None:
        """Read a first text now: what cannot be run is found here, not by a request."""
        from onnxruntime.capi.onnxruntime_pybind11_state import (
            Fail,
            InvalidArgument,
            InvalidGraph,
            InvalidProtobuf,
        )

        try:
            self.embed(["vpn"])
        except (ValueError, Fail, InvalidArgument, InvalidGraph, InvalidProtobuf) as error:
            raise ValueError(f"{path} cannot read a text: {error}; export it again") from error
        if len(self.table.vectors) < self._reader.get_vocab_size():
            raise ValueError(f"{path.with_name(TABLE)} lacks tokens; export it again")


class Meaning:
    """The columns of a ticket, each read by a sentence encoder, one vector after the other.

    A title apart from its body says more than both as one text: by cross-validation up to a
    point of accuracy. What it keeps of the tickets at `fit` is the names of their columns.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.columns: tuple[str, ...] = ()

    @property
    def n_features(self) -> int:
        return self.encoder.n_dimensions * len(self.columns)

    def fit(self, fields: Fields) -> Self:
        self.columns = tuple(fields)
        return self

    @property
    def n_glanced(self) -> int:
        return self.encoder.table.n_dimensions * len(self.columns)

    def transform(self, fields: Fields) -> np.ndarray:
        """Vectors (n_tickets, n_features), float32, of length 1 or, with blank columns, shorter.

        A column that was not there at `fit` is left out, one that is missing now is empty;
        ValueError where none is known.
        """
        return self._joined(fields, self.encoder.embed)

    def glance(self, fields: Fields) -> np.ndarray:
        """Vectors (n_tickets, n_glanced) as `transform` gives them, of a first look."""
        return self._joined(fields, self.encoder.glance)

    def _joined(self, fields: Fields, embed: Callable[[Sequence[str]], np.ndarray]) -> np.ndarray:
        nothing = [""] * len(rows_of(fields, self.columns))
        parts = [embed(fields.get(column, nothing)) for column in self.columns]
        vectors: np.ndarray = np.hstack(parts) / np.float32(np.sqrt(len(parts)))
        return vectors

    def save(self, folder: Path) -> None:
        """Write meaning.json and the encoder's files."""
        write_json(folder / "meaning.json", {"columns": list(self.columns)})
        self.encoder.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote; ValueError names the file that is not what it should be."""
        path = folder / "meaning.json"
        meaning = cls(Encoder.load(folder))
        meaning.columns = strings(path, "columns", read_json(path, {"columns": list})["columns"])
        return meaning


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
