"""`hub findings …`: what the rules find in awards and what was spent on them."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hub_pipelines.cli.choosing import check_campus
from hub_pipelines.cli.output import Actor, AsJson, Failed, actor, print_document, this_hub

if TYPE_CHECKING:
    from hub_pipelines.findings.model import Evaluation, Finding

app = typer.Typer(help="What the rules find in awards and what was spent on them.", no_args_is_help=True)
InCampus = Annotated[str | None, typer.Option("--campus", help="Of this campus only.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many lines.")]


@app.command("list")
def findings_list(
    campus: InCampus = None,
    award: Annotated[str | None, typer.Option(help="Of this award only, by its sponsor's number.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """The open findings by campus and award, each with its rule, its line and what opened it."""
    hub = this_hub()
    from hub_pipelines.findings import store
    from hub_pipelines.findings.awards import numbers_of
    from hub_pipelines.findings.unjudged import headline_of, unjudged_lines
    from hub_pipelines.validate.feeds.types import in_plain_letters

    check_campus(hub, campus)
    wanted = in_plain_letters(award).strip().upper() if award else None
    names = [one for one in hub.campuses if campus in (None, one)]
    with hub.db.read() as tx:
        listed = {one for name in names for one in numbers_of(tx, name, wanted)} if wanted else set()
        numbers = {wanted, *listed} if wanted else None
        found, total = store.listing(tx, campus=campus, awards=numbers, everything=everything, limit=limit)
        marks = [store.mark_of(tx, name) for name in names]
        unjudged = unjudged_lines(tx, hub.campuses, of=campus, awards=numbers)
    document = {
        "findings": [_document(one) for one in found],
        "left_out": total - len(found),
        "not_judged": [one.document() for one in unjudged],
        "evaluated": [asdict(one) for one in marks],
    }
    if wanted and not (listed or found or unjudged):
        where = " and ".join(names)
        raise Failed(
            f"Nothing is known of the award {wanted}: {where} has no list that tells it, and no line charges it.",
            document,
        )
    if as_json:
        print_document(document)
        return
    for one in found:
        print("\n".join(_lines(one)))
    if total > len(found):
        print(f"… and {total - len(found):,} more; --limit shows more.")
    not_judged = headline_of(unjudged)
    if not found:
        none = "There was no finding." if everything else "No finding is open."
        print(f"{none} {not_judged}:" if not_judged else none)
    elif not_judged:
        print(f"{not_judged}:")
    for each in unjudged:
        print(f"  {each.told}")
    for mark in marks:
        at = f"{mark.evaluated_at:%Y-%m-%d %H:%M} UTC" if mark.evaluated_at else "never: `hub findings evaluate`"
        print(f"{mark.campus} was evaluated {at}")


@app.command("evaluate")
def findings_evaluate(campus: InCampus = None, by: Actor = "", as_json: AsJson = False) -> None:
    """Judge now what was touched since the last evaluation; `hub up` does so by itself."""
    hub = this_hub()
    check_campus(hub, campus)
    names = [campus] if campus is not None else list(hub.campuses)
    done = [hub.findings.evaluate(name, actor=actor(by)) for name in names]
    page = hub.findings_page.write().page
    if as_json:
        print_document({"evaluated": [asdict(one) for one in done], "page": page})
        return
    for one in done:
        print(_told(one))
    print(f"Page: {page}")


def _told(one: "Evaluation") -> str:
    told = (
        f"{one.campus}: {one.awards:,} awards judged, {len(one.opened):,} findings opened, {len(one.closed):,} closed"
    )
    return f"{told}, {one.open:,} open"


def _document(one: "Finding") -> dict[str, object]:
    document = asdict(one)
    del document["row_no"]
    return document | {"row": one.row, "currency": one.currency}


def _lines(one: "Finding") -> list[str]:
    amount = f", {one.money}" if one.money else ""
    state = "closed" if one.closed_at else "open"
    lines = [
        f"{one.finding_id}  {state}  {one.campus}  {one.award}  {one.rule_id} ({one.citation})",
        f"    {one.subject}{amount}: {one.told}",
    ]
    if one.request_id:
        lines.append(f"    row {one.row} of {one.request_id}")
    lines.append(f"    opened {one.opened_at:%Y-%m-%d %H:%M} UTC by {one.opened_by.what}")
    if one.closed_at and one.closed_by:
        lines.append(f"    closed {one.closed_at:%Y-%m-%d %H:%M} UTC by {one.closed_by.what}")
    return lines
