import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data.vectors import Vectors
from features.embedding import MAX_TOKENS, Encoder
from pipelines.encoder import encoder, folder_of, make, weights

ROOT = Path(__file__).parent.parent

TEXTS = [
    "Printer on the third floor is jammed again",
    "VPN drops every few minutes since this morning, I cannot reach the file server",
    "please reset my password, the account is locked",
    "Défaut n°5: l'imprimante ne répond plus",
    "hello",
]


@pytest.fixture(scope="module")
def reader(encoder_home):
    return encoder(encoder_home)


@pytest.fixture
def saved(reader, tmp_path):
    reader.save(tmp_path)
    return tmp_path


def test_vectors_are_those_of_the_whole_weights(reader):
    """In a process of its own, as torch is slow to load and warns."""
    program = (
        "import sys, json; from sentence_transformers import SentenceTransformer;"
        f"model = SentenceTransformer({str(weights())!r}, device='cpu');"
        f"print(json.dumps(model.encode({TEXTS!r}, normalize_embeddings=True).tolist()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    whole = np.array(json.loads(done.stdout.splitlines()[-1]))
    cosines = (whole * reader.embed(TEXTS)).sum(axis=1)
    assert cosines.mean() > 0.99
    assert cosines.min() > 0.98


def test_like_meanings_point_alike(reader):
    mail, post, coffee = reader.embed(
        ["I cannot open my mailbox", "Outlook will not show my e-mails", "The coffee is cold"]
    )
    assert mail @ post > mail @ coffee + 0.2


def test_a_text_gets_its_vector_whatever_stands_beside_it(reader):
    together = reader.embed([*TEXTS, "x " * 300])
    alone = [reader.embed([text])[0] for text in TEXTS]
    np.testing.assert_array_equal(together[: len(TEXTS)], alone)


def test_vectors_have_length_1_and_blank_texts_none(reader):
    vectors = reader.embed(["vpn", "", " \n\t", "\x00", "\ud800", "🖨" * 400])
    lengths = np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(lengths, [1, 0, 0, 1, 1, 1], atol=1e-5)
    assert vectors.dtype == np.float32


def test_no_text_gives_no_vector(reader):
    assert reader.embed([]).shape == (0, reader.n_dimensions)


def test_what_stands_behind_the_limit_is_not_read(reader):
    long = "printer " * MAX_TOKENS
    first, second = reader.embed([long, long + "vpn down"])
    np.testing.assert_array_equal(first, second)


def test_made_once_then_read(encoder_home, reader):
    path = folder_of(encoder_home, weights()) / "encoder.onnx"
    before = path.stat().st_mtime_ns
    assert encoder(encoder_home).id == reader.id
    assert path.stat().st_mtime_ns == before
    assert path.stat().st_size < 25e6, "8 bits a number"
    assert [one.name for one in (encoder_home / "encoder").iterdir()] == [path.parent.name]


def test_weights_that_cannot_be_read_leave_nothing_behind(tmp_path):
    source = tmp_path / "weights"
    source.mkdir()
    (source / "config.json").write_text("{}")
    with pytest.raises(RuntimeError, match="the encoder could not be made from"):
        make(source, tmp_path / "encoder" / "abc")
    assert list((tmp_path / "encoder").iterdir()) == []


def test_reading_needs_no_torch(saved):
    program = (
        "import sys; from pathlib import Path; from features.embedding import Encoder;"
        f"Encoder.load(Path({str(saved)!r})).embed(['vpn down']);"
        "print(sorted({'torch', 'transformers', 'sklearn', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_a_graph_that_cannot_run_is_refused(reader, tmp_path):
    Encoder(b"no graph", reader.tokenizer, reader.n_dimensions, reader.table).save(tmp_path)
    with pytest.raises(ValueError, match=r"encoder\.onnx cannot read a text"):
        Encoder.load(tmp_path)


def test_vectors_of_another_length_are_refused(reader, tmp_path):
    Encoder(reader.model, reader.tokenizer, 7, reader.table).save(tmp_path)
    with pytest.raises(ValueError, match=r"encoder\.onnx cannot read a text"):
        Encoder.load(tmp_path)


@pytest.mark.parametrize("file", ["encoder.json", "encoder.onnx", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"", b"{}", None], ids=["empty", "other", "missing"])
def test_a_broken_file_is_named(saved, file, content):
    if content is None:
        (saved / file).unlink()
    else:
        (saved / file).write_bytes(content)
    with pytest.raises(ValueError, match=file):
        Encoder.load(saved)


def test_a_copied_folder_reads_the_same(reader, saved, tmp_path):
    loaded = Encoder.load(Path(shutil.copytree(saved, tmp_path / "copy")))
    assert loaded.id == reader.id
    np.testing.assert_array_equal(loaded.embed(TEXTS), reader.embed(TEXTS))


# vectors that are kept


def test_what_was_read_is_read_from_the_file_the_next_time(encoder_home):
    first = encoder(encoder_home)
    wanted = first.embed(["a text of this test alone"])
    second = encoder(encoder_home)
    second.model = b""  # so that it could read nothing itself
    del second.__dict__["_session"]
    np.testing.assert_array_equal(second.embed(["a text of this test alone"]), wanted)


class Counted:
    """Two numbers a text, and a count of the texts that were asked for."""

    def __init__(self):
        self.n = 0

    def __call__(self, texts):
        self.n += len(texts)
        return np.array([[len(text), text.count("a")] for text in texts], dtype=np.float32)


def test_a_text_is_read_once(tmp_path):
    vectors, make_some = Vectors(tmp_path / "v.db", 2), Counted()
    first = vectors.of(["banana", "vpn", "banana"], make_some)
    assert make_some.n == 2
    again = Vectors(tmp_path / "v.db", 2).of(["vpn", "new", "banana"], make_some)
    assert make_some.n == 3
    assert first.tolist() == [[6, 3], [3, 0], [6, 3]]
    assert again.tolist() == [[3, 0], [3, 0], [6, 3]]


def test_the_oldest_vectors_are_dropped(tmp_path):
    vectors, make_some = Vectors(tmp_path / "v.db", 2, limit=3), Counted()
    vectors.of(list("abcd"), make_some)
    assert len(vectors) == 3
    vectors.of(["d", "a"], make_some)
    assert make_some.n == 5, "d was kept, a was dropped"


def test_a_text_that_is_forgotten_is_read_again(tmp_path):
    vectors, make_some = Vectors(tmp_path / "v.db", 2), Counted()
    vectors.of(["vpn", "mail"], make_some)
    assert vectors.forget(["vpn", "never seen"]) == 1
    assert len(vectors) == 1


def test_kept_vectors_are_their_owners_and_hold_no_text(tmp_path):
    path = tmp_path / "deep" / "v.db"
    vectors = Vectors(path, 2)
    vectors.of(["the secret is swordfish", "\ud800"], Counted())
    assert path.stat().st_mode & 0o077 == 0
    assert b"swordfish" not in path.read_bytes()
    assert vectors.of([], Counted()).shape == (0, 2)
