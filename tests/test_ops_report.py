"""The report on the ops page."""

import re

from tests.endpoint import put_key
from tests.handling import put_incidents, put_resolved
from tests.test_ops_page import browser, clock, machine, sign_in, store

__all__ = ["browser", "clock", "machine", "store"]  # fixtures


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
    put_resolved(store, "default", 40)
    put_incidents(store, "default")
    page = machine.get("/ops/report?span=all").text
    assert row(page, "resolve", "mail") == ["40", "1", "3 h (2–4)", "6 h (5–?)"]
    assert row(page, "detect", "all")[:2] == ["7", "0, 2 never"]
    assert page.count('class="middle"') >= 4
    assert "Satisfaction (CSAT)" in page, "among what the desk does not carry"
    assert 'id="csat"' not in page


def test_the_span_and_the_parts_are_chosen_in_the_address(machine, store):
    put_resolved(store, "default", 40)
    put_resolved(store, "default", 10, "vpn")
    assert row(machine.get("/ops/report").text, "resolve", "vpn")[0] == "10"
    page = machine.get("/ops/report?by=group&span=30d").text
    assert "vpn" not in page
    assert 'value="30d" selected' in page
    assert machine.get("/ops/report?by=%00&span=never&desk=%00").status_code == 200


def test_a_key_sees_the_measures_of_its_own_desks(browser, store):
    put_resolved(store, "default", 40)
    put_resolved(store, "hr", 7, "payroll")
    sign_in(browser, put_key(store, "read", desks=("hr",)))
    for query in ("", "?desk=default"):
        page = browser.get(f"/ops/report{query}").text
        assert "payroll" in page
        assert ">mail<" not in page


def test_what_a_desk_calls_its_categories_is_text_and_never_markup(machine, store):
    put_resolved(store, "default", 40, "<script>alert(1)</script>")
    page = machine.get("/ops/report").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
