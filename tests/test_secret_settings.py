"""Secrets that lie in files: read like the others, told to nobody."""

import pytest

from data.settings import DESKS, SECRET, Settings, variable_of

VALUES = {
    "database_url": "postgresql+psycopg://ann:hunter2@db/forewarn",
    "mlflow_uri": "postgresql://ann:hunter2@db/mlflow",
    "hmac_key": "hunter2",
    "alertmanager_url": "http://ann:hunter2@alerts:9093",
    "webhook_url": "https://chat/hook/hunter2",
    "webhook_secret": "hunter2",
    "zendesk_secret": "hunter2",
    "jira_secret": "hunter2",
    **{f"{desk}_url": "https://hunter2.example.com" for desk in DESKS},
    **{f"{desk}_login": "ann:hunter2" for desk in DESKS},
}


def partner(name):
    """What has to be set beside an address or a login of a desk."""
    desk, _, what = name.rpartition("_")
    other = {"url": f"{desk}_login", "login": f"{desk}_url"}.get(what)
    return {variable_of(other): VALUES[other]} if desk in DESKS and other else {}


def test_the_cases_below_are_all_the_secrets():
    assert VALUES.keys() == SECRET


@pytest.mark.parametrize("name", sorted(SECRET))
def test_a_secret_may_lie_in_a_file(tmp_path, name):
    file = tmp_path / "secret"
    file.write_text(VALUES[name] + "\n")
    beside = partner(name)
    of_file = Settings.from_env({f"{variable_of(name)}_FILE": str(file)} | beside)
    assert of_file == Settings.from_env({variable_of(name): VALUES[name]} | beside)
    assert getattr(of_file, name) in (VALUES[name], (VALUES[name],))
    assert "hunter2" not in repr(of_file)


@pytest.mark.parametrize("name", sorted(SECRET))
def test_both_at_once_are_refused(tmp_path, name):
    variable = variable_of(name)
    with pytest.raises(ValueError, match=f"{variable} and {variable}_FILE are both set") as told:
        Settings.from_env({variable: VALUES[name], f"{variable}_FILE": str(tmp_path / "none")})
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "No such file"), (b"\n", "empty"), (b"\xff\xfe\x00", "no text in UTF-8")],
    ids=["missing", "empty", "binary"],
)
def test_a_file_without_a_secret_is_refused_by_name(tmp_path, content, said):
    file = tmp_path / "webhook"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=said) as told:
        Settings.from_env({"FOREWARN_WEBHOOK_SECRET_FILE": str(file)})
    assert f"FOREWARN_WEBHOOK_SECRET_FILE is '{file}'" in str(told.value)


def test_what_a_file_holds_is_not_repeated_where_it_is_wrong(tmp_path):
    (tmp_path / "url").write_text("mysql://ann:hunter2@db")
    with pytest.raises(ValueError, match="FOREWARN_DATABASE_URL cannot be read") as told:
        Settings.from_env({"FOREWARN_DATABASE_URL_FILE": str(tmp_path / "url")})
    assert "hunter2" not in str(told.value)


def test_what_is_no_secret_comes_from_no_file(tmp_path):
    (tmp_path / "port").write_text("9000")
    assert Settings.from_env({"FOREWARN_PORT_FILE": str(tmp_path / "port")}).port == 8000
