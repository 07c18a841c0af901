"""Inputs for the validation tests: files, tables and registries. Not here: assertions."""

import datetime
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.model import AcceptedRow, Cell, Feed, Problem, RejectedRow, Table
from hub_pipelines.validate.reading import open_table
from hub_pipelines.validate.service import validate

INVENTORY = FEEDS["inventory"]
PROCUREMENT = FEEDS["procurement"]
RECORD_TYPES = {record.name: record for feed in FEEDS.values() for record in feed.record_types}
GOOD_ROW: dict[str, Cell] = {
    "asset_tag": "TAG-1",
    "item_name": "Acetone",
    "category": "chemical",
    "quantity": "2.5",
    "unit": "mL",
    "location": "Room 1",
    "responsible_email": "ada@uni.edu",
    "acquired_on": "2024-01-31",
    "unit_cost": "12.50",
    "po_number": "PO-1",
    "cas_number": "67-64-1",
    "hazard_codes": "H225; H319",
    "serial_number": "B1",
    "manufacturer": "Merck",
    "model": "ACS grade",
    "status": "in use",
}


GOOD_ROWS: dict[str, dict[str, Cell]] = {
    "procurement.asset": {
        "asset_tag": "TAG-1",
        "po_number": "PO-1",
        "campus": "North",
        "description": "Acetone",
        "vendor": "VWR",
        "amount": "12.50",
        "ordered_on": "2024-01-31",
        "status": "received",
    },
    "inventory.asset": GOOD_ROW,
    "inventory.stock": {
        "item_code": "A0334-25G",
        "item_name": "Agarose",
        "location": "Room 1",
        "quantity_on_hand": "2.5",
        "unit": "g",
        "supplier": "Sigma",
        "cas_number": "9012-36-6",
        "lot_number": "L-1",
        "expires_on": "2026-01-31",
        "reorder_level": "1",
        "counted_on": "2025-01-31",
        "responsible_email": "ada@uni.edu",
        "container_id": "C-1",
        "container_size": "25 g bottle",
        "concentration": "99 %",
        "physical_state": "solid",
        "hazard_codes": "H319",
        "storage_temperature": "-20 °C",
        "received_on": "2024-12-01",
        "opened_on": "2024-12-24",
        "owner": "AR",
        "serial_number": "S-1",
        "model": "A0334",
        "status": "open",
        "link": "https://sds.example.edu/1",
    },
    "inventory.calibration": {
        "asset_tag": "TAG-1",
        "calibrated_on": "2025-01-31",
        "result": "pass",
        "due_on": "2026-01-31",
        "calibrated_by": "Mettler",
        "certificate_number": "C-1",
        "procedure": "SOP 7",
        "serial_number": "B1",
        "item_name": "Balance",
        "location": "Room 1",
        "responsible_email": "ada@uni.edu",
        "remarks": "all in order",
    },
    "hazmat.container": {
        "container_id": "W-1",
        "contents": "Waste acetone",
        "quantity": "4",
        "unit": "L",
        "location": "Room 1",
        "status": "full",
        "cas_numbers": "67-64-1; 64-17-5",
        "waste_codes": "D001, F003",
        "state_waste_codes": "WT02",
        "generator_category": "SQG",
        "epa_id": "NYD000000000",
        "un_number": "UN1090",
        "hazard_class": "3",
        "packing_group": "II",
        "hazard_codes": "H225; H319",
        "physical_state": "liquid",
        "generator": "Reyes lab",
        "accumulation_started_on": "2025-01-31",
        "received_on": "2024-12-01",
        "opened_on": "2024-12-24",
        "expires_on": "2026-01-31",
        "disposed_on": "2025-03-01",
        "sds": "https://sds.example.edu/1",
    },
    "hazmat.event": {
        "container_id": "W-1",
        "event_seq": "1",
        "event_type": "moved",
        "at": "2025-03-01 14:30 -05:00",
        "to_place": "Room 2",
        "from_place": "Room 1",
        "quantity": "4",
        "unit": "L",
        "seal_no": "S-1",
        "condition": "closed",
        "manifest_tracking_number": "123456789ELC",
        "signed_by": "D. Reyes",
    },
    "grants.award": {
        "award_id": "AWD-1",
        "starts_on": "2024-07-01",
        "obligated_amount": "500000.00",
        "ends_on": "2029-06-30",
        "sponsor": "NSF",
        "title": "Polymers",
        "fain": "2145678",
        "aln": "47.049",
        "pi_name": "Ada Reyes",
        "pi_email": "ada@uni.edu",
        "idc_rate": "53.5%",
        "status": "active",
        "final_report_on": "2029-03-31",
    },
    "grants.expenditure": {
        "transaction_id": "T-1",
        "award_id": "AWD-1",
        "amount": "123.45",
        "posted_on": "2025-01-31",
        "currency": "USD",
        "incurred_on": "2025-01-15",
        "account": "71300",
        "description": "Acetone",
        "vendor": "VWR",
        "vendor_uei": "ZQGGHJH74DW7",
        "invoice_number": "INV-1",
        "po_number": "PO-1",
        "document_reference": "DOC-1",
        "budget_starts_on": "2024-07-01",
        "budget_ends_on": "2025-06-30",
    },
    "grants.sponsor_award": {
        "portal": "NIH",
        "record_id": "10912345",
        "award_id": "R01CA123456",
        "starts_on": "2024-07-01",
        "ends_on": "2029-06-30",
        "obligated_amount": "-5798.00",
        "planned_amount": "500000.00",
        "budget_starts_on": "2024-07-01",
        "budget_ends_on": "2025-06-30",
        "noticed_on": "2024-06-12",
        "fiscal_year": "2024",
        "sponsor": "National Cancer Institute",
        "title": "Polymers",
        "recipient": "NORTHERN UNIVERSITY",
        "recipient_uei": "ZQGGHJH74DW7",
        "aln": "93.310",
        "pi_name": "REYES, ADA",
        "status": "active",
    },
    "grants.opportunity": {
        "opportunity_id": "348164",
        "opportunity_number": "PAR-24-075",
        "title": "Polymers for health",
        "posted_on": "2024-01-05",
        "closes_on": "2024-05-07",
        "archives_on": "2024-06-06",
        "status": "posted",
        "agency_code": "HHS-NIH11",
        "agency": "National Institutes of Health",
        "aln": "93.310",
        "award_ceiling": "500000.00",
        "award_floor": "1000.00",
        "funding": "3000000.00",
        "version": "2",
    },
    "grants.registration": {
        "record_id": "ZQGGHJH74DW7",
        "uei": "ZQGGHJH74DW7",
        "legal_name": "NORTHERN UNIVERSITY",
        "registration_status": "Active",
        "standing": "in force",
        "registered_on": "2003-05-01",
        "expires_on": "2026-11-02",
        "excluded": "no",
        "cage_code": "1A2B3",
        "purpose": "All Awards",
    },
}
"""A row of each record type with every column filled."""


class AllTags:
    """A registry in which every tag belongs to one campus."""

    version = 3
    updated_at: datetime.datetime | None = datetime.datetime(2024, 5, 1, 12, 0, tzinfo=datetime.UTC)

    def campuses(self, tags: Collection[str]) -> dict[str, str]:
        return dict.fromkeys(tags, "North")

    def near(self, tag: str) -> list[tuple[int, str]]:
        return [(1, f"{tag}-NEAR")]


class SomeTags(AllTags):
    def __init__(self, tags: dict[str, str], *, empty: bool = False) -> None:
        self._tags = tags
        if empty:
            self.updated_at = None

    def campuses(self, tags: Collection[str]) -> dict[str, str]:
        return {tag: self._tags[tag] for tag in tags if tag in self._tags}


def row(**changes: Cell) -> dict[str, Cell]:
    return {**GOOD_ROW, **changes}


def verdicts(
    rows: Sequence[dict[str, Cell]], *, feed: Any = INVENTORY, registry: Any = None, time_zone: str | None = None
) -> list[AcceptedRow | RejectedRow]:
    header = list(rows[0])
    numbered = [(n, list(each.values())) for n, each in enumerate(rows, 2)]
    table = Table(header, 1, numbered, {})
    return list(
        validate(
            table,
            feed,
            campus="North",
            campuses=["North", "South"],
            registry=registry or AllTags(),
            time_zone=time_zone,
        )
    )


def feed_of(record_type: str) -> Feed:
    """The feed that a table is judged by; of what comes by messages only, as a batch is judged."""
    feed = FEEDS[record_type.partition(".")[0]]
    return feed.only(record_type) if RECORD_TYPES[record_type].by_messages_only else feed


class Rows:
    """Rows of one record type, each its good row with changes. A column changed to LEFT_OUT is not in the file."""

    LEFT_OUT = object()

    def __init__(self, record_type: str, *, time_zone: str | None = "America/New_York") -> None:
        self._feed = feed_of(record_type)
        self._good = GOOD_ROWS[record_type]
        self._time_zone = time_zone

    def verdicts(self, *changes: dict[str, Any]) -> list[AcceptedRow | RejectedRow]:
        rows = [{**self._good, **each} for each in changes]
        kept = [{name: cell for name, cell in each.items() if cell is not self.LEFT_OUT} for each in rows]
        return verdicts(kept, feed=self._feed, time_zone=self._time_zone)

    def values(self, **changes: Any) -> dict[str, object]:
        (verdict,) = self.verdicts(changes)
        assert isinstance(verdict, AcceptedRow), verdict
        return verdict.values

    def problems(self, **changes: Any) -> list[Problem]:
        (verdict,) = self.verdicts(changes)
        assert isinstance(verdict, RejectedRow), verdict
        return list(verdict.problems)

    def the_problem(self, **changes: Any) -> Problem:
        (found,) = self.problems(**changes)
        return found


def values(**changes: Cell) -> dict[str, object]:
    (verdict,) = verdicts([row(**changes)])
    assert isinstance(verdict, AcceptedRow), verdict
    return verdict.values


def problems(**changes: Cell) -> list[Problem]:
    (verdict,) = verdicts([row(**changes)])
    assert isinstance(verdict, RejectedRow), verdict
    return list(verdict.problems)


def the_problem(**changes: Cell) -> Problem:
    (found,) = problems(**changes)
    return found


def read(path: Path, name: str) -> tuple[list[str], int, list[tuple[int, list[Cell]]], dict[str, str]]:
    with open_table(path, name, known=INVENTORY.aliases.get) as table:
        return table.header, table.header_row, list(table.rows), table.facts
