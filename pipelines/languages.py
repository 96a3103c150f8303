"""Which languages tickets are written in."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from pipelines.console import Report, silent

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

SURE = 0.5  # below it a text is too short, or too much of a list of names, to be told
UNTOLD = "?"
READ = 500  # characters are enough; a log pasted below them is in no language
LEAST = 0.01  # share of the tickets from which a language is more than a few oddly written ones


def languages(texts: Sequence[str], report: Report = silent) -> dict[str, float]:
    """Share of the texts in each language (ISO 639 codes), the most frequent first.

    Texts of which it cannot be told, and languages of fewer than one text in a hundred, count
    as "?".

    >>> languages(["the printer in room four is broken", "der drucker im zweiten stock streikt"])
    {'de': 0.5, 'en': 0.5}
    """
    n = Counter(language_of(texts, report))
    return {one: n[one] / len(texts) for one in sorted(n, key=lambda one: (-n[one], one))}


def language_of(texts: Sequence[str], report: Report = silent) -> list[str]:
    """Each text's language, "?" as for `languages`.

    >>> language_of(["the printer in room four is broken", "4711"])
    ['en', '?']
    """
    reader, found = _reader(), []
    for row, text in enumerate(texts, start=1):
        language, probability = reader.classify(text[:READ].lower())
        found.append(language if probability >= SURE else UNTOLD)
        if row % 1000 == 0:
            report(row, len(texts))
    n = Counter(found)
    return [one if n[one] >= LEAST * len(texts) else UNTOLD for one in found]


@cache
def _reader() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # 1 s to load its tables

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
