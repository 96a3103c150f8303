"""The words that pushed a ticket towards its label."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from features.text import MAX_CHARACTERS, WORD, Fields, TextFeatures, letter_grams, normalise
from models.head import Head

MAX_READINGS = 40
"""How often a ticket is read again to explain it: an encoder takes some milliseconds each time."""

N_WORDS = 10  # what a person reads

TINY = 1e-9  # a probability of 0 has no logarithm

Texts = Mapping[str, str]
"""One ticket's texts by their columns."""

Predict = Callable[[Fields], Mapping[str, np.ndarray]]
"""Tickets to each target's probabilities (n_tickets, n_classes)."""


class Word(NamedTuple):
    """A word as the ticket spells it; above 0 it spoke for the label, below 0 against it."""

    word: str
    contribution: float


class Reasons(NamedTuple):
    """What each word of the ticket added to a label's lead; `rest` is what no word did."""

    words: list[Word]
    rest: float


def word_contributions(features: TextFeatures, head: Head, texts: Texts, label: str) -> Reasons:
    """What each word added to the lead of `label` over the mean score of all classes.

    The head is linear, so this is exact: all contributions and `rest` sum to that lead. What a
    piece of a word counts goes to the words in which it stands, half of what a pair of words
    counts to each of them. A word that stands there twice is one, spelt as at first.

    >>> titles = ["printer jam", "printer broken", "old printer", "vpn down", "vpn slow", "my vpn"]
    >>> features = TextFeatures().fit({"title": titles})
    >>> head = Head().fit(features.transform({"title": titles}), ["print"] * 3 + ["net"] * 3)
    >>> said = word_contributions(features, head, {"title": "The VPN, the printer!"}, "net")
    >>> [(word, contribution > 0) for word, contribution in said.words if contribution]
    [('VPN', True), ('printer', False)]
    """
    tokens = [token for text in _known(features, texts) for token in text.split()]
    label_at = _place(head, label)
    row = features.transform({column: [text] for column, text in texts.items()})
    weights = head.coef[row.indices, label_at] - head.coef[row.indices].mean(axis=1)
    pushes = dict(zip(row.indices.tolist(), (row.data * weights).tolist(), strict=True))
    standing = list(_standing(features, tokens))
    times = Counter(place for place, _ in standing)
    given = np.zeros(len(tokens))
    for place, owners in standing:
        for owner in owners:
            given[owner] += pushes[place] / times[place] / len(owners)
    rest = float(head.intercept[label_at] - head.intercept.mean())
    return Reasons(_summed(tokens, given), rest)


def occluded(predict: Predict, texts: Texts, labels: Mapping[str, int]) -> dict[str, list[Word]]:
    """How much less likely each label is without each word: for any model, by reading it again.

    `labels` maps a target to the column of its label in what `predict` gives. A contribution is
    a difference of log-probabilities. A text of many words loses several neighbours at a time,
    which are told as one, so that `MAX_READINGS` are enough. Unlike the exact contributions
    these sum to nothing: of two words that say the same, neither is missed. (Li, Monroe and
    Jurafsky 2016, Understanding Neural Networks through Representation Erasure.)

    >>> def predict(fields):
    ...     return {"group": np.array([[0.5, 0.5 + 0.4 * ("vpn" in t)] for t in fields["title"]])}
    >>> said = occluded(predict, {"title": "the vpn again"}, {"group": 1})
    >>> [(word, round(contribution, 2)) for word, contribution in said["group"]]
    [('the', 0.0), ('vpn', 0.59), ('again', 0.0)]
    """
    read = {column: text[:MAX_CHARACTERS] for column, text in texts.items()}
    windows = list(_windows(read))
    tickets = [read, *(_without(read, window) for window in windows)]
    found = predict({column: [ticket[column] for ticket in tickets] for column in read})
    names = [_spelt(read[column][start:stop]) for column, start, stop in windows]
    return {
        target: _lost(names, np.log(np.maximum(found[target][:, place], TINY)))
        for target, place in labels.items()
    }


def _lost(names: Sequence[str], logs: np.ndarray) -> list[Word]:
    lost = (logs[0] - logs[1:]).tolist()
    return [Word(name, one) for name, one in zip(names, lost, strict=True)]


def shares(words: Sequence[Word], n: int) -> list[Word]:
    """The `n` words that counted most, each as its share of what all of them counted.

    A share lies in [-1, 1]. A word that counted nothing is not told.

    >>> shares([Word("vpn", 3.0), Word("the", 0.0), Word("printer", -1.0)], 5)
    [Word(word='vpn', contribution=0.75), Word(word='printer', contribution=-0.25)]
    """
    whole = sum(abs(one.contribution) for one in words)
    ordered = sorted(words, key=lambda one: -abs(one.contribution))
    return [Word(one.word, one.contribution / whole) for one in ordered[:n] if one.contribution]


def _known(features: TextFeatures, texts: Texts) -> list[str]:
    return [texts[column][:MAX_CHARACTERS] for column in features.columns if column in texts]


def _place(head: Head, label: str) -> int:
    places = np.flatnonzero(head.classes == label)
    if not len(places):
        raise ValueError(f"wanted one of {head.classes.tolist()}, got {label!r}")
    return int(places[0])


def _standing(
    features: TextFeatures, tokens: Sequence[str]
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Each time that a known term stands in the ticket: its column, and the tokens it stands in."""
    first = 0
    for kind, terms in (("words", _words(tokens)), ("letters", _letters(tokens))):
        index = features.index[kind]
        for term, owners in terms:
            if term in index:
                yield first + index[term], owners
        first += len(index)


def _words(tokens: Sequence[str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    spread = [(word, at) for at, one in enumerate(tokens) for word in WORD.findall(normalise(one))]
    for word, at in spread:
        yield word, (at,)
    for (word, at), (next_word, next_at) in pairwise(spread):
        yield f"{word} {next_word}", (at, next_at)


def _letters(tokens: Sequence[str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    for at, token in enumerate(tokens):
        for gram in letter_grams(normalise(token)):
            yield gram, (at,)


def _summed(tokens: Sequence[str], given: np.ndarray) -> list[Word]:
    spellings: dict[str, str] = {}
    sums: Counter[str] = Counter()
    for token, contribution in zip(tokens, given.tolist(), strict=True):
        word = _spelt(token)
        spellings.setdefault(normalise(word), word)
        sums[normalise(word)] += contribution
    return [Word(word, sums[key]) for key, word in spellings.items()]


def _spelt(text: str) -> str:
    """A text without what surrounds its words.

    >>> _spelt("(VPN),"), _spelt("<email>."), _spelt("???")
    ('VPN', '<email>', '???')
    """
    found = [*WORD.finditer(text)]
    return text[found[0].start() : found[-1].end()] if found else text


class _Window(NamedTuple):
    column: str
    start: int
    stop: int


def _windows(texts: Texts) -> Iterator[_Window]:
    """Neighbouring words of one column, so many together that there are not too many windows."""
    spans = {column: [*re.finditer(r"\S+", text)] for column, text in texts.items()}
    n_words = sum(map(len, spans.values()))
    spare = MAX_READINGS - 1 - len(spans)  # the last window of each column may be a short one
    size = 1 if n_words < MAX_READINGS else math.ceil(n_words / max(spare, 1))
    for column, found in spans.items():
        for at in range(0, len(found), size):
            some = found[at : at + size]
            yield _Window(column, some[0].start(), some[-1].end())


def _without(texts: Texts, window: _Window) -> dict[str, str]:
    text = texts[window.column]
    return {**texts, window.column: f"{text[: window.start]} {text[window.stop :]}"}
