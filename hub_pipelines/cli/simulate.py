"""`hub simulate …`: systems that are not there, for trying the hub out."""

from typing import Annotated

import typer

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
    if campus not in hub.campuses:
        raise SettingsError(f"There is no campus {campus!r}. Campuses in hub.toml: {', '.join(hub.campuses)}.")
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
