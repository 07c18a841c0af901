"""Questions about columns, in the words of those who keep the list.

Belongs here: the sentences and the choices. Not here: when one is asked (questioning), questions about values
(validate/conventions).
"""

from collections.abc import Callable, Sequence

from hub_pipelines.mapping.content import Profile
from hub_pipelines.mapping.model import NONE_OF_THEM, Question
from hub_pipelines.validate.model import Choice, RecordType

_MOST_CHOICES = 4
_THINK = 0.6

_PHRASES = {
    "item_name": "what the item is",
    "item_code": "under which number the item is ordered or kept (catalogue number, SKU)",
    "location": "where the item is kept",
    "quantity": "how much there is",
    "quantity_on_hand": "how much there is",
    "unit": "the unit of the quantity (mL, g, box)",
    "supplier": "who sells or makes the item",
    "vendor": "who sold it",
    "cas_number": "the CAS number",
    "cas_numbers": "the CAS numbers",
    "hazard_codes": "the hazard codes (such as H225)",
    "lot_number": "the lot or batch number",
    "expires_on": "the day on which the item expires",
    "reorder_level": "at how much the item is ordered again",
    "counted_on": "the day on which the item was counted",
    "received_on": "the day on which the item came",
    "opened_on": "the day on which the item was opened",
    "responsible_email": "the e-mail address of the person responsible",
    "asset_tag": "the tag number on the item",
    "category": "the kind of item (chemical, equipment, …)",
    "acquired_on": "the day on which the item was acquired",
    "unit_cost": "what one item cost",
    "po_number": "the number of the purchase order",
    "calibrated_on": "the day of the calibration",
    "result": "the result of the calibration",
    "due_on": "the day of the next calibration",
    "container_id": "the number or barcode on the container",
    "contents": "what is in the container",
    "event_seq": "which event of the container it is (1, 2, 3, …)",
    "event_type": "what was done",
    "at": "when it was done",
    "to_place": "where the container is afterwards",
    "waste_codes": "the federal waste codes (such as D001)",
    "award_id": "the number of the award",
    "starts_on": "the first day of the award",
    "ends_on": "the last day of the award",
    "obligated_amount": "the amount that is awarded",
    "transaction_id": "the number of the ledger line",
    "amount": "the amount",
    "posted_on": "the day on which it was posted",
    "campus": "the campus",
    "ordered_on": "the day of the order",
}
"""What a column of a contract tells; of the others the contract's own description is used."""


def phrase_of(column: str, record: RecordType) -> str:
    """What a column tells, to stand behind "Which column tells"."""
    described = record.column_descriptions.get(column) or column.replace("_", " ")
    return _PHRASES.get(column) or f"the {column.replace('_', ' ')} ({described[0].lower()}{described[1:]})"


def shown_column(heading: str, place: str, profile: Profile) -> str:
    """A column of the file as a person knows it: where Excel shows it, its heading, and what is in it."""
    name = f'"{" ".join(heading.split())[:60]}"' if heading.strip() else "which has no heading"
    examples = f" (for example: {', '.join(profile.examples)})" if profile.examples else " (empty)"
    return f"column {place}, {name}{examples}"


def about_column(
    column: str,
    record: RecordType,
    header: Sequence[str],
    keys: Sequence[str],
    profiles: Sequence[Profile],
    positions: Sequence[int],
    place: Callable[[int], str],
    *,
    sure: float,
    rivals: int = 1,
    evidence: Sequence[str] = (),
) -> Question:
    """Which of the columns at `positions` is `column`? The first is the likeliest, unless `sure` is 0. `place` tells
    where Excel shows a column.

    With several `rivals` the first so many are equally likely.
    """
    asked = f"Which column tells {phrase_of(column, record)}?"
    shown = [shown_column(header[at], place(at), profiles[at]) for at in positions[:_MOST_CHOICES]]
    if rivals > 1:
        text = f"{asked} It may be {' or '.join(shown[:rivals])}."
    elif sure >= _THINK:
        text = f"{asked} We think it is {shown[0]}."
    elif sure:
        text = f"{asked} Perhaps it is {shown[0]}."
    else:
        text = f"{asked} No heading says it."
    choices = [Choice(keys[at], label) for at, label in zip(positions, shown, strict=False)]
    choices.append(Choice(NONE_OF_THEM, "none of them: the list does not have it"))
    first = positions[0] if sure and rivals == 1 else None
    return Question(
        kind="column",
        heading=None if first is None else header[first],
        position=first,
        column=column,
        text=text,
        choices=tuple(choices),
        evidence=tuple(evidence),
    )


def about_record_type(records: Sequence[RecordType]) -> Question:
    """What is the file a list of?"""
    titles = [_a(one.title) for one in records]
    return Question(
        kind="record_type",
        heading=None,
        position=None,
        column=None,
        text=f"What is this file: {' or '.join(titles)}? Its columns fit both.",
        choices=tuple(Choice(one.name, title) for one, title in zip(records, titles, strict=True)),
    )


def _a(title: str) -> str:
    return f"an {title}" if title[0] in "aeiou" else f"a {title}"
