"""Reads the hand-written texts in `phrases/` and fills their slots."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from data.simulation.desk import CATEGORIES
from data.simulation.dice import Dice

FOLDER = Path(__file__).with_name("phrases")
_SLOT = re.compile(r"\{([^{}]*)\}")


class Pattern(NamedTuple):
    """A title and a body with slots; impact and urgency where the words settle them."""

    title: str
    body: str
    impact: int | None
    urgency: int | None


class Phrases(NamedTuple):
    """All texts: a category's own, those that several categories share, and the trimmings."""

    ordinary: dict[str, list[Pattern]]
    incident: dict[str, list[Pattern]]
    shared: dict[tuple[str, ...], list[Pattern]]
    common: dict[str, list[str]]


@cache
def load(folder: Path = FOLDER) -> Phrases:
    """Every text in `folder`.

    >>> len(load().ordinary), load().common["greeting"][0]
    (10, 'Hi,')
    """
    own = {c.name: read_sections(folder / f"{c.phrases}.txt") for c in CATEGORIES}
    shared = read_sections(folder / "shared.txt")
    return Phrases(
        {name: [_pattern(line) for line in sections["ordinary"]] for name, sections in own.items()},
        {name: [_pattern(line) for line in sections["incident"]] for name, sections in own.items()},
        {tuple(k.split(" | ")): [_pattern(line) for line in v] for k, v in shared.items()},
        read_sections(folder / "common.txt") | read_sections(folder / "slots.txt"),
    )


def read_sections(path: Path) -> dict[str, list[str]]:
    """The lines under each `[heading]`; empty lines and those that start with # are left out."""
    sections: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            lines = sections.setdefault(line.strip("[]"), [])
        elif line.strip() and not line.startswith("#"):
            lines.append(line.strip())
    return sections


def _pattern(line: str) -> Pattern:
    """`title :: body` or `title :: body :: impact/urgency`."""
    title, body, levels = [*(part.strip() for part in line.split("::")), ""][:3]
    impact, urgency = levels.split("/") if levels else ("", "")
    return Pattern(title, body, int(impact) if impact else None, int(urgency) if urgency else None)


def fill(text: str, slots: Mapping[str, list[str]], given: Mapping[str, str], dice: Dice) -> str:
    r"""`text` with `{a|b}` made a or b, `{name}` taken from `given` or `slots`, # made digits.

    `\n` in a text is a new line. What stands in `given` is the same each time.

    >>> import numpy as np
    >>> fill("{The|My} {thing} is {state}", {"state": ["broken"]}, {"thing": "key"},
    ...      Dice(np.random.default_rng(0)))
    'My key is broken'
    """

    def choose(match: re.Match[str]) -> str:
        inside = match[1]
        if "|" in inside:
            return dice.pick(inside.split("|"))
        return given[inside] if inside in given else dice.pick(slots[inside])

    while "{" in text:
        text = _SLOT.sub(choose, text)
    return _digits(text.replace("\\n", "\n"), dice)


def _digits(text: str, dice: Dice) -> str:
    if "#" not in text:
        return text
    return "".join(str(dice.below(10)) if letter == "#" else letter for letter in text)
