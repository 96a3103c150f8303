"""The invented people who write to the simulated desk."""

from typing import NamedTuple

from data.simulation.dice import Dice

N_PEOPLE = 800
# Numbers that regulators keep for fiction: 020 7946 0xxx in Britain, 555-01xx in America.
_PHONES = ("+44 20 7946 0###", "020 7946 0###", "(212) 555-01##", "ext. 4##", "ext. 7##")


class Person(NamedTuple):
    """Somebody on the desk's payroll, who writes in their own manner."""

    first: str
    last: str
    email: str
    phone: str
    department: str
    signs: bool
    sloppy: float


def draw_people(
    dice: Dice, first: list[str], last: list[str], departments: list[str]
) -> list[Person]:
    """`N_PEOPLE` different people."""
    people: dict[str, Person] = {}
    while len(people) < N_PEOPLE:
        person = _draw_person(dice, dice.pick(first), dice.pick(last), dice.pick(departments))
        people.setdefault(person.email, person)
    return list(people.values())


def _draw_person(dice: Dice, first: str, last: str, department: str) -> Person:
    email = f"{first}.{last}@example.com".lower().replace("'", "").replace(" ", "")
    phone = "".join(str(dice.below(10)) if c == "#" else c for c in dice.pick(_PHONES))
    sloppy = dice.uniform() ** 3 * 0.6
    return Person(first, last, email, phone, department, dice.chance(0.55), sloppy)
