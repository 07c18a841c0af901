"""`hub review …`: what waits for a person."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub_pipelines.cli.choosing import Timeout, check_file
from hub_pipelines.cli.output import Actor, AsJson, Failed, actor, print_document, progress, this_hub
from hub_pipelines.cli.requeue import DryRun, Rate, StopShare, carry_out
from hub_pipelines.common.errors import HubError, SettingsError

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub
    from hub_pipelines.requeueing import Target
    from hub_pipelines.review.model import ReviewItem

app = typer.Typer(help="What waits for a person.", no_args_is_help=True)
Limit = Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many lines.")]
InGroup = Annotated[str | None, typer.Option("--group", help="All open items of this group.")]
OneItem = Annotated[str | None, typer.Argument(help="The item, as `hub review list` shows it.")]
_LONGEST_REASON = 160
_CELLS_SHOWN = 20
_LONGEST_BODY = 4_000


@app.command("list")
def review_list(
    everything: Annotated[bool, typer.Option("--all", help="Closed items too.")] = False,
    group: Annotated[bool, typer.Option("--group", help="Together what failed for the same reason.")] = False,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """The items that wait for a decision, the oldest first; or the groups that they form, the largest first."""
    hub = this_hub()
    if group:
        if everything:
            raise typer.BadParameter("--group counts open items only; leave out --all.")
        _list_groups(hub, limit, as_json)
    else:
        _list_items(hub, everything, limit, as_json)


def _list_items(hub: "Hub", everything: bool, limit: int, as_json: bool) -> None:
    from hub_pipelines.review import store as reviews
    from hub_pipelines.review.model import ItemState, Selection

    selection = Selection(state=None if everything else ItemState.OPEN)
    with hub.db.read() as tx:
        items = reviews.items(tx, selection, limit=limit)
        left_out = reviews.count(tx, selection) - len(items)
    if as_json:
        print_document({"items": [asdict(item) for item in items], "left_out": left_out})
        return
    for item in items:
        where = f"{item.campus}/{item.feed}"
        print(f"{item.item_id}  {item.state}  {where}  {item.source_name}  [{item.cause}] {item.reason}")
    if left_out:
        print(f"… and {left_out:,} more; --limit shows more, --group counts them by what they have in common.")
    if not items:
        print("Nothing waits for a decision.")


def _list_groups(hub: "Hub", limit: int, as_json: bool) -> None:
    from hub_pipelines.review import store as reviews

    with hub.db.read() as tx:
        groups, in_all = reviews.groups(tx, limit=limit)
    if as_json:
        print_document({"groups": [asdict(one) for one in groups], "left_out": in_all - len(groups)})
        return
    for one in groups:
        waits = (
            f"{one.count:,} {'item' if one.count == 1 else 'items'}, the oldest of {one.oldest_at:%Y-%m-%d %H:%M} UTC"
        )
        print(f"{one.group}  {waits}  {', '.join(one.campuses)} · {', '.join(one.feeds)}")
        print(f"    [{', '.join(one.causes)}] {_short(one.example.reason)}")
        print(f"    for example {one.example.item_id}  {one.example.source_name}")
    if in_all > len(groups):
        print(f"… and {in_all - len(groups):,} smaller groups; --limit shows more.")
    if not groups:
        print("Nothing waits for a decision.")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + "…"


@app.command("show")
def review_show(item_id: str, as_json: AsJson = False) -> None:
    """One item with all that is known: headers, envelope, every attempt with its error and trace, links. Of messages
    that are in conflict both contents."""
    from hub_pipelines.messaging import conflict_case
    from hub_pipelines.resubmitting import case_of

    hub = this_hub()
    item, _ = hub.review.show(item_id)
    message = hub.inbox.find(item.request_id)
    if message is not None:
        conflict = conflict_case(hub, item, message)
        print_document(conflict) if as_json else _print_conflict(conflict)
        return
    case = case_of(hub, item_id)
    if as_json:
        print_document(case)
    else:
        _print_case(case)


_TOLD_FIRST = (
    *("item_id", "state", "request_id", "revision", "campus", "feed", "source_name", "cause", "reason", "fix"),
    *("error_type", "opened_at", "resolved_at", "resolved_by", "resolution", "reason_code", "replaced_by"),
    *("content_digest", "archived_copy", "archived_envelope", "receipt"),
)


def _print_conflict(case: dict[str, Any]) -> None:
    for name in (*_TOLD_FIRST[: _TOLD_FIRST.index("error_type")], "opened_at", "resolved_at", "resolved_by"):
        if case[name] not in {None, ""}:
            _line(name, case[name])
    _line("source", case["source"])
    first = [one["message"] for one in case["first"]["messages"]]
    fates = Counter(one["fate"] for one in case["first"]["messages"])
    became = ", ".join(f"{number} {fate}" for fate, number in fates.items())
    scope = f"{first[0]['scope']['campus']}/{first[0]['scope']['feed']}"
    _line("came first", f"{first[0]['received_at']:%Y-%m-%d %H:%M:%S} UTC for {scope}; messages: {became}")
    print(_cut(case["first"]["body"]))
    _line("came then", case["then"]["archived_copy"])
    print(_cut(case["then"]["body"]))


def _cut(body: str) -> str:
    return body if len(body) <= _LONGEST_BODY else f"{body[:_LONGEST_BODY]}…"


def _print_case(case: dict[str, Any]) -> None:
    for name in _TOLD_FIRST:
        if case[name] not in {None, ""}:
            _line(name, case[name])
    if case["run_page"]:
        _line("run_page", f"{case['run_page']} on the Dagster page")
    group, now = case["group"], case["submission"]
    _line("group", f"{group['group']}: {group['open_items']} open; {group['error_type']} {group['place']}".rstrip())
    _line("submission", f"{now['state']}, revision {now['revision']}")
    _line("headers", json.dumps(case["headers"], ensure_ascii=False))
    _line("envelope", json.dumps(case["envelope"], ensure_ascii=False))
    if case["difference"]:
        _print_difference(case["difference"])
    for number, one in enumerate(case["attempts"], 1):
        _print_attempt(number, one)
    if case["trace"] and all(case["trace"] != one["trace"] for one in case["attempts"]):
        print(case["trace"])


def _line(name: str, value: object) -> None:
    print(f"{name:<17} {value}")


def _print_attempt(number: int, one: dict[str, Any]) -> None:
    ended = f" to {one['ended_at']:%H:%M:%S}" if one["ended_at"] else ""
    outcome = one["outcome"] or "under way"
    began = f"{one['started_at']:%Y-%m-%d %H:%M:%S}{ended} UTC"
    _line("attempt", f"{number}, revision {one['revision']}: {began}  {outcome}  run {one['owner']}")
    if one["error"]:
        _line("", f"{one['error_type']}: {one['error']}")
    if one["trace"]:
        print(one["trace"].rstrip())


def _print_difference(document: dict[str, Any]) -> None:
    from hub_pipelines.validate.difference import Difference

    difference = Difference.from_document(document)
    _line("corrected", difference.sentence())
    for one in difference.cells[:_CELLS_SHOWN]:
        moved = "" if one.row_before == one.row_after else f" (was row {one.row_before})"
        print(f"  row {one.row_after}{moved}, {one.column}: {_value(one.old)} → {_value(one.new)}")
    if difference.cells_changed > _CELLS_SHOWN:
        print(f"  … {difference.cells_changed:,} cells differ in all; --json lists the first {len(difference.cells)}.")


def _value(text: str) -> str:
    return repr(text) if text else "empty"


@app.command("replay")
def review_replay(
    item_id: OneItem = None,
    group: InGroup = None,
    dry_run: DryRun = False,
    rate: Rate = 5.0,
    stop_on_failure_share: StopShare = 0.2,
    timeout_s: Timeout = 3600.0,
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Send a submission through again, under the same request_id; or a whole group, watching what becomes of it."""
    hub = this_hub()
    who = actor(by)
    _require_one(item_id, group)
    if group or dry_run:
        targets = _targets(hub, item_id, group)
        carry_out(hub, targets, who, dry_run, rate, stop_on_failure_share, timeout_s, as_json)
        return
    item = hub.review.replay(str(item_id), actor=who)
    if as_json:
        print_document(asdict(item))
    else:
        print(f"{item.request_id} is on its way again. `hub drain` processes it now, a running hub does so by itself.")


def _require_one(item_id: str | None, group: str | None) -> None:
    if (item_id is None) == (group is None):
        raise typer.BadParameter("Name one item, or a group with --group.")


def _targets(hub: "Hub", item_id: str | None, group: str | None) -> "list[Target]":
    from hub_pipelines.requeueing import of_item, of_items
    from hub_pipelines.review.model import Selection
    from hub_pipelines.submission.model import IllegalMove

    if group is None:
        return [of_item(hub, str(item_id))]
    targets = of_items(hub, Selection(group=group))
    if not targets:
        raise IllegalMove(f"No open item is in a group {group}. `hub review list --group` shows the groups.")
    return targets


@app.command("edit")
def review_edit(
    item_id: str,
    file: Annotated[Path, typer.Option(help="The corrected copy; it stays where it is.")],
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Send a corrected copy in an item's place, as a submission of its own. Original and copy are both kept."""
    from hub_pipelines.resubmitting import resubmit

    check_file(file)
    done = resubmit(this_hub(), item_id, file, actor=actor(by))
    if as_json:
        difference = done.difference.document()
        told = {"outcome": done.arrival.outcome, "request_id": done.arrival.request_id, "difference": difference}
        print_document({**asdict(done.item), **told})
        return
    known = (
        " These bytes were known already; no second submission was made." if done.arrival.outcome != "received" else ""
    )
    print(f"{item_id} is closed; {done.arrival.request_id} was sent in its place.{known}")
    _print_difference(done.difference.document())


@app.command("dismiss")
def review_dismiss(
    reason: Annotated[str, typer.Option(help="sent_in_error, replaced, not_ours, test_data or cannot_be_repaired.")],
    item_id: OneItem = None,
    group: InGroup = None,
    note: Annotated[str, typer.Option(help="In your own words.")] = "",
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Close an item, or all open items of a group, for good. Bytes and history stay."""
    from hub_pipelines.review.model import ReasonCode

    _require_one(item_id, group)
    if reason not in set(ReasonCode):
        raise SettingsError(f"--reason {reason!r} is not a reason code. Choose from: {', '.join(ReasonCode)}.")
    hub, who = this_hub(), actor(by)
    if group is not None:
        _dismiss_group(hub, group, who, ReasonCode(reason), note, as_json)
        return
    item = hub.review.dismiss(str(item_id), actor=who, reason=ReasonCode(reason), note=note)
    if as_json:
        print_document(asdict(item))
    else:
        print(f"{item.item_id} is dismissed ({item.resolution}).")


def _dismiss_group(hub: "Hub", group: str, who: str, reason: Any, note: str, as_json: bool) -> None:
    done: list[ReviewItem] = []
    refused: list[dict[str, str]] = []
    for target in _targets(hub, None, group):
        try:
            done.append(hub.review.dismiss(str(target.item_id), actor=who, reason=reason, note=note))
        except HubError as error:
            refused.append({"item_id": str(target.item_id), "reason": str(error)})
            progress(str(error))
    document = {"ok": not refused, "dismissed": len(done), "refused": refused}
    if refused:
        raise Failed(f"{len(done):,} dismissed, {len(refused):,} not.", document)
    if as_json:
        print_document(document)
    else:
        print(f"{len(done):,} {'item is' if len(done) == 1 else 'items are'} dismissed ({done[0].resolution}).")
