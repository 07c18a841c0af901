"""Writing one campus's chain, its checkpoints and the public keys into one file, for bundle.py to verify anywhere."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.checkpoints import store
from hub_pipelines.audit.checkpoints.bundle import FORMAT
from hub_pipelines.audit.checkpoints.keys import CampusKeys
from hub_pipelines.audit.model import Entry
from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.clock import iso
from hub_pipelines.common.errors import SettingsError
from hub_pipelines.common.store import Database


@dataclass(frozen=True, slots=True)
class Exported:
    entries: int
    checkpoints: int


def export(db: Database, keys: CampusKeys, campus: str, path: Path) -> Exported:
    """Write a campus's bundle to a file that is not there yet. Raises SettingsError when there is no such chain, and
    FileExistsError and other OSErrors."""
    with db.read() as tx:
        head = audit.heads_of(tx).get(campus)
        texts = store.texts_of(tx, campus)
        if head is None:
            raise SettingsError(f"{campus} has no audit entries, so there is nothing to export.")
        with path.open("x", encoding="utf-8") as file:
            _line(file, {"format": FORMAT, "campus": campus, "entries": head[0], "checkpoints": len(texts)})
            for key in keys.public().values():
                _line(file, {"key": {"campus": key.campus, "raw": base64.b64encode(key.raw).decode("ascii")}})
            for text in texts.values():
                _line(file, {"checkpoint": text})
            for entry in audit.chain(tx, campus):
                _line(file, {"entry": _document(entry)})
    return Exported(head[0], len(texts))


def _line(file: IO[str], document: dict[str, object]) -> None:
    file.write(canonical_text(document) + "\n")


def _document(entry: Entry) -> dict[str, object]:
    event = entry.event
    return {
        "campus": event.campus,
        "seq": entry.seq,
        "at": iso(entry.at),
        "actor": event.actor,
        "event": event.event,
        "subject": event.subject,
        "request_id": event.request_id,
        "detail": event.detail,
        "prev_hash": entry.prev_hash,
        "hash": entry.hash,
    }
