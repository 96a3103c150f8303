"""The models that the endpoint serves: plain folders under FOREWARN_HOME, and a pointer to one.

    models/<name>/<version>/...           the model's own files
    models/<name>/<version>/manifest.json name, version, run id and the SHA-256 of each file
    models/<name>/champion.json           the pointer: which version is served, and which were
    models/<name>/challenger.json         the version that is scored beside it, if there is one

Folder and pointer are written aside, synced and renamed, so that a reader sees the old or the
new and never half of one. The pointer is written last: it alone says what is served.
Standard library only, since the endpoint imports this.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from data.challenger import Challenger, challenger, forget_challenger, put_challenger
from data.model_root import check_name, locked, model_root, sync, sync_tree, write

MANIFEST, POINTER = "manifest.json", "champion.json"
KEPT_VERSIONS = 5
KEPT_STEPS = 20  # how far back `previous` remembers


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
    with locked(root):
        now = pointer(home, name)
        line = _line(now, version) if previous is None else previous[-KEPT_STEPS:]
        _put_folder(root, name, version, run_id, folder)
        new = Pointer(name, version, run_id, datetime.now(UTC), line)
        if now and replace(now, published_at=new.published_at) == new:
            new = now
        else:
            write(root / POINTER, json.dumps(asdict(new), default=datetime.isoformat, indent=1))
        beside = _beside(home, name)
        if beside and beside.version == version:  # what is served is nobody's shadow
            forget_challenger(root)
        if new is not now:
            _prune(root, new, beside)
    return new


def shadow(home: Path, new: Challenger, folder: Path) -> Challenger:
    """Copy `folder` in as the version that `new` names, and have it scored beside the champion.

    Doing it twice changes nothing. ValueError where that version is the one that is served.
    """
    root = model_root(home, new.name)
    with locked(root):
        now, beside = pointer(home, new.name), _beside(home, new.name)
        if now is None or now.version == new.version:
            served = "none is served yet" if now is None else f"version {now.version} is served"
            raise ValueError(
                f"a challenger is held against another version that is served; {served}"
            )
        _put_folder(root, new.name, new.version, new.run_id, folder)
        if beside and replace(beside, since=new.since) == new:
            return beside
        put_challenger(root, new)
        _prune(root, now, new)
    return new


def end_shadow(home: Path, name: str) -> Challenger | None:
    """Score no challenger from now on; which one it was, None where there was none."""
    root = model_root(home, name)
    if not root.is_dir():
        return None
    with locked(root):
        beside = _beside(home, name)
        forget_challenger(root)
    return beside


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


def manifest_of(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file under `folder`, by its path there; a link is a ValueError."""
    return {path: _sha256(folder / path) for path in sorted(_files(folder)) if path != MANIFEST}


def _beside(home: Path, name: str) -> Challenger | None:
    """The challenger; a damaged pointer to one hinders nobody from writing another."""
    try:
        return challenger(home, name)
    except ValueError:
        return None


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
    write(aside / MANIFEST, json.dumps(wanted, indent=1))
    sync_tree(aside)
    aside.rename(root / version)
    sync(root)


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


def _prune(root: Path, served: Pointer, beside: Challenger | None) -> None:
    """Keep the last few versions, the one served, the one before it, and no remains of a kill.

    The challenger is kept as well, however old it is.
    """
    versions = [path for path in root.iterdir() if path.is_dir() and path.name[0] != "."]
    versions.sort(key=lambda path: (path / MANIFEST).stat().st_mtime_ns, reverse=True)
    kept = {served.version, *served.previous[-1:]} | {p.name for p in versions[:KEPT_VERSIONS]}
    kept |= {beside.version} if beside else set()
    for path in root.iterdir():
        if path.is_dir() and path.name not in kept:
            shutil.rmtree(path)
