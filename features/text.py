"""Texts as weighted counts of words and of pieces of words."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
from scipy.sparse import csr_array, vstack

from features.places import Places
from features.plain import read_arrays, read_json, strings, write_arrays, write_json

Fields = Mapping[str, Sequence[str]]

MAX_CHARACTERS = 10_000
"""What stands behind this many characters of a text is not read: a log pasted into a ticket
says little after its first pages, and one text of a megabyte would hold up everybody else's."""

MAX_LETTERS = 40
"""Of a longer word only its beginning is read letter by letter: it is a key or an address."""

MIN_AUTHORS = 3
"""By two people a name is written soon: its bearer and the colleague who helps."""

AT_ONCE = 1_000  # tickets: what is counted of these takes some 30 MB

WORD = re.compile(r"<\w+>|\w+")  # a mask such as <email> is a word of its own


class TextFeatures:
    """TF-IDF of words, pairs of words, and runs of 2 to 5 letters within a word.

    The columns are read as one text, one after the other. Words and letters are weighted by
    (1 + log count) * idf and each scaled to length 1; a term never seen counts nothing.

    Parameters
    ----------
    min_authors
        A term is learnt if that many different people wrote it, so that no name which only its
        bearer and a colleague write can be read in a saved model. A ticket that names nobody
        counts as written by its text: copies of one text are one author.
    max_terms
        Of more terms of one kind (words, letters), those in the most tickets are learnt.

    Examples
    --------
    >>> texts = {"title": ["Printer jam", "Printer broken", "VPN"], "body": ["", "", "down"]}
    >>> features = TextFeatures(min_authors=1).fit(texts)
    >>> features.columns, features.terms("words")
    (('title', 'body'), ('broken', 'down', 'jam', 'printer', 'printer broken', 'printer jam',
     'vpn', 'vpn down'))
    >>> features.transform({"title": ["printer down"]}).shape == (1, features.n_features)
    True
    """

    def __init__(self, *, min_authors: int = MIN_AUTHORS, max_terms: int = 100_000) -> None:
        if min_authors < 1 or max_terms < 1:
            raise ValueError(
                f"min_authors and max_terms must be at least 1, got {min_authors}, {max_terms}"
            )
        self.min_authors = min_authors
        self.max_terms = max_terms
        self.columns: tuple[str, ...] = ()
        self.index: dict[str, dict[str, int]] = {kind: {} for kind in GRAMS}
        self.idf: dict[str, np.ndarray] = {kind: np.zeros(0, np.float32) for kind in GRAMS}
        self._look_up()

    @property
    def n_features(self) -> int:
        return sum(len(index) for index in self.index.values())

    def terms(self, kind: str) -> tuple[str, ...]:
        """What the columns of one kind stand for, in their order."""
        return tuple(self.index[kind])

    def fit(self, fields: Fields, authors: Sequence[str | None] | None = None) -> Self:
        """Learn the terms and how rare each is. ValueError where too few people wrote any of them.

        `authors` (n_tickets,) says who wrote each ticket, in whatever spelling tells them apart;
        None or "" is nobody. Who wrote what is not kept.
        """
        self.columns = tuple(fields)
        texts = joined(fields, self.columns)
        written = by_author(texts, authors)
        for kind, grams in GRAMS.items():
            n_tickets: Counter[str] = Counter()
            n_authors: Counter[str] = Counter()
            for own in written:
                found = [set(grams(text)) for text in own]
                for terms in found:
                    n_tickets.update(terms)
                n_authors.update(found[0].union(*found[1:]))
            self._learn(kind, n_tickets, n_authors, len(texts))
        if not self.n_features:
            raise ValueError(
                f"no word was written by {self.min_authors} people: {len(texts)} texts of"
                f" {', '.join(self.columns)} came from {len(written)}; give more tickets or other"
                " columns"
            )
        self._look_up()
        return self

    def _learn(
        self, kind: str, n_tickets: Counter[str], n_authors: Counter[str], n_texts: int
    ) -> None:
        often = [term for term, n in n_authors.items() if n >= self.min_authors]
        often.sort(key=lambda term: (-n_tickets[term], term))
        kept = sorted(often[: self.max_terms])
        counts = np.array([n_tickets[term] for term in kept], dtype=float)
        self.index[kind] = {term: place for place, term in enumerate(kept)}
        self.idf[kind] = (np.log((1 + n_texts) / (1 + counts)) + 1).astype(np.float32)

    def transform(self, fields: Fields) -> csr_array:
        """Features of shape (n_tickets, n_features), float32.

        A column that was not there at `fit` is left out, one that is missing now is empty;
        ValueError where none is known.
        """
        texts = joined(fields, self.columns)
        some = [texts[at : at + AT_ONCE] for at in range(0, len(texts), AT_ONCE)] or [texts]
        blocks = [self._weighted(part) for part in some]
        return blocks[0] if len(blocks) == 1 else csr_array(vstack(blocks, format="csr"))

    def _weighted(self, texts: Sequence[str]) -> csr_array:
        words, tokens = map(WORD.findall, texts), map(tokens_of, texts)
        places, sizes = self._places.of(list(words), list(tokens))
        return weighted(places, sizes, self._idf, len(self.index["words"]))

    def _look_up(self) -> None:
        """What `transform` needs of what was learnt, in one piece."""
        self._places = Places(self.index["words"], self.index["letters"], letters_of)
        self._idf = np.concatenate([self.idf[kind] for kind in GRAMS])

    def save(self, folder: Path) -> None:
        """Write text.json and text.npz."""
        kept = {
            "columns": list(self.columns),
            "min_authors": self.min_authors,
            "max_terms": self.max_terms,
            **{kind: list(self.index[kind]) for kind in GRAMS},
        }
        write_json(folder / "text.json", kept)
        write_arrays(folder / "text.npz", self.idf)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote; ValueError names the file that is not what it should be."""
        path = folder / "text.json"
        whole = {"columns": list, "min_authors": int, "max_terms": int}
        kept = read_json(path, whole | dict.fromkeys(GRAMS, list))
        features = cls(min_authors=kept["min_authors"], max_terms=kept["max_terms"])
        features.columns = strings(path, "columns", kept["columns"])
        for kind in GRAMS:
            terms = strings(path, kind, kept[kind])
            features.index[kind] = {term: place for place, term in enumerate(terms)}
        lengths = {kind: (len(index),) for kind, index in features.index.items()}
        wanted = {kind: ("float32", shape) for kind, shape in lengths.items()}
        features.idf = read_arrays(folder / "text.npz", wanted)
        features._look_up()
        return features


def joined(fields: Fields, columns: Sequence[str]) -> list[str]:
    """One text a ticket, in the form that is counted.

    >>> joined({"title": ["Défaut  n°5"], "body": ["VPN"], "channel": ["web"]}, ["title", "body"])
    ['défaut  n°5 vpn']
    """
    return [" ".join(map(normalise, texts)) for texts in rows_of(fields, columns)]


def by_author(texts: Sequence[str], authors: Sequence[str | None] | None = None) -> list[list[str]]:
    """The texts of each author together; one that names nobody is its own author.

    >>> by_author(["vpn", "mail", "vpn", "vpn"], ["ada", "ada", None, ""])
    [['vpn', 'mail'], ['vpn', 'vpn']]
    """
    given = [None] * len(texts) if authors is None else authors
    if len(given) != len(texts):
        raise ValueError(f"wanted an author for each of {len(texts)} tickets, got {len(given)}")
    written: dict[tuple[bool, str], list[str]] = {}
    for text, author in zip(texts, given, strict=True):
        written.setdefault((bool(author), author or text), []).append(text)
    return list(written.values())


def rows_of(fields: Fields, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Each ticket's texts in those of `columns` that there are; ValueError where there is none."""
    known = [fields[column] for column in columns if column in fields]
    if not known:
        raise ValueError(f"wanted a text column of {list(columns)}, got {list(fields)}")
    if len({len(texts) for texts in known}) > 1:
        raise ValueError(f"columns differ in length: {[len(texts) for texts in known]}")
    return list(zip(*known, strict=True))


def spoken(label: str) -> str:
    """A label as a person would say it; "" where it is a code that says nothing.

    >>> spoken("card_arrival"), spoken("IT/Hardware > Printer"), spoken("passwordReset")
    ('card arrival', 'IT Hardware Printer', 'password Reset')
    >>> spoken("7"), spoken("P2")
    ('', '')
    """
    words = re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label))
    return " ".join(words) if any(len(re.findall(r"[^\W\d]", word)) > 1 for word in words) else ""


def normalise(text: str) -> str:
    """Lower case and one spelling for each letter, of the first `MAX_CHARACTERS`."""
    return unicodedata.normalize("NFKC", text[:MAX_CHARACTERS]).lower()


def words_in(text: str) -> list[str]:
    """The words of a text as it was written, in order.

    >>> words_in("VPN is down, down!")
    ['vpn', 'is', 'down', 'down']
    """
    return WORD.findall(normalise(text))


def word_grams(text: str) -> list[str]:
    """Words and pairs of neighbours.

    >>> word_grams("mail from <email> lost")
    ['mail', 'from', '<email>', 'lost', 'mail from', 'from <email>', '<email> lost']
    """
    words = WORD.findall(text)
    return words + [f"{first} {second}" for first, second in pairwise(words)]


def letter_grams(text: str) -> list[str]:
    """Runs of 2 to 5 letters of each word, its ends marked by a blank.

    >>> letter_grams("vpn")
    [' v', 'vp', 'pn', 'n ', ' vp', 'vpn', 'pn ', ' vpn', 'vpn ', ' vpn ']
    """
    return [gram for token in tokens_of(text) for gram in letters_of(token)]


def tokens_of(text: str) -> list[str]:
    """What stands between blanks, as far as it is read letter by letter."""
    return [token[:MAX_LETTERS] for token in text.split()]


@lru_cache(maxsize=8192)  # tickets repeat their words; some 10 MB, and 60 MB at the worst
def letters_of(word: str) -> tuple[str, ...]:
    framed = f" {word} "
    spans = range(2, min(5, len(framed)) + 1)
    return tuple(framed[at : at + n] for n in spans for at in range(len(framed) - n + 1))


GRAMS = {"words": word_grams, "letters": letter_grams}


def weighted(places: np.ndarray, sizes: np.ndarray, idf: np.ndarray, n_words: int) -> csr_array:
    """Rows of (1 + log count) * idf, words and letters each of length 1, or 0 where none is known.

    `places` are the columns that stand in the tickets, as often as they do, `sizes` (n_tickets,)
    of them in each; the first `n_words` columns are words.

    >>> weighted(np.array([0, 1, 0]), np.array([3, 0]), np.ones(2, "f4"), 2).toarray()
    array([[0.861037 , 0.5085423],
           [0.       , 0.       ]], dtype=float32)
    >>> weighted(np.array([2, 0]), np.array([1, 1]), np.full(3, 9, "f4"), 2).toarray()
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    >>> weighted(np.zeros(0, "i4"), np.array([0, 0]), np.zeros(0, "f4"), 0).shape
    (2, 0)
    """
    n_tickets, width = len(sizes), len(idf)
    edges = (width * np.arange(n_tickets + 1)).repeat(2)[:-1]
    edges[1::2] += n_words
    keys, counts = counted(places + edges[:-1:2].repeat(sizes))
    bounds, columns = keys.searchsorted(edges), keys % width
    values = (1 + np.log(counts, dtype=np.float32)) * idf[columns]
    squares = np.ones(len(values) + 1)  # one more, for the last bound to stand on
    np.multiply(values, values, out=squares[:-1], dtype=float)
    lengths = np.sqrt(np.add.reduceat(squares, bounds)[:-1])
    data = (values / lengths.repeat(bounds[1:] - bounds[:-1])).astype(np.float32)
    rows = columns.astype(np.int32), bounds[::2].astype(np.int32)
    return csr_array((data, *rows), shape=(n_tickets, width))


def counted(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different numbers among `keys`, ascending, and how often each is there.

    As `np.unique`, in half the time where they are few.

    >>> counted(np.array([3, 1, 3]))
    (array([1, 3]), array([1, 2]))
    """
    ascending = np.sort(keys)
    firsts = np.ones(len(keys) + 1, dtype=bool)
    np.not_equal(ascending[1:], ascending[:-1], out=firsts[1:-1])
    bounds = firsts.nonzero()[0]
    return ascending[bounds[:-1]], bounds[1:] - bounds[:-1]
