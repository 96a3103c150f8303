import json
import os

import pytest

from data.published import KEPT_VERSIONS, open_published, open_version, pointer, publish

NAME = "ticket-it"


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path):
    return make_model(tmp_path / "model", "first")


def make_model(folder, text):
    (folder / "category").mkdir(parents=True)
    (folder / "triage.json").write_text(json.dumps({"text": text}))
    (folder / "category" / "weights.npz").write_bytes(text.encode() * 100)
    return folder


def served(home):
    return home / "models" / NAME


def test_what_was_published_is_opened(home, folder):
    publish(home, NAME, "1", "run-a", folder)
    model = open_published(home, NAME)
    assert (model.name, model.version, model.run_id) == (NAME, "1", "run-a")
    assert (model.folder / "category" / "weights.npz").read_bytes() == b"first" * 100


def test_publishing_twice_changes_nothing(home, folder):
    publish(home, NAME, "1", "run-a", folder)
    before = {path: path.stat().st_mtime_ns for path in served(home).rglob("*.*")}
    publish(home, NAME, "1", "run-a", folder)
    assert {path: path.stat().st_mtime_ns for path in served(home).rglob("*.*")} == before


def test_no_model_yet(home):
    assert pointer(home, NAME) is None
    with pytest.raises(LookupError, match="no model 'ticket-it'"):
        open_published(home, NAME)


def change(folder):
    (folder / "category" / "weights.npz").write_bytes(b"other")


def remove(folder):
    (folder / "category" / "weights.npz").unlink()


def add(folder):
    (folder / "category" / "weights.pkl").write_bytes(b"cos\nsystem\n")


def link(folder):
    remove(folder)
    (folder / "category" / "weights.npz").symlink_to(folder / "triage.json")


def link_folder(folder):
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to(folder.with_name("elsewhere"))


def forge_manifest(folder):
    (folder / "manifest.json").write_text("[]")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (change, "weights.npz was changed"),
        (remove, "weights.npz is missing"),
        (add, "weights.pkl was added"),
        (link, "weights.npz is a link"),
        (link_folder, "1 is a link"),
        (forge_manifest, "manifest.json is no manifest"),
    ],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_a_folder_that_was_touched_is_refused_and_publishing_again_mends_it(
    home, folder, harm, told
):
    publish(home, NAME, "1", "run-a", folder)
    harm(served(home) / "1")
    with pytest.raises(ValueError, match=told):
        open_published(home, NAME)
    if harm is link_folder:
        (served(home) / "1").unlink()
    publish(home, NAME, "1", "run-a", folder)
    assert open_published(home, NAME).version == "1"


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc", "a\\b", ".hidden", "a\n"])
def test_names_that_could_lead_elsewhere_are_refused(home, folder, name):
    with pytest.raises(ValueError, match="a model's name wants"):
        publish(home, name, "1", "run-a", folder)
    with pytest.raises(ValueError, match="a model's version wants"):
        publish(home, NAME, name, "run-a", folder)


def test_a_pointer_that_leads_elsewhere_is_refused(home, folder):
    publish(home, NAME, "1", "run-a", folder)
    path = served(home) / "champion.json"
    path.write_text(path.read_text().replace('"version": "1"', '"version": "../../1"'))
    with pytest.raises(ValueError, match="is no pointer to a model"):
        open_published(home, NAME)


def test_a_link_in_the_source_is_refused(home, folder):
    (folder / "secret").symlink_to("/etc/hostname")
    with pytest.raises(ValueError, match="secret is a link"):
        publish(home, NAME, "1", "run-a", folder)
    assert pointer(home, NAME) is None


def test_the_last_versions_stay_and_the_one_served_is_never_removed(home, tmp_path):
    for version in range(1, 9):
        publish(home, NAME, f"{version}", "r", make_model(tmp_path / f"{version}", f"{version}"))
    kept = sorted(path.name for path in served(home).iterdir() if path.name[0].isdigit())
    assert kept == ["4", "5", "6", "7", "8"]
    assert len(kept) == KEPT_VERSIONS
    for version in range(4, 9):
        open_version(home, NAME, f"{version}")
    publish(home, NAME, "4", "r", tmp_path / "4")
    publish(home, NAME, "9", "r", make_model(tmp_path / "9", "9"))
    assert open_version(home, NAME, "4").version == "4", "the way back stays open"
    publish(home, NAME, "10", "r", make_model(tmp_path / "10", "10"))
    with pytest.raises(LookupError, match="version 4 of"):
        open_version(home, NAME, "4")


def test_the_line_of_versions_is_remembered(home, tmp_path):
    for version in "1223":
        folder = tmp_path / version
        if not folder.exists():
            make_model(folder, version)
        publish(home, NAME, version, "r", folder)
    assert pointer(home, NAME).previous == ("1", "2")


def test_a_version_number_that_is_used_anew_replaces_the_old_folder(home, folder, tmp_path):
    publish(home, NAME, "1", "run-a", folder)
    publish(home, NAME, "1", "run-b", make_model(tmp_path / "other", "second"))
    model = open_published(home, NAME)
    assert model.run_id == "run-b"
    assert (model.folder / "category" / "weights.npz").read_bytes() == b"second" * 100


def test_what_a_kill_left_behind_is_swept(home, folder):
    left = served(home) / ".1.new" / "category"
    left.mkdir(parents=True)
    (left / "half.npz").write_bytes(b"half")
    publish(home, NAME, "1", "run-a", folder)
    assert not left.exists()
    assert open_published(home, NAME).version == "1"


def test_a_reader_beside_a_publisher_always_finds_a_whole_model(home, tmp_path):
    folders = [make_model(tmp_path / text, text) for text in ("first", "second")]
    publish(home, NAME, "1", "r", folders[0])
    child = os.fork()
    if child == 0:
        for turn in range(60):
            publish(home, NAME, f"{1 + turn % 2}", "r", folders[turn % 2])
        os._exit(0)
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        open_published(home, NAME)
    assert open_published(home, NAME).version == "2"
