"""Verifying an exported chain with public keys alone: no hub, no database, no settings (exporting.py writes it).

A bundle has one JSON document a line: first what it is, then keys, checkpoints and entries of one campus, each in their
order. Nothing in it is believed but what a public key proves that the reader brings along, and a line that says more,
or anything twice, is refused: who looks at the file with another tool must not read what nobody has signed.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import IO, Any

from hub_pipelines.audit.checkpoints.model import Checkpoint, PublicKey
from hub_pipelines.audit.checkpoints.verifying import Row, row_of, told_by, vouched_until
from hub_pipelines.audit.model import Entry, Event, Signed, walk_chain
from hub_pipelines.common.canonical import canonical_text
from hub_pipelines.common.errors import HubError
from hub_pipelines.common.scope import NAME

_KIND = "hub-audit-bundle/"
FORMAT = f"{_KIND}1"
_BUNDLE = "the bundle"

Keys = dict[tuple[str, str], PublicKey]
Line = tuple[int, str, dict[str, Any]]
"""Number, text and what it says."""


class NotABundle(HubError):
    """The file is no bundle, was changed, or can't be read. The person who has it asks for another."""


@dataclass(frozen=True, slots=True)
class Voucher:
    """What one given key proves: entries up to `upto`, under the name of `campus`; nothing when that is empty."""

    name: str
    campus: str
    upto: int


@dataclass(slots=True)
class BundleReport:
    """What the given keys prove of a bundle. Entries up to `signed_upto` are proved; the later ones only hang together.

    `first_bad` names the first bad entry, or the checkpoint or line that is wrong. `unproved` tells why nothing can be
    said of a bundle that has no fault in itself: a given key has signed nothing of it.
    """

    campus: str
    entries: int = 0
    checkpoints: int = 0
    signed_upto: int = 0
    signed_at: datetime | None = None
    signed_by: list[str] = field(default_factory=list)
    vouchers: list[Voucher] = field(default_factory=list)
    unsigned_from: datetime | None = None
    unsigned_to: datetime | None = None
    first_bad: str | None = None
    unproved: str | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.first_bad is None and self.unproved is None


def verify_bundle(path: Path, given: Mapping[str, PublicKey]) -> BundleReport:
    """Recompute a bundle and hold it against what the given keys, by their names, have signed. Raises NotABundle."""
    with path.open(encoding="utf-8") as file:
        lines = _lines(file, path)
        campus, count = _heading(lines, path)
        report = BundleReport(campus)
        keys: Keys = {}
        texts: dict[int, str] = {}
        entry = _read_signed(lines, keys, texts, path)
        signed = _judge_checkpoints(report, texts, keys, given)
        walked = walk_chain(_watched(report, _entries(entry, lines, path)), signed)
    report.entries = walked.seq
    report.notes += [walked.dated_back] if walked.dated_back else []
    fault = walked.fault
    if fault is None and walked.seq < count:
        fault = "is missing: entries were cut off"
    if fault:
        report.notes[:0] = [one for one in (report.first_bad, report.unproved) if one]
        report.first_bad = f"{report.campus}:{walked.seq + 1} {fault}"
    return report


# ---- reading


def _lines(file: IO[str], path: Path) -> Iterator[Line]:
    try:
        for number, line in enumerate(file, start=1):
            document = json.loads(line)
            if not isinstance(document, dict):
                raise NotABundle(f"{path}, line {number} is no part of a bundle.")
            yield number, line.rstrip("\n"), document
    except (ValueError, RecursionError) as error:
        raise NotABundle(f"{path} is damaged: a line of it can't be read.") from error


def _must_be(line: Line, document: dict[str, object], path: Path) -> None:
    """A line is what was understood of it and nothing else."""
    number, text, _ = line
    if canonical_text(document) != text:
        raise NotABundle(f"{path} was changed: line {number} is not as `hub audit export` writes it.")


def _heading(lines: Iterator[Line], path: Path) -> tuple[str, int]:
    line = next(lines, (1, "", {}))
    told = line[2]
    form = str(told.get("format"))
    if form != FORMAT and form.startswith(_KIND):
        raise NotABundle(f"{path} is of another release (it is {form!r}, this one verifies {FORMAT!r}). Use that one.")
    campus, entries, checkpoints = (told.get(name) for name in ("campus", "entries", "checkpoints"))
    is_one = isinstance(campus, str) and NAME.fullmatch(campus)
    if form != FORMAT or not is_one or type(entries) is not int or type(checkpoints) is not int:
        raise NotABundle(f"{path} is no bundle of `hub audit export`.")
    _must_be(line, {"format": FORMAT, "campus": campus, "entries": entries, "checkpoints": checkpoints}, path)
    return str(campus), entries


def _read_signed(lines: Iterator[Line], keys: Keys, texts: dict[int, str], path: Path) -> Line | None:
    """Keys and checkpoints into the given places; the first line after them."""
    for line in lines:
        number, _, one = line
        if "key" in one:
            try:
                key = PublicKey(str(one["key"]["campus"]), base64.b64decode(one["key"]["raw"], validate=True))
            except (KeyError, TypeError, ValueError) as error:
                raise NotABundle(f"{path} is damaged: the key in line {number} can't be read.") from error
            _must_be(line, key_line(key), path)
            keys[key.campus, key.key_id] = key
        elif "checkpoint" in one:
            text = str(one["checkpoint"])
            _must_be(line, {"checkpoint": text}, path)
            texts[len(texts) + 1] = text
        else:
            return line
    return None


def key_line(key: PublicKey) -> dict[str, object]:
    return {"key": {"campus": key.campus, "raw": base64.b64encode(key.raw).decode("ascii")}}


def _entries(first: Line | None, rest: Iterator[Line], path: Path) -> Iterator[Entry]:
    for line in chain([first] if first else [], rest):
        try:
            told = line[2]["entry"]
            event = Event(
                told["campus"], told["actor"], told["event"], told["subject"], told["request_id"], told["detail"]
            )
            entry = Entry(
                int(told["seq"]), datetime.fromisoformat(told["at"]), event, str(told["prev_hash"]), str(told["hash"])
            )
            document = entry.document()
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise NotABundle(f"{path} is damaged: the entry in line {line[0]} can't be read.") from error
        try:
            _must_be(line, {"entry": document}, path)
        except ValueError as error:  # NaN and the like
            raise NotABundle(f"{path} is damaged: the entry in line {line[0]} can't be read.") from error
        yield entry


def _watched(report: BundleReport, entries: Iterator[Entry]) -> Iterator[Entry]:
    """Of which time the entries are that no checkpoint covers."""
    for entry in entries:
        if entry.seq > report.signed_upto:
            report.unsigned_from = report.unsigned_from or entry.at
            report.unsigned_to = entry.at
        yield entry


# ---- judging


def _judge_checkpoints(
    report: BundleReport, texts: dict[int, str], keys: Keys, given: Mapping[str, PublicKey]
) -> Signed:
    """What the vouched-for checkpoints tell of the chain; the first that is wrong into the report."""
    row = row_of(report.campus, {_BUNDLE: texts}, keys)
    until = vouched_until(row.genuine, given.values())
    report.notes += row.notes
    report.checkpoints = len(row.genuine)
    report.vouchers = [_voucher(name, key, row) for name, key in given.items()]
    idle = [one.name for one in report.vouchers if not one.campus]
    introduced = {one.introduces.key_id for one in row.genuine[:until] if one.introduces}
    if row.faults:
        report.first_bad = row.faults[0]
    elif not texts:
        report.first_bad = "there is no checkpoint in the bundle, so nothing of it is signed"
    elif idle and (waiting := [one for one in idle if given[one].key_id in introduced]):
        report.unproved = (
            f"{' and '.join(waiting)} is introduced in this bundle and has signed nothing of it yet. Leave it out, or "
            "ask for a bundle that was made after the next checkpoint"
        )
    elif idle:
        report.unproved = (
            f"{' and '.join(idle)} has signed nothing in this bundle. Either it is not a checkpoint key of this hub, "
            "or the bundle was made by somebody who has not that key. Ask where each came from"
        )
    elif until < len(row.genuine):
        report.first_bad = f"checkpoint {until + 1} of {report.campus} is vouched for by none of the given keys"
    row.genuine = row.genuine[:until]
    if row.genuine:
        newest: Checkpoint = row.genuine[-1]
        report.signed_upto, report.signed_at = newest.seq, newest.at
        report.signed_by = [newest.campus, *newest.countersigners]
    # what these have seen of other campuses can't be looked up here: their chains are not in the bundle
    return told_by([row])[0].get(report.campus, Signed())


def _voucher(name: str, key: PublicKey, row: Row) -> Voucher:
    """A key that a checkpoint only introduces has signed nothing: anybody can introduce it."""
    signers = [
        campus
        for one in row.genuine
        for campus, key_id in ((one.campus, one.key_id), *one.countersigners.items())
        if key_id == key.key_id
    ]
    until = vouched_until(row.genuine, [key])
    return Voucher(name, signers[0], row.genuine[until - 1].seq) if signers else Voucher(name, "", 0)
