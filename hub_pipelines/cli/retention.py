"""`hub retention …` and `hub hold …`: how long what is kept, and what may not be removed at all."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub_pipelines.cli.choosing import check_scope, days_of
from hub_pipelines.cli.output import Actor, AsJson, actor, print_document, this_hub
from hub_pipelines.common.errors import SettingsError

if TYPE_CHECKING:
    from hub_pipelines.retention.model import Hold, Pruned
    from hub_pipelines.schedule import Standing

retention = typer.Typer(help="How long what is kept.", no_args_is_help=True)
hold = typer.Typer(help="Legal holds: what may not be removed.", no_args_is_help=True)


@retention.command("status")
def retention_status(
    campus: Annotated[str, typer.Option(help="Only this campus.")] = "",
    feed: Annotated[str, typer.Option(help="Only this feed.")] = "",
    as_json: AsJson = False,
) -> None:
    """For each record type and campus the rule, from when it would let something go, and what keeps the rest."""
    from hub_pipelines.schedule import standing

    hub = this_hub()
    check_scope(hub, campus or None, feed or None)
    found = standing(hub, campus or None, feed or None)
    holds = hub.holds.listing()
    days = hub.settings.retention
    if as_json:
        document = {
            "ledgers": [asdict(one) for one in found],
            "holds": [_hold_document(*one) for one in holds],
            "runs_after_days": days.runs_after_days,
            "staged_after_days": days.staged_after_days,
            "bodies_after_days": days.bodies_after_days,
        }
        print_document(document)
        return
    for one in found:
        print("\n".join(_standing(one)))
    print(
        "\nArchived files, envelopes, journal and audit log are removed at no age. "
        f"`hub retention prune` removes Dagster's runs after {days.runs_after_days} days, "
        f"staged files after {days.staged_after_days} days and, where the archive has them, bodies of messages after "
        f"{days.bodies_after_days} days."
    )
    print(f"Legal holds: {len(holds)} stand." if holds else "No legal hold stands.")


def _standing(one: "Standing") -> list[str]:
    lines = [
        f"{one.record_type} of {one.campus}: {one.keep_years} years from {one.counts_from} [{one.rule}: {one.citation}]"
    ]
    if not one.submissions:
        return [*lines, "  no submissions with entries"]
    first = f"the first on {one.free_from}" if one.free_from else "none at any day that is known now"
    lines.append(f"  {one.submissions} submissions with entries; {one.free_now} past their time ({first})")
    return lines + [f"  {number} kept: {why}" for why, number in sorted(one.kept.items())]


@retention.command("prune")
def retention_prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be removed and remove nothing.")] = False,
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Remove old Dagster runs and partitions, staged files and bodies of messages that nothing needs and no hold
    covers."""
    from hub_pipelines.defs.instance import Runner
    from hub_pipelines.defs.retention import prune

    hub = this_hub()
    found = prune(Runner(hub).instance, hub, actor=actor(by), dry_run=dry_run)
    if as_json:
        print_document({"ok": True, "dry_run": dry_run, "pruned": [asdict(one) for one in found]})
        return
    for one in found:
        print("\n".join(_pruned(one, dry_run)))


def _pruned(one: "Pruned", dry_run: bool) -> list[str]:
    verb = "would be removed" if dry_run else "removed"
    lines = [f"{one.what}: {one.removed} {verb}, {one.freed_bytes / 1e6:.1f} MB"]
    lines += [f"  {number} kept: {why}" for why, number in sorted(one.kept.by_reason.items())]
    return lines if one.is_complete else [*lines, "  the time was up; the next prune goes on"]


@hold.command("add")
def hold_add(
    reason: Annotated[str, typer.Option(help="The matter, and who asked for it.")],
    award: Annotated[str, typer.Option(help="All that names this award.")] = "",
    container: Annotated[str, typer.Option(help="All that names this container.")] = "",
    campus: Annotated[str, typer.Option(help="What this campus received or posted on the days.")] = "",
    feed: Annotated[str, typer.Option(help="What came for this feed on the days.")] = "",
    first: Annotated[str, typer.Option("--from", help="The first of the days, YYYY-MM-DD.")] = "",
    last: Annotated[str, typer.Option("--to", help="The last of the days, YYYY-MM-DD.")] = "",
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Keep all that an award, a container, or a campus's and feed's days have left, until the hold is lifted."""
    hub = this_hub()
    check_scope(hub, campus or None, feed or None, former=True)
    is_scope = bool(campus or feed or first or last)
    if [bool(award), bool(container), is_scope].count(True) != 1:
        raise SettingsError("Name one thing: --award, or --container, or --campus and/or --feed with --from and --to.")
    if is_scope and not ((campus or feed) and first and last):
        raise SettingsError("A hold on days needs --from and --to, and --campus or --feed or both.")
    who = actor(by)
    if award:
        placed, covers = hub.holds.on("award", award, actor=who, reason=reason)
    elif container:
        placed, covers = hub.holds.on("container", container, actor=who, reason=reason)
    else:
        days = days_of(first, last)
        placed, covers = hub.holds.on_scope(campus or None, feed or None, *days, actor=who, reason=reason)
    if as_json:
        print_document({"ok": True, **_hold_document(placed, covers)})
        return
    named = hub.holds.named(placed)
    print(f"{placed.hold_id} holds {placed.covers}: {covers} submissions now, and what comes later.")
    if covers > named:
        print(
            f"  {named} name it in the ledgers; {covers - named} have rows that left no ledger entry, and are held too."
        )
    if not named:
        print("Nothing in the ledgers names it. Is it written as in the files?")


@hold.command("list")
def hold_list(
    everything: Annotated[bool, typer.Option("--all", help="Lifted ones too.")] = False, as_json: AsJson = False
) -> None:
    """The holds that stand, with how many submissions each covers now."""
    found = this_hub().holds.listing(lifted_too=everything)
    if as_json:
        print_document({"holds": [_hold_document(*one) for one in found]})
        return
    for one, covers in found:
        placed = f"placed {one.placed_at:%Y-%m-%d %H:%M} UTC by {one.placed_by}"
        lifted = f"; lifted {one.lifted_at:%Y-%m-%d %H:%M} UTC by {one.lifted_by}" if one.lifted_at else ""
        print(f"{one.hold_id}  {one.covers}  {covers} submissions  {placed}{lifted}: {one.reason}")
    if not found:
        print("No legal hold stands.")


@hold.command("lift")
def hold_lift(
    hold_id: str,
    reason: Annotated[str, typer.Option(help="The decision, and whose it is.")],
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """End a hold; what it covered is kept or removed by age again."""
    found = this_hub().holds.lift(hold_id, actor=actor(by), reason=reason)
    if as_json:
        print_document({"ok": True, **asdict(found)})
    else:
        print(f"{found.hold_id} on {found.covers} is lifted.")


def _hold_document(one: "Hold", covers: int) -> dict[str, Any]:
    return {**asdict(one), "covers": one.covers, "submissions": covers}
