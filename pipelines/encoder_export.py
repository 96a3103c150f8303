"""Weights of a sentence encoder into ONNX with 8 bits a number. The only module that needs torch.

python -m pipelines.encoder_export WEIGHTS FOLDER
"""

import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from features.embedding import Encoder
from features.glance import distilled

AT_ONCE = 64

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def export(source: Path, folder: Path) -> None:
    """Write the encoder whose weights lie in `source` into `folder`."""
    from onnxruntime.quantization import quantize_dynamic
    from transformers import AutoModel

    model = AutoModel.from_pretrained(source, attn_implementation="eager").eval()
    with tempfile.TemporaryDirectory() as aside:
        whole, small = Path(aside) / "whole.onnx", Path(aside) / "small.onnx"
        write_onnx(model, whole)
        # Reduced range: without it processors that lack VNNI overflow at 16 bits.
        quantize_dynamic(whole, small, per_channel=True, reduce_range=True)
        tokenizer = (source / "tokenizer.json").read_bytes()
        table = distilled(alone(small, model.config.vocab_size))
        Encoder(small.read_bytes(), tokenizer, model.config.hidden_size, table).save(folder)


def alone(graph: Path, n_tokens: int) -> np.ndarray:
    """The vector (n_tokens, n_dimensions) of each token of the vocabulary, read by itself.

    Some at a time, which moves them by as little as 8 bits a number do (a cosine of .98), and
    takes a fifteenth of the time.
    """
    from onnxruntime import InferenceSession

    session = InferenceSession(graph, providers=["CPUExecutionProvider"])
    first, last = 101, 102  # BERT's [CLS] and [SEP], between which every text stands
    found = []
    for start in range(0, n_tokens, AT_ONCE):
        some = np.arange(start, min(start + AT_ONCE, n_tokens))
        ids = np.stack([np.full_like(some, first), some, np.full_like(some, last)], axis=1)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        found.append(np.asarray(session.run(None, given)[0]).mean(axis=1))
    return np.concatenate(found)


def write_onnx(model: "PreTrainedModel", path: Path) -> None:
    """The graph from token numbers to one vector a token, any number of texts and tokens long."""
    import torch

    class Tokens(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            read = self.model(input_ids=input_ids, attention_mask=attention_mask)
            return read.last_hidden_state

    some = torch.ones((1, 7), dtype=torch.long)
    names = ("input_ids", "attention_mask", "tokens")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing and of the older exporter: compared in a test
        torch.onnx.export(
            Tokens(),
            (some, some),
            str(path),
            input_names=names[:2],
            output_names=names[2:],
            dynamic_axes={key: {0: "n_texts", 1: "n_tokens"} for key in names},
            opset_version=17,
            dynamo=False,  # the newer exporter's graph is not made smaller by quantize_dynamic
        )


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(sys.argv[2]))
