"""The page for people who connect a system: one document, nothing loaded from elsewhere."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import jinja2

from hub_pipelines.messaging import Fate
from hub_pipelines.validate.messages import types_of
from hub_pipelines.validate.model import Feed
from hub_pipelines.web.openapi import item_told
from hub_pipelines.web.problems import KINDS
from hub_pipelines.web.reading import MESSAGE_BYTES, MOST_MESSAGES

_MEANING = {
    Fate.WAITING: "kept, and not yet in a batch",
    Fate.SEALED: "in a batch that is on its way",
    Fate.POSTED: "in the ledger",
    Fate.UNCHANGED: "the ledger held all of it already",
    Fate.SUPERSEDED: "what occurred later had been told about the same item; nothing need be done",
    Fate.REJECTED: "not taken, for the reasons that are told; correct it and send it under a new webhook-id",
    Fate.IN_REVIEW: "its batch waits for a person at the hub",
    Fate.DISMISSED: "a person at the hub has closed its batch without effect",
}


def page(campuses: Iterable[str], feeds: Mapping[str, Feed]) -> str:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return templates.get_template("page.html").render(
        campuses=list(campuses),
        types=[
            {"feed": feed.name, "name": name, "required": data.required, "item": item_told(record)}
            for feed in feeds.values()
            for record in feed.record_types
            for name, kind in types_of(record).items()
            for data in (record if kind is None else kind.data,)
        ],
        fates=[(str(fate), _MEANING[fate]) for fate in Fate],
        kinds=sorted(KINDS.values(), key=lambda kind: kind.status),
        message_kb=MESSAGE_BYTES // 1024,
        most_messages=MOST_MESSAGES,
    )
