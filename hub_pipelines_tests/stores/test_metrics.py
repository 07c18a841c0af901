"""What Prometheus reads, after real work and real failures, read back by Prometheus's own parser."""

from contextlib import suppress

from prometheus_client.parser import text_string_to_metric_families

from hub_pipelines.hub import Hub
from hub_pipelines.metrics import exposition
from hub_pipelines.processing import AttemptFailed
from hub_pipelines_tests.support import asset, lease, make_registry, process, send, send_assets


def read(hub: Hub) -> dict[tuple[str, ...], float]:
    """Each sample by its name and the values of its labels."""
    families = text_string_to_metric_families(exposition(hub))
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_an_empty_hub_tells_zeros_and_no_next_retry(hub: Hub) -> None:
    found = read(hub)
    assert found["hub_submissions", "posted"] == 0
    assert found["hub_drop_folder_files",] == 0
    assert ("hub_next_retry_timestamp_seconds",) not in found


def test_rows_attempts_and_retries_are_told(hub: Hub) -> None:
    make_registry(hub, ["NC-0001"])
    process(hub, send_assets(hub, "good.csv", asset("NC-0001"), asset("NC-0002")))
    failing = send_assets(hub, "failing.csv", asset("NC-0001", quantity="3"))
    with suppress(AttemptFailed), hub.processing.attempt(lease(hub, failing)):
        raise ConnectionError("the share is away")
    found = read(hub)
    assert found["hub_rows", "north", "inventory", "posted"] == 1
    assert found["hub_rows", "north", "inventory", "rejected"] == 1
    assert found["hub_submissions", "retrying"] == 1
    assert found["hub_retrying", "1"] == 1
    assert found["hub_attempts", "posted"] == 2
    assert found["hub_attempts", "failed, to be tried again"] == 1
    assert found["hub_next_retry_timestamp_seconds",] > hub.intake.now().timestamp() - 60


def test_what_waits_for_people_is_told_by_cause(hub: Hub) -> None:
    arrival = send(hub, "letter.csv", b"Dear hub, the list follows.\n")
    with suppress(AttemptFailed):
        process(hub, str(arrival.request_id))
    found = read(hub)
    assert found["hub_review_open", "unreadable"] == 1
    assert found["hub_review_opened_last_hour",] == 1
