"""The feed of hazardous materials and waste: the containers, and what happens to them.

Belongs here: the feed's entry. Not here: its columns (contract.py), what the regulations demand of them.
"""

from hub_pipelines.validate.columns import aliases_for
from hub_pipelines.validate.feeds.hazmat.contract import (
    CONTAINER_SPELLINGS,
    EVENT_SPELLINGS,
    ContainerRow,
    EventRow,
    disposed_of,
)
from hub_pipelines.validate.model import Feed, RecordType, Reference

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
        ),
        RecordType(
            name="hazmat.event",
            title="custody log",
            row_model=EventRow,
            key_columns=("container_id", "event_seq"),
            aliases=aliases_for(EventRow.model_fields, EVENT_SPELLINGS),
            references=(Reference("container_id", "hazmat.container"),),
        ),
    ),
    priority=20,
)
