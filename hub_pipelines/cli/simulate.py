"""`hub simulate …`: systems that are not there, for trying the hub out."""

import re
from typing import Annotated

import typer

from hub_pipelines.cli.choosing import LONGEST_S, check_campus
from hub_pipelines.cli.output import Actor, AsJson, Failed, actor, print_document, progress, this_hub
from hub_pipelines.common.errors import SettingsError

app = typer.Typer(help="Systems that are not there, for trying the hub out.", no_args_is_help=True)


@app.callback()
def simulate() -> None:
    """Systems that are not there, for trying the hub out."""


@app.command("erp")
def simulate_erp(
    campus: Annotated[str, typer.Option(help="The campus whose stock it tells of.")],
    rate: Annotated[float, typer.Option(help="Requests a second.", min=0.1, max=10_000)] = 20.0,
    seconds: Annotated[float, typer.Option(help="For so long.", min=0.1, max=86_400)] = 10.0,
    repeat: Annotated[float, typer.Option(help="Share of requests that are sent twice.", min=0, max=1)] = 0.2,
    late: Annotated[float, typer.Option(help="Share of messages that tell of an hour ago.", min=0, max=1)] = 0.1,
    bad: Annotated[float, typer.Option(help="Share of messages with a wrong value.", min=0, max=1)] = 0.05,
    adjust: Annotated[float, typer.Option(help="Share that tells what came or went.", min=0, max=1)] = 0.5,
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Send stock levels, and what came and went, to a running hub over HTTP, as an ERP would. Its items are named
    Reagent 000 and so on."""
    from hub_pipelines.simulation import SOURCE, Traffic, simulate

    hub = this_hub()
    check_campus(hub, campus)
    progress(f"Sending as {SOURCE} for {seconds:g} s …")
    answers = simulate(hub, campus, Traffic(rate, seconds, repeat, late, bad, adjust), actor=actor(by))
    document = {"ok": set(answers.by_kind) <= {"received", "duplicate"}, **answers.document()}
    if as_json and document["ok"]:
        print_document(document)
        return
    told = ", ".join(f"{count:,} {kind}" for kind, count in sorted(answers.by_kind.items()))
    text = (
        f"{told}: {len(answers.request_ids):,} messages. An acknowledgement took {answers.wait_ms(0.5)} ms (median), "
        f"{answers.wait_ms(0.95)} ms for 95 of 100."
    )
    if not document["ok"]:
        raise Failed(f"Not all was acknowledged: {text}", document)
    print(text)


@app.command("portal")
def simulate_portal(
    name: Annotated[str, typer.Argument(help="Which one: nih, nsf, usaspending, grants_gov or sam.")],
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Where it listens, on this machine only; 0 takes a free port.")
    ] = 3010,
    records: Annotated[int, typer.Option(min=1, max=1_000_000, help="Recorded and generated ones together.")] = 500,
    fail: Annotated[float, typer.Option(min=0, max=1, help="Share of requests that fail.")] = 0.0,
    changing: Annotated[int, typer.Option(min=0, max=1_000, help="Records that change before each answer.")] = 0,
    per_second: Annotated[
        float, typer.Option(min=0, max=1e6, help="More requests are told to wait (429); 0: no limit.")
    ] = 0.0,
    outage: Annotated[str, typer.Option(help="Seconds from the start until it begins, and its length: 60:600.")] = "",
    seconds: Annotated[float, typer.Option(min=0, max=LONGEST_S, help="Serve for so long; 0: until Ctrl-C.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Serve what a portal would: real HTTP with its paging, faults, limits and outages. Prints what hub.toml needs."""
    import time

    from hub_pipelines.deployment import port_trouble
    from hub_pipelines.portals.simulator.server import SHELVES, Behaviour, serving, shelf_of

    if port and (trouble := port_trouble(port)):
        raise SettingsError(f"Nothing can be served: {trouble}. Choose another --port.")
    if name not in SHELVES:
        raise SettingsError(f"There is no simulated portal {name!r}. Choose from: {', '.join(SHELVES)}.")
    shelf = shelf_of(name, records=records)
    with serving(shelf, Behaviour(fail, changing, per_second, _outage(outage)), port=port) as simulated:
        progress(f"{name} with {len(shelf.records):,} records listens on {simulated.url}. In hub.toml:\n")
        progress(shelf.table(simulated.url))
        try:
            time.sleep(seconds or LONGEST_S)
        except KeyboardInterrupt:
            progress("")
        outcomes = dict(sorted(simulated.outcomes.items()))
    if as_json:
        print_document({"ok": True, "portal": name, "records": len(shelf.records), "requests": outcomes})
    else:
        told = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.items()) or "none"
        print(f"Requests: {told}.")


def _outage(text: str) -> tuple[float, float] | None:
    if not text:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)", text, re.A)
    if found is None:
        raise SettingsError(f"{text!r} is no outage. Write when it begins and its length in seconds: 60:600.")
    return float(found[1]), float(found[2])
