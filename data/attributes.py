"""Where tickets come from: short values under short names, and nobody's personal data."""

import re
from collections.abc import Mapping
from functools import lru_cache

from data.masking import mask

MOST = 16  # attributes of a ticket
NAME_CHARACTERS, VALUE_CHARACTERS = 32, 64  # a longer one is a text
NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{NAME_CHARACTERS - 1}}}")
# What a person is called by: of whom a ticket is stands in its requester, as a keyed hash.
PERSONAL = re.compile(
    r"(requester|caller|reporter|user|employee|person|contact|(first|last|full|sur)_?name|name"
    r"|e?_?mail|phone|mobile|(opened|requested|reported|created)_by)(_(id|name|e?mail|number))?"
    r"|(customer|contact|client)_(name|e?mail|phone|number|id)"
)


@lru_cache(maxsize=4096)  # a desk has few sites, and many tickets of each
def fault_of(name: str, value: str) -> str:
    """Why this cannot be an attribute, "" where it can.

    >>> fault_of("site", "Leeds"), fault_of("requester", "Jo Hill")
    ('', 'names a person: map it to requester instead, which is hashed')
    >>> fault_of("customer", "jo.hill@example.com")
    'holds personal data or a secret'
    """
    if not NAME.fullmatch(name):
        return f"is no name of an attribute: wanted a-z, 0-9 and _, at most {NAME_CHARACTERS}"
    if PERSONAL.fullmatch(name):
        return "names a person: map it to requester instead, which is hashed"
    if len(value) > VALUE_CHARACTERS:
        return f"is longer than the {VALUE_CHARACTERS} characters of an attribute"
    if not value.isprintable():
        return "holds a line break or another character that does not print"
    return "holds personal data or a secret" if mask(value) != value else ""


def storable_attributes(given: Mapping[str, str]) -> dict[str, str]:
    """Those that may be kept, at most `MOST`, whoever hands them over.

    >>> storable_attributes({"site": "Leeds", "user": "jhill", "device": " "})
    {'site': 'Leeds'}
    """
    plain = {name: value.strip() for name, value in given.items()}
    kept = [(name, value) for name, value in plain.items() if value and not fault_of(name, value)]
    return dict(kept[:MOST])
