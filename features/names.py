"""What names have in common: a kind of tickets called VPN, a series called vpn_auth_errors."""

import re
from functools import lru_cache

from features.labels import parsed

MEASURED = (
    "and avg bucket bytes code count counter cpu day desk disk duration error errors fail failed "
    "failure failures file free gauge get host hour http https id instance io issue issues job kb "
    "latency limit load max mb mean mem memory min minute ms node num number other p50 p75 p90 p95 "
    "p99 per percent post problem process rate ratio request requests response responses sec "
    "second seconds server service size status sum system time total type unit unknown usage used "
    "user users value"
)
GENERIC = frozenset(MEASURED.split())
"""Words that say what is measured, not of what."""

WORD = re.compile(r"[^\W\d_]+\d*|\d+[^\W\d_]+", re.UNICODE)
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
SHORT = 4  # letters that a word must have to be found within a longer one


@lru_cache(maxsize=8192)
def words_of_name(name: str) -> frozenset[str]:
    """The words in a name that say what it is about; of a series' labels, their values.

    >>> sorted(words_of_name("vpn_auth_errors_total")), sorted(words_of_name("Web shop"))
    (['auth', 'vpn'], ['shop', 'web'])
    >>> sorted(words_of_name('http_errors{service="checkout",code="500"}'))
    ['checkout']
    >>> sorted(words_of_name('service="checkout"'))
    ['checkout']
    """
    series = parsed(name)
    text = " ".join((series.name, *series.labels.values()))
    words = (word.lower() for word in WORD.findall(CAMEL.sub(" ", text).replace("_", " ")))
    return frozenset(word for word in words if word not in GENERIC and len(word) > 1)


def shared_name(one: str, other: str) -> str:
    """A word that two names share, in full or as a part of a longer one; "" where they share none.

    >>> shared_name("VPN login", "vpn_auth_errors"), shared_name("Printing", "print.latency")
    ('vpn', 'print')
    >>> shared_name("vpn.errors_per_min", "mail.errors_per_min"), shared_name("Email", "mail.load")
    ('', 'mail')
    """
    if one == other:
        return one
    ours, theirs = words_of_name(one), words_of_name(other)
    if both := ours & theirs:
        return min(both)
    parts = {
        short
        for a in ours
        for b in theirs
        for short, long in ((a, b), (b, a))
        if len(short) >= SHORT and (long.startswith(short) or long.endswith(short))
    }
    return min(parts, default="")
