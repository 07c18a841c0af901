"""The feeds that the hub takes. A new feed is one folder and one entry.

Belongs here: the list. Not here: anything that is true of one feed only.
"""

from hub_pipelines.validate.feeds import grants, hazmat, inventory, procurement
from hub_pipelines.validate.model import Feed

FEEDS: dict[str, Feed] = {feed.name: feed for feed in (procurement.FEED, inventory.FEED, hazmat.FEED, grants.FEED)}
