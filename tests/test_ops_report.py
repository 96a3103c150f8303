"""The report on the ops page."""

import re
from datetime import timedelta

from data.records import Ticket
from tests.endpoint import NOW, put_key
from tests.handling import put_incidents
from tests.test_ops_page import browser, clock, machine, sign_in, store

__all__ = ["browser", "clock", "machine", "store"]  # fixtures


def put_tickets(store, desk="default", n=40, category="mail"):
    """Tickets of the last ten days, each resolved an hour after it was opened, but the last."""
    opened = [NOW - timedelta(days=10) + timedelta(hours=6 * number) for number in range(n)]
    store.put_tickets(
        [
            Ticket(
                desk, "export", f"{category}{number}", at,
                resolved_at=None if number == n - 1 else at + timedelta(hours=1),
                labels={"category": category},
            )
            for number, at in enumerate(opened)
        ]
    )  # fmt: skip


def row(page, measure, part):
    """The cells of one row."""
    section = page[page.index(f'id="{measure}"') :]
    found = re.search(rf'<th scope="row">{part}</th>(.*?)</tr>', section, re.S)[1]
    return [re.sub("<[^>]+>", "", cell) for cell in re.findall("<td>.*?</td>", found, re.S)]


def test_an_empty_desk_is_told_what_to_bring(machine):
    page = machine.get("/ops/report").text
    assert "No tickets of default yet" in page
    assert "<code>forewarn ingest tickets FILE</code>" in page


def test_each_measure_has_its_figures_and_a_picture_of_them(machine, store):
    put_tickets(store)
    put_incidents(store, "default")
    page = machine.get("/ops/report?span=all").text
    assert row(page, "resolve", "mail") == ["40", "1", "60 min (60–?)", "60 min (60–?)"]
    assert row(page, "detect", "all")[:2] == ["7", "0, 2 never"]
    assert page.count('class="middle"') >= 4
    assert "Satisfaction (CSAT)" in page, "among what the desk does not carry"
    assert 'id="csat"' not in page


def test_the_span_and_the_parts_are_chosen_in_the_address(machine, store):
    put_tickets(store)
    put_tickets(store, n=10, category="vpn")
    assert row(machine.get("/ops/report").text, "resolve", "vpn")[0] == "10"
    page = machine.get("/ops/report?by=group&span=30d").text
    assert "vpn" not in page
    assert 'value="30d" selected' in page
    assert machine.get("/ops/report?by=%00&span=never&desk=%00").status_code == 200


def test_a_key_sees_the_measures_of_its_own_desks(browser, store):
    put_tickets(store, "default")
    put_tickets(store, "hr", n=7, category="payroll")
    sign_in(browser, put_key(store, "read", desks=("hr",)))
    for query in ("", "?desk=default"):
        page = browser.get(f"/ops/report{query}").text
        assert "payroll" in page
        assert ">mail<" not in page


def test_what_a_desk_calls_its_categories_is_text_and_never_markup(machine, store):
    put_tickets(store, category="<script>alert(1)</script>")
    page = machine.get("/ops/report").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
