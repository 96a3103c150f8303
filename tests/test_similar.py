"""Past tickets that are like one are found at once, and open ones that repeat another."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.triage import banking77
from features.text import TextFeatures
from models import similar as module
from models.similar import FOLDED, Similar, duplicates, folded

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("FOREWARN_DATA", ROOT.parent / "shared" / "data"))
BANKING = DATA / "tickets" / "banking77_test.csv.gz"

STREETS = ["badge reader at the side door", "printer on floor three", "vpn from home is slow"]


def clustered(n, n_dimensions=100, seed=0):
    """Unit vectors that lie in groups, as tickets do."""
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(50, n_dimensions))
    x = middles[rng.integers(0, 50, n)] + rng.normal(0, 0.5, (n, n_dimensions))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def filled(n=300, **options):
    similar = Similar(100, **options)
    similar.add([f"INC{row}" for row in range(n)], clustered(n))
    return similar


@pytest.fixture
def saved(tmp_path):
    filled().save(tmp_path)
    return tmp_path


def test_a_fresh_ticket_is_found_at_once_and_gone_when_removed():
    similar, fresh = filled(), clustered(1, seed=9)
    similar.add(["NEW"], fresh)
    (found, cosine), second = similar.search(fresh[0], 2)
    assert (found, cosine) == ("NEW", pytest.approx(1, abs=1e-3))
    similar.remove(["NEW", "never known"])
    assert similar.search(fresh[0], 1)[0] == second
    assert len(similar) == 300


def test_few_tickets_are_compared_exactly():
    x, asked = clustered(300), clustered(5, seed=9)
    similar = filled()
    for one in asked:
        wanted = np.argsort(-(x @ one))[:10]
        found = similar.search(one, 10)
        assert [f"INC{row}" for row in wanted] == [name for name, _ in found]
        np.testing.assert_allclose([cosine for _, cosine in found], (x @ one)[wanted], atol=1e-3)


def test_among_many_the_first_look_loses_next_to_none():
    n = 20_000
    x = clustered(n, 384)
    asked = x[:40] + 0.5 * clustered(40, 384, seed=9)
    similar = Similar(384)
    similar.add([f"INC{row}" for row in range(n)], x)
    hits = [
        len(
            {f"INC{row}" for row in np.argsort(-(x @ one))[:5]}
            & dict(similar.search(one, 5)).keys()
        )
        for one in asked
    ]
    assert np.mean(hits) / 5 >= 0.95
    assert len(similar._candidates(asked[:1], 1000)) < 2000, "not all of them are compared"


def test_removing_leaves_every_other_ticket_where_it_is():
    """Rows move about inside; each ticket must still answer to its own vector."""
    similar, x = filled(), clustered(300)
    gone = np.random.default_rng(0).permutation(300)[:200]
    similar.remove([f"INC{row}" for row in gone])
    for row in sorted(set(range(300)) - set(gone.tolist())):
        assert similar.search(x[row], 1)[0][0] == f"INC{row}"
    assert len(similar) == 100


def test_the_signs_go_with_their_vectors(monkeypatch):
    monkeypatch.setattr(module, "CANDIDATES", 1)
    similar, x = filled(), clustered(300)
    similar.remove([f"INC{row}" for row in range(0, 300, 3)])
    similar.add(["INC0"], x[:1])
    for row in (0, 1, 2, 149, 299):
        assert similar.search(x[row], 1)[0][0] == f"INC{row}"


def test_a_ticket_that_is_added_again_takes_its_new_place():
    similar = Similar(2)
    similar.add(["INC1", "INC2"], np.array([[1.0, 0], [1, 0]]))
    similar.add(["INC1", "INC2", "INC1"], np.array([[1.0, 0], [0, 1], [0, 1]]))
    assert [cosine for _, cosine in similar.search(np.array([0, 1.0]))] == [1, 1]
    assert similar.ids == ["INC2", "INC1"] == list(similar.rows)


def test_the_longest_known_tickets_are_forgotten():
    similar = filled(limit=300)
    similar.add(["INC0"], clustered(1))  # known again: no longer the oldest
    similar.add(["NEW1", "NEW2"], clustered(2, seed=9))
    assert len(similar) == 300
    assert not {"INC1", "INC2"} & similar.rows.keys()
    assert {"INC0", "INC3", "NEW1", "NEW2"} <= similar.rows.keys()


def test_more_tickets_than_there_is_room_for_keep_the_latest():
    assert list(filled(n=10, limit=3).rows) == ["INC7", "INC8", "INC9"]


def test_what_says_nothing_is_like_nothing():
    similar = Similar(2)
    similar.add(["INC1", "blank"], np.array([[1.0, 1], [0, 0]]))
    assert similar.search(np.zeros(2)) == []
    assert [name for name, _ in similar.search(np.array([-1.0, -1]))] == ["INC1"]
    assert Similar(2).search(np.ones(2)) == []


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (np.zeros((2, 3)), r"shape \(1, 2\), got \(2, 3\)"),
        (np.array([[np.nan, 1]]), "finite numbers"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(vectors, said):
    with pytest.raises(ValueError, match=said):
        Similar(2).add(["INC1"], vectors)
    with pytest.raises(ValueError, match="wanted a vector of 2"):
        Similar(2).search(np.ones(3))


# what is saved


def test_loaded_finds_the_same_and_knows_which_is_oldest(tmp_path):
    similar, x = filled(), clustered(300)
    similar.remove(["INC0", "INC7"])  # so that rows stand in another order than tickets came
    similar.save(tmp_path)
    loaded = Similar.load(tmp_path)
    assert list(loaded.rows) == list(similar.rows)
    for one in [*x[[1, 150, 299]], *clustered(5, seed=9)]:
        assert dict(loaded.search(one)) == pytest.approx(dict(similar.search(one)), abs=1e-3)


@pytest.mark.parametrize("file", ["similar.json", "similar.npz"])
@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04", None])
def test_a_broken_file_is_named(saved, file, content):
    if content is None:
        (saved / file).unlink()
    else:
        (saved / file).write_bytes(content)
    with pytest.raises(ValueError, match=file):
        Similar.load(saved)


def test_a_flipped_bit_is_noticed(saved):
    path = saved / "similar.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"similar\.npz"):
        Similar.load(saved)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ids": ["INC0"] * 300}, "names something twice"),
        ({"ids": ["INC0"]}, "vectors is float16 of shape"),
        ({"limit": 299}, "limit 299 is too small for 300 tickets"),
        ({"n_dimensions": 99}, "vectors is float16 of shape"),
    ],
)
def test_json_that_does_not_fit_is_refused(saved, change, said):
    path = saved / "similar.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=said):
        Similar.load(saved)


# open tickets that repeat another


def test_open_tickets_that_say_the_same_are_named_the_likest_first():
    notice = " ".join(f"word{at}" for at in range(19))
    others = {"1": f"{notice} again", "2": STREETS[1], "3": f"{notice}  TODAY"}
    told = duplicates(f"{notice} today", others)
    assert told == [("3", 1), ("1", pytest.approx(19 / 21))]


def test_what_is_only_about_the_same_thing_is_no_duplicate():
    assert duplicates("vpn is slow from home", {"1": "vpn is down from home"}) == []


@pytest.mark.parametrize("blank", ["", " ", "?!"])
def test_blank_tickets_repeat_nothing(blank):
    assert duplicates(blank, {"1": "", "2": "?!"}) == []


# words in place of vectors of meaning


def test_folded_words_keep_their_cosines():
    features = TextFeatures().fit({"title": STREETS * 2})
    rows = features.transform({"title": [*STREETS, "the printer on floor three again"]})
    exact = (rows @ rows.T).toarray() / 2  # words and letters, each of length 1
    kept = folded(rows)
    assert kept.shape == (4, FOLDED)
    np.testing.assert_allclose(kept @ kept.T / 2, exact, atol=0.15)


@pytest.mark.skipif(not BANKING.exists(), reason=f"{BANKING} is absent; FOREWARN_DATA names it")
def test_words_alone_find_a_ticket_of_the_same_class_on_banking77():
    parts = banking77(DATA)
    features = TextFeatures().fit(parts.train.fields)
    similar, labels = Similar(FOLDED), dict(enumerate(parts.train.labels["category"]))
    similar.add([str(row) for row in labels], folded(features.transform(parts.train.fields)))
    some = parts.test.take(list(range(0, len(parts.test), 10)))
    found = [similar.search(one) for one in folded(features.transform(some.fields))]
    right = [
        any(labels[int(name)] == label for name, _ in near)
        for near, label in zip(found, some.labels["category"], strict=True)
    ]
    assert np.mean(right) > 0.92
