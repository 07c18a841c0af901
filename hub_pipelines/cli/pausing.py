"""`hub pause` and `hub resume`: stop launching for a campus or feed, and go on."""

from dataclasses import asdict
from typing import Annotated

import typer

from hub_pipelines.cli.choosing import check_scope
from hub_pipelines.cli.output import Actor, AsJson, actor, print_document, this_hub
from hub_pipelines.common.errors import SettingsError

Campus = Annotated[str, typer.Option(help="Only this campus; all when left out.")]
FeedName = Annotated[str, typer.Option(help="Only this feed; all when left out.")]


def pause(
    reason: Annotated[str, typer.Option(help="Why, for those who ask what their file waits for.")],
    campus: Campus = "",
    feed: FeedName = "",
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Launch nothing for a campus and feed until resumed; files are still taken in and kept."""
    hub = this_hub()
    check_scope(hub, campus or None, feed or None)
    if not reason.strip():
        raise SettingsError("Say with --reason why: those who ask what their file waits for read it.")
    found = hub.pausing.pause(campus, feed, actor=actor(by), reason=reason)
    if as_json:
        print_document({"ok": True, **asdict(found)})
    else:
        print(f"{found.sentence}. Files are still taken in; runs under way go on to their end.")


def resume(
    campus: Campus = "",
    feed: FeedName = "",
    reason: Annotated[str, typer.Option(help="Why, for the audit log.")] = "",
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Lift exactly the pause that was made with these options, also of what hub.toml no longer names."""
    left = this_hub().pausing.resume(campus, feed, actor=actor(by), reason=reason)
    if as_json:
        print_document({"ok": True, "still_paused": [asdict(one) for one in left]})
        return
    print("Resumed. What waits is launched by the next ticks, or by `hub drain`.")
    for one in left:
        print(f"Still: {one.sentence}")
