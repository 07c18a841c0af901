from pathlib import Path

import pytest

from hub_pipelines.validate.model import AcceptedRow, Problem, RejectedRow, Verdict
from hub_pipelines.validate.staging import StagedFileChanged, read_staged, stage

PROBLEM = Problem("bad_cas", "cas_number", "x", "Not a CAS number.", None)
VERDICTS: list[Verdict] = [
    AcceptedRow(2, "T1", {"b": "ü", "a": None}, (Problem("odd", None, None, "Odd.", None, "warn"),)),
    RejectedRow(3, (PROBLEM, PROBLEM)),
]


def test_verdicts_come_back_as_they_were_staged(tmp_path: Path) -> None:
    handle = stage(VERDICTS, tmp_path, {"record_type": "inventory.asset"})
    summary, rows = read_staged(handle.path, digest=handle.digest)
    accepted, rejected = rows
    assert (accepted.key, accepted.values) == ("T1", '{"a":null,"b":"ü"}')
    assert accepted.problems[0]["severity"] == "warn"
    assert (rejected.verdict, rejected.key, len(rejected.problems)) == ("rejected", None, 2)
    assert summary == handle.summary
    assert summary["rules"] == {"bad_cas": 2, "odd": 1}
    assert (summary["received"], summary["accepted"], summary["rejected"]) == (2, 1, 1)


def test_equal_verdicts_give_one_file_named_by_its_bytes(tmp_path: Path) -> None:
    first = stage(VERDICTS, tmp_path, {"a": 1, "b": 2})
    second = stage(iter(VERDICTS), tmp_path, {"b": 2, "a": 1})
    assert first.path == second.path == tmp_path / f"{first.digest}.parquet"
    assert list(tmp_path.iterdir()) == [first.path]


def test_many_rows_are_split_into_row_groups(tmp_path: Path) -> None:
    import pyarrow.parquet

    handle = stage((AcceptedRow(n, str(n), {}) for n in range(45_000)), tmp_path, {})
    assert pyarrow.parquet.ParquetFile(handle.path).num_row_groups == 3
    assert sum(1 for _ in read_staged(handle.path)[1]) == 45_000


def test_no_verdicts_give_an_empty_staged_file(tmp_path: Path) -> None:
    summary, rows = read_staged(stage([], tmp_path, {}).path)
    assert summary["received"] == 0
    assert list(rows) == []


def test_a_failure_on_the_way_leaves_no_file(tmp_path: Path) -> None:
    def failing():  # type: ignore[no-untyped-def]
        yield VERDICTS[0]
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        stage(failing(), tmp_path, {})
    assert list(tmp_path.iterdir()) == []


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    handle = stage(VERDICTS, tmp_path, {})
    with pytest.raises(StagedFileChanged):
        read_staged(handle.path, digest="0" * 64)
