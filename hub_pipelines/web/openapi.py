"""The receiver's contract as an OpenAPI 3.1 document, made from the code's own limits, feeds and problems."""

from collections.abc import Iterable, Mapping
from typing import Any

from hub_pipelines import __version__
from hub_pipelines.messaging import Fate
from hub_pipelines.settings import MessageSettings
from hub_pipelines.validate.messages import types_of
from hub_pipelines.validate.model import Feed, Kind, RecordType
from hub_pipelines.web.problems import KINDS, RETRY_AFTER_S
from hub_pipelines.web.reading import JSON, LINES, MESSAGE_BYTES, MOST_MESSAGES

_TAKING = (
    "not-json malformed unsigned bad-signature stale no-right not-found too-slow conflict too-large wrong-type "
    "inbox-full failed busy"
)
_TELLING = "malformed bad-token not-found failed busy"


def document(campuses: Iterable[str], feeds: Mapping[str, Feed], limits: MessageSettings) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Messages for the research data hub",
            "version": __version__,
            "description": (
                "Small records of other systems, as Standard Webhooks (https://www.standardwebhooks.com) describes. "
                "An answer 202 means that the message is durable and will have one effect, however often it is sent."
            ),
        },
        "paths": {
            "/v1/{campus}/{feed}/messages": {"post": _taking(list(campuses), list(feeds), limits)},
            "/v1/requests/{request_id}": {"get": _telling()},
        },
        "components": {
            "securitySchemes": {
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "webhook-signature",
                    "description": "v1 (HMAC-SHA256) or v1a (Ed25519) over `id.timestamp.body`",
                },
                "token": {"type": "http", "scheme": "bearer"},
            },
            "schemas": {
                "Problem": _PROBLEM,
                "Acknowledgement": _ACKNOWLEDGEMENT,
                "Acknowledgements": _ACKNOWLEDGEMENTS,
                "Outcome": _OUTCOME,
                "Message": {
                    "oneOf": [
                        _message(record if kind is None else kind.data, name, kind)
                        for feed in feeds.values()
                        for record in feed.record_types
                        for name, kind in types_of(record).items()
                    ]
                },
            },
        },
    }


def _taking(campuses: list[str], feeds: list[str], limits: MessageSettings) -> dict[str, Any]:
    return {
        "operationId": "takeMessages",
        "summary": "Send one message, or one a line",
        "description": (
            f"At most {limits.body_kb:,} KiB in one request, {MESSAGE_BYTES // 1024} KiB in one message, and "
            f"{MOST_MESSAGES:,} messages. All of a request is taken, or nothing of it."
        ),
        "security": [{"signature": []}],
        "parameters": [
            _parameter("campus", "path", {"type": "string", "enum": campuses}),
            _parameter("feed", "path", {"type": "string", "enum": feeds}),
            _parameter("source", "query", {"type": "string"}, "The sending system, as `hub sources add` named it"),
            _parameter(
                "webhook-id", "header", {"type": "string", "pattern": "^[!-~]{1,255}$"}, "The same when repeated"
            ),
            _parameter(
                "webhook-timestamp", "header", {"type": "string", "pattern": "^[0-9]{1,12}$"}, "Seconds since 1970"
            ),
        ],
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": {"$ref": "#/components/schemas/Message"}},
                LINES: {"schema": {"type": "string", "description": "A message a line"}},
            },
        },
        "responses": {
            "202": {
                "description": "Durable. A repeat is told as duplicate, with the same request_id",
                "content": {
                    JSON: {
                        "schema": {
                            "anyOf": [
                                {"$ref": "#/components/schemas/Acknowledgement"},
                                {"$ref": "#/components/schemas/Acknowledgements"},
                            ]
                        }
                    }
                },
            },
            **_problems(_TAKING),
        },
    }


def _telling() -> dict[str, Any]:
    return {
        "operationId": "tellOutcome",
        "summary": "What became of a message",
        "security": [{"token": []}],
        "parameters": [_parameter("request_id", "path", {"type": "string"})],
        "responses": {
            "200": {
                "description": "As it stands now",
                "content": {JSON: {"schema": {"$ref": "#/components/schemas/Outcome"}}},
            },
            **_problems(_TELLING),
        },
    }


def _parameter(name: str, place: str, schema: dict[str, Any], description: str = "") -> dict[str, Any]:
    told = {"description": description} if description else {}
    return {"name": name, "in": place, "required": True, "schema": schema, **told}


def _problems(codes: str) -> dict[str, Any]:
    by_status: dict[str, list[str]] = {}
    for code in codes.split():
        by_status.setdefault(str(KINDS[code].status), []).append(KINDS[code].title)
    return {
        status: {
            "description": "; ".join(titles),
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            **({"headers": {"Retry-After": {"schema": {"type": "string"}}}} if int(status) in RETRY_AFTER_S else {}),
        }
        for status, titles in by_status.items()
    }


def _message(record: RecordType, name: str, kind: Kind | None) -> dict[str, Any]:
    columns = record.column_descriptions
    return {
        "type": "object",
        "title": f"{name}: {'all that there is to say of an item' if kind is None else kind.means}",
        "description": f"The item is {item_told(record)}.{_SETS if kind is None else ''}",
        "required": ["type", "data"],
        "properties": {
            "type": {"const": name},
            "timestamp": {"type": "string", "format": "date-time", "description": _WHEN[kind is None]},
            "data": {
                "type": "object",
                "required": list(record.required),
                "properties": {
                    name: {"type": ["string", "number", "null"], "description": told} for name, told in columns.items()
                },
                "description": f"Other members are kept with the {'item' if kind is None else 'message'}, unchecked",
            },
        },
    }


def item_told(record: RecordType) -> str:
    """Which members say what item a message is about."""
    return f"the one with this {' and '.join(record.key_columns) if record.lines is None else record.lines.told}"


_WHEN = {
    True: "When it occurred; of several sets of an item the one that occurred last counts",
    False: "When it occurred; a set of the item that occurred later has it in it already",
}
_SETS = " A column that the message leaves out is empty afterwards."
_TEXT = {"type": "string"}
_PERHAPS = {"type": ["string", "null"]}
_MOMENT = {"type": "string", "format": "date-time"}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "advice"],
    "properties": {
        "type": {"type": "string", "enum": [f"/#{code}" for code in KINDS]},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "advice": _TEXT,
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
_ACKNOWLEDGEMENT = {
    "type": "object",
    "required": ["request_id", "duplicate", "received_at"],
    "properties": {"request_id": _TEXT, "duplicate": {"type": "boolean"}, "received_at": _MOMENT},
}
_ACKNOWLEDGEMENTS = {
    "type": "object",
    "required": ["messages", "duplicate", "received_at"],
    "properties": {
        "messages": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["line", "request_id"],
                "properties": {"line": {"type": "integer"}, "request_id": _TEXT},
            },
        },
        "duplicate": {"type": "boolean"},
        "received_at": _MOMENT,
    },
}
_OUTCOME = {
    "type": "object",
    "required": ["request_id", "webhook_id", "received_at", "state", "reasons", "effects", "settled_at", "batch"],
    "properties": {
        "request_id": _TEXT,
        "webhook_id": _TEXT,
        "received_at": _MOMENT,
        "state": {"type": "string", "enum": [str(fate) for fate in Fate]},
        "reasons": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["rule", "column", "value", "reason", "suggestion", "blocks"],
                "properties": {
                    "rule": _TEXT,
                    "column": {"type": ["string", "null"]},
                    "value": {"type": ["string", "null"]},
                    "reason": _TEXT,
                    "suggestion": {"type": ["string", "null"]},
                    "blocks": {"type": "boolean"},
                },
            },
        },
        "effects": {
            "type": "array",
            "description": "Of a message that adjusts: how much there was of each item before and after it, in `unit`",
            "items": {
                "type": "object",
                "required": ["key", "kind", "before", "after", "unit", "short_by"],
                "properties": {
                    "key": _TEXT,
                    "kind": _TEXT,
                    "before": _PERHAPS,
                    "after": _PERHAPS,
                    "unit": _PERHAPS,
                    "short_by": {**_PERHAPS, "description": "By how much more was taken than was known to be there"},
                },
            },
        },
        "settled_at": {"type": ["string", "null"], "format": "date-time"},
        "batch": {"type": ["string", "null"]},
    },
}
