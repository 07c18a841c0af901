"""The audit entry of an object that was damaged and is replaced by the same bytes, which came once more."""

from hub_pipelines.archive.objects import TellDamage
from hub_pipelines.audit import store as audit
from hub_pipelines.audit.model import Event
from hub_pipelines.common.scope import RESERVED_CAMPUS
from hub_pipelines.common.store import Database

ACTOR = "hub/archive"


def audited_in(db: Database) -> TellDamage:
    """Writes the entry in a transaction of its own, before the damaged bytes go."""

    def tell(digest: str, found: str) -> None:
        with db.write() as tx:
            audit.append(tx, Event(RESERVED_CAMPUS, ACTOR, "archive:mended", digest, None, {"found_digest": found}))

    return tell
