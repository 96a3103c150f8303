"""Which column of a table holds what: by its name, or as `--map` says."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

LABELS = ("category", "subcategory", "impact", "urgency", "priority", "group", "service")

# Names as desks export them, spelled as `plain` spells them; the first that a file has counts.
TICKET_NAMES: dict[str, tuple[str, ...]] = {
    "external_id": (
        "external_id", "number", "ticket_id", "ticket_number", "issue_key", "key",
        "incident_id", "issue_id", "case_number", "id",
    ),
    "opened_at": (
        "opened_at", "created_at", "created", "opened", "sys_created_on", "sys_created_at",
        "created_on", "creation_date", "created_date", "date_created", "created_time",
        "create_time", "date_opened", "open_time", "fields_created", "timestamp", "date",
    ),
    "resolved_at": (
        "resolved_at", "resolved", "solved_at", "resolution_date", "resolutiondate",
        "date_resolved", "closed_at", "closed", "closed_on", "date_closed", "fields_resolutiondate",
    ),
    "resolution": (
        "resolution", "resolution_notes", "close_notes", "resolution_description", "solution",
    ),
    "title": (
        "title", "short_description", "subject", "summary", "ticket_subject", "fields_summary",
    ),
    "body": (
        "body", "description", "text", "ticket_description", "details", "message", "content",
        "fields_description",
    ),
    "channel": ("channel", "contact_type", "ticket_channel", "via", "via_channel", "source"),
    "requester": (
        "requester", "requester_id", "caller_id", "caller", "reporter", "requester_email",
        "customer_email", "requested_by", "opened_by", "requester_name", "customer_name",
    ),
    "category": ("category", "ticket_category", "ticket_type", "issue_type", "type"),
    "subcategory": ("subcategory", "sub_category"),
    "impact": ("impact",),
    "urgency": ("urgency",),
    "priority": ("priority", "ticket_priority", "fields_priority_name"),
    "group": ("group", "assignment_group", "group_name", "team", "assigned_group", "topic_group"),
    "service": ("service", "business_service", "cmdb_ci", "service_name", "affected_service"),
    "acknowledged_at": (
        "acknowledged_at", "initially_assigned_at", "assigned_at", "acknowledged_on",
        "date_acknowledged",
    ),
    "first_response_at": (
        "first_response_at", "first_responded_at", "first_replied_at", "first_reply_at",
        "responded_at",
    ),
    "sla_due_at": ("sla_due_at", "sla_due", "due_at", "resolution_due", "due_by", "due_by_time"),
    "sla_met": ("sla_met", "made_sla", "sla_status", "resolution_status", "within_sla"),
    "first_contact": (
        "first_contact", "first_contact_resolution", "first_call_resolution",
        "u_first_call_resolution", "u_first_contact_resolution", "fcr", "one_touch_resolution",
    ),
    "n_reopened": ("n_reopened", "reopen_count", "reopens", "reopened_count", "reopened"),
    "n_reassigned": ("n_reassigned", "reassignment_count", "reassignments"),
    "csat": (
        "csat", "satisfaction_score", "satisfaction_rating_score", "satisfaction_rating",
        "ticket_satisfaction_score", "customer_satisfaction_rating", "satisfaction",
    ),
}  # fmt: skip
# Where a ticket comes from. A further one is a column called attribute.NAME, or mapped to that.
ATTRIBUTE_NAMES: dict[str, tuple[str, ...]] = {
    "attribute.site": ("site", "location", "office", "branch"),
    "attribute.device": ("device", "device_model", "device_type", "hardware_model"),
    "attribute.app_version": ("app_version", "client_version", "software_version"),
    "attribute.customer": ("company", "organization", "organisation", "tenant"),
}
POINT_NAMES: dict[str, tuple[str, ...]] = {
    "timestamp": ("timestamp", "time", "at", "ts", "datetime", "date"),
    "value": ("value", "val", "y", "metric_value"),
    "series": (
        "series", "metric", "metric_name", "kpi", "kpi_id", "series_id", "name", "key",
    ),
}  # fmt: skip
INCIDENT_NAMES: dict[str, tuple[str, ...]] = {
    "id": ("id", "incident_id", "number", "key"),
    "title": ("title", "name", "summary", "short_description", "subject"),
    "onset_at": (
        "onset_at", "onset", "started_at", "start", "start_at", "begin", "began_at", "opened_at",
        "created_at",
    ),
    "ended_at": ("ended_at", "end", "end_at", "ended", "resolved_at", "closed_at"),
    "categories": ("categories", "category"),
    "series": ("series", "metrics", "metric"),
}  # fmt: skip


PREFIX = "attribute."
ATTRIBUTE = re.compile(r"attributes?_(.+)")


def plain(name: str) -> str:
    """A column's name without case, blanks and punctuation.

    >>> plain("Created At"), plain("fields.summary"), plain("shortDescription")
    ('created_at', 'fields_summary', 'short_description')
    """
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[\W_]+", "_", split.casefold()).strip("_")


def attribute_names(columns: Sequence[str], mapping: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Our names for attributes to the columns that may hold them.

    `customer` may be one only beside a column of who asked: alone it may be a person.

    >>> attribute_names(["attribute.Build"], ["attribute.site"])["attribute.build"]
    ('attribute_build', 'attributes_build')
    >>> attribute_names(["caller", "customer"], [])["attribute.customer"][-1]
    'customer'
    """
    spelled = [plain(column) for column in columns]
    names = dict(ATTRIBUTE_NAMES)
    if set(spelled) & set(TICKET_NAMES["requester"]) or "requester" in mapping:
        names["attribute.customer"] += ("customer",)
    told = [found[1] for name in spelled if (found := ATTRIBUTE.fullmatch(name))]
    mapped = [ours.removeprefix(PREFIX) for ours in mapping if ours.startswith(PREFIX)]
    for name in (*told, *mapped):
        own = (f"attribute_{name}", f"attributes_{name}")
        names[PREFIX + name] = own + names.get(PREFIX + name, ())
    return names


def find_columns(
    path: Path,
    columns: Sequence[str],
    known: Mapping[str, Sequence[str]],
    mapping: Mapping[str, str],
    wanted: Collection[str],
) -> dict[str, str]:
    """Our names to the file's columns; ValueError when one that is `wanted` cannot be told.

    >>> find_columns(Path("t.csv"), ["Key", "Summary"], TICKET_NAMES, {}, [])
    {'external_id': 'Key', 'title': 'Summary'}
    >>> find_columns(Path("m.csv"), ["when", "cpu"], POINT_NAMES, {"timestamp": "when"}, ["value"])
    Traceback (most recent call last):
    ...
    ValueError: m.csv has no column for value (looked for value, val, y, metric_value);
    its columns: when, cpu; name the right one with --map value=COLUMN
    """
    check_mapping(path, columns, known, mapping)
    spelled = {plain(column): column for column in reversed(columns)}
    found = {}
    for ours, names in known.items():
        candidates = (spelled[name] for name in names if name in spelled)
        column = mapping.get(ours) or next(candidates, None)
        if column is not None:
            found[ours] = column
        elif ours in wanted:
            raise ValueError(
                f"{path} has no column for {ours} (looked for {', '.join(names)}); its columns: "
                f"{', '.join(columns)}; name the right one with --map {ours}=COLUMN"
            )
    return found


def check_mapping(
    path: Path, columns: Sequence[str], known: Collection[str], mapping: Mapping[str, str]
) -> None:
    """ValueError when `mapping` speaks of a name of ours, or of a column, that is not there."""
    for ours, column in mapping.items():
        if ours not in known:
            raise ValueError(f"--map {ours}={column}: wanted one of {', '.join(known)}")
        if column not in columns:
            raise ValueError(
                f"--map {ours}={column}: {path} has no such column; "
                f"its columns: {', '.join(columns)}"
            )
