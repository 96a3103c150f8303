"""Many requests at once: read together, told apart, and refused before it gets too late."""

import asyncio
import threading

import pytest

from api.batching import AT_ONCE, WAITING, Batcher
from api.problems import Problem

OLD, NEW = "version 1", "version 2"  # what a batcher tells apart is which one it is


class Reader:
    """Says of each text who read it. Reads no further while `gate` is closed."""

    def __init__(self):
        self.batches = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, champion, columns):
        self.gate.wait(10)
        self.batches.append((champion, list(columns["title"])))
        if "broken" in columns["title"]:
            raise RuntimeError("cannot be read")
        return [f"{title} by {champion}" for title in columns["title"]]


def nothing_soon(champion, columns):
    return None


def batcher_of(reader, max_wait_seconds=1.0):
    return Batcher(reader, nothing_soon, max_wait_seconds)


def titles(*given):
    return {"title": list(given)}


@pytest.fixture
def reader():
    return Reader()


async def waiting(batcher, reader, *asked):
    """Ask for the first while the gate is closed, then for the others, and open it."""
    reader.gate.clear()
    tasks = []
    for champion, columns in asked:
        tasks.append(asyncio.create_task(batcher.score(champion, columns)))
        await asyncio.sleep(0)
    reader.gate.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_what_comes_while_a_batch_is_read_is_read_together_and_each_gets_its_own(reader):
    asked = [(OLD, titles(name)) for name in "abc"] + [(OLD, titles("d", "e"))]
    found = asyncio.run(waiting(batcher_of(reader), reader, *asked))
    told = [["a by version 1"], ["b by version 1"], ["c by version 1"]]
    assert found == [*told, ["d by version 1", "e by version 1"]]
    assert sorted(title for _, batch in reader.batches for title in batch) == list("abcde")
    assert len(reader.batches) < len(asked)


def test_during_a_promotion_each_request_is_read_by_the_model_that_it_began_with(reader):
    asked = [(OLD, titles("a")), (OLD, titles("b")), (NEW, titles("c")), (OLD, titles("d"))]
    found = asyncio.run(waiting(batcher_of(reader), reader, *asked))
    wanted = [["a by version 1"], ["b by version 1"], ["c by version 2"], ["d by version 1"]]
    assert found == wanted


def test_a_request_of_many_tickets_lets_others_between_its_parts(reader):
    many = titles(*(f"m{n}" for n in range(3 * AT_ONCE)))
    found = asyncio.run(waiting(batcher_of(reader), reader, (OLD, many), (OLD, titles("one"))))
    assert [len(one) for one in found] == [3 * AT_ONCE, 1]
    places = [place for place, (_, batch) in enumerate(reader.batches) if "one" in batch]
    assert places[0] < len(reader.batches) - 1
    assert all(len(batch) <= AT_ONCE for _, batch in reader.batches)


def test_who_would_wait_too_long_is_refused_at_once_and_told_when_to_come_back(reader):
    async def story():
        batcher = batcher_of(reader, max_wait_seconds=1e-9)
        batcher.admit(1000)  # where nothing waits, anybody is let in
        await batcher.score(OLD, titles("a"))
        reader.gate.clear()
        going = asyncio.create_task(batcher.score(OLD, titles(*"b" * (WAITING - 1))))
        await asyncio.sleep(0)
        batcher.admit()  # as many as ask one thing after another are let in
        with pytest.raises(Problem) as refused:
            batcher.admit(2)
        reader.gate.set()
        await going
        batcher.admit(1000)  # back to normal
        return refused.value

    refused = asyncio.run(story())
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1


def test_an_error_is_told_to_those_whose_batch_it_was_and_the_next_goes_on(reader):
    async def story():
        batcher = batcher_of(reader)
        with pytest.raises(RuntimeError):
            await batcher.score(OLD, titles("broken"))
        return await batcher.score(OLD, titles("a"))

    assert asyncio.run(story()) == ["a by version 1"]


def test_who_hangs_up_takes_nothing_away_from_the_others(reader):
    async def story():
        batcher = batcher_of(reader)
        reader.gate.clear()
        tasks = [asyncio.create_task(batcher.score(OLD, titles(name))) for name in "abc"]
        await asyncio.sleep(0)
        tasks[1].cancel()
        reader.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, gone, last = asyncio.run(story())
    assert (first, last) == (["a by version 1"], ["c by version 1"])
    assert isinstance(gone, asyncio.CancelledError)


def test_what_is_soon_said_waits_for_no_batch(reader):
    async def story():
        batcher = Batcher(reader, lambda champion, columns: ["at once"], 1.0)
        reader.gate.clear()
        return await batcher.score(OLD, titles("a"))

    assert asyncio.run(story()) == ["at once"]
    assert reader.batches == []
