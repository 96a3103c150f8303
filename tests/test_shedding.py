"""What the event loop cannot keep up with is refused at once; a burst is borne."""

import asyncio

import pytest

from api.shedding import BORNE, LONGEST, SCORING, SOON, TURNS, TURNS_BEHIND, Shed

COST = 0.002  # seconds that a request holds the event loop
CROWD = 4 * TURNS  # requests that come together, again and again: far too many


class Desk:
    """An endpoint each of whose answers takes `COST` by a clock that stands still otherwise."""

    def __init__(self):
        self.at, self.is_full, self.n_counted = 0.0, False, 0
        self.shed = Shed(lambda: self.is_full, self.note, {}, clock=lambda: self.at)

    def note(self):
        self.n_counted += 1

    def works(self):
        self.at += COST

    def ask(self, waited=0.0):
        """Whether a request whose bytes have waited so long is let in; its task waits its turn."""
        if self.shed.refuses(waited):
            return False
        self.shed.take_up(lambda: asyncio.get_running_loop().call_soon(self.works))
        return True

    async def round(self, n=CROWD, waited=0.0):
        """`n` requests that the event loop reads together; how many of them are let in."""
        n_let_in = sum(self.ask(waited) for _ in range(n))
        await asyncio.sleep(0)
        return n_let_in


async def learnt():
    """A desk that has answered one after another, and knows what a turn takes."""
    desk = Desk()
    for _ in range(3):
        await desk.round(1)
    return desk


async def behind():
    """A desk to which crowds have come for longer than is borne."""
    desk = await learnt()
    for _ in range(3):
        await desk.round(waited=BORNE)
    return desk


def test_a_burst_is_answered_whole():
    async def story():
        return await (await learnt()).round()

    assert asyncio.run(story()) == CROWD


def test_burst_after_burst_with_nothing_in_between_is_answered_whole():
    async def story():
        desk, found = await learnt(), []
        for _ in range(5):
            found.append(await desk.round())
            desk.at += 60
        return found

    assert asyncio.run(story()) == [CROWD] * 5


def test_crowd_after_crowd_is_cut_to_what_can_be_answered_soon():
    async def story():
        return await (await behind()).round()

    soon = SOON + TURNS_BEHIND * COST
    assert COST * asyncio.run(story()) == pytest.approx(soon, abs=COST)


def test_it_goes_on_while_a_few_come_between_crowds():
    async def story():
        desk = await behind()
        await desk.round(1)
        return await desk.round()

    assert asyncio.run(story()) < TURNS


def test_what_waited_unseen_in_its_socket_counts_as_well():
    async def story():
        desk = await behind()
        return [await desk.round(1, waited) for waited in (0.0, SOON, 10 * COST)]

    assert asyncio.run(story()) == [1, 1, 0]


def test_connections_that_each_bring_one_request_cannot_hide_that_they_wait():
    async def story():
        desk, found = await learnt(), []
        for _ in range(200):
            found.append(await desk.round(1, waited=TURNS * COST + 2 * SOON))
        return found

    assert asyncio.run(story())[-1] == 0


def test_as_many_as_may_ask_one_thing_after_another_are_never_refused():
    async def story():
        desk = await learnt()
        return [await desk.round(TURNS) for _ in range(50)]

    assert asyncio.run(story()) == [TURNS] * 50


def test_nobody_waits_very_long_in_a_burst_either():
    async def story():
        desk = await learnt()
        return await desk.round(10 * CROWD)

    assert COST * asyncio.run(story()) == pytest.approx(LONGEST, abs=2 * COST)


def test_all_is_normal_again_once_nobody_came_too_late_for_a_moment():
    async def story():
        desk = await behind()
        desk.at += 2 * BORNE
        await desk.round(1)
        return await desk.round()

    assert asyncio.run(story()) == CROWD


def test_while_no_ticket_would_be_read_soon_nothing_is_begun():
    async def story():
        desk = await learnt()
        desk.is_full = True
        while_full = await desk.round(1)
        desk.is_full = False
        return while_full, await desk.round(1)

    assert asyncio.run(story()) == (0, 1)


def test_a_task_that_could_not_be_made_is_not_waited_for():
    def fails():
        raise ValueError("not a URL")

    async def story():
        desk = await learnt()
        for _ in range(CROWD):
            with pytest.raises(ValueError, match="URL"):
                desk.shed.take_up(fails)
        await asyncio.sleep(0)
        return [await desk.round(TURNS) for _ in range(50)]

    assert asyncio.run(story()) == [TURNS] * 50


@pytest.mark.parametrize(
    ("url", "first"),
    [
        (b"/v1/tickets", b"v1"),
        (b"/v1/tickets/score?desk=it", b"v1"),
        (b"/v1/desks/it/tickets", b"v1"),
        (b"/v1/desks/it/zendesk", b"v1"),
        (b"/invocations?desk=it", b"invocations"),
        (b"/v2/models/ticket-it/infer", b"v2"),
        (b"/v1/desks/it/feedback", None),
        (b"/v1/metrics/write", None),
        (b"/invocations-of-others", None),
        (b"/healthz", None),
    ],
)
def test_only_what_scores_is_refused(url, first):
    found = SCORING.match(url)
    assert (found and found[1]) == first
