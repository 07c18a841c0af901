"""Moments as systems write them, to the second."""

import datetime

import pytest
from pydantic import TypeAdapter

from hub_pipelines.validate.feeds import times


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2024-12-31T23:59:59.9999999Z", "2024-12-31T23:59:59Z"),
        ("2024-12-31 23:59:59.999999", "2024-12-31T23:59:59Z"),
        ("2024-12-31 11:59:59.7 PM", "2024-12-31T23:59:59Z"),
        ("2024-12-31 14:29:59.9999999", "2024-12-31T14:30:00Z"),
        ("2024-12-31 14:29:59.4", "2024-12-31T14:29:59Z"),
        (datetime.datetime(2024, 12, 31, 23, 59, 59, 999_999), "2025-01-01T00:00:00Z"),
    ],
)
def test_a_written_moment_stays_on_its_day_and_a_calculated_one_is_the_nearest_second(
    cell: object, expected: str
) -> None:
    assert TypeAdapter(times.Timestamp).validate_python(cell, context={"time_zone": "UTC"}) == expected
