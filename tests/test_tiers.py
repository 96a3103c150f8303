"""What the fast tier saves and costs is measured on tickets that the model has not seen."""

import numpy as np
import pytest

from models.cascade import Cascade
from models.triage import Triage
from pipelines.dataset import Dataset
from pipelines.encoder import encoder
from pipelines.measure import cpu_ms, predict
from pipelines.tiers import tables_of, tier_rows, told

WORDS = {"printing": "printer paper toner jam tray", "network": "vpn wifi router cable switch"}


def tickets(n, seed):
    """Tickets of three words of their class, one in five with its label hidden."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(list(WORDS), n)
    texts = [" ".join(rng.choice(WORDS[kind].split(), 3)) for kind in kinds]
    labels = [str(kind) if rng.random() < 0.8 else None for kind in kinds]
    return Dataset({"title": texts}, {"group": labels})


@pytest.fixture(scope="module")
def model(encoder_home):
    train = tickets(80, 0)
    rows = [row for row, label in enumerate(train.labels["group"]) if label]
    some = train.take(rows)
    made = Triage(encoder=encoder(encoder_home)).fit(some.fields, some.labels, ordered=False)
    top = made.predict_proba(tickets(40, 1).fields, "fast")["group"].max(axis=1)
    made.cascade = Cascade({"group": float(np.median(top))})
    return made


def test_each_tier_is_measured_on_the_labelled_tickets(model):
    test = tickets(40, 1)
    fast, full, both = tier_rows(model, test, predict(model, test.fields))
    assert (fast.tier, full.tier, both.tier) == ("fast", "full", "cascade")
    assert (fast.read, full.read) == (0, 1)
    assert 0 < both.read < 1
    labels = np.array([label or "" for label in test.labels["group"]])
    guess = model.classes["group"][model.predict_proba(test.fields)["group"].argmax(axis=1)]
    wanted = (guess == labels)[labels != ""].mean()
    assert both.accuracy == {"group": pytest.approx(wanted)}
    assert [row["tier"] for row in tables_of([fast, full, both])["tiers"]] == [
        "fast",
        "full",
        "cascade",
    ]
    assert f"{1 - both.read:.0%} of the tickets" in told([fast, full, both])[0]


def test_a_model_of_words_has_one_tier():
    train = tickets(40, 2)
    model = Triage().fit(train.fields, train.labels, ordered=False)
    assert tier_rows(model, train, predict(model, train.fields)) == []
    assert (told([]), tables_of([])) == ((), {})


def test_the_cost_is_that_of_reading_not_of_remembering(model):
    calls = []
    before = model.meaning.encoder.keep
    model.meaning.encoder.keep = lambda texts, make: calls.append(texts) or make(texts)
    keep = model.meaning.encoder.keep
    try:
        assert cpu_ms([model], tickets(5, 3).fields, tier="full")[0] > 0
        assert (calls, model.meaning.encoder.keep) == ([], keep)
    finally:
        model.meaning.encoder.keep = before
