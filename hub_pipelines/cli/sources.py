"""`hub sources …`: systems that send messages, their keys and rights."""

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub_pipelines.cli.output import Actor, AsJson, actor, print_document, this_hub

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub
    from hub_pipelines.intake.sources.model import Source
    from hub_pipelines.intake.sources.service import Issued

app = typer.Typer(help="Systems that send messages.", no_args_is_help=True)
PublicKey = Annotated[
    str | None, typer.Option(help="The system's own Ed25519 key (whpk_…); without it the hub makes a shared secret.")
]


@app.command("add")
def sources_add(
    name: str,
    may: Annotated[list[str], typer.Option(help="A campus and feed that it may send for: north/inventory, north/*.")],
    public_key: PublicKey = None,
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Let a system send messages. Its secret and its reading token are shown once."""
    from hub_pipelines.intake.sources.model import rights_from

    hub = this_hub()
    rights = rights_from(may, hub.campuses, hub.feeds)
    issued = hub.sources.add(name, rights, actor=actor(by), public_key=public_key)
    _print_issued(hub, issued, as_json)


@app.command("permit")
def sources_permit(
    name: str,
    may: Annotated[list[str], typer.Option(help="All that it may send for from now on: north/inventory, north/*.")],
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Give a system other rights, in place of those it has, within a second. Its keys and what it has sent stay."""
    from hub_pipelines.intake.sources.model import rights_from

    hub = this_hub()
    source = hub.sources.permit(name, rights_from(may, hub.campuses, hub.feeds), actor=actor(by))
    addresses = _addresses(hub, source)
    if as_json:
        print_document({"ok": True, "name": name, "addresses": addresses})
    else:
        print("\n  ".join([f"{name} may send to:", *addresses]))


@app.command("rotate")
def sources_rotate(
    name: str,
    keep_h: Annotated[
        float, typer.Option(help="So many hours the keys before stay valid beside the new.", min=0, max=87_600)
    ] = 24,
    public_key: PublicKey = None,
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Give a system new keys; for a while both are valid, so that it never pauses."""
    hub = this_hub()
    _print_issued(hub, hub.sources.rotate(name, actor=actor(by), keep_h=keep_h, public_key=public_key), as_json)


@app.command("revoke")
def sources_revoke(
    name: str,
    reason: Annotated[str, typer.Option(help="Why, for the audit log.")],
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Take nothing more from a system, within a second. What it has sent stays."""
    source = this_hub().sources.revoke(name, actor=actor(by), reason=reason)
    if as_json:
        print_document({"ok": True, "name": source.name})
    else:
        print(f"{name} is revoked: nothing more is taken from it. What it has sent stays.")


@app.command("list")
def sources_list(as_json: AsJson = False) -> None:
    """All systems, their rights and the keys that are valid."""
    hub = this_hub()
    now = hub.intake.now()
    found = [_told(one, now) for one in hub.sources.listing()]
    if as_json:
        print_document({"sources": found})
        return
    for one in found:
        state = (
            f"revoked {one['revoked_at']:%Y-%m-%d}" if one["revoked_at"] else f"may send for {', '.join(one['may'])}"
        )
        print(f"{one['name']}: {state}")
        for key in one["keys"]:
            until = f" until {key['ends_at']:%Y-%m-%d %H:%M} UTC" if key["ends_at"] else ""
            print(f"  {key['kind']} {key['key_id']} since {key['added_at']:%Y-%m-%d %H:%M} UTC{until}")
    if not found:
        print("No system sends messages. `hub sources add` lets one.")


def _told(source: "Source", now: datetime) -> dict[str, Any]:
    keys = [
        {name: value for name, value in asdict(one).items() if name != "material"} for one in source.valid_keys(now)
    ]
    may = [f"{one.campus}/{one.feed}" for one in source.rights]
    return {
        "name": source.name,
        "may": may,
        "keys": keys,
        "added_at": source.added_at,
        "added_by": source.added_by,
        "revoked_at": source.revoked_at,
    }


def _print_issued(hub: "Hub", issued: "Issued", as_json: bool) -> None:
    source, addresses = issued.source, _addresses(hub, issued.source)
    if as_json:
        keys = {"secret": issued.secret, "token": issued.token}
        print_document({"ok": True, "name": source.name, "addresses": addresses, **keys})
        return
    print("\n  ".join([f"{source.name} may send to:", *addresses]))
    print("Shown this once, and never again:")
    if issued.secret is not None:
        print(f"  secret for signing  {issued.secret}")
    print(f"  token for asking    {issued.token}")


def _addresses(hub: "Hub", source: "Source") -> list[str]:
    port = hub.settings.messages.port
    return [
        f"http://127.0.0.1:{port}/v1/{one.campus}/{one.feed}/messages?source={source.name}" for one in source.rights
    ]
