"""What every classifier promises. `tests/test_classifiers.py` holds each one to it."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.classifier import Classifier, Fields

Make = Callable[[], Classifier]

WORDS = {
    "network": "vpn wifi router cable slow connection",
    "printing": "printer paper toner jam tray queue",
    "access": "password login locked account reset token",
}
TALK = "please help since monday the a it our again does not work thanks"


def desk(n: int = 150, seed: int = 7) -> tuple[dict[str, list[str]], list[str]]:
    """Tickets that a person would tell apart, and their labels."""
    rng = np.random.default_rng(seed)
    labels = [sorted(WORDS)[at % 3] for at in range(n)]
    said = [rng.choice(WORDS[label].split(), 2).tolist() for label in labels]
    body = [" ".join([*words, *rng.choice(TALK.split(), 6).tolist()]) for words in said]
    return {"title": [words[0] for words in said], "body": body}, labels


def fitted(make: Make, n: int = 150) -> Classifier:
    return make().fit(*desk(n))


def saved_and_loaded(model: Classifier) -> Classifier:
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        return type(model).load(Path(folder))


def refusal(attempt: Callable[[], object]) -> str:
    """What the ValueError that `attempt` raises says."""
    try:
        attempt()
    except ValueError as error:
        return str(error)
    raise AssertionError("wanted a ValueError, got none")


def check_probabilities_are_a_distribution(make: Make) -> None:
    fields, _ = desk(40, seed=8)
    model = fitted(make)
    probabilities = model.predict_proba(fields)
    assert probabilities.shape == (40, len(model.classes_))
    assert np.all((probabilities >= 0) & (probabilities <= 1))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def check_classes_are_the_labels_sorted(make: Make) -> None:
    assert list(fitted(make).classes_) == sorted(WORDS)


def check_what_is_plain_is_learnt(make: Make) -> None:
    fields, labels = desk(60, seed=8)
    model = fitted(make)
    guesses = model.classes_[model.predict_proba(fields).argmax(axis=1)]
    assert np.mean(guesses == np.array(labels, dtype=object)) > 0.95


def check_same_tickets_give_the_same_model(make: Make) -> None:
    fields, _ = desk(40, seed=8)
    first, second = fitted(make), fitted(make)
    np.testing.assert_array_equal(first.predict_proba(fields), second.predict_proba(fields))


def check_input_is_left_alone(make: Make) -> None:
    fields, labels = desk()
    make().fit(fields, labels).predict_proba(fields)
    assert (fields, labels) == desk()


def check_one_ticket_scores_as_it_does_among_many(make: Make) -> None:
    fields, _ = desk(20, seed=8)
    model = fitted(make)
    alone = model.predict_proba({name: texts[3:4] for name, texts in fields.items()})
    np.testing.assert_allclose(alone[0], model.predict_proba(fields)[3], atol=1e-6)


def check_no_ticket_gives_no_row(make: Make) -> None:
    nothing: Fields = {"title": [], "body": []}
    assert fitted(make).predict_proba(nothing).shape == (0, 3)


def check_any_text_is_scored(make: Make) -> None:
    odd = ["", " \n\t", "?!", "Überlauf 日本語 🖨", "\x00\ud800", "a" * 1_000_000, "vpn " * 250_000]
    probabilities = fitted(make).predict_proba({"title": odd, "body": odd[::-1]})
    assert np.isfinite(probabilities).all()


def check_a_missing_column_is_an_empty_one(make: Make) -> None:
    titles = ["printer jam"]
    model = fitted(make)
    without = model.predict_proba({"title": titles})
    np.testing.assert_array_equal(without, model.predict_proba({"title": titles, "body": [""]}))


def check_saved_model_scores_the_same(make: Make) -> None:
    fields, _ = desk(40, seed=8)
    model = fitted(make)
    loaded = saved_and_loaded(model)
    assert list(loaded.classes_) == list(model.classes_)
    np.testing.assert_array_equal(loaded.predict_proba(fields), model.predict_proba(fields))


def check_a_folder_without_a_model_is_refused(make: Make) -> None:
    with tempfile.TemporaryDirectory() as folder:
        error = refusal(lambda: type(make()).load(Path(folder)))
        assert folder in error, "the error names the file"


def check_one_class_is_refused(make: Make) -> None:
    error = refusal(
        lambda: make().fit({"title": ["vpn down", "vpn slow", "my vpn"]}, ["network"] * 3)
    )
    assert "at least two classes" in error, "the error says how to mend it"


def check_a_class_of_one_ticket_is_known(make: Make) -> None:
    fields, labels = desk(60)
    labels[7] = "rare"
    assert "rare" in list(make().fit(fields, labels).classes_)


def check_lengths_must_agree(make: Make) -> None:
    fields, labels = desk(60)
    error = refusal(lambda: make().fit(fields, labels[:-1]))
    assert "59" in error, "the error says what came"
    assert "60" in error, "the error says what was wanted"


CHECKS = [check for name, check in list(globals().items()) if name.startswith("check_")]
