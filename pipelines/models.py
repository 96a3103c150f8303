"""The registered models: which there are, and which one the endpoint serves."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from data.challenger import Challenger, challenger
from data.published import (
    Pointer,
    PublishedModel,
    manifest_of,
    open_published,
    open_version,
    pointer,
    publish,
)
from models.triage import Triage
from pipelines import gate

if TYPE_CHECKING:
    from data.registry import Registry, Version

CHAMPION, CHALLENGER = "champion", "challenger"
PLAIN = (".json", ".npz", ".onnx")
COLUMNS = ["version", "trained", "aliases", "served", "accuracy", "ECE"]


def promote(
    registry: "Registry",
    home: Path,
    name: str,
    number: str | None = None,
    *,
    force: str | None = None,
    tell: Callable[[str], None] = lambda warning: None,
) -> Pointer:
    """Serve a version from now on; by default the @challenger: the last one trained or shadowed.

    The version is fetched, must load as plain data and pass the gate before anything moves;
    `force`, a reason, lets it through in spite of the gate. What the gate only warns of goes to
    `tell`. The pointer that the endpoint reads moves last, so a promotion that was killed is
    mended by repeating it.
    """
    version = wanted(registry, name, number)
    now = pointer(home, name)
    with tempfile.TemporaryDirectory() as aside:
        folder = registry.fetch(name, version.number, Path(aside) / version.number)
        check_plain(folder)
        if now is None or now.version != version.number:
            verdict = gate.check(registry, home, name, version.number, force)
            for warning in (*verdict.against, *verdict.warnings):
                tell(warning)
        registry.set_alias(name, CHAMPION, version.number)
        return publish(home, name, version.number, version.run_id, folder)


def rollback(registry: "Registry", home: Path, name: str) -> Pointer:
    """Serve again what was served before; doing it again goes one more step back."""
    now = pointer(home, name)
    if now is None or not now.previous:
        served = f"only version {now.version} was ever served" if now else "none is served yet"
        raise LookupError(f"nothing to roll {name!r} back to: {served}")
    *earlier, number = now.previous
    with opened(registry, home, name, number) as model:
        registry.set_alias(name, CHAMPION, number)
        return publish(home, name, number, model.run_id, model.folder, previous=tuple(earlier))


def wanted(registry: "Registry", name: str, number: str | None) -> "Version":
    """Version `number` of `name`, or its @challenger; LookupError says what there is instead."""
    if number is not None:
        return registry.version(name, number)
    version = registry.by_alias(name, CHALLENGER)
    if version is None:
        raise LookupError(f"no model {name!r} has been trained yet; `forewarn train` first")
    return version


@contextmanager
def opened(registry: "Registry", home: Path, name: str, number: str) -> Iterator[PublishedModel]:
    """A version's folder while the block runs: as published, else fetched from the registry."""
    try:
        model = open_version(home, name, number)
    except (LookupError, ValueError):  # tidied away or damaged: the registry has it still
        model = None
    if model is not None:
        yield model
        return
    version = registry.version(name, number)
    with tempfile.TemporaryDirectory() as aside:
        folder = registry.fetch(name, number, Path(aside) / number)
        check_plain(folder)
        yield PublishedModel(folder, name, number, version.run_id)


def check_plain(folder: Path) -> Triage:
    """The model in `folder`, if there is nothing but plain data in it.

    Whoever can write to the registry can put any file there. No file is unpickled; ValueError
    names the first that is no plain data, or that a model does not have.
    """
    for path in manifest_of(folder):
        if Path(path).suffix not in PLAIN:
            raise ValueError(
                f"{path} has no place in a model, which holds {', '.join(PLAIN)} files only; "
                "this version was not promoted"
            )
    return Triage.load(folder)


def rows(registry: "Registry", home: Path, name: str) -> list[list[str]]:
    """A row a version for a table under `COLUMNS`, the newest first."""
    now, beside = pointer(home, name), challenger(home, name)
    return [_row(version, _served(version, now, beside)) for version in registry.versions(name)]


def _served(version: "Version", now: Pointer | None, beside: Challenger | None) -> str:
    if now is not None and now.version == version.number:
        return "yes"
    return f"shadow, {beside.share:.0%}" if beside and beside.version == version.number else ""


def _row(version: "Version", served: str) -> list[str]:
    return [
        version.number,
        f"{version.created_at:%Y-%m-%d %H:%M}",
        ", ".join(f"@{alias}" for alias in version.aliases),
        served,
        _figures(version, "accuracy"),
        _figures(version, "ece"),
    ]


def _figures(version: "Version", what: str) -> str:
    found = [
        (key.partition("/")[0], value)
        for key, value in sorted(version.metrics.items())
        if key.endswith(f"/{what}") and key.count("/") == 1
    ]
    return "\n".join(f"{target} {value:.3f}" for target, value in found)


def served(home: Path, name: str) -> Triage:
    """The model that the endpoint serves as `name`."""
    return Triage.load(open_published(home, name).folder)
