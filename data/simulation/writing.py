"""How the people of the simulated desk write: terse, polite, angry, sloppy, with old mail below."""

from data.simulation.dice import Dice
from data.simulation.people import Person
from data.simulation.phrases import Pattern, Phrases, fill

_BESIDE = {
    "a": "sqw", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj",
    "i": "uo", "j": "hk", "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "r": "et",
    "s": "ad", "t": "ry", "u": "yi", "v": "cb", "w": "qe", "y": "tu",
}  # fmt: skip


def write_ticket(
    pattern: Pattern, author: Person, channel: str, levels: tuple[int, int], phrases: Phrases,
    dice: Dice,
) -> tuple[str, str]:  # fmt: skip
    """Title and body as `author` would have put them through `channel`.

    `levels` are the impact and the urgency that the author feels; the words often tell.
    """
    given = _given(author, phrases, dice)
    title = fill(pattern.title, phrases.common, given, dice)
    core = _core(pattern, levels, phrases, dice)
    body = _join([_sentence(part, phrases, given, dice) for part in core if part], dice)
    if dice.chance(author.sloppy):
        title, body = slip(title, dice, 1), slip(body, dice, 1 + len(body) // 90)
    if dice.chance(0.05):
        title = fill(dice.pick(phrases.common["vague_title"]), phrases.common, given, dice)
    return _DRESS[channel](title, body, author, phrases, dice)


def _given(author: Person, phrases: Phrases, dice: Dice) -> dict[str, str]:
    """Slots that stay the same within one ticket."""
    fixed = ("asset", "printer", "floor", "site", "colleague", "order", "since", "app", "version")
    slots = {name: fill(f"{{{name}}}", phrases.common, {}, dice) for name in fixed}
    user = f"{author.first[0]}{author.last}".lower()
    return slots | {"me": f"{author.first} {author.last}", "email": author.email, "user": user,
                    "phone": author.phone, "department": author.department}  # fmt: skip


def _core(pattern: Pattern, levels: tuple[int, int], phrases: Phrases, dice: Dice) -> list[str]:
    """The pattern's body with what gives away impact, urgency and mood around it."""
    impact, urgency = levels
    parts = [pattern.body]
    if dice.chance((0.75, 0.6, 0.12)[impact - 1]):
        parts.append(dice.pick(phrases.common[f"impact_{impact}"]))
    if dice.chance((0.7, 0.35, 0.35)[urgency - 1]):
        parts.append(dice.pick(phrases.common[f"urgency_{urgency}"]))
    mood = ("angry", "tried", "story", "polite", "")[dice.weighted((0.07, 0.2, 0.13, 0.12, 0.48))]
    if mood and (mood, pattern.urgency) != ("tried", 3):  # one tries nothing before a request
        parts.insert(dice.below(len(parts) + 1), dice.pick(phrases.common[mood]))
    return parts


def _sentence(text: str, phrases: Phrases, given: dict[str, str], dice: Dice) -> str:
    """`text` filled; a slot that begins it is given its capital."""
    filled = fill(text, phrases.common, given, dice)
    return filled[0].upper() + filled[1:] if text[0] == "{" else filled


def _join(parts: list[str], dice: Dice) -> str:
    """Sentences one after the other; those who leave out full stops start a new line instead."""
    text = parts[0]
    for part in parts[1:]:
        ended = text[-1] in ".?!"
        text += (" " if ended else dice.pick((". ", "\n", ", "))) + part
    return text


def slip(text: str, dice: Dice, n_slips: int) -> str:
    """`text` after `n_slips` slips of the keyboard: swapped, lost, doubled, neighbouring keys.

    >>> import numpy as np
    >>> slip("The printer is jammed again", Dice(np.random.default_rng(5)), 2)
    'The priner is jammed  again'
    """
    for _ in range(n_slips):
        if len(text) < 4:
            return text
        at = dice.below(len(text) - 2) + 1
        if "@" in _word(text, at):  # a mistyped address might be somebody's
            continue
        one, two = text[at], text[at + 1]
        kinds = (two + one, two, one + one + two, dice.pick(_BESIDE.get(one.lower(), one)) + two)
        text = text[:at] + dice.pick(kinds) + text[at + 2 :]
    return text


def _word(text: str, at: int) -> str:
    """The word around `text[at]`, up to the white space on either side; with the one after it."""
    before, after = text[:at].split(" "), text[at:].split(" ")
    return before[-1] + " ".join(after[:2])


def _as_mail(
    title: str, body: str, author: Person, phrases: Phrases, dice: Dice
) -> tuple[str, str]:
    common, given = phrases.common, {"me": author.first}
    parts = [fill(dice.pick(common["greeting"]), common, given, dice)] if dice.chance(0.8) else []
    parts.append(body)
    if dice.chance(0.85):
        parts.append(fill(dice.pick(common["closing"]), common, given, dice))
    parts.append(_signature(author) if author.signs else author.first)
    if dice.chance(0.12):
        parts.append(_quoted(title, author, phrases, dice))
        title = f"RE: {title}"
    elif dice.chance(0.05):
        title = f"FW: {title}"
    return title, "\n\n".join(parts)


def _signature(author: Person) -> str:
    return (
        f"{author.first} {author.last}\n{author.department}\nPhone: {author.phone}\n{author.email}"
    )


def _quoted(title: str, author: Person, phrases: Phrases, dice: Dice) -> str:
    reply = fill(dice.pick(phrases.common["quoted_reply"]), phrases.common, {}, dice)
    head = "-----Original Message-----\nFrom: IT Service Desk <servicedesk@example.com>\n"
    return f"{head}To: {author.email}\nSubject: {title}\n\n> Dear {author.first},\n> {reply}"


def _as_portal(
    title: str, body: str, author: Person, phrases: Phrases, dice: Dice
) -> tuple[str, str]:
    if dice.chance(0.06):
        return title, ""
    if dice.chance(0.15):
        body += f"\nCall me back on {author.phone}"
    return title, body


def _as_call(
    title: str, body: str, author: Person, phrases: Phrases, dice: Dice
) -> tuple[str, str]:
    """What the agent on the telephone wrote down."""
    opening = dice.pick(phrases.common["phone_opening"])
    given = {"me": f"{author.first} {author.last}", "phone": author.phone}
    note = fill(opening, phrases.common, given, dice)
    return title, f"{note} {body}"


def _as_chat(
    title: str, body: str, author: Person, phrases: Phrases, dice: Dice
) -> tuple[str, str]:
    opening = dice.pick(phrases.common["chat_opening"]) if dice.chance(0.6) else ""
    text = f"{opening} {body}".strip()
    return title, text.lower() if dice.chance(0.6) else text


_DRESS = {"email": _as_mail, "portal": _as_portal, "phone": _as_call, "chat": _as_chat}
