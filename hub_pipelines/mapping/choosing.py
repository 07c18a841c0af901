"""Of all that each column may be, what it is taken for: each column of the contract once, each of the file once.

Belongs here: which candidate is preferred, and when none is sure enough. Not here: where candidates come from
(proposing), what is asked of a person (questioning). Pure.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from hub_pipelines.mapping.content import words_in
from hub_pipelines.mapping.fits import carries_unit, fit
from hub_pipelines.mapping.likeness import THINGS
from hub_pipelines.mapping.proposing import DOUBTFUL, HAS_UNIT, SURE, TELLING_FIT, Candidate, File, Proposal

MARGIN = 0.06
"""Two candidates that are no further apart than this come close."""
PERHAPS = 0.5
"""Below this a candidate is none."""
# an optional column is used without asking from here on if it is the only one that may be it and its values agree
_ALONE = 0.74
_MOSTLY = 0.5
_FULL = 0.8
"""Rows without a name are refused. Of two columns that may tell it, one with fewer values than so much of the other's
gives way."""
IMPORTANT = words_in(
    """
    item_name item_code location quantity quantity_on_hand unit cas_number cas_numbers hazard_codes expires_on
    lot_number asset_tag container_id waste_codes un_number award_id transaction_id amount po_number
    """
)
"""Columns that are looked for, or at least told of, although the contract does not require them."""
_OF_CONTAINERS = re.compile(
    r"\b(?:bottle|container|vial|can|drum|cylinder|tube|box|pack|bag|jar|ampoule|carboy)(?:s|es)?\b", re.I
)
"""In the heading of a quantity: it counts what the thing is in."""


def choose(proposal: Proposal, file: File) -> Proposal:
    """The same proposal, with all that is sure chosen."""
    _take_the_surest(proposal, file)
    _name_rather_than_number(proposal, file)
    _doubt_unit(proposal, file)
    _add_the_only_ones(proposal)
    _doubt_what_moved(proposal, file)
    proposal.given = _given(file, proposal)
    return proposal


def _take_the_surest(proposal: Proposal, file: File) -> None:
    """Take the surest candidates first. Where two come close, and neither is clearer, none is taken."""
    used = {one.position for one in proposal.chosen.values()}
    for one in proposal.candidates:
        if one.score < SURE or one.column in proposal.chosen or one.column in proposal.ties or one.position in used:
            continue
        close = [
            other
            for other in proposal.candidates
            if other is not one and other.position not in used and other.score >= one.score - MARGIN
        ]
        rivals = [other for other in close if other.column == one.column and not _has_better_use(other, close)]
        elsewhere = [other for other in close if other.position == one.position and other.column not in proposal.chosen]
        winner = _clearest([one, *rivals], file)
        if winner is None:
            proposal.ties[one.column] = [one, *rivals]
        elif winner is one and elsewhere:
            proposal.ties[one.column] = [one]
        else:
            proposal.chosen[winner.column] = winner
            used.add(winner.position)


def _name_rather_than_number(proposal: Proposal, file: File) -> None:
    """`Part` above M3 screws is what the items are, where no other column tells it."""
    number = proposal.chosen.get("item_code")
    if number is None or number.how == "confirmed" or number.names or "item_name" not in proposal.missing:
        return
    if "item_name" in proposal.absent or "item_name" in proposal.ties:
        return
    values = fit("item_name", file.profiles[number.position])
    if values.score > 0:
        told = (*number.evidence, values.evidence, "no other column tells what the items are")
        del proposal.chosen["item_code"]
        proposal.chosen["item_name"] = replace(number, column="item_name", how="likeness", score=SURE, evidence=told)


def _clearest(those: Sequence[Candidate], file: File) -> Candidate | None:
    """The one that is to be preferred to each of the others."""
    return next(
        (one for one in those if all(_is_clearer(one, other, file) for other in those if other is not one)), None
    )


def _doubt_unit(proposal: Proposal, file: File) -> None:
    """Three bottles of 500 mL may stand there as 500, mL and 3: then the unit is the size's and no quantity's."""
    unit, quantity = proposal.chosen.get("unit"), proposal.chosen.get("quantity_on_hand")
    if unit is None or quantity is None or unit.how == "confirmed":
        return
    if file.profiles[unit.position].share("measure") < _MOSTLY:
        return
    doubt = None
    size, heading = proposal.chosen.get("container_size"), file.headings[quantity.position]
    if size is not None and file.profiles[size.position].share("number") >= TELLING_FIT:
        doubt = f"it may be the unit of '{file.header[size.position].strip()}', which has none of its own"
    elif (
        heading.unit is None
        and _OF_CONTAINERS.search(heading.text)
        and not carries_unit(file.profiles[quantity.position])
    ):
        doubt = f"it does not go with '{heading.text.strip()}'"
    if doubt is not None:
        del proposal.chosen["unit"]
        proposal.ties["unit"] = [replace(unit, score=DOUBTFUL, evidence=(*unit.evidence, doubt))]


def _add_the_only_ones(proposal: Proposal) -> None:
    """Take for an optional column the only one that may be it, if heading and values both speak for it."""
    used = {one.position for one in proposal.chosen.values()}
    for column in proposal.record.columns:
        if column not in IMPORTANT or column in proposal.record.required:
            continue
        if column in proposal.chosen or column in proposal.ties:
            continue
        free = [one for one in proposal.candidates if one.position not in used and one.score >= PERHAPS]
        may_be = [one for one in free if one.column == column]
        if len(may_be) != 1 or not _would_do_alone(may_be[0]):
            continue
        if any(one.position == may_be[0].position and one.column != column for one in free):
            continue
        proposal.chosen[column] = may_be[0]
        used.add(may_be[0].position)


def _doubt_what_moved(proposal: Proposal, file: File) -> None:
    """Where the column that named the rows does not do, another one is not taken for it unasked: its values would make
    other rows of all."""
    for column, at in proposal.left.items():
        now = proposal.chosen.get(column)
        if now is not None and now.position != at:
            del proposal.chosen[column]
            former = [one for one in proposal.candidates if (one.column, one.position) == (column, at)]
            told = f"earlier files of this list had it in column {file.place(at)}"
            proposal.ties[column] = [replace(now, evidence=(*now.evidence, told)), *former]


def _would_do_alone(one: Candidate) -> bool:
    return one.score >= _ALONE and one.how != "content" and not one.near and one.fit > 0


def _has_better_use(one: Candidate, close: Sequence[Candidate]) -> bool:
    return any(other.position == one.position and other.score > one.score + MARGIN for other in close)


def _is_clearer(one: Candidate, other: Candidate, file: File) -> bool:
    """Whether of two columns for one the first is to be preferred."""
    counts = file.profiles[one.position].count, file.profiles[other.position].count
    if bool(counts[0]) != bool(counts[1]):
        return bool(counts[0])
    if (one.how == "likeness") != (other.how == "likeness"):
        return other.how == "likeness"
    if one.lesser != other.lesser:
        return one.lesser < other.lesser
    if one.column in THINGS and min(counts) < _FULL * max(counts):
        return counts[0] > counts[1]
    if abs(one.fit - other.fit) >= 0.6:
        return one.fit > other.fit
    if one.vague != other.vague:
        return other.vague
    if one.names != other.names:
        return one.names
    if one.vague and one.order != other.order:
        return one.order < other.order
    if one.exact != other.exact:
        return one.exact
    # of amounts each may be what is left
    if one.column not in HAS_UNIT:
        if (one.how == "name") != (other.how == "name"):
            return one.how == "name"
        if one.own != other.own:
            return one.own
    return one.how != "content" and other.how == "content"


def _given(file: File, proposal: Proposal) -> frozenset[str]:
    """A unit stands in the heading or the cells of many a quantity; no column of its own is to be asked for then."""
    quantities = [one for column, one in proposal.chosen.items() if column in HAS_UNIT]
    told = any(file.headings[one.position].unit or carries_unit(file.profiles[one.position]) for one in quantities)
    return frozenset(("unit",)) if told else frozenset()
