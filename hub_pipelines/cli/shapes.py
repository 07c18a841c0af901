"""`hub shapes …`: the columns that sources send, and what differs from before."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub_pipelines.cli.choosing import check_scope
from hub_pipelines.cli.output import Actor, AsJson, actor, print_document, this_hub

if TYPE_CHECKING:
    from hub_pipelines.drift.decisions import Comparison
    from hub_pipelines.drift.model import KnownShape, Pair

app = typer.Typer(help="The columns that sources send, and what differs from before.", no_args_is_help=True)


@app.command("list")
def shapes_list(
    campus: Annotated[str | None, typer.Option(help="Only this campus.")] = None,
    feed: Annotated[str | None, typer.Option(help="Only this feed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Each source's header shapes, in the order in which they came; who accepted them, or that they are held."""
    hub = this_hub()
    check_scope(hub, campus, feed, former=True)
    found = hub.columns.shapes(campus=campus, feed=feed)
    if as_json:
        print_document({"shapes": [_document(one) for one in found]})
        return
    last = None
    for one in found:
        if one.source != last:
            print(f"{one.source.campus}/{one.source.feed}  {one.source.key}")
            last = one.source
        print(f"  {one.shape.fingerprint}  {one.shape.record_type}  {len(one.shape.header)} columns  {_state(one)}")
    if not found:
        print("No file has been posted or held for its columns yet.")


def _state(one: "KnownShape") -> str:
    seen = f"first seen {one.first_seen_at:%Y-%m-%d %H:%M} UTC"
    if one.accepted_at is None:
        return f"NOT ACCEPTED, {seen} ({one.first_request_id})"
    posted = f", last posted {one.last_posted_at:%Y-%m-%d %H:%M} UTC" if one.last_posted_at else ", not posted yet"
    under = f", under {one.migration}" if one.migration else ""
    return f"accepted by {one.accepted_by}, {seen}{posted}{under}"


def _document(one: "KnownShape") -> dict[str, Any]:
    return {
        **asdict(one.source),
        "record_type": one.shape.record_type,
        "fingerprint": one.shape.fingerprint,
        "header": list(one.shape.header),
        "columns": dict(one.shape.columns),
        "other_headings": list(one.shape.others),
        "first_seen_at": one.first_seen_at,
        "first_request_id": one.first_request_id,
        "accepted_at": one.accepted_at,
        "accepted_by": one.accepted_by,
        "last_posted_at": one.last_posted_at,
        "migration": one.migration,
    }


@app.command("show")
def shapes_show(
    name: Annotated[str, typer.Argument(help="A review item, or the fingerprint of a shape.")], as_json: AsJson = False
) -> None:
    """The columns before and now, side by side."""
    found = this_hub().columns.show(name)
    if as_json:
        print_document({"comparisons": [_compared(one) for one in found]})
        return
    for one in found:
        _print_compared(one)


def _compared(one: "Comparison") -> dict[str, Any]:
    return {
        "now": _document(one.now),
        "before": _document(one.before) if one.before else None,
        "kind": one.change.kind if one.change else None,
        "columns": [asdict(pair) for pair in one.pairs],
        "lacks": one.lacks,
        "held": [held.item.item_id for held in one.held],
    }


def _print_compared(one: "Comparison") -> None:
    source = one.now.source
    print(f"{source.campus}/{source.feed}  {source.key}  ({one.now.shape.record_type})")
    print(f"now     {one.now.shape.fingerprint}  {_state(one.now)}")
    if one.before:
        print(f"before  {one.before.shape.fingerprint}  {_state(one.before)}")
    if not one.pairs:
        print("columns " + ", ".join(one.now.shape.header))
        return
    rows = [
        ("column of the contract", "before", "now", ""),
        *(_row(pair, one.before is not None) for pair in one.pairs),
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    for row in rows:
        print("  " + "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=False)) + f"  {row[3]}")
    for held in one.held:
        print(f"held    {held.item.item_id}  {held.item.source_name}")
    if one.held:
        first = one.held[0].item.item_id
        print(f"To go on: `hub migration draft {first}` to say what the new columns mean,")
        if one.lacks is None:
            print(f"or `hub shapes accept {first}` if they are right as they are,")
        print("or have the sender drop a mended file.")


def _row(pair: "Pair", compared: bool) -> tuple[str, str, str, str]:
    note = f'GONE, perhaps "{pair.perhaps}"' if pair.perhaps else "GONE"
    if pair.now is None:
        told = note if pair.column else "no longer there"
        if not compared:
            told = f'MISSING, perhaps "{pair.perhaps}"' if pair.perhaps else "MISSING"
    else:
        told = "new" if compared and pair.before is None else ""
    return pair.column or "-", pair.before or "-", pair.now or "-", told


@app.command("accept")
def shapes_accept(item_id: str, by: Actor = "", as_json: AsJson = False) -> None:
    """The new columns are right as they are: accept them for this source, and replay what was held."""
    done = this_hub().columns.accept(item_id, actor=actor(by))
    if as_json:
        print_document({"ok": True, "accepted_now": done.first, "replayed": done.replayed})
        return
    print("The source may have these columns from now on." if done.first else "These columns were accepted before.")
    print_replayed(done.replayed)


def print_replayed(items: tuple[str, ...]) -> None:
    for item_id in items:
        print(f"{item_id} is on its way again.")
    if items:
        print("`hub drain` processes it now, a running hub does so by itself.")
    else:
        print("Nothing was held for them.")
