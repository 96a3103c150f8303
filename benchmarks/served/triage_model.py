"""Our ticket model for MLflow's own server: models-from-code, which that server runs as it is."""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from models.triage import Triage


class TicketModel(PythonModel):
    """The full answer of the same folder: each target's label, probability and decision.

    With the `tier` full, every ticket is read, as by a blend that has no cascade.
    """

    def load_context(self, context: Any) -> None:
        self.triage = Triage.load(Path(context.artifacts["model"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        texts = {name: model_input[name].tolist() for name in self.triage.features.columns}
        told = self.triage.answer(texts, (context.model_config or {}).get("tier")).decided
        return pd.DataFrame(
            {
                f"{target}{what}": getattr(found, name)
                for target, found in told.items()
                for what, name in (("", "labels"), ("_probability", "probability"),
                                   ("_decision", "decision"))
            }
        )  # fmt: skip


set_model(TicketModel())
