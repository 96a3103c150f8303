"""Who changed what: written down wherever it is done, told to those whose desk it is."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy
from fastapi.testclient import TestClient

import serve
from data.settings import Settings
from data.store import Store
from pipelines.audit_trail import user
from tests.endpoint import GROUPS, NOW, TEXTS, an_alert, put_alerts, put_key

HERE = f"command line ({user()})"
SECRET = "my password is Hunter2"


def done(store, **which):
    return [(one.who, one.what, one.desk, one.subject) for one in store.logged(**which)]


class TestStore:
    def test_what_was_done_comes_newest_first_and_by_desk(self, store):
        store.log(NOW, "k1", "alert resolved", "it", "a1", "a2")
        store.log(NOW + timedelta(hours=1), "k2", "key made", "*", "k3")
        assert [one.subject for one in store.logged()] == ["k3", "a2", "a1"]
        assert [one.subject for one in store.logged(["it"], limit=1)] == ["a2"]
        assert [one.subject for one in store.logged(until=NOW + timedelta(minutes=1))] == [
            "a2",
            "a1",
        ]
        assert store.logged(["hr"]) == []

    @pytest.mark.parametrize("sql", ["UPDATE audit_log SET who = 'me'", "DELETE FROM audit_log"])
    def test_the_database_itself_lets_nobody_rewrite_it(self, store, sql):
        store.log(NOW, "k1", "alert resolved", "it", "a1")
        with pytest.raises(sqlalchemy.exc.DBAPIError), store.engine.begin() as connection:
            connection.execute(sqlalchemy.text(sql))
        assert done(store) == [("k1", "alert resolved", "it", "a1")]

    def test_it_outlives_what_it_tells_of(self, store):
        put_alerts(store, an_alert(1))
        store.log(NOW, "k1", "alert resolved", "default", an_alert(1).id)
        store.expire("default", NOW + timedelta(days=365))
        assert len(store.logged()) == 1


@pytest.fixture
def home(tmp_path):
    return tmp_path


@pytest.fixture
def known(home):
    store = Store(Settings(home=home).database_url)
    yield store
    store.close()


def client_of(home, **told):
    app = serve.create_app(Settings(home=home, **told), now=lambda: NOW, poll_seconds=60)
    return TestClient(app, "http://127.0.0.1:8000", client=("127.0.0.1", 5000))


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_what_a_key_changes_is_told_to_the_admins_of_the_desk(home, known):
    put_alerts(known, alert := an_alert(1))
    token = put_key(known, "admin", desks=("default",))
    mine, key = bearer(token), token.partition(".")[0]
    with client_of(home) as client:
        client.post(f"/v1/alerts/{alert.id}", json={"action": "resolve"}, headers=mine)
        client.post(f"/v1/alerts/{alert.id}", json={"action": "explode"}, headers=mine)
        window = {"ends_at": "2026-03-05T00:00:00Z", "comment": SECRET}
        planned = client.post("/v1/maintenance", json=window, headers=mine).json()["id"]
        client.delete(f"/v1/maintenance/{planned}", headers=mine)
        client.delete(f"/v1/maintenance/{planned}", headers=mine)
        said = {"external_id": "INC1", "target": "group", "label": SECRET, "given_by": "Ada"}
        for _ in range(2):
            client.post("/v1/feedback", json=said, headers=mine)
        told = client.get("/v1/audit-log", headers=mine)
        of_hr = bearer(put_key(known, "admin", desks=("hr",)))
        of_all = bearer(put_key(known, "admin"))
        assert client.get("/v1/audit-log", headers=of_hr).json() == {"entries": []}
        assert len(client.get("/v1/audit-log", headers=of_all).json()["entries"]) == 4
        few = client.get("/v1/audit-log", params={"limit": 1, "desk": "default"}, headers=of_all)
    assert [(one["what"], one["subject"]) for one in told.json()["entries"]] == [
        ("feedback given", "api/INC1"),
        ("maintenance ended", planned),
        ("maintenance planned", planned),
        ("alert resolved", alert.id),
    ], "what was refused, or changed nothing, is no change"
    assert {(one["who"], one["desk"]) for one in told.json()["entries"]} == {(key, "default")}
    assert few.json()["entries"] == told.json()["entries"][:1]
    assert "Hunter2" not in told.text
    assert "Ada" not in told.text


def test_what_is_done_on_the_page_is_written_down_too(home, known):
    put_alerts(known, alert := an_alert(1))
    with client_of(home, open_loopback=True) as client:
        page = f"/ops/alerts/{alert.id}"
        token = re.search(r'name="token" value="(\w+)"', client.get(page).text)[1]
        client.post(page, data={"token": token, "action": "acknowledge"})
        client.post(f"{page}/mute", data={"token": token, "lasts": "4h"})
        (muted,) = known.maintenances()
        client.post(f"/ops/maintenance/{muted.id}/end", data={"token": token})
    assert done(known)[::-1] == [
        ("loopback", "alert acknowledged", "default", alert.id),
        ("loopback", "maintenance planned", "default", muted.id),
        ("loopback", "maintenance ended", "default", muted.id),
    ]


def test_keys_and_maintenance_of_the_command_line(forewarn, tmp_path):
    assert "Nothing was changed yet" in forewarn("audit-log")[1]
    create = ("keys", "create", "--desk", "it", "--desk", "hr", "--note", SECRET)
    old = forewarn(*create)[1].partition(".")[0]
    new = forewarn("keys", "rotate", old)[1].partition(".")[0]
    forewarn("keys", "revoke", new)
    assert forewarn("keys", "revoke", new)[0] == 2
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
    window = ("maintenance", "add", "--until", tomorrow, "--note", SECRET)
    planned = forewarn(*window)[1].split()[1].rstrip(",")
    forewarn("maintenance", "remove", planned)
    store = Store(Settings(home=tmp_path / "home").database_url)
    keys = [("made", old), ("rotated", old), ("made", new), ("revoked", new)]
    assert done(store)[::-1] == [
        *((HERE, f"key {what}", desk, id) for what, id in keys for desk in ("hr", "it")),
        (HERE, "maintenance planned", "it", planned),
        (HERE, "maintenance ended", "it", planned),
    ]
    store.close()
    shown = forewarn("audit-log", "--since", "1h", "--limit", "3")[1]
    assert planned in shown
    assert new in shown
    assert old not in shown
    assert "Hunter2" not in shown
    assert "wanted a time span such as" in forewarn("audit-log", "--since", "yesterday")[2]


def test_promotions_and_rollbacks_of_models(forewarn, tmp_path):
    lines = [
        f"{text} {i},{group}" for i, (text, group) in enumerate(zip(TEXTS, GROUPS, strict=True))
    ]
    (tmp_path / "t.csv").write_text("\n".join(["title,group", *lines]))
    train = ("train", "t.csv", "--target", "group", "--text", "title", "--no-encoder")
    assert forewarn(*train, "--promote")[0] == 0
    assert forewarn(*train, "--precision", "0.9")[0] == 0
    assert forewarn("models", "promote", "7")[0] == 2
    assert forewarn("models", "promote", "2", "--force", SECRET)[0] == 0
    assert forewarn("models", "rollback")[0] == 0
    store = Store(Settings(home=tmp_path / "home").database_url)
    assert done(store)[::-1] == [
        (HERE, "model promoted", "it", "ticket-it version 1"),
        (HERE, "model promoted by force", "it", "ticket-it version 2"),
        (HERE, "model rolled back", "it", "ticket-it version 1"),
    ]
    store.close()
