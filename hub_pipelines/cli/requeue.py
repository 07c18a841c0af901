"""`hub requeue`, and what it shares with `hub review replay --group`: send submissions through again and watch."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub_pipelines.cli.choosing import Timeout, check_campus
from hub_pipelines.cli.output import Actor, AsJson, Failed, actor, print_document, progress, this_hub
from hub_pipelines.common.errors import SettingsError

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub
    from hub_pipelines.requeueing import Preview, Report, Target

DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what each would do now, and change nothing.")]
Rate = Annotated[float, typer.Option(min=0.01, max=1000, help="Send at most so many a second.")]
StopShare = Annotated[
    float, typer.Option(min=0, max=1, help="Send no more when a larger share of the settled ones has failed again.")
]
_LISTED = 100


def requeue(
    request_ids: Annotated[list[str] | None, typer.Argument(help="Submissions, as their receipts name them.")] = None,
    cause: Annotated[str | None, typer.Option(help="All that wait in review for this cause.")] = None,
    group: Annotated[str | None, typer.Option(help="All open items of this group.")] = None,
    rule: Annotated[
        str | None, typer.Option(help="tag_not_in_registry: posted files whose unknown tags are registered now.")
    ] = None,
    campus: Annotated[str | None, typer.Option(help="Only those of this campus.")] = None,
    dry_run: DryRun = False,
    rate: Rate = 5.0,
    stop_on_failure_share: StopShare = 0.2,
    timeout_s: Timeout = 3600.0,
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Send submissions through again under their own request_ids, and watch what becomes of them."""
    if sum(map(bool, (request_ids, cause, group, rule))) != 1:
        raise typer.BadParameter("Name submissions, or choose with one of --cause, --group and --rule.")
    hub = this_hub()
    check_campus(hub, campus)
    targets = _chosen(hub, request_ids or [], cause, group, rule, campus)
    carry_out(hub, targets, actor(by), dry_run, rate, stop_on_failure_share, timeout_s, as_json)


def _chosen(
    hub: "Hub", request_ids: list[str], cause: str | None, group: str | None, rule: str | None, campus: str | None
) -> "list[Target]":
    from hub_pipelines import requeueing
    from hub_pipelines.review.model import Selection
    from hub_pipelines.submission.model import Cause, IllegalMove

    if rule is not None:
        return requeueing.of_rule(hub, rule, campus=campus)
    if request_ids:
        return [one for one in requeueing.of_requests(hub, request_ids) if campus in {None, one.campus}]
    if cause is not None and cause not in set(Cause):
        raise SettingsError(f"--cause {cause!r} is not a cause. Choose from: {', '.join(Cause)}.")
    targets = requeueing.of_items(hub, Selection(group=group, cause=cause, campus=campus))
    if group is not None and not targets:
        raise IllegalMove(f"No open item is in a group {group}. `hub review list --group` shows the groups.")
    return targets


def carry_out(
    hub: "Hub",
    targets: "Sequence[Target]",
    who: str,
    dry_run: bool,
    rate: float,
    stop_on_failure_share: float,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Tell what would happen, or do it; Failed (exit 1) when not all that could be sent was sent and settled."""
    if not targets:
        _answer({"ok": True, "targets": 0}, ["There is nothing to send through again."], as_json)
    elif dry_run:
        _dry_run(hub, targets, as_json)
    else:
        _send(hub, targets, who, rate, stop_on_failure_share, timeout_s, as_json)


def _answer(document: dict[str, Any], lines: list[str], as_json: bool) -> None:
    if as_json:
        print_document(document)
    else:
        print("\n".join(lines))


def _dry_run(hub: "Hub", targets: "Sequence[Target]", as_json: bool) -> None:
    from hub_pipelines.requeueing import preview

    found: list[Preview] = []
    totals = {"post": 0, "fail": 0, "be left alone": 0, "rows posted": 0, "rows rejected": 0}
    for number, one in enumerate(preview(hub, targets), 1):
        totals[one.would] += 1
        totals["rows posted"] += one.posted
        totals["rows rejected"] += one.rejected
        if number <= _LISTED:
            found.append(one)
        if number % 100 == 0:
            progress(f"{number:,} of {len(targets):,} judged")
    left_out = len(targets) - len(found)
    lines = [_foreseen(one) for one in found]
    if left_out:
        lines.append(f"… and {left_out:,} more, counted below.")
    lines.append(
        f"{totals['post']:,} would post ({totals['rows posted']:,} rows, {totals['rows rejected']:,} not taken), "
        f"{totals['fail']:,} would fail again, {totals['be left alone']:,} would be left alone. Nothing was changed."
    )
    document = {
        "ok": True,
        "dry_run": True,
        "targets": len(targets),
        **{name.replace(" ", "_"): count for name, count in totals.items()},
        "previews": [asdict(one) for one in found],
        "left_out": left_out,
    }
    _answer(document, lines, as_json)


def _foreseen(one: "Preview") -> str:
    name = f"{_name(one.target)}: would {one.would}"
    if one.would != "post":
        return f"{name}: {one.reason}"
    return f"{name} {one.posted:,} of {one.received:,} rows, {one.unchanged:,} unchanged, {one.rejected:,} not taken"


def _name(target: "Target") -> str:
    return f"{target.item_id or target.request_id}  {target.campus}/{target.feed}/{target.source_name}"


def _send(
    hub: "Hub",
    targets: "Sequence[Target]",
    who: str,
    rate: float,
    stop_on_failure_share: float,
    timeout_s: float,
    as_json: bool,
) -> None:
    from hub_pipelines.defs.instance import Runner
    from hub_pipelines.requeueing import send

    report = send(
        hub,
        targets,
        actor=who,
        advance=Runner(hub).advance,
        rate=rate,
        stop_on_failure_share=stop_on_failure_share,
        timeout_s=timeout_s,
        progress=progress,
    )
    hub.receipts.write_due()
    document, lines = _told(report)
    if report.stopped_because:
        text = f"Stopped, because {report.stopped_because}."
        raise Failed("\n".join([*lines, text]), {**document, "ok": False, "error": text})
    if not report.sent:
        text = "None of these can be sent through again."
        raise Failed("\n".join([*lines, text]), {**document, "ok": False, "error": text})
    _answer(document, lines, as_json)


def _told(report: "Report") -> tuple[dict[str, Any], list[str]]:
    failed, flying = report.failed, report.under_way
    document = {
        "ok": True,
        "sent": len(report.sent),
        "posted": report.posted,
        "failed": _listed(failed),
        "failed_count": len(failed),
        "under_way": len(flying),
        "not_sent": len(report.left),
        "left_alone": _listed(report.refused),
        "left_alone_count": len(report.refused),
        "stopped_because": report.stopped_because,
        "request_ids": [one.request_id for one in report.sent[:_LISTED]],
    }
    lines = [f"{_name(one)}: failed again; `hub why {one.request_id}` tells why" for one in failed[:_LISTED]]
    lines += [f"{_name(one)}: left alone. {one.refused}" for one in report.refused[:_LISTED]]
    counts = (
        ("posted", report.posted),
        ("failed again", len(failed)),
        ("under way", len(flying)),
        ("not sent, they wait as before", len(report.left)),
        ("left alone", len(report.refused)),
    )
    summary = ", ".join(f"{count:,} {what}" for what, count in counts if count)
    return document, [*lines, f"Sent through again: {len(report.sent):,} of {_all(report):,}. {summary}."]


def _all(report: "Report") -> int:
    return len(report.sent) + len(report.left) + len(report.refused)


def _listed(targets: "Sequence[Target]") -> list[dict[str, Any]]:
    return [asdict(one) for one in targets[:_LISTED]]
