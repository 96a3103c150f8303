"""What the event loop cannot keep up with is refused at once; a burst is borne."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse

from api.shedding import FEW, INTERVAL, TARGET, Shed

COST = TARGET / FEW / 2  # seconds that a request takes
A_ROUND = 20 * FEW  # requests that come together: ten times what a round should take


class Desk:
    """An endpoint each of whose answers takes `COST` by a clock that stands still otherwise."""

    def __init__(self):
        self.at, self.cost, self.n_counted = 0.0, COST, 0
        self.app = Starlette()
        self.app.state.forms = {}
        self.shed = Shed(self.takes_its_time, count=self.count, clock=lambda: self.at)

    def count(self):
        self.n_counted += 1

    async def takes_its_time(self, scope, receive, send):
        self.at += self.cost
        await PlainTextResponse("ok")(scope, receive, send)

    async def ask(self, path="/v1/tickets/score"):
        told = []
        scope = {"type": "http", "path": path, "method": "POST", "headers": [], "app": self.app}

        async def send(message):
            told.append(message)

        await self.shed(scope, None, send)
        return told[0]["status"], dict(told[0]["headers"])

    async def round(self, n=A_ROUND, path="/v1/tickets/score"):
        """`n` requests at once; how many were answered by which status."""
        found = await asyncio.gather(*(self.ask(path) for _ in range(n)))
        statuses = [status for status, _ in found]
        return statuses.count(200), statuses.count(429)


def test_a_burst_is_answered_whole():
    desk = Desk()
    assert asyncio.run(desk.round()) == (A_ROUND, 0)


def test_round_after_round_too_long_is_cut_to_what_can_be_answered_soon():
    async def story(desk):
        while desk.at <= INTERVAL:
            await desk.round()
        return await desk.round()

    answered, refused = asyncio.run(story(Desk()))
    assert COST * answered == pytest.approx(TARGET, abs=2 * COST)
    assert refused == A_ROUND - answered


def test_as_many_as_may_ask_one_thing_after_another_are_never_refused():
    async def story(desk):
        desk.cost = TARGET
        return [await desk.round(FEW) for _ in range(20)]

    assert asyncio.run(story(Desk())) == [(FEW, 0)] * 20


def test_who_is_refused_is_told_when_to_come_back_and_counted():
    async def story(desk):
        while desk.at <= INTERVAL:
            await desk.round()
        n_before = desk.n_counted
        told = await asyncio.gather(*(desk.ask() for _ in range(A_ROUND)))
        return told, desk.n_counted - n_before

    told, n_counted = asyncio.run(story(Desk()))
    status, headers = told[-1]
    assert (status, headers[b"retry-after"]) == (429, b"1")
    assert headers[b"content-type"] == b"application/problem+json"
    assert len(headers[b"x-request-id"]) == 32
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert n_counted == [status for status, _ in told].count(429)


def test_all_is_normal_again_with_the_first_round_that_is_short():
    async def story(desk):
        while desk.at <= INTERVAL:
            await desk.round()
        await desk.round(2)
        return await desk.round()

    assert asyncio.run(story(Desk())) == (A_ROUND, 0)


def test_probes_and_metrics_are_never_refused():
    async def story(desk):
        while desk.at <= INTERVAL:
            await desk.round()
        return await desk.round(path="/v1/metrics/write"), await desk.round(path="/healthz")

    assert asyncio.run(story(Desk())) == ((A_ROUND, 0), (A_ROUND, 0))
