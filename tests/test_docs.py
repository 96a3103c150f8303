"""What is not documented does not exist for a user: commands, settings, routes are held to it."""

import re
from dataclasses import fields
from pathlib import Path

import click
import pytest
import typer.main

from data.settings import Settings, variable_of
from pipelines.__main__ import app

ROOT = Path(__file__).parent.parent
OPERATIONS = (ROOT / "docs/operations.md").read_text()
API = (ROOT / "docs/api.md").read_text()


def commands(group: click.Group, path: str = "forewarn") -> list[str]:
    """Every command by its full name."""
    names = []
    for name, command in group.commands.items():
        inner = f"{path} {name}"
        names += commands(command, inner) if hasattr(command, "commands") else [inner]
    return names


COMMANDS = commands(typer.main.get_command(app))
MAKE = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_stands_in_the_operations_page(command):
    assert f"| `{command}` |" in OPERATIONS


@pytest.mark.parametrize("setting", [setting.name for setting in fields(Settings)])
def test_every_setting_stands_in_the_operations_page(setting):
    assert f"| `{variable_of(setting)}` |" in OPERATIONS


def test_no_command_or_setting_is_documented_that_is_not_there():
    told = re.findall(r"^\| `(forewarn [a-z -]+)` \|", OPERATIONS, re.MULTILINE)
    assert sorted(told) == sorted(COMMANDS)
    variables = re.findall(r"^\| `([A-Z_]+)` \|", OPERATIONS, re.MULTILINE)
    assert sorted(variables) == sorted(variable_of(setting.name) for setting in fields(Settings))


def test_every_route_stands_in_the_api_page(tmp_path):
    from serve import create_app

    application = create_app(Settings(home=tmp_path))
    for path, methods in application.openapi()["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in API, (
                f"{method.upper()} {path} is not in docs/api.md"
            )


PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("data/*/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_readme_names_every_make_target():
    readme = (ROOT / "README.md").read_text()
    for target in MAKE:
        assert f"make {target}" in readme
