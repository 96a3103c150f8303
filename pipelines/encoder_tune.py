"""The weights of a sentence encoder, tuned on labelled tickets. Needs torch, as the export does.

python -m pipelines.encoder_tune WEIGHTS FOLDER < task.json

The task has the texts and the labels: see `Task`. The encoder is written to FOLDER; lines of
JSON tell how far it is. Whole passes are made over the tickets, as many as the first few batches
say that there is time for: the same task gives the same weights wherever as many passes fit.
"""

import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.embedding import readable

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

BATCH = 32
RATE = 1e-4  # of the weights; what comes on top of them, the classes, learns ten times as fast
WARM_UP = 0.06  # share of the steps in which the rate rises; then it falls to nothing
SHARPNESS = 20.0  # what a cosine is multiplied by, to begin with
MOST_TOKENS = 128  # of a column; the beginning of a long ticket says what it is about
MOST_PASSES = 10  # further ones learn by heart
N_TIMED = 6  # batches that tell how long a pass will take
KEPT_SECONDS = 25  # for writing the encoder, twice what it takes
SLACK = 0.9  # of the time that is left is planned with


class Task(NamedTuple):
    """What to learn: texts (n_tickets,) by column, and labels by target, None where unknown.

    `asker` is the number of the process that waits for it.
    """

    fields: Mapping[str, Sequence[str]]
    labels: Mapping[str, Sequence[str | None]]
    minutes: float
    seed: int
    asker: int

    @property
    def n_tickets(self) -> int:
        return len(next(iter(self.fields.values())))


class TooShort(ValueError):
    """There is no time for one pass over the tickets."""


def main(source: Path, folder: Path, tell: Callable[[Mapping[str, object]], None]) -> None:
    """Tune the weights in `source` by the task on standard input, and export them to `folder`.

    When the process that asked for it has ended, this one ends too, and takes `folder` with it.
    """
    began = time.monotonic()
    task = Task(**json.load(sys.stdin))

    Thread(target=end_with, args=(task.asker, folder), daemon=True).start()
    tuning = Tuning(source, task)
    for told in tuning.run(began + task.minutes * 60 - KEPT_SECONDS):
        tell(told)
    with TemporaryDirectory(dir=folder) as aside:
        tuning.save(Path(aside))
        from pipelines.encoder_export import export

        export(Path(aside), folder)


def end_with(asker: int, folder: Path) -> None:
    """End this process, and take `folder` along, once `asker` is no longer its parent."""
    while os.getppid() == asker:
        time.sleep(1)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


class Tuning:
    """An encoder under way: for each target a softmax over cosines to one vector a class.

    These begin at the mean of each class's tickets, so that the first step already goes somewhere.
    The embeddings of the words stay as they are: few tickets hold any one word.
    """

    def __init__(self, source: Path, task: Task) -> None:
        from tokenizers import Tokenizer

        self.rng = np.random.default_rng(task.seed)
        self.source, self.task = source, task
        reader = Tokenizer.from_file(str(source / "tokenizer.json"))
        reader.no_padding()
        reader.enable_truncation(MOST_TOKENS)
        self.tokens = {
            column: [reader.encode(readable(text)).ids if text.strip() else [] for text in texts]
            for column, texts in task.fields.items()
        }
        self.lengths = np.sum([list(map(len, column)) for column in self.tokens.values()], axis=0)
        import torch
        from transformers import AutoModel

        torch.set_num_threads(1)
        torch.manual_seed(task.seed)
        self.model: PreTrainedModel = AutoModel.from_pretrained(source)
        self.model.embeddings.requires_grad_(False)
        self.codes = {target: codes_of(given) for target, given in task.labels.items()}
        self.classes: dict[str, torch.Tensor] = {}
        self.sharpness = torch.tensor(np.log(SHARPNESS), dtype=torch.float32, requires_grad=True)

    def run(self, deadline: float) -> Iterator[dict[str, object]]:
        """Tune until `deadline` (of `time.monotonic`) at the latest, and tell of each step."""
        import torch

        self.begin()
        n_passes = self.passes(deadline)
        weights = [one for one in self.model.parameters() if one.requires_grad]
        groups = [
            {"params": weights, "lr": RATE},
            {"params": [*self.classes.values(), self.sharpness], "lr": 10 * RATE},
        ]
        optimiser = torch.optim.AdamW(groups, weight_decay=0.01)
        n_steps = n_passes * math.ceil(self.task.n_tickets / BATCH)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda n: share_of_rate(n, n_steps))
        for number in range(n_passes):
            losses: list[float] = []
            for rows in batches(self.lengths, self.rng):
                if (left := deadline - time.monotonic()) < 0:
                    return
                loss = self.loss(rows)
                optimiser.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(weights, 1.0)
                optimiser.step()
                schedule.step()
                losses.append(loss.item())
                yield {
                    "step": schedule.last_epoch,
                    "steps": n_steps,
                    "pass": number + 1,
                    "passes": n_passes,
                    "loss": float(np.mean(losses)),
                    "minutes_left": left / 60,
                }

    def passes(self, deadline: float) -> int:
        """How many passes there is time for; `TooShort` where there is none for one."""
        whole = batches(self.lengths, np.random.default_rng(0))
        some = whole[:N_TIMED]
        self.loss(some[0]).backward()  # the first is slow, whatever its length
        began = time.monotonic()
        for rows in some:
            self.loss(rows).backward()
        seconds = (time.monotonic() - began) / self.cost(some) * self.cost(whole)
        left = deadline - time.monotonic()
        if (n := int(SLACK * left / seconds)) < 1:
            least = int(self.task.minutes + (seconds / SLACK - left) / 60 + 1)
            raise TooShort(
                f"a budget of {self.task.minutes:g} minutes is too little to tune the encoder on"
                f" {self.task.n_tickets:,} tickets even once: it takes {least} here"
            )
        return min(n, MOST_PASSES)

    def cost(self, some: Sequence[np.ndarray]) -> float:
        """What batches cost: in proportion to their tokens, those that only fill with them."""
        return float(
            sum(
                len(rows) * max(1, max(len(column[row]) for row in rows))
                for rows in some
                for column in self.tokens.values()
            )
        )

    def begin(self) -> None:
        """Each class at the mean of its tickets."""
        import torch

        self.model.eval()
        vectors = torch.zeros((self.task.n_tickets, self.n_dimensions))
        with torch.no_grad():
            for rows in batches(self.lengths, np.random.default_rng(0)):
                vectors[rows] = self.vectors(rows)
        for target, codes in self.codes.items():
            means = [vectors[codes == code].mean(axis=0) for code in range(codes.max() + 1)]
            self.classes[target] = torch.stack(means).requires_grad_()
        self.model.train()

    @property
    def n_dimensions(self) -> int:
        return int(self.model.config.hidden_size) * len(self.tokens)

    def vectors(self, rows: np.ndarray) -> "torch.Tensor":
        """Vectors of tickets (n_rows, n_dimensions), column by column as `Meaning` puts them."""
        import torch

        parts = []
        for column in self.tokens.values():
            ids = [column[row] for row in rows]
            filled = np.zeros((len(ids), max(1, *map(len, ids))), dtype=np.int64)
            mask = np.zeros_like(filled)
            for row, one in enumerate(ids):
                filled[row, : len(one)], mask[row, : len(one)] = one, 1
            blank = torch.from_numpy(mask.any(axis=1))[:, None]
            mask[:, 0] = 1  # of a blank text too: it is run, but counts nothing
            given = torch.from_numpy(mask)
            read = self.model(input_ids=torch.from_numpy(filled), attention_mask=given)
            summed = (read.last_hidden_state * given[:, :, None]).sum(dim=1)
            parts.append(torch.nn.functional.normalize(summed, dim=1) * blank)
        return torch.cat(parts, dim=1) / len(parts) ** 0.5

    def loss(self, rows: np.ndarray) -> "torch.Tensor":
        """Cross-entropy of the tickets' labels, the mean over the targets that they have."""
        import torch
        from torch.nn.functional import cross_entropy, normalize

        vectors, losses = self.vectors(rows), []
        for target, codes in self.codes.items():
            if (known := codes[rows] >= 0).any():
                cosines = vectors[known] @ normalize(self.classes[target], dim=1).T
                wanted = torch.from_numpy(codes[rows][known])
                scores = self.sharpness.exp() * cosines
                losses.append(cross_entropy(scores, wanted))
        return torch.stack(losses).mean()

    def save(self, folder: Path) -> None:
        """Write the weights as the exporter reads them."""
        self.model.eval().save_pretrained(folder)
        shutil.copyfile(self.source / "tokenizer.json", folder / "tokenizer.json")


def codes_of(labels: Sequence[str | None]) -> np.ndarray:
    """Each label's place among the classes, -1 where there is none.

    >>> codes_of(["vpn", None, "mail", "vpn"])
    array([ 1, -1,  0,  1])
    """
    classes = sorted({label for label in labels if label})
    return np.array([classes.index(label) if label else -1 for label in labels], dtype=np.int64)


def batches(lengths: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Every row once, in batches of rows of like length, so that little is filled up.

    >>> [sorted(one.tolist()) for one in batches(np.array([3, 90, 4]), np.random.default_rng(0))]
    [[0, 1, 2]]
    """
    order = rng.permutation(len(lengths))
    found = []
    for start in range(0, len(order), 8 * BATCH):
        some = order[start : start + 8 * BATCH]
        alike = some[np.argsort(lengths[some], kind="stable")]
        found += [alike[at : at + BATCH] for at in range(0, len(alike), BATCH)]
    return [found[at] for at in rng.permutation(len(found))]


def share_of_rate(n: int, n_steps: int) -> float:
    """How much of the learning rate the n-th step has: up to all of it, then down to nothing.

    >>> [round(share_of_rate(n, 100), 2) for n in (0, 5, 53, 99)]
    [0.17, 1.0, 0.5, 0.01]
    """
    n_warm = max(1, round(WARM_UP * n_steps))
    return min((n + 1) / n_warm, (n_steps - n) / max(1, n_steps - n_warm))


if __name__ == "__main__":

    def say(told: Mapping[str, object]) -> None:
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()

    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), say)
    except TooShort as error:
        say({"refused": str(error)})
