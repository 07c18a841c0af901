"""What portals tell of awards and opportunities: contracts of their own, which no file is taken for."""

import pytest

from hub_pipelines.validate.columns import ColumnsMissing, map_columns
from hub_pipelines.validate.feeds import FEEDS

from .builders import RECORD_TYPES, Rows

GRANTS = FEEDS["grants"]


@pytest.mark.parametrize("record_type", ["grants.sponsor_award", "grants.opportunity"])
def test_a_file_with_the_columns_of_a_portals_record_is_taken_for_no_such_list(record_type: str) -> None:
    with pytest.raises(ColumnsMissing) as told:
        map_columns(list(RECORD_TYPES[record_type].required), GRANTS)
    assert RECORD_TYPES[record_type].title not in f"{told.value} {told.value.fix}"


def test_an_award_list_stays_one_though_a_portals_record_has_more_of_its_columns() -> None:
    header = ["award_id", "starts_on", "obligated_amount", "ends_on", "sponsor", "title", "recipient", "fiscal_year"]
    assert map_columns(header, GRANTS).record.name == "grants.award"


def test_records_of_one_number_of_two_portals_are_two_items() -> None:
    found = Rows("grants.sponsor_award").verdicts({"portal": "NIH"}, {"portal": "usaspending"})
    assert [one.key for one in found] == ["NIH|10912345", "USASPENDING|10912345"]  # type: ignore[union-attr]


def test_a_portals_name_may_not_hold_what_joins_it_to_the_records_number() -> None:
    assert Rows("grants.sponsor_award").the_problem(portal="NIH|1").rule == "bad_portal"
