"""What each service needs to work, as an operator writes it down: a CSV of service, depends_on."""

import csv
from pathlib import Path

COLUMNS = ("service", "depends_on")


def read_dependencies(path: Path) -> dict[str, frozenset[str]]:
    """The services that each service needs, by its name; ValueError says where the file is wrong.

    A row holds one service and one that it needs, or several with semicolons between.
    """
    found: dict[str, set[str]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
            if missing := [name for name in COLUMNS if name not in rows.fieldnames]:
                raise ValueError(
                    f"{path}, line 1: wanted columns as service,depends_on, got no {missing[0]!r}"
                )
            for row in rows:
                service, needs = ((row[name] or "").strip() for name in COLUMNS)
                if not service or not needs:
                    raise ValueError(
                        f"{path}, line {rows.line_num}: wanted a service and one that it needs"
                    )
                found.setdefault(service, set()).update(
                    name.strip() for name in needs.split(";") if name.strip()
                )
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file; FOREWARN_DEPENDENCIES names it") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: wanted UTF-8 text, got other bytes") from error
    return {service: frozenset(needs) for service, needs in found.items()}
