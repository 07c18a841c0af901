"""The feed of hazardous materials and waste: the containers, and what happens to them.

Belongs here: the feed's entry. Not here: its columns (contract.py), what the regulations demand of them.
"""

from hub_pipelines.validate.columns import aliases_for
from hub_pipelines.validate.feeds.hazmat import former
from hub_pipelines.validate.feeds.hazmat.contract import (
    CONTAINER_SPELLINGS,
    EVENT_SPELLINGS,
    ON_SITE,
    WITHOUT_CLOCK,
    ContainerRow,
    EventRow,
    disposed_of,
)
from hub_pipelines.validate.feeds.hazmat.news import container_news
from hub_pipelines.validate.model import Feed, RecordType, Reference

_FIRST_CONTAINER = RecordType(
    name="hazmat.container",
    title="container list",
    row_model=former.ContainerRow1,
    key_columns=("container_id",),
    aliases=aliases_for(former.ContainerRow1.model_fields, CONTAINER_SPELLINGS),
)
_FIRST_EVENT = RecordType(
    name="hazmat.event",
    title="custody log",
    row_model=former.EventRow1,
    key_columns=("container_id", "event_seq"),
    aliases=aliases_for(former.EventRow1.model_fields, EVENT_SPELLINGS),
)

FEED = Feed(
    name="hazmat",
    title="hazardous materials",
    record_types=(
        RecordType(
            name="hazmat.container",
            title="container list",
            row_model=ContainerRow,
            key_columns=("container_id",),
            aliases=aliases_for(ContainerRow.model_fields, CONTAINER_SPELLINGS),
            location_column="location",
            is_gone=disposed_of,
            lacking=WITHOUT_CLOCK,
            clock=ON_SITE,
            news=container_news,
            gone_by=("received_on", "opened_on", "accumulation_started_on", "disposed_on"),
            contract_version=2,
            former=(_FIRST_CONTAINER,),
        ),
        RecordType(
            name="hazmat.event",
            title="custody log",
            row_model=EventRow,
            key_columns=("container_id", "event_seq"),
            aliases=aliases_for(EventRow.model_fields, EVENT_SPELLINGS),
            references=(Reference("container_id", "hazmat.container"),),
            contract_version=2,
            former=(_FIRST_EVENT,),
        ),
    ),
    priority=20,
    urgent=True,
)
