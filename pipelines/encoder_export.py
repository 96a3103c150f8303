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
        table = distilled(alone(model))
        Encoder(small.read_bytes(), tokenizer, model.config.hidden_size, table).save(folder)


def alone(model: "PreTrainedModel") -> np.ndarray:
    """The vector (n_tokens, n_dimensions) of each token of the vocabulary, read by itself."""
    import torch

    first, last = 101, 102  # BERT's [CLS] and [SEP], between which every text stands
    found = []
    with torch.inference_mode():
        for some in torch.arange(model.config.vocab_size).split(512):
            ends = torch.full_like(some, first), torch.full_like(some, last)
            ids = torch.stack([ends[0], some, ends[1]], dim=1)
            found.append(model(input_ids=ids).last_hidden_state.mean(dim=1).numpy())
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
