"""The benches tell right from wrong by faults that their generator puts in; this holds the two together."""

from pathlib import Path

from hub_pipelines_tests.bench.bulk.data import write_inventory, write_registry
from hub_pipelines_tests.bench.bulk_check import Register, require_the_faults, staged


def test_the_faults_that_the_generator_puts_in_are_found_and_none_more(tmp_path: Path) -> None:
    write_registry(tmp_path / "registry.csv", tags=6_000)
    inventory = write_inventory(tmp_path / "inventory.csv", 5_000, tags=6_000)
    assert len({column for _, column in inventory.defects}) == 7
    handle, _ = staged(inventory.path, tmp_path, Register(tmp_path / "registry.csv"), at_once=True)
    require_the_faults(inventory, handle)
