import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from data.registry import Registry

NAN = float("nan")
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    home = tmp_path_factory.mktemp("registry")
    return Registry(f"sqlite:///{home / 'mlflow.db'}", home / "mlflow-artifacts")


def make_model(folder, seed=0):
    (folder / "category").mkdir(parents=True)
    (folder / "%2E%2E odd=25 ä").mkdir()
    (folder / "%2E%2E odd=25 ä" / "head.json").write_text("{}")
    (folder / "triage.json").write_text('{"targets": ["category"]}')
    weights = np.random.default_rng(seed).normal(size=(3, 4))
    np.savez(folder / "category" / "weights.npz", weights=weights)
    return folder


def log(registry, name, folder, **given):
    given = {"params": {"seed": 0}, "metrics": {"category/accuracy": 0.9}} | given
    return registry.log_training(name, folder, data_hash="abc", **given)


def test_a_training_comes_back_with_its_files_and_figures(registry, tmp_path):
    folder = make_model(tmp_path / "model")
    many = {f"category/per_class/{number}/f1": 0.5 for number in range(1100)}
    version = log(
        registry,
        "ticket-a",
        folder,
        metrics={"category/accuracy": 0.91, "category/ece": NAN, "a/Größe & Co?": 1.0} | many,
        tables={"category": [{"class": "mail, web", "f1": 0.5}]},
        figures={"category_confusion": b"\x89PNG"},
    )
    assert (version.name, version.number, version.aliases) == ("ticket-a", "1", ("challenger",))
    assert version.metrics["category/accuracy"] == 0.91
    assert "category/ece" not in version.metrics, "what is unknown is left out"
    assert len(version.metrics) == 1102
    fetched = registry.fetch("ticket-a", version.number, tmp_path / "fetched")
    for path in ("triage.json", "category/weights.npz", "%2E%2E odd=25 ä/head.json"):
        assert (fetched / path).read_bytes() == (folder / path).read_bytes()
    report = registry.artifacts / version.run_id / "artifacts"
    assert (report / "tables" / "category.csv").read_text().splitlines()[1] == '"mail, web",0.5'
    assert (report / "figures" / "category_confusion.png").read_bytes() == b"\x89PNG"


def test_the_same_training_twice_is_one_version(registry, tmp_path):
    folder = make_model(tmp_path / "model")
    first, second = log(registry, "ticket-b", folder), log(registry, "ticket-b", folder)
    assert first == second
    assert [version.number for version in registry.versions("ticket-b")] == ["1"]
    other = log(registry, "ticket-b", folder, params={"seed": 1})
    assert (other.number, other.aliases) == ("2", ("challenger",))


def test_aliases_move_from_version_to_version(registry, tmp_path):
    for seed in range(2):
        log(registry, "ticket-c", make_model(tmp_path / f"{seed}", seed))
    registry.set_alias("ticket-c", "champion", "1")
    assert registry.by_alias("ticket-c", "champion").number == "1"
    registry.set_alias("ticket-c", "champion", "2")
    aliases = {one.number: one.aliases for one in registry.versions("ticket-c")}
    assert aliases == {"2": ("challenger", "champion"), "1": ()}
    assert "ticket-c" in registry.names()


def test_what_is_absent_is_said(registry, tmp_path):
    assert registry.versions("ticket-none") == []
    assert registry.by_alias("ticket-none", "champion") is None
    with pytest.raises(LookupError, match=r"no version 1 of 'ticket-none'.*there are: none"):
        registry.fetch("ticket-none", "1", tmp_path)
    with pytest.raises(LookupError, match="no version 9"):
        registry.set_alias("ticket-none", "champion", "9")


def test_files_that_were_removed_are_said(registry, tmp_path):
    version = log(registry, "ticket-e", make_model(tmp_path / "model"))
    shutil.rmtree(registry.artifacts / version.run_id)
    with pytest.raises(LookupError, match="files of version 1 of 'ticket-e' are not where"):
        registry.fetch("ticket-e", "1", tmp_path / "fetched")


def test_a_training_killed_before_it_was_registered_is_mended_by_the_next(registry, tmp_path):
    folder = make_model(tmp_path / "model")
    log(registry, "ticket-d", folder)
    registry.client.delete_model_version("ticket-d", "1")  # the run is there, its version is not
    log(registry, "ticket-d", folder)
    assert len(registry.versions("ticket-d")) == 1
    experiment = registry.client.get_experiment_by_name("ticket-d").experiment_id
    assert len(registry.client.search_runs([experiment])) == 1


def test_a_process_killed_while_it_makes_the_database_leaves_none(registry, tmp_path):
    """Pinned to how MLflow works: it cannot go on with tables that are half made."""
    code = "import sys; from pathlib import Path; from data.registry import _create\n"
    code += "_create(Path(sys.argv[1]))"
    place = tmp_path / "mlflow.db"
    child = subprocess.Popen([sys.executable, "-c", code, str(place)], cwd=ROOT)
    while child.poll() is None and not list(tmp_path.glob(".mlflow-*/*")):
        time.sleep(0.005)
    child.kill()
    child.wait()
    assert not place.exists()
    assert Registry(f"sqlite:///{place}", tmp_path / "artifacts").names() == []
