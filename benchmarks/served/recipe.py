"""What a team would deploy first: a small sentence encoder and a logistic regression a target."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel
from sentence_transformers import SentenceTransformer

torch.set_num_threads(1)


class Recipe(PythonModel):
    """Labels with their probabilities; the regressions' weights as they were fitted."""

    def load_context(self, context: Any) -> None:
        folder = Path(context.artifacts["model"])
        about = json.loads((folder / "recipe.json").read_text())
        self.encoder = SentenceTransformer(about["encoder"], device="cpu")
        self.classes = about["classes"]
        self.weights = np.load(folder / "recipe.npz")

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        texts = (model_input["title"] + " " + model_input["body"]).tolist()
        vectors = self.encoder.encode(texts)
        told: dict[str, Any] = {}
        for target, classes in self.classes.items():
            scores = (
                vectors @ self.weights[f"{target} coef"].T + self.weights[f"{target} intercept"]
            )
            chances = np.exp(scores - scores.max(axis=1, keepdims=True))
            chances /= chances.sum(axis=1, keepdims=True)
            told[target] = np.array(classes, dtype=object)[chances.argmax(axis=1)]
            told[f"{target}_probability"] = chances.max(axis=1)
        return pd.DataFrame(told)


set_model(Recipe())
