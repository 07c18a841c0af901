"""`hub partitions …`: which submissions Dagster shows."""

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from hub_pipelines.cli.choosing import check_scope, days_of
from hub_pipelines.cli.output import Actor, AsJson, Failed, actor, print_document, this_hub
from hub_pipelines.common.errors import SettingsError

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub

app = typer.Typer(help="Which submissions Dagster shows.", no_args_is_help=True)
_AT_ONCE = 10_000

RequestIds = Annotated[list[str] | None, typer.Argument(help="Submissions, as their receipts name them.")]
FeedName = Annotated[str, typer.Option(help="The feed.")]


@app.command("list")
def partitions_list(feed: Annotated[str, typer.Option(help="Only this feed.")] = "", as_json: AsJson = False) -> None:
    """By campus and feed: submissions, how many have a partition in Dagster, how many of these may be retired."""
    from hub_pipelines.submission.partitions.store import counts

    hub = this_hub()
    check_scope(hub, None, feed or None)
    with hub.db.read() as tx:
        found = [one for one in counts(tx) if feed in {"", one.feed}]
    if as_json:
        print_document({"limit": hub.settings.limits.live_partitions, "partitions": [asdict(one) for one in found]})
        return
    for one in found:
        oldest = f", the oldest of {one.oldest_live:%Y-%m-%d}" if one.oldest_live else ""
        print(
            f"{one.campus}/{one.feed}: {one.submissions} submissions, {one.live} with a partition in Dagster{oldest}, "
            f"{one.live_settled} of these settled"
        )
    print(f"Dagster keeps at most {hub.settings.limits.live_partitions} of a feed ([limits] live_partitions).")


@app.command("retire")
def partitions_retire(
    request_ids: RequestIds = None,
    feed: FeedName = "",
    older_than: Annotated[
        int | None, typer.Option("--older-than", min=0, max=36_500, help="Settled this many days ago.")
    ] = None,
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Have Dagster forget settled submissions, by request_id or by age; the hub keeps them."""
    from hub_pipelines.common.store import database_now
    from hub_pipelines.defs.instance import Runner
    from hub_pipelines.defs.retiring import retire
    from hub_pipelines.submission.partitions import store as partitions

    hub = this_hub()
    check_scope(hub, None, feed or None)
    if bool(request_ids) == (older_than is not None) or (request_ids and feed):
        raise SettingsError("Name request_ids, or --older-than DAYS (and --feed for one feed only).")
    with hub.db.read() as tx:
        if request_ids:
            keys = partitions.feeds_of(tx, _known(hub, request_ids))
        else:
            before = database_now(tx) - timedelta(days=older_than or 0)
            keys = partitions.live_since(tx, before, feed=feed or None, limit=_AT_ONCE)
    retired = retire(Runner(hub).instance, hub, keys, actor=actor(by))
    left = [request_id for _, request_id in keys if request_id not in retired]
    document = {"ok": not left, "retired": retired, "not_settled": left}
    if left:
        raise Failed(f"{len(retired)} retired. Not settled, and so kept: {', '.join(left)}.", document)
    if as_json:
        print_document(document)
    else:
        more = f" At most {_AT_ONCE} at once: repeat it for the rest." if len(keys) == _AT_ONCE else ""
        print(f"{len(retired)} partitions retired.{more}")


@app.command("revive")
def partitions_revive(
    request_ids: RequestIds = None,
    feed: FeedName = "",
    campus: Annotated[str, typer.Option(help="With --from and --to: only this campus.")] = "",
    first: Annotated[str, typer.Option("--from", help="Received on this day or later, YYYY-MM-DD.")] = "",
    last: Annotated[str, typer.Option("--to", help="Received on this day or earlier, YYYY-MM-DD.")] = "",
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Give Dagster the partitions of submissions again, by request_id or by feed and days of receipt."""
    from hub_pipelines.defs.instance import Runner
    from hub_pipelines.defs.retiring import revive
    from hub_pipelines.submission.partitions import store as partitions

    hub = this_hub()
    check_scope(hub, campus or None, feed or None)
    if bool(request_ids) == bool(feed and first and last) or (request_ids and (campus or feed or first or last)):
        raise SettingsError("Name request_ids, or --feed with --from and --to (and --campus for one campus only).")
    with hub.db.read() as tx:
        if request_ids:
            keys = partitions.feeds_of(tx, _known(hub, request_ids))
        else:
            begin, end = days_of(first, last)
            keys = partitions.retired_of(tx, feed, campus=campus or None, first=begin, last=end, limit=_AT_ONCE)
        _check_room(hub, {one: partitions.live_count(tx, one) for one, _ in keys}, [one for one, _ in keys])
    revived = revive(Runner(hub).instance, hub, keys, actor=actor(by))
    if as_json:
        print_document({"ok": True, "revived": revived})
    else:
        print(f"{len(revived)} partitions are back; their events are too, unless retention has removed their runs.")


def _known(hub: "Hub", request_ids: list[str]) -> list[str]:
    from hub_pipelines.submission import store as submissions

    with hub.db.read() as tx:
        unknown = [one for one in request_ids if submissions.find(tx, one) is None]
    if unknown:
        raise SettingsError(f"There is no submission {', '.join(unknown)}.")
    return list(dict.fromkeys(request_ids))


def _check_room(hub: "Hub", live: dict[str, int], feeds: list[str]) -> None:
    """Beyond the limit the next launch of the feed would retire others in their place."""
    most = hub.settings.limits.live_partitions
    for feed, now in live.items():
        if now + feeds.count(feed) > most:
            raise SettingsError(
                f"{feed} has {now} of at most {most} partitions ([limits] live_partitions): {feeds.count(feed)} more "
                "would push out others. Choose fewer days, or retire some first with `hub partitions retire`."
            )
