"""CloudEvents 1.0: binary, structured or in a batch, each with a ticket in our own form."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from data.sources.desk_ticket import DeskTicket, identity, mapping, moment, own, said

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
REQUIRED = ("id", "source", "type", "specversion")


def read(given: object, headers: Mapping[str, str]) -> tuple[DeskTicket, ...]:
    """The tickets of a request: `given` is its JSON, `headers` have names in small letters.

    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md

    >>> event = {"specversion": "1.0", "id": "1", "source": "/crm", "type": "ticket.created",
    ...          "subject": "7", "data": {"title": "VPN"}}
    >>> (one,) = read(event, {"content-type": "application/cloudevents+json"})
    >>> one.source, one.external_id
    ('/crm', '7')
    """
    form = headers.get("content-type", "").partition(";")[0].strip().lower()
    if form == BATCH:
        if not isinstance(given, list):
            raise ValueError("body: wanted a list of events")
        return tuple(_of(one, f"body.{number}") for number, one in enumerate(given))
    if form == STRUCTURED:
        return (_of(given, "body"),)
    named = {
        name.removeprefix("ce-"): value for name, value in headers.items() if name[:3] == "ce-"
    }
    if not named:
        raise ValueError(f"ce-id: wanted the headers of an event, or the type {STRUCTURED}")
    return (_of(named | {"data": given}, "ce", "-"),)


def _of(given: object, where: str, between: str = ".") -> DeskTicket:
    event, prefix = mapping(given, where), where + between
    for name in REQUIRED:
        if not said(event, name, prefix):
            raise ValueError(f"{prefix}{name}: wanted text, got nothing")
    if said(event, "specversion", prefix) != "1.0":
        raise ValueError(f"{prefix}specversion: wanted 1.0")
    at = moment(event, "time", prefix)
    deleted = said(event, "type", prefix).lower().endswith(".deleted")
    data = _data(event, prefix)
    source, subject = identity(event, "source", prefix), said(event, "subject", prefix)
    ticket = own({} if deleted and data is None else data, f"{prefix}data.", source, subject)
    return replace(ticket, deleted=deleted, updated_at=ticket.updated_at or at)


def _data(event: Mapping[str, Any], prefix: str) -> object:
    coded = said(event, "data_base64", prefix)
    if not coded:
        return event.get("data")
    try:
        return orjson.loads(base64.b64decode(coded, validate=True))
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{prefix}data_base64: wanted JSON in base64") from error
