"""`hub review …`: what waits for a person."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from hub_pipelines.cli.output import Actor, AsJson, actor, print_document, this_hub
from hub_pipelines.common.errors import SettingsError

app = typer.Typer(help="What waits for a person.", no_args_is_help=True)


@app.command("list")
def review_list(
    everything: Annotated[bool, typer.Option("--all", help="Closed items too.")] = False, as_json: AsJson = False
) -> None:
    """The items that wait for a decision, the oldest first."""
    items = this_hub().review.listing(everything=everything)
    if as_json:
        print_document({"items": [asdict(item) for item in items]})
        return
    for item in items:
        print(
            f"{item.item_id}  {item.state}  {item.campus}/{item.feed}  {item.source_name}  [{item.cause}] {item.reason}"
        )
    if not items:
        print("Nothing waits for a decision.")


@app.command("show")
def review_show(item_id: str, as_json: AsJson = False) -> None:
    """One item with headers, attempts, error and stack trace."""
    hub = this_hub()
    item, attempts = hub.review.show(item_id)
    copy = hub.archive.object_path(item.content_digest)
    if as_json:
        run_page = f"/runs/{item.run_id}" if item.run_id else None
        print_document({**asdict(item), "attempts": attempts, "archived_copy": str(copy), "run_page": run_page})
        return
    for name, value in asdict(item).items():
        if name not in {"trace", "headers"} and value not in {None, ""}:
            print(f"{name:<15} {value}")
    print(f"{'archived_copy':<15} {copy}")
    if item.run_id:
        print(f"{'run_page':<15} /runs/{item.run_id} on the Dagster page")
    print(f"{'headers':<15} {json.dumps(item.headers, ensure_ascii=False)}")
    for one in attempts:
        outcome = one["outcome"] or "under way"
        print(f"{'attempt':<15} {one['started_at']:%Y-%m-%d %H:%M:%S} UTC  {outcome}  run {one['owner']}")
    if item.trace:
        print(item.trace)


@app.command("replay")
def review_replay(item_id: str, by: Actor = "", as_json: AsJson = False) -> None:
    """Send the submission through again, under the same request_id."""
    item = this_hub().review.replay(item_id, actor=actor(by))
    if as_json:
        print_document(asdict(item))
    else:
        print(f"{item.request_id} is on its way again. `hub drain` processes it now, a running hub does so by itself.")


@app.command("dismiss")
def review_dismiss(
    item_id: str,
    reason: Annotated[str, typer.Option(help="sent_in_error, replaced, not_ours, test_data or cannot_be_repaired.")],
    note: Annotated[str, typer.Option(help="In your own words.")] = "",
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Close an item for good. Bytes and history stay."""
    from hub_pipelines.review.model import ReasonCode

    if reason not in set(ReasonCode):
        raise SettingsError(f"--reason {reason!r} is not a reason code. Choose from: {', '.join(ReasonCode)}.")
    item = this_hub().review.dismiss(item_id, actor=actor(by), reason=ReasonCode(reason), note=note)
    if as_json:
        print_document(asdict(item))
    else:
        print(f"{item.item_id} is dismissed ({item.resolution}).")
