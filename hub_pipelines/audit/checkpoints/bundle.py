"""Verifying an exported chain with public keys alone: no hub, no database, no settings (exporting.py writes it).

A bundle has one JSON document a line: first what it is, then keys, checkpoints and entries of one campus, each in their
order. Nothing in it is believed but what a public key proves that the reader brings along.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import IO, Any

from hub_pipelines.audit.checkpoints.model import Checkpoint, PublicKey
from hub_pipelines.audit.checkpoints.verifying import row_of, told_by, vouched_until
from hub_pipelines.audit.model import Entry, Event, Signed, walk_chain
from hub_pipelines.common.errors import HubError

FORMAT = "hub-audit-bundle/1"
_BUNDLE = "the bundle"


class NotABundle(HubError):
    """The file is no bundle, or can't be read. The person who has it asks for another."""


@dataclass(slots=True)
class BundleReport:
    """What the given keys prove of a bundle. Entries up to `signed_upto` are proved; the later ones only hang together.

    `first_bad` names the first bad entry, or the checkpoint or line that is wrong.
    """

    campus: str
    entries: int = 0
    checkpoints: int = 0
    signed_upto: int = 0
    signed_at: datetime | None = None
    signed_by: list[str] = field(default_factory=list)
    first_bad: str | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.first_bad is None


def verify_bundle(path: Path, given: Sequence[PublicKey]) -> BundleReport:
    """Recompute a bundle and hold it against what the given keys have signed. Raises NotABundle."""
    with path.open(encoding="utf-8") as file:
        lines = _documents(file, path)
        first = next(lines, {})
        if first.get("format") != FORMAT:
            raise NotABundle(f"{path} is no bundle of `hub audit export`.")
        report = BundleReport(str(first["campus"]))
        keys: dict[tuple[str, str], PublicKey] = {}
        texts: dict[int, str] = {}
        entry = _read_signed(lines, keys, texts)
        signed = _judge_checkpoints(report, texts, keys, given)
        walked = walk_chain(_entries(entry, lines, path), signed)
    report.entries = walked.seq
    fault = walked.fault
    if fault is None and walked.seq < int(first["entries"]):
        fault = "is missing: entries were cut off"
    if fault:
        if report.first_bad:
            report.notes.insert(0, report.first_bad)
        report.first_bad = f"{report.campus}:{walked.seq + 1} {fault}"
    return report


def _documents(file: IO[str], path: Path) -> Iterator[dict[str, Any]]:
    try:
        for number, line in enumerate(file, start=1):
            document = json.loads(line)
            if not isinstance(document, dict):
                raise NotABundle(f"{path}, line {number} is no part of a bundle.")
            yield document
    except ValueError as error:
        raise NotABundle(f"{path} is damaged: a line of it can't be read.") from error


def _read_signed(
    lines: Iterator[dict[str, Any]], keys: dict[tuple[str, str], PublicKey], texts: dict[int, str]
) -> dict[str, Any] | None:
    """Keys and checkpoints into the given places; the first document after them."""
    for one in lines:
        if "key" in one:
            key = PublicKey(str(one["key"]["campus"]), base64.b64decode(one["key"]["raw"]))
            keys[key.campus, key.key_id] = key
        elif "checkpoint" in one:
            texts[len(texts) + 1] = str(one["checkpoint"])
        else:
            return one
    return None


def _judge_checkpoints(
    report: BundleReport,
    texts: dict[int, str],
    keys: dict[tuple[str, str], PublicKey],
    given: Sequence[PublicKey],
) -> Signed:
    """What the vouched-for checkpoints tell of the chain; the first that is wrong into the report."""
    row = row_of(report.campus, {_BUNDLE: texts}, keys)
    until = vouched_until(row.genuine, given)
    report.notes += row.notes
    report.checkpoints = len(row.genuine)
    if row.faults:
        report.first_bad = row.faults[0]
    elif not texts:
        report.first_bad = "there is no checkpoint in the bundle, so nothing of it is signed"
    elif until < len(row.genuine):
        report.first_bad = f"checkpoint {until + 1} of {report.campus} is vouched for by none of the given keys"
    row.genuine = row.genuine[:until]
    if row.genuine:
        newest: Checkpoint = row.genuine[-1]
        report.signed_upto, report.signed_at = newest.seq, newest.at
        report.signed_by = [newest.campus, *newest.countersigners]
    # what these have seen of other campuses can't be looked up here: their chains are not in the bundle
    return told_by([row])[0].get(report.campus, Signed())


def _entries(first: dict[str, Any] | None, rest: Iterator[dict[str, Any]], path: Path) -> Iterator[Entry]:
    for document in chain([first] if first else [], rest):
        try:
            told = document["entry"]
            event = Event(
                told["campus"], told["actor"], told["event"], told["subject"], told["request_id"], told["detail"]
            )
            yield Entry(
                int(told["seq"]), datetime.fromisoformat(told["at"]), event, str(told["prev_hash"]), str(told["hash"])
            )
        except (KeyError, TypeError, ValueError) as error:
            raise NotABundle(f"{path} is damaged: an entry of it can't be read.") from error
