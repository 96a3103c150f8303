"""What of a decision is written into a ticket, and what is left to the people of the desk."""

from collections.abc import Mapping
from typing import NamedTuple

from data.desk_apis import TAGS, Change, Current, Fields

THEIRS = "(left to people)"


class Ours(NamedTuple):
    """What we wrote into each field last, and what is on its way and may have arrived."""

    written: Fields
    sending: Fields


class Plan(NamedTuple):
    """A change, and what we will have written once it is made."""

    change: Change
    written: Fields

    @property
    def sends(self) -> bool:
        return any(self.change)


def news(wanted: Fields, ours: Ours) -> Fields:
    """What differs from what was last written, or may do, without what is left to people.

    >>> news({"priority": "high", "impact": "1"}, Ours({"priority": "low", "impact": THEIRS}, {}))
    {'priority': 'high'}
    >>> news({"priority": "high"}, Ours({"priority": "high"}, {"priority": "low"}))
    {'priority': 'high'}
    >>> news({"tags": ""}, Ours({}, {}))
    {}
    """
    return {
        name: text
        for name, text in wanted.items()
        if ours.written.get(name, "") not in (text, THEIRS) or ours.sending.get(name, text) != text
    }


def planned(
    changed: Fields, ours: Ours, current: Current, untouched: Mapping[str, frozenset[str]]
) -> Plan:
    """What to send of `changed`, given what stands in the ticket now.

    A field is ours to write while nobody has chosen its value, and then for as long as what we
    wrote stands there. From then on it is left to people.

    >>> now = Current("", {"priority": frozenset({"low"})})
    >>> planned({"priority": "high"}, Ours({"priority": "urgent"}, {}), now, {}).written
    {'priority': '(left to people)'}
    >>> planned({"priority": "high"}, Ours({"priority": "low"}, {}), now, {}).change.fields
    {'priority': 'high'}
    """
    fields, after = {}, dict(ours.written)
    for name, text in changed.items():
        if name == TAGS:
            continue
        stands = current.fields.get(name, frozenset())
        free = {one[name].lower() for one in ours if name in one}
        if name not in ours.written:
            free |= untouched.get(name, frozenset())
        if not stands & free and (stands or name in ours.written):
            after[name] = THEIRS
            continue
        after[name] = text
        if text.lower() not in stands:
            fields[name] = text
    if TAGS not in changed:
        return Plan(Change(fields), after)
    added, removed = tags_changed(changed[TAGS], ours, current)
    return Plan(Change(fields, added, removed), after | {TAGS: changed[TAGS]})


def tags_changed(
    wanted: str, ours: Ours, current: Current
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tags of ours to add and to remove. One that a person took off is not put back."""
    (known, sent), named = (one.get(TAGS, "").split() for one in ours), wanted.split()
    added = (one for one in named if one not in known and one not in current.tags)
    removed = (one for one in (*known, *sent) if one not in named and one in current.tags)
    return tuple(added), tuple(dict.fromkeys(removed))


def pieces_of(change: Change) -> list[Change]:
    """A change as several: each field by itself, and the tags.

    >>> [one.fields for one in pieces_of(Change({"priority": "high", "impact": "1"}, ("a",)))]
    [{'priority': 'high'}, {'impact': '1'}, {}]
    """
    fields = [Change({name: text}) for name, text in change.fields.items()]
    tags = Change({}, change.added, change.removed)
    return [*fields, tags] if any(tags) else fields


def names_of(change: Change) -> list[str]:
    """The fields that a change touches."""
    return [*change.fields, TAGS] if change.added or change.removed else [*change.fields]
