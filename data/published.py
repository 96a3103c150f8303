"""The models that the endpoint serves: plain folders under FOREWARN_HOME, and a pointer to one.

    models/<name>/<version>/...           the model's own files
    models/<name>/<version>/manifest.json name, version, run id and the SHA-256 of each file
    models/<name>/champion.json           the pointer: which version is served, and which were

Folder and pointer are written aside, synced and renamed, so that a reader sees the old or the
new and never half of one. The pointer is written last: it alone says what is served.
Standard library only, since the endpoint imports this.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

MANIFEST, POINTER, LOCK = "manifest.json", "champion.json", ".lock"
KEPT_VERSIONS = 5
KEPT_STEPS = 20  # how far back `previous` remembers
NAME = re.compile(r"\w[\w-]{0,127}")


@dataclass(frozen=True)
class Pointer:
    """Which version of a model is served. `previous`: those before it, the latest at the end."""

    name: str
    version: str
    run_id: str
    published_at: datetime
    previous: tuple[str, ...] = ()


class PublishedModel(NamedTuple):
    """A folder whose every file is as it was when it was published."""

    folder: Path
    name: str
    version: str
    run_id: str


def publish(
    home: Path,
    name: str,
    version: str,
    run_id: str,
    folder: Path,
    *,
    previous: tuple[str, ...] | None = None,
) -> Pointer:
    """Copy `folder` in as `version` of `name` and point to it. Doing it twice changes nothing.

    `previous` is the line of versions before this one; by default the line so far, with the
    version that was served until now at its end.
    """
    root = model_root(home, name)
    check_name("version", version)
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root):
        now = pointer(home, name)
        line = _line(now, version) if previous is None else previous[-KEPT_STEPS:]
        _put_folder(root, name, version, run_id, folder)
        if now and (now.version, now.run_id, now.previous) == (version, run_id, line):
            return now
        new = Pointer(name, version, run_id, datetime.now(UTC), line)
        _write(root / POINTER, json.dumps(asdict(new), default=datetime.isoformat, indent=1))
        _prune(root, new)
    return new


def pointer(home: Path, name: str) -> Pointer | None:
    """What is served as `name`; None where nothing has been published yet."""
    path = model_root(home, name) / POINTER
    try:
        given = json.loads(path.read_bytes())
        told = {key: given[key] for key in ("name", "version", "run_id")}
        at, previous = datetime.fromisoformat(given["published_at"]), tuple(given["previous"])
        for version in (told["version"], *previous):
            check_name("version", version)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no pointer to a model ({error}); promote again") from error
    return Pointer(**told, published_at=at, previous=previous)


def open_published(home: Path, name: str) -> PublishedModel:
    """The model that is served as `name`, each of its files checked against the manifest.

    LookupError where there is none yet; ValueError names the file that is not as published.
    """
    served = pointer(home, name)
    if served is None:
        raise LookupError(f"no model {name!r} in {home}; train one with `forewarn train --promote`")
    folder = model_root(home, name) / served.version
    return _checked(folder, name, served.version, served.run_id)


def open_version(home: Path, name: str, version: str) -> PublishedModel:
    """As `open_published`, for one version that was published, served now or not."""
    check_name("version", version)
    folder = model_root(home, name) / version
    if not folder.exists():
        raise LookupError(f"version {version} of {name!r} is not published in {home}")
    return _checked(folder, name, version, None)


def model_root(home: Path, name: str) -> Path:
    """Where the versions of `name` lie.

    >>> model_root(Path("var"), "ticket-it").as_posix()
    'var/models/ticket-it'
    >>> model_root(Path("var"), "../it")
    Traceback (most recent call last):
    ...
    ValueError: a model's name wants letters, digits, - and _ only, got '../it'
    """
    check_name("name", name)
    return home / "models" / name


def manifest_of(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file under `folder`, by its path there; a link is a ValueError."""
    return {path: _sha256(folder / path) for path in sorted(_files(folder)) if path != MANIFEST}


def check_name(what: str, name: str) -> None:
    """ValueError unless `name` can be a folder's name that leads nowhere else."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"a model's {what} wants letters, digits, - and _ only, got {name!r}")


def _line(now: Pointer | None, version: str) -> tuple[str, ...]:
    if now is None:
        return ()
    if now.version == version:
        return now.previous
    return (*now.previous, now.version)[-KEPT_STEPS:]


def _put_folder(root: Path, name: str, version: str, run_id: str, folder: Path) -> None:
    wanted = {"name": name, "version": version, "run_id": run_id, "files": manifest_of(folder)}
    if not wanted["files"]:
        raise ValueError(f"{folder} holds no file to publish")
    if (root / version).exists():
        if _is_as_wanted(root / version, wanted):
            return
        _rename_away(root, version)
    aside = root / f".{version}.new"
    shutil.rmtree(aside, ignore_errors=True)
    for path in wanted["files"]:
        (aside / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / path, aside / path, follow_symlinks=False)
    _write(aside / MANIFEST, json.dumps(wanted, indent=1))
    _sync_tree(aside)
    aside.rename(root / version)
    _sync(root)


def _is_as_wanted(folder: Path, wanted: dict[str, object]) -> bool:
    try:
        return _read_manifest(folder) == wanted and manifest_of(folder) == wanted["files"]
    except ValueError:
        return False


def _rename_away(root: Path, version: str) -> None:
    """A folder cannot be renamed over another: a damaged one is first put out of the way."""
    old = root / f".{version}.old"
    shutil.rmtree(old, ignore_errors=True)
    (root / version).rename(old)


def _checked(folder: Path, name: str, version: str, run_id: str | None) -> PublishedModel:
    if folder.is_symlink():
        raise ValueError(f"{folder} is a link; a published model is a folder of its own files")
    manifest = _read_manifest(folder)
    told = manifest["name"], manifest["version"], manifest["run_id"]
    if told != (name, version, run_id or manifest["run_id"]):
        raise ValueError(f"{folder / MANIFEST} belongs to {told}, not to version {version}")
    _compare(folder, manifest["files"], manifest_of(folder))
    return PublishedModel(folder, name, version, manifest["run_id"])


def _read_manifest(folder: Path) -> dict:
    path = folder / MANIFEST
    if path.is_symlink():
        raise ValueError(f"{path} is a link; publish the model again")
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read ({error}); publish the model again") from error
    if not isinstance(manifest, dict) or set(manifest) != {"name", "version", "run_id", "files"}:
        raise ValueError(f"{path} is no manifest of a model; publish the model again")
    return manifest


def _compare(folder: Path, wanted: dict[str, str], found: dict[str, str]) -> None:
    for path in sorted(wanted.keys() | found.keys()):
        if wanted.get(path) != found.get(path):
            fault = "is missing" if path not in found else "was changed"
            fault = fault if path in wanted else "was added"
            raise ValueError(f"{folder / path} {fault} since it was published; publish it again")


def _files(folder: Path) -> Iterator[str]:
    """The paths of the plain files under `folder`, in it; anything else is refused."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    for entry in folder.rglob("*"):
        if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
            raise ValueError(f"{entry} is a link or no plain file; a model holds plain files only")
        if entry.is_file():
            yield entry.relative_to(folder).as_posix()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(text, encoding="utf-8")
    _sync(aside)
    aside.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_tree(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        _sync(path)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """One publisher a model; the lock falls when its holder ends, however it ends."""
    with (root / LOCK).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _prune(root: Path, served: Pointer) -> None:
    """Keep the last few versions, the one served, the one before it, and no remains of a kill."""
    versions = [path for path in root.iterdir() if path.is_dir() and path.name[0] != "."]
    versions.sort(key=lambda path: (path / MANIFEST).stat().st_mtime_ns, reverse=True)
    kept = {served.version, *served.previous[-1:]} | {p.name for p in versions[:KEPT_VERSIONS]}
    for path in root.iterdir():
        if path.is_dir() and path.name not in kept:
            shutil.rmtree(path)
