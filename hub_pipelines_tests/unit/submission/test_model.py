"""The state diagram, the row arithmetic and the envelope's document."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import product

import pytest

from hub_pipelines.submission.model import COUNT_NAMES, UNSETTLED, Counts, Envelope, State, may_move

LEGAL = {
    ("received", "leased"),
    ("received", "in_review"),
    ("leased", "leased"),
    ("leased", "received"),
    ("leased", "retrying"),
    ("leased", "posted"),
    ("leased", "in_review"),
    ("retrying", "leased"),
    ("retrying", "in_review"),
    ("posted", "received"),
    ("in_review", "received"),
    ("in_review", "dismissed"),
}


@pytest.mark.parametrize(("before", "after"), list(product(State, State)), ids=lambda state: str(state))
def test_only_the_moves_of_the_diagram_are_legal(before: State, after: State) -> None:
    assert may_move(before, after) is ((str(before), str(after)) in LEGAL)


def test_dismissed_is_final_and_every_other_state_has_a_way_on() -> None:
    ends = [state for state in State if not any(may_move(state, after) for after in State)]
    assert ends == [State.DISMISSED]


def test_every_state_can_be_reached_from_received() -> None:
    reached = {State.RECEIVED}
    for _ in State:
        reached |= {after for before in reached for after in State if may_move(before, after)}
    assert reached == set(State)


def test_unsettled_are_the_states_that_the_hub_moves_on_by_itself() -> None:
    assert {str(state) for state in UNSETTLED} == {"received", "leased", "retrying"}


@pytest.mark.parametrize("name", [name for name in COUNT_NAMES if name != "received"])
def test_a_received_row_is_accounted_for_once_in_any_of_the_other_counts(name: str) -> None:
    assert Counts(received=3, **{name: 3}).accounted
    assert not Counts(received=3, **{name: 2}).accounted
    assert not Counts(received=3, **{name: 4}).accounted


def test_the_counts_document_names_every_count() -> None:
    assert tuple(Counts().document()) == COUNT_NAMES == tuple(field.name for field in fields(Counts))


ENVELOPE = Envelope(
    request_id="r",
    campus="north",
    feed="inventory",
    channel="upload",
    source_system="test",
    source_name="x",
    content_digest="a" * 64,
    size_bytes=1,
    received_at=datetime(2026, 3, 2, 12, 0, tzinfo=UTC),
)
COUNT = replace(ENVELOPE, complete_count=True)


def test_the_signature_covers_every_field_but_itself() -> None:
    names = {field.name for field in fields(Envelope)}
    assert set(COUNT.signed_part()) == names - {"signature"}
    assert set(COUNT.document()) == names


def test_an_envelope_of_an_update_is_signed_as_before_there_were_counts() -> None:
    assert set(COUNT.signed_part()) - set(ENVELOPE.signed_part()) == {"complete_count"}


@pytest.mark.parametrize("envelope", [ENVELOPE, COUNT])
def test_an_envelopes_document_reads_back(envelope: Envelope) -> None:
    assert Envelope.from_document(envelope.document()) == envelope


def test_the_same_moment_in_another_zone_signs_the_same() -> None:
    elsewhere = ENVELOPE.received_at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert replace(ENVELOPE, received_at=elsewhere).signed_part() == ENVELOPE.signed_part()


@pytest.mark.parametrize(
    "damage", [{"received_at": "yesterday"}, {"unknown": 1}, {"request_id": None, "received_at": None}]
)
def test_a_malformed_document_is_a_defined_error(damage: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Envelope.from_document({**ENVELOPE.document(), **damage})
