"""One group for one reason: what may differ between two items of a group, and what may not."""

import traceback

import pytest

from hub_pipelines.review.fingerprint import Fingerprint, fingerprint_of, pattern_of, place_of

TRACE = """\
Traceback (most recent call last):
  File "{root}/hub_pipelines/processing.py", line {line}, in attempt
    yield
  File "{root}/hub_pipelines/validate/readers.py", line {line}, in _load
    raise Unreadable()
  File "{root}/lib/python3.11/zipfile.py", line 1302, in _RealGetContents
    raise BadZipFile
"""


def trace(root: str = "/srv/hub_pipelines", line: int = 100) -> str:
    return TRACE.format(root=root, line=line)


def of(**changes: object) -> Fingerprint:
    given = {"error_type": "Unreadable", "cause": "unreadable", "reason": "It is damaged.", "trace": trace()}
    return fingerprint_of(**{**given, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("lab.csv row 17 holds 'x'", "stock list.xlsx row 4 holds 'yy z'"),
        ("It died 5 times in a row.", "It died 12 times in a row."),
        ('connection to "10.0.0.1", port 5432 failed', 'connection to "10.0.0.22", port 5433 failed'),
        (
            "north-inventory-mbl7ju3c6eet6w4fq6yckzg4h7uqr4 is gone",
            "south-hazmat-raygmzzoj6i56oevzi2b4rawaclm6x is gone",
        ),
        (
            "run 32f1b39c-ce5e-4d95-a374-a3f76b12a9df ended",
            "run 8d95b19b-8ad4-4e47-9305-3b0e3e892603 ended",
        ),
        ("/srv/a/staged/0a1b2c3d4e5f.parquet changed", "/var/hub/staged/ffee00112233.parquet changed"),
        ("came with other contents (my old list.csv).", "came with other contents (x.xlsx)."),
        ("at 2026-11-24 16:27:12 by d.reyes@north.example.edu", "at 2025-01-02 03:04:05 by kim@example.org"),
    ],
)
def test_names_numbers_and_ids_make_no_difference(one: str, other: str) -> None:
    names = ("stock list.xlsx", "lab.csv")
    assert pattern_of(one, names) == pattern_of(other, names)


def test_what_a_campus_and_a_file_are_called_makes_no_difference() -> None:
    one = of(reason="This hub no longer takes inventory from north.", names=("a.csv", "north", "inventory"))
    other = of(reason="This hub no longer takes grants from west.", names=("b.csv", "west", "grants"))
    assert one.group == other.group


def test_words_make_a_difference() -> None:
    assert pattern_of("The file lacks 2 columns: unit; location.") != pattern_of("The file lacks 2 columns: category.")


def test_the_place_is_our_own_last_frame_without_line_or_folder() -> None:
    assert place_of(trace()) == "validate/readers.py:_load"
    assert of(trace=trace("/home/kim/x", 7)).group == of(trace=trace("/opt/hub_pipelines", 4321)).group


def test_a_trace_without_our_own_code_has_no_place() -> None:
    assert place_of("") == ""
    assert place_of('  File "/srv/hub_pipelines_tests/x.py", line 1, in f\n') == ""


def test_the_trace_of_a_real_error_gives_the_function_that_raised_it() -> None:
    try:
        pattern_of(None)  # type: ignore[arg-type]
    except AttributeError as error:
        found = place_of("".join(traceback.format_exception(error)))
    except TypeError as error:
        found = place_of("".join(traceback.format_exception(error)))
    assert found == "review/fingerprint.py:pattern_of"


@pytest.mark.parametrize(
    "change",
    [
        {"error_type": "KeyError"},
        {"cause": "exhausted"},
        {"reason": "It is encrypted."},
        {"trace": trace().replace("_load", "_open_sheet")},
    ],
)
def test_type_cause_reason_and_place_each_tell_two_failures_apart(change: dict[str, str]) -> None:
    assert of(**change).group != of().group


def test_a_group_is_short_and_stays_the_same_from_release_to_release() -> None:
    assert of().group == of().group
    assert len(of().group) == 12
    assert of().group == "g-4e6ac8b93f"
