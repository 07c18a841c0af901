"""Writing one campus's chain, its checkpoints and the public keys into one file, for bundle.py to verify anywhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hub_pipelines.audit import store as audit
from hub_pipelines.audit.checkpoints import store
from hub_pipelines.audit.checkpoints.bundle import FORMAT, key_line
from hub_pipelines.audit.checkpoints.keys import CampusKeys
from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.errors import SettingsError
from hub_pipelines.common.files import draft_of
from hub_pipelines.common.store import Database


@dataclass(frozen=True, slots=True)
class Exported:
    entries: int
    checkpoints: int


def export(db: Database, keys: CampusKeys, campus: str, path: Path) -> Exported:
    """Write a campus's bundle to a file that is not there yet. Raises SettingsError when there is no such chain, and
    FileExistsError and other OSErrors. The file is there whole or not at all."""
    if path.exists():
        raise FileExistsError(path)
    with db.read() as tx:
        heads = audit.heads_of(tx)
        head = heads.get(campus)
        texts = store.texts_of(tx, campus)
        if head is None:
            known = ", ".join(heads) or "nobody yet"
            raise SettingsError(f"{campus} has no audit entries, so there is nothing to export. Those have: {known}.")
        with draft_of(path) as draft:
            with draft.open("w", encoding="utf-8") as file:
                _line(file, {"format": FORMAT, "campus": campus, "entries": head[0], "checkpoints": len(texts)})
                for key in keys.public().values():
                    _line(file, key_line(key))
                for text in texts.values():
                    _line(file, {"checkpoint": text})
                for entry in audit.chain(tx, campus):
                    _line(file, {"entry": entry.document()})
            draft.replace(path)
    return Exported(head[0], len(texts))


def _line(file: IO[str], document: dict[str, object]) -> None:
    file.write(canonical_text(document) + "\n")
