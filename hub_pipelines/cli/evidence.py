"""`hub audit …`: proof."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub_pipelines.cli.choosing import check_campus, check_file, read_text
from hub_pipelines.cli.output import Actor, AsJson, Failed, actor, print_document, progress, this_hub
from hub_pipelines.common.errors import SettingsError

if TYPE_CHECKING:
    from hub_pipelines.audit.checkpoints.bundle import BundleReport
    from hub_pipelines.audit.checkpoints.model import Checkpoint

audit = typer.Typer(help="Proof.", no_args_is_help=True)


@audit.command("verify")
def audit_verify(
    copy: Annotated[Path | None, typer.Option(help="A copy of reports/checkpoints/ that was kept elsewhere.")] = None,
    as_json: AsJson = False,
) -> None:
    """Walk every audit chain beside its signed checkpoints, the postings and the archive; exit 1 when anything was
    changed."""
    from hub_pipelines.evidence import verify_all

    if copy is not None and not copy.is_dir():
        raise SettingsError(f"--copy {copy}: there is no such folder.")
    report = verify_all(this_hub(), copy)
    document = {
        "ok": report.ok,
        "entries": report.entries,
        "first_bad": report.first_bad,
        "heads": report.heads,
        "signed_upto": report.signed,
        "notes": report.notes,
    }
    signed = ", ".join(f"{one}:{seq}" for one, seq in report.signed.items()) or "nothing yet"
    _answer(
        document,
        f"{report.entries} audit entries, all postings and all archived files are as they were written.\n"
        f"Signed up to: {signed}.",
        as_json=as_json,
    )


@audit.command("checkpoint")
def audit_checkpoint(as_json: AsJson = False) -> None:
    """Sign the ends of all chains now, and write checkpoint files that are missing."""
    made = this_hub().checkpoints.make()
    document = {
        "ok": not made.trouble,
        "checkpoints": [_brief(one) for one in made.checkpoints],
        "files_written": made.files,
        "trouble": made.trouble,
    }
    if made.trouble:
        raise Failed("Signed, but " + "; ".join(made.trouble) + ". Run this again when that is mended.", document)
    if as_json:
        print_document(document)
        return
    for one in made.checkpoints:
        print(f"{one.name}: entries up to {one.seq}, countersigned by {', '.join(one.countersigners)}")
    if not made.checkpoints:
        print("Nothing has happened since the last checkpoints.")


def _brief(one: "Checkpoint") -> dict[str, Any]:
    return {"campus": one.campus, "number": one.number, "seq": one.seq, "head": one.head, "key_id": one.key_id}


@audit.command("rotate-key")
def audit_rotate_key(
    campus: Annotated[str, typer.Option(help="Whose key; `hub` for what belongs to no campus.")],
    lost: Annotated[bool, typer.Option("--lost", help="The old key is gone and can't sign the new one.")] = False,
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Begin with a new key for a campus's checkpoints; the old one signs it."""
    who = actor(by)
    hub = this_hub()
    check_campus(hub, campus, reserved=True)
    one = hub.checkpoints.rotate(campus, actor=who, lost=lost)
    key_id = one.active_after
    path = hub.settings.campus_keys / campus / "public" / f"{key_id}.pem"
    if as_json:
        print_document({"ok": True, "campus": campus, "key_id": key_id, "public_key": str(path), "lost": lost})
    else:
        print(f"{campus} signs with {key_id} from checkpoint {one.number + (0 if lost else 1)} on. Back up the keys.")
        print(f"Its public key: {path}")


@audit.command("prove")
def audit_prove(
    request_id: Annotated[str, typer.Argument(help="The submission's number.")],
    row: Annotated[int, typer.Option(min=1, help="The row's number in the file, as Excel shows it.")],
) -> None:
    """Print a proof that a row was posted as it stands there; `hub audit verify-row` checks it anywhere."""
    from hub_pipelines.evidence import prove_row

    print(prove_row(this_hub(), request_id, row).text())


@audit.command("verify-row")
def audit_verify_row(
    file: Annotated[Path, typer.Argument(help="What `hub audit prove` printed.")],
    as_json: AsJson = False,
) -> None:
    """Check such a proof, without hub or database; exit 1 when it does not show what it says."""
    from hub_pipelines.ledger.proofs import RowProof

    proof = RowProof.from_text(read_text(file))
    one, fault = proof.audited, proof.fault()
    document = {
        "ok": fault is None,
        "fault": fault,
        "row": proof.entry["row_no"],
        "key": proof.entry["key"],
        "values": proof.entry["values"],
        "audit_entry": f"{one.event.campus}:{one.seq}",
        "audit_hash": one.hash,
    }
    if fault:
        raise Failed(f"NOT PROVED: {fault}", document)
    if as_json:
        print_document(document)
        return
    print(f"{proof.entry['key']} in row {proof.entry['row_no']} of {proof.entry['request_id']} was posted as")
    print(proof.entry["values"])
    print(
        f"as one of {proof.size} rows, if audit entry {one.event.campus}:{one.seq} with hash {one.hash} is genuine: "
        "find it in a bundle that `hub audit verify-bundle` verifies."
    )


@audit.command("export")
def audit_export(
    campus: Annotated[str, typer.Option(help="Whose chain; `hub` for what belongs to no campus.")],
    to: Annotated[Path, typer.Option(help="The file to write; it must not be there yet.")],
    as_json: AsJson = False,
) -> None:
    """Write a campus's chain with its checkpoints and public keys into one file that can be verified anywhere."""
    from hub_pipelines.audit.checkpoints.exporting import export

    hub = this_hub()
    try:
        done = export(hub.db, hub.checkpoints.keys, campus, to)
    except FileExistsError as error:
        raise SettingsError(f"--to {to}: that file is there already; name another.") from error
    except OSError as error:
        raise SettingsError(
            f"--to {to}: nothing can be written there ({error.strerror}). Name a file in a folder that is there and "
            "that this user may write to."
        ) from error
    if as_json:
        print_document({"ok": True, "file": str(to), "entries": done.entries, "checkpoints": done.checkpoints})
    else:
        print(f"{to}: {done.entries} entries, {done.checkpoints} checkpoints.")


@audit.command("verify-bundle")
def audit_verify_bundle(
    file: Annotated[Path, typer.Argument(help="What `hub audit export` wrote.")],
    public_key: Annotated[list[Path], typer.Option(help="A public key (PEM) that you hold; may be repeated.")],
    as_json: AsJson = False,
) -> None:
    """Verify an exported chain with public keys alone, without hub or database; exit 1 when anything was changed."""
    from hub_pipelines.audit.checkpoints.bundle import verify_bundle
    from hub_pipelines.audit.checkpoints.keys import read_public

    check_file(file)
    report = verify_bundle(file, {str(path): read_public(path) for path in public_key})
    document = {
        "ok": report.ok,
        "campus": report.campus,
        "entries": report.entries,
        "checkpoints": report.checkpoints,
        "signed_upto": report.signed_upto,
        "signed_at": report.signed_at,
        "signed_by": report.signed_by,
        "vouched_by": {one.name: {"signed_as": one.campus, "entries_upto": one.upto} for one in report.vouchers},
        "first_bad": report.first_bad,
        "unproved": report.unproved,
        "notes": report.notes,
    }
    _answer(document, _told(report) if report.ok else "", as_json=as_json)


def _answer(document: dict[str, Any], text: str, *, as_json: bool) -> None:
    """What a verification found; Failed when something was changed."""
    for note in document["notes"]:
        progress(note)
    if document.get("unproved") and not document["first_bad"]:
        raise Failed(f"NOT PROVED: {document['unproved']}.", document)
    if not document["ok"]:
        raise Failed(f"NOT GENUINE: {document['first_bad']}", document)
    if as_json:
        print_document(document)
    else:
        print(text)


def _told(report: "BundleReport") -> str:
    lines = [
        f"Entries 1 to {report.signed_upto} of {report.campus} are as they were on {report.signed_at:%Y-%m-%d %H:%M} "
        "UTC, when they were signed. This is proved by"
    ]
    lines += [f"  {one.name}: {one.campus}'s signatures, entries 1 to {one.upto}" for one in report.vouchers]
    given = {one.campus for one in report.vouchers}
    if others := ", ".join(one for one in report.signed_by if one not in given):
        lines.append(f"Signatures of {others} are there too; without their keys they prove nothing to you.")
    if later := report.entries - report.signed_upto:
        span = f"{report.unsigned_from:%Y-%m-%d %H:%M} to {report.unsigned_to:%Y-%m-%d %H:%M} UTC"
        lines.append(f"The {later} entries after them, of {span}, are not signed: they may be other than they were.")
    return "\n".join(lines)
