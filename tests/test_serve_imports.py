"""What the endpoint needs not, it does not load: it starts in a second and stays small."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "sentence_transformers", "prefect", "pandas", "mlflow", "pipelines", "plotly"}
OURS = [
    ROOT / "serve.py",
    *sorted((ROOT / "api").glob("*.py")),
    *sorted((ROOT / "ops").glob("*.py")),
]


def imported(path):
    """The first name of each module that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_file_of_the_endpoint_imports_what_is_heavy(path):
    assert not HEAVY & set(imported(path))


def test_nothing_imports_serve():
    others = [
        path
        for name in ("api", "ops", "pipelines", "data", "models", "features")
        for path in (ROOT / name).rglob("*.py")
    ]
    assert [path.name for path in others if "serve" in set(imported(path))] == []


def run(code):
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return told.stdout.split()


def test_serving_loads_nothing_heavy():
    """Also not by way of what it imports: asked of a process of its own."""
    heavy = HEAVY | {"scipy.stats", "scipy.optimize", "sklearn"}
    code = f"import serve, sys; serve.app; print(*({heavy!r} & set(sys.modules)))"
    assert run(code) == []


def test_importing_serve_makes_no_app_and_no_file(tmp_path):
    code = (
        f"import os; os.environ['FOREWARN_HOME'] = {str(tmp_path / 'home')!r};"
        "os.environ['FOREWARN_PORT'] = 'no port';"  # would be refused if it were read
        "import serve; print('app' in vars(serve))"
    )
    assert run(code) == ["False"]
    assert not (tmp_path / "home").exists()
