"""Single rows of a posting proved by the audit entry alone, on both databases."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import and_, select, update

from hub_pipelines.audit import store as audit
from hub_pipelines.evidence import NoProof, prove_row, verify_all
from hub_pipelines.hub import Hub
from hub_pipelines.ledger import store as ledgers
from hub_pipelines.ledger.digests import rows_digest
from hub_pipelines.ledger.entries import store as ledger_entries
from hub_pipelines.ledger.model import CHAIN, TREE
from hub_pipelines.ledger.outcomes import store as ledger_outcomes
from hub_pipelines.ledger.proofs import NotAProof, RowProof
from hub_pipelines.rebuilding import reproduce
from hub_pipelines_tests.support import NORTH_LEDGER, asset, make_registry, process, send_assets
from hub_pipelines_tests.tampering import rewrite, unlock

TAGS = [f"NC-{number:04}" for number in range(7)]


@pytest.fixture
def lab(hub: Hub) -> str:
    """A posted file of seven rows, 2 to 8, and one that is rejected."""
    make_registry(hub, TAGS)
    request_id = send_assets(hub, "lab.csv", *map(asset, TAGS), asset("NC-9999"))
    process(hub, request_id)
    return request_id


def test_every_posted_row_is_proved_with_nothing_but_the_proof(hub: Hub, lab: str) -> None:
    for row, tag in enumerate(TAGS, start=2):
        proof = RowProof.from_text(prove_row(hub, lab, row).text())
        assert proof.fault() is None
        assert (proof.entry["key"], json.loads(proof.entry["values"])["asset_tag"]) == (tag, tag)
        assert len(proof.path) <= 3


CHANGES: list[tuple[tuple[str, ...], object, str]] = [
    (("entry", "values"), '{"quantity":"99"}', "the values are not the ones that were posted"),
    (("entry", "key"), "NC-0002", "the row is not among the rows that were posted"),
    (("entry", "campus"), "south", "the row is not among the rows that were posted"),
    (("entry", "previous_version"), 1, "the row is not among the rows that were posted"),
    (("index",), 2, "the row is not among the rows that were posted"),
    (("size",), 5, "so many rows were not posted"),
    (("path",), [], "the row is not among the rows that were posted"),
    (("audit_entry", "detail", "rows_digest"), "f" * 64, "the audit entry was changed after it was written"),
    (("audit_entry", "seq"), 99, "the audit entry was changed after it was written"),
]


def test_any_change_of_a_proof_is_found(hub: Hub, lab: str) -> None:
    text = prove_row(hub, lab, 3).text()
    for place, changed, told in CHANGES:
        document: dict[str, Any] = json.loads(text)
        part = document
        for name in place[:-1]:
            part = part[name]
        part[place[-1]] = changed
        assert RowProof.from_text(json.dumps(document)).fault() == told, place


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"format": "other"}', '{"format": "hub-row-proof/1"}', "[" * 100_000]
)
def test_what_is_no_proof_is_refused_in_words(text: str) -> None:
    with pytest.raises(NotAProof):
        RowProof.from_text(text)


def _parts(document: dict[str, Any], place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in document.items():
        yield (*place, name)
        if isinstance(value, dict):
            yield from _parts(value, (*place, name))


def test_whatever_stands_in_a_part_of_a_proof_it_is_refused_in_words(hub: Hub, lab: str) -> None:
    text = prove_row(hub, lab, 3).text()
    others: list[Any] = [None, True, 7, -1, 1.5, 1e400, 10**400, "null", "\ud800", "5", [], ["a"], [7], {}]
    for place in _parts(json.loads(text)):
        for changed in others:
            document: dict[str, Any] = json.loads(text)
            part = document
            for name in place[:-1]:
                part = part[name]
            if json.dumps(part[place[-1]]) == json.dumps(changed):
                continue
            part[place[-1]] = changed
            try:
                fault = RowProof.from_text(json.dumps(document)).fault()
            except NotAProof:
                continue
            assert fault is not None, (place, changed)


def test_a_proof_without_one_of_its_parts_is_refused_in_words(hub: Hub, lab: str) -> None:
    text = prove_row(hub, lab, 3).text()
    for place in _parts(json.loads(text)):
        document: dict[str, Any] = json.loads(text)
        part = document
        for name in place[:-1]:
            part = part[name]
        del part[place[-1]]
        try:
            assert RowProof.from_text(json.dumps(document)).fault() is not None, place
        except NotAProof:
            continue


def test_a_row_without_an_entry_can_not_be_proved(hub: Hub, lab: str) -> None:
    with pytest.raises(NoProof) as refused:
        prove_row(hub, lab, 9)
    assert "was rejected" in str(refused.value)


def test_the_commands_prove_and_verify_a_row(hub: Hub, lab: str, tmp_path: Path) -> None:
    address = hub.db.url.render_as_string(hide_password=False)
    environment = {**os.environ, "HUB_HOME": str(hub.settings.home), "HUB_DATABASE_URL": address}

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hub_pipelines.cli", "audit", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    path = tmp_path / "row.json"
    path.write_text(command("prove", lab, "--row", "4").stdout, encoding="utf-8")
    environment = {**os.environ, "HUB_HOME": str(tmp_path / "elsewhere")}
    verified = command("verify-row", str(path))
    assert (verified.returncode, verified.stdout.startswith("NC-0002 in row 4 of")) == (0, True)
    path.write_text(path.read_text(encoding="utf-8").replace("Ethanol", "Ethanal"), encoding="utf-8")
    refused = command("verify-row", str(path))
    assert refused.returncode == 1
    assert "NOT PROVED: the values are not the ones that were posted" in refused.stdout + refused.stderr
    assert not (tmp_path / "elsewhere").exists()


def as_made_formerly(hub: Hub, request_id: str, digest_version: int) -> None:
    """The posting as a former release would have written it: another digest; of CHAIN no word of how it was made."""
    with hub.db.read() as tx:
        entries = ledger_entries.of_posting(tx, request_id, 1, digest_version)
        digest = rows_digest((one for _, one in entries), digest_version)

    def told_formerly(document: dict[str, Any]) -> None:
        document["rows_digest"], document["digest_version"] = digest, digest_version
        if digest_version == CHAIN:
            del document["digest_version"]

    def formerly(told: list[Any]) -> None:
        for _, event in told:
            if event.event == "submission:posted" and event.request_id == request_id:
                told_formerly(event.detail)

    rewrite(hub, "north", formerly)
    record = ledger_outcomes.idempotency
    with hub.db.write() as tx:
        outcome = tx.execute(select(record.c.outcome).where(record.c.request_id == request_id)).scalar_one()
        told_formerly(outcome)
        tx.execute(update(record).where(record.c.request_id == request_id).values(outcome=outcome))


def change_values(hub: Hub) -> None:
    with hub.db.write() as tx:
        unlock(hub, tx, "journal")
        row = and_(ledgers.journal_row.c.ledger == NORTH_LEDGER, ledgers.journal_row.c.key == "NC-0003")
        tx.execute(update(ledgers.journal_row).where(row).values(values="{}"))


def test_a_posting_whose_values_were_changed_does_not_verify(hub: Hub, lab: str) -> None:
    assert verify_all(hub).ok, verify_all(hub).first_bad
    change_values(hub)
    assert f"{lab}: its journal rows are not the ones that were posted" in str(verify_all(hub).first_bad)


def test_a_posting_whose_leaves_had_the_values_in_them_verifies_and_is_proved(hub: Hub, lab: str) -> None:
    as_made_formerly(hub, lab, TREE)
    assert verify_all(hub).ok, verify_all(hub).first_bad
    for row in range(2, 2 + len(TAGS)):
        assert RowProof.from_text(prove_row(hub, lab, row).text()).fault() is None
    with hub.db.read() as tx:
        (day,) = tx.execute(select(ledgers.posting.c.ledger_date).where(ledgers.posting.c.request_id == lab)).scalars()
    record = hub.feeds["inventory"].record_type("inventory.asset")
    assert reproduce(hub, record, "north", day).is_equal
    change_values(hub)
    assert "its journal rows are not the ones that were posted" in str(verify_all(hub).first_bad)


def test_a_posting_from_before_there_were_trees_verifies_and_has_no_proof(hub: Hub, lab: str) -> None:
    as_made_formerly(hub, lab, CHAIN)
    assert verify_all(hub).ok, verify_all(hub).first_bad
    with pytest.raises(NoProof) as refused:
        prove_row(hub, lab, 3)
    assert "before the hub kept what is needed" in str(refused.value)
    change_values(hub)
    assert "its journal rows are not the ones that were posted" in str(verify_all(hub).first_bad)
    assert audit.walk(hub.db).ok
