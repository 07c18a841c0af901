"""What checkpoints prove: which of them are genuine, and what they tell of the chains.

Belongs here: rules over many checkpoints, from whatever places their texts came. Not here: where those places are
(service.py, bundle.py).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hub_pipelines.audit.checkpoints.keys import signature_fault
from hub_pipelines.audit.checkpoints.model import Checkpoint, PublicKey, fault_of_row, is_its_own_root
from hub_pipelines.audit.model import Signed

Keys = Mapping[tuple[str, str], PublicKey]
Texts = Mapping[int, str]


@dataclass(slots=True)
class Row:
    """A campus's genuine checkpoints in order, up to the first that none can vouch for. `faults` name what is wrong."""

    campus: str
    genuine: list[Checkpoint] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def row_of(campus: str, places: Mapping[str, Texts], keys: Keys) -> Row:
    """Of each number the text that is genuine, from whichever place has it; one that is not is a fault.

    `places` in the order in which they are asked.
    """
    row = Row(campus)
    for number in sorted({number for texts in places.values() for number in texts}):
        before = row.genuine[-1] if row.genuine else None
        if number != len(row.genuine) + 1:
            row.faults.append(f"checkpoint {len(row.genuine) + 1} of {campus} is missing, and there are later ones")
            return row
        found: dict[str, Checkpoint] = {}
        for text, where in _distinct(number, places):
            told = read(text, campus, number)
            fault = told if isinstance(told, str) else fault_of(before, told, keys)
            if fault or isinstance(told, str):
                row.faults.append(f"checkpoint {number} of {campus} in {where} {fault}")
            else:
                found[where] = told
        if len(found) > 1:
            row.faults.append(f"checkpoint {number} of {campus} was signed twice: {' and '.join(found)} differ")
        if not found:
            return row
        one = next(iter(found.values()))
        if before is not None and is_its_own_root(before, one):
            row.notes.append(f"{campus}: with {one.name} a new key began that the one before has not signed")
        if before is not None and (gone := sorted(set(before.countersigners) - set(one.countersigners))):
            row.notes.append(f"{campus}: {', '.join(gone)} no longer countersigned {one.name}")
        row.genuine.append(one)
    return row


def _distinct(number: int, places: Mapping[str, Texts]) -> Iterable[tuple[str, str]]:
    """Each different text of a number with the places that have it."""
    where: dict[str, list[str]] = {}
    for place, texts in places.items():
        if number in texts:
            where.setdefault(texts[number], []).append(place)
    return [(text, " and ".join(names)) for text, names in where.items()]


def read(text: str, campus: str, number: int) -> Checkpoint | str:
    """The checkpoint that a text holds, or why it holds none."""
    try:
        one = Checkpoint.from_document(json.loads(text))
        is_all = one.text() == text
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        return "can't be read: it was changed"
    if not is_all:
        return "is not written as it was signed: it was changed"
    return one if (one.campus, one.number) == (campus, number) else f"is {one.name} in truth"


def fault_of(before: Checkpoint | None, one: Checkpoint, keys: Keys) -> str | None:
    """Why a checkpoint is not the genuine successor of `before`."""
    if fault := signature_fault(one, keys):
        return fault
    if before is not None and one.key_id != before.active_after and not is_its_own_root(before, one):
        return f"is signed with a key that no checkpoint before it has introduced ({one.key_id})"
    if before is None and not is_its_own_root(before, one):
        return "does not introduce the key that it is signed with"
    return fault_of_row(before, one)


def told_by(rows: Iterable[Row]) -> tuple[dict[str, Signed], list[str]]:
    """What the genuine checkpoints tell of each chain; and where they contradict each other."""
    rows = list(rows)
    faults: list[str] = []
    heads: dict[str, dict[int, tuple[str, str]]] = {}
    links = {row.campus: b"".join(one.links for one in row.genuine) for row in rows}
    genuine = {row.campus: row.genuine for row in rows}
    digests = {row.campus: [one.digest() for one in row.genuine] for row in rows}
    for row in rows:
        heads[row.campus] = {one.seq: (one.head, one.name) for one in row.genuine}
    for row in rows:
        for one in row.genuine:
            for campus, seen in one.seen.items():
                known = heads.setdefault(campus, {}).setdefault(seen.seq, (seen.head, one.name))
                if known[0] != seen.head:
                    faults.append(f"{known[1]} and {one.name} tell of different entries as {campus}:{seen.seq}")
                there = digests.get(campus, [])
                if seen.number and (len(there) < seen.number or there[seen.number - 1] != seen.digest):
                    faults.append(f"checkpoint {seen.number} of {campus} is not the one that {one.name} has seen")
            faults += _strangers(one, genuine)
    signed = {campus: Signed(links.get(campus, b""), told) for campus, told in heads.items() if told}
    return signed, list(dict.fromkeys(faults))


def _strangers(one: Checkpoint, genuine: Mapping[str, list[Checkpoint]]) -> Iterable[str]:
    """Countersignatures with another key than the one that signed for that campus then, by the newest of its
    checkpoints that this one has seen: whoever may write files can put a public key of his own among the others."""
    for campus, key_id in one.countersigners.items():
        number = one.seen[campus].number if campus in one.seen else 0
        there = genuine.get(campus, [])
        if 0 < number <= len(there) and there[number - 1].active_after != key_id:
            yield f"{one.name} is countersigned with a key that was not {campus}'s then ({key_id})"


def vouched_until(row: list[Checkpoint], given: Iterable[PublicKey]) -> int:
    """The newest of these genuine checkpoints that the given keys vouch for, 0 for none.

    A key vouches for what it signed or countersigned, for all before that, and for what is signed with a key that
    such a checkpoint has introduced.
    """
    known = {key.key_id for key in given}
    until = 0
    for one in row:
        if {one.key_id, *one.countersigners.values()} & known:
            until = one.number
            known |= {one.introduces.key_id} if one.introduces else set()
    return until
