"""The page in a real browser, on a real server: what only a browser can show."""

import re
from pathlib import Path

import pytest

from data.settings import Settings
from data.store import Store
from tests import endpoint, handling

CHROMIUM = Path("/usr/bin/chromium")
OFFLINE = [
    "--no-sandbox",  # a container has no user to drop to
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM.exists(), reason="no chromium here; `make servers` installs it"
    ),
]


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=OFFLINE)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A server, a store with two alerts, a key: (address, store, alerts, token)."""
    home = tmp_path_factory.mktemp("home")
    store = Store(Settings(home=home).database_url)
    alerts = endpoint.an_alert(1), endpoint.an_alert(2, key="queue", kind="surge", n_tickets=9)
    endpoint.put_alerts(store, *alerts)
    endpoint.put_replay(store)
    handling.put_resolved(store, "default", 40)
    with endpoint.serving(home) as url:
        yield url, store, alerts, endpoint.put_key(store, "admin")
    store.close()


@pytest.fixture
def faults():
    """What went wrong in the browser, by its own word."""
    return []


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    return request.param


@pytest.fixture
def open_page(chromium, desk, faults):
    """Opens a page of the desk, signed in; every foreign request and every error is a fault."""
    contexts = []

    def opened(path, **told):
        url, _, _, token = desk
        context = chromium.new_context(**told)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda r: r.url.startswith((url, "data:")) or faults.append(r.url))
        page.goto(f"{url}{path}")
        page.get_by_label("API key").fill(token)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"**{path}")
        return page

    yield opened
    for context in contexts:
        context.close()


def test_the_chart_is_drawn_from_our_own_server_alone(open_page, desk, faults, scheme):
    page = open_page(f"/ops/alerts/{desk[2][0].id}", color_scheme=scheme)
    page.wait_for_selector("#chart .legendtext")
    legend = page.locator("#chart .legendtext").all_text_contents()
    assert legend == ["Normal range", "Expected", "Observed", "Outside"]
    assert page.locator("#chart .annotation-text").all_text_contents() == [
        "opened",
        "strangest",
        "closed",
    ]
    drawn = page.locator("#chart .scatterlayer .trace:last-child path.point").count()
    assert drawn == 6, "one dot a step outside the normal range"
    ink = page.locator("#chart .legendtext").first.evaluate("e => getComputedStyle(e).fill")
    assert ink == {"light": "rgb(86, 99, 97)", "dark": "rgb(159, 173, 171)"}[scheme]
    assert faults == []


def test_an_alert_is_acknowledged_and_reopened_with_the_keyboard(open_page, desk):
    _, store, alerts, _ = desk
    page = open_page(f"/ops/alerts/{alerts[0].id}")
    for button, status in [
        ("Acknowledge", "acknowledged"),
        ("False alarm", "false_alarm"),
        ("Reopen", "open"),
    ]:
        page.get_by_role("button", name=button).focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(f".verdict .status.{status}")
        assert store.alert(alerts[0].id).status == status


def test_a_filter_counts_as_soon_as_it_is_chosen(open_page):
    page = open_page("/ops/alerts")
    assert page.locator(".row").count() == 2
    page.get_by_label("Kind").select_option("surge")
    page.wait_for_url(re.compile("kind=surge"))
    assert page.locator(".row h2").all_inner_texts() == ["queue"]


def test_a_replay_is_drawn_and_its_budgets_are_gone_through(open_page, faults):
    page = open_page("/ops/replay")
    assert page.locator(".panel figcaption").all_inner_texts() == [
        "Alerts a week",
        "Found of 2 incidents",
        "Minutes until told",
    ]
    marks = page.locator(".timeline > svg line.alert, .timeline > svg circle.wrong")
    assert marks.count() == 5, "one mark an alert of any budget"
    places = [mark.bounding_box() for mark in marks.all()]
    frame = page.locator(".timeline > svg").bounding_box()
    assert all(frame["x"] < one["x"] < frame["x"] + frame["width"] for one in places)
    about = places[0]["x"]
    shaded = page.locator("rect.incident").first.bounding_box()
    assert abs(shaded["x"] - about) < 3, "the first alert opens where its incident begins"
    assert page.locator(".row").count() == 2
    page.get_by_role("link", name="4 a week").click()
    page.wait_for_url("**budget=4#fired")
    assert page.locator(".row").count() == 3
    assert faults == []


def test_a_measure_is_drawn_in_order_and_its_parts_are_chosen(open_page, faults):
    page = open_page("/ops/report")
    row = page.locator("section:has(#resolve) tbody tr").first
    frame, dot, decile = (
        row.locator(part).bounding_box() for part in ("line.base", "circle.middle", "line.p90")
    )
    assert frame["x"] < dot["x"] < decile["x"] < frame["x"] + frame["width"]
    page.get_by_label("By").select_option("group")
    page.wait_for_url(re.compile("by=group"))
    assert page.locator("section:has(#resolve) tbody tr").count() == 1
    assert faults == []


def paths(desk):
    """Every kind of page, by its whole address."""
    url, _, alerts, _ = desk
    return [
        f"{url}/ops/{path}"
        for path in ("alerts", f"alerts/{alerts[0].id}", "replay", "report", "status")
    ]


def test_on_a_phone_nothing_runs_off_the_side(open_page, desk):
    page = open_page("/ops/alerts", viewport={"width": 360, "height": 740})
    for address in paths(desk):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") == 360, address


def test_every_word_can_be_read(open_page, desk, scheme):
    """Contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3), in both colour schemes."""
    page = open_page("/ops/alerts", color_scheme=scheme)
    for address in paths(desk):
        page.goto(address)
        found = page.evaluate(CONTRASTS)
        assert len(found) > 15
        assert [f"{text}: {ratio:.1f}" for text, ratio in found if ratio < 4.5] == []


CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (css) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = css;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const light = ([r, g, b]) => [r, g, b]
    .map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const told = [...document.querySelectorAll("body *:not(svg *):not(script):not(style)")]
    .filter((e) => e.checkVisibility() && !e.closest("#chart"))
    .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
  return told.map((e) => {
    const pair = [light(rgba(getComputedStyle(e).color)), light(ground(e))].sort((a, b) => b - a);
    return [e.textContent.trim().slice(0, 30), (pair[0] + 0.05) / (pair[1] + 0.05)];
  });
}"""
