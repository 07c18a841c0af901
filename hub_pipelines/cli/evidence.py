"""`hub audit …`: proof."""

import typer

from hub_pipelines.cli.output import AsJson, Failed, print_document, this_hub

audit = typer.Typer(help="Proof.", no_args_is_help=True)


@audit.command("verify")
def audit_verify(as_json: AsJson = False) -> None:
    """Walk every audit chain, the postings and the archive; exit 1 when anything was changed."""
    from hub_pipelines.evidence import verify_all

    report = verify_all(this_hub())
    document = {"ok": report.ok, "entries": report.entries, "first_bad": report.first_bad, "heads": report.heads}
    if not report.ok:
        raise Failed(f"NOT GENUINE: {report.first_bad}", document)
    if as_json:
        print_document(document)
    else:
        print(f"{report.entries} audit entries, all postings and all archived files are as they were written.")
