"""`hub migration …`: what changed columns mean: written, tried, approved by another person, applied."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub_pipelines.cli.choosing import read_text
from hub_pipelines.cli.output import Actor, AsJson, Failed, actor, print_document, this_hub
from hub_pipelines.cli.shapes import print_replayed

if TYPE_CHECKING:
    from hub_pipelines.drift.model import Migration
    from hub_pipelines.rehearsing import Rehearsal

app = typer.Typer(help="Say what a source's changed columns mean.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="A migration's id (its newest version), or id@version.")]


@app.command("draft")
def migration_draft(item_id: str, as_json: AsJson = False) -> None:
    """Print a migration's file to begin with, for a held item."""
    text = this_hub().columns.draft(item_id)
    if as_json:
        print_document({"draft": text})
    else:
        print(text, end="")


@app.command("add")
def migration_add(
    file: Annotated[Path, typer.Argument(help="The migration, a TOML file.")], by: Actor = "", as_json: AsJson = False
) -> None:
    """Keep a migration; when there is one for these columns, as its next version."""
    kept, new = this_hub().columns.add(read_text(file), author=actor(by))
    if as_json:
        print_document({"new": new, **_document(kept)})
        return
    print(f"{kept.reference} is kept." if new else f"{kept.reference} is this very text already.")
    print(f"See what it would do: `hub migration try {kept.reference}`")


@app.command("list")
def migration_list(as_json: AsJson = False) -> None:
    """All migrations, the newest version of each first."""
    found = this_hub().columns.migrations()
    if as_json:
        print_document({"migrations": [_document(one) for one in found]})
        return
    for one in found:
        scope = f"{one.steps.campus}/{one.steps.feed}  {one.steps.source}  from {one.steps.shape}"
        print(f"{one.reference}  {one.state:<8}  {scope}  {one.steps.note}".rstrip())
    if not found:
        print("No migration has been written.")


@app.command("show")
def migration_show(name: Name, as_json: AsJson = False) -> None:
    """One migration as it was written, and who decided what."""
    one = this_hub().columns.migration(name)
    if as_json:
        print_document(_document(one))
        return
    print(f"{one.reference} is {one.state}.")
    print(f"{'written':<9} {one.added_at:%Y-%m-%d %H:%M} UTC by {one.author}")
    for verb, at, who in (("approved", one.approved_at, one.approved_by), ("applied", one.applied_at, one.applied_by)):
        if at is not None:
            print(f"{verb:<9} {at:%Y-%m-%d %H:%M} UTC by {who}")
    print(f"{'sha256':<9} {one.digest}\n")
    print(one.text, end="" if one.text.endswith("\n") else "\n")


@app.command("try")
def migration_try(name: Name, as_json: AsJson = False) -> None:
    """Read and judge all held submissions under it, without effect. Exit code 1 when one would still not do."""
    from hub_pipelines.rehearsing import rehearse

    hub = this_hub()
    one = hub.columns.migration(name)
    found = rehearse(hub, one)
    good = all(each.does for each in found)
    document = {"ok": good, "migration": one.reference, "submissions": [asdict(each) for each in found]}
    if as_json and good:
        print_document(document)
        return
    if not as_json:
        print(f"{one.reference}, tried without effect on {len(found)} held submissions:")
        for each in found:
            _print_rehearsal(each)
    if not good:
        raise Failed("Not every held submission would do under this migration.", document)
    if one.state == "written":
        print(f"If this is right, another person approves it: `hub migration approve {one.reference}`")


def _print_rehearsal(each: "Rehearsal") -> None:
    print(f"\n{each.source_name}  {each.request_id}  ({each.item_id})")
    if each.stopped_by is not None:
        print(f"  would not be read: {each.stopped_by}")
        return
    print(f"  rows {each.received}, would be taken {each.accepted}, would be rejected {each.rejected}")
    for rule, count in each.rules.items():
        print(f"    {count} × {rule}")
    for row in each.first_rows:
        values = "  ".join(f"{name}={value}" for name, value in row.items() if name != "row" and value is not None)
        print(f"  row {row['row']} would be: {values}")
    for found in each.first_problems:
        hint = f" {found['suggestion']}." if found["suggestion"] else ""
        print(f"  row {found['row']}, {found['column']}, {found['value']!r}: {found['reason']}{hint}")


@app.command("approve")
def migration_approve(name: Name, by: Actor = "", as_json: AsJson = False) -> None:
    """Say that it is right; by another person than the one who wrote it."""
    one, new = this_hub().columns.approve(name, actor=actor(by))
    if as_json:
        print_document({"new": new, **_document(one)})
        return
    print(f"{one.reference} is approved by {one.approved_by}." if new else f"{one.reference} was approved before.")
    if one.applied_at is None:
        print(f"To use it: `hub migration apply {one.reference}`")


@app.command("apply")
def migration_apply(name: Name, by: Actor = "", as_json: AsJson = False) -> None:
    """Read these columns under it from now on, and replay what was held for them. Safe to repeat."""
    done = this_hub().columns.apply(name, actor=actor(by))
    if as_json:
        document = _document(done.migration) if done.migration else {}
        print_document({"ok": True, "applied_now": done.first, "replayed": done.replayed, **document})
        return
    reference = done.migration.reference if done.migration else name
    print(f"{reference} is in force." if done.first else f"{reference} was in force before.")
    print_replayed(done.replayed)


def _document(one: "Migration") -> dict[str, Any]:
    return {
        "migration": one.reference,
        "migration_id": one.migration_id,
        "version": one.version,
        "state": one.state,
        **one.steps.model_dump(by_alias=True, exclude_none=True, mode="json"),
        "sha256": one.digest,
        "author": one.author,
        "added_at": one.added_at,
        "approved_by": one.approved_by,
        "approved_at": one.approved_at,
        "applied_by": one.applied_by,
        "applied_at": one.applied_at,
    }
