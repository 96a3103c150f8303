"""`forewarn train`, `score` and `models`: the ticket models."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.shared import Flow, Maps, as_flow, mapping_of, relative, settings_of

app = typer.Typer(no_args_is_help=True, help="List, promote and roll back the ticket models.")
