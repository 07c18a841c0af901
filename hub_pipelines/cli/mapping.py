"""`hub mapping …`: which column of a sender's file is which of the contract, what is asked, what is remembered."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub_pipelines.cli.choosing import check_file, check_scope
from hub_pipelines.cli.output import Actor, AsJson, Failed, actor, print_document, this_hub
from hub_pipelines.common.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub_pipelines.drift.model import Source
    from hub_pipelines.hub import Hub
    from hub_pipelines.judging import Tried
    from hub_pipelines.mapping.answering import OfSource, OfSubmission
    from hub_pipelines.mapping.decision import Decision
    from hub_pipelines.mapping.remembered import Kept, Remembered

app = typer.Typer(
    help="Which column of a sender's file is which of the contract: what was decided, asked and remembered.",
    no_args_is_help=True,
)
SourceName = Annotated[str, typer.Argument(help="campus/feed/file name, such as north/inventory/stock.xlsx.")]


@app.command("list")
def mapping_list(
    campus: Annotated[str | None, typer.Option(help="Only this campus.")] = None,
    feed: Annotated[str | None, typer.Option(help="Only this feed.")] = None,
    as_json: AsJson = False,
) -> None:
    """The sources for which something is remembered, each with its newest version."""
    hub = this_hub()
    check_scope(hub, campus, feed, former=True)
    found = hub.answers.listing(campus=campus, feed=feed)
    if as_json:
        print_document({"sources": [_remembered_document(one) for one in found]})
        return
    for one in found:
        print("\n".join(_remembered(one)))
    if not found:
        print("Nothing is remembered for any source yet.")


@app.command("show")
def mapping_show(
    what: Annotated[str, typer.Argument(help="A request_id, campus/feed/file name, or a file's name.")],
    as_json: AsJson = False,
) -> None:
    """How a submission's or a source's columns are read, with confidence and evidence; open questions."""
    hub = this_hub()
    from hub_pipelines.submission import store as submissions

    with hub.db.read() as tx:
        known = submissions.find(tx, what) is not None
    if known:
        shown = _with_what_is_sure(hub, hub.answers.of_submission(what))
        if as_json:
            print_document({"submission": _submission_document(shown), "sources": []})
        else:
            print("\n".join(_submission(shown)))
        return
    found = [hub.answers.of_source(source) for source in _sources(hub, what)]
    if as_json:
        print_document({"submission": None, "sources": [_source_document(one) for one in found]})
    else:
        print("\n\n".join("\n".join(_source(one)) for one in found))


@app.command("answer")
def mapping_answer(
    request_id: Annotated[str, typer.Argument(help="The submission that waits for answers.")],
    answers: Annotated[list[str], typer.Argument(help="Question and choice, as often as you like: q1 2 q2 none.")],
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Answer questions by the number, value or text of a choice. With the last answer the file goes on by itself."""
    if len(answers) % 2:
        raise typer.BadParameter("Give each question and its choice: q1 2 q2 none.")
    pairs = list(zip(answers[::2], answers[1::2], strict=True))
    done = this_hub().answers.answer(request_id, pairs, actor=actor(by))
    if as_json:
        print_document(
            {
                "ok": True,
                "request_id": done.request_id,
                "answered": [one.question_id for one in done.taken],
                "answered_before": [one.question_id for one in done.repeated],
                "open": [_question_document(one) for one in done.open],
                "remembered_version": done.version,
                "replayed": list(done.replayed),
                "overtaken_by": done.overtaken_by.request_id if done.overtaken_by else None,
            }
        )
        return
    for one in done.repeated:
        print(f"{one.question_id} had this answer already.")
    print(f"Answered: {len(done.taken)}. What is remembered for this source has version {done.version} now.")
    for one in done.open:
        print(f"Still open: {one.question_id}  {one.text}")
    _print_replayed(done.replayed)
    if done.overtaken_by is not None:
        newer = done.overtaken_by
        print(
            f"It stays where it is: {newer.envelope.source_name} came after it ({newer.request_id}, {newer.state}), "
            "and its older values would take the place of newer ones. The answers hold for the next files.\n"
            f"To close it: hub review dismiss {done.item_id} --reason replaced. "
            f"To take it all the same: hub review replay {done.item_id}."
        )


@app.command("set")
def mapping_set(
    source: SourceName,
    heading: Annotated[str, typer.Argument(help="The sender's heading, or the column's place as [C].")],
    column: Annotated[str, typer.Argument(help="The contract's column, or `none`.")],
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """From now on a source's heading is this column, or none of the contract's; what waited for that is replayed."""
    after = this_hub().answers.set(_source_named(source), heading, column, actor=actor(by))
    _print_changed(after, as_json)


@app.command("forget")
def mapping_forget(
    source: SourceName,
    heading: Annotated[str | None, typer.Argument(help="Only what is remembered of this heading or column.")] = None,
    by: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Forget what is remembered for a source: its next file is read, and perhaps asked about, anew."""
    after = this_hub().answers.forget(_source_named(source), heading, actor=actor(by))
    _print_changed(after, as_json)


@app.command("try")
def mapping_try(
    file: Annotated[Path, typer.Argument(help="A file on this machine.")],
    campus: Annotated[str, typer.Option(help="As if it came from this campus.")],
    feed: Annotated[str, typer.Option(help="As if it came for this feed.")],
    as_json: AsJson = False,
) -> None:
    """Decide about a file as a run would, without effect: its columns, and what would be asked."""
    hub = this_hub()
    check_scope(hub, campus, feed)
    check_file(file)
    tried = hub.judge.try_out(file, campus, feed)
    document = {
        "ok": tried.stopped_by is None,
        **_decision_document(tried.decision),
        "questions": [_asked_document(tried, number) for number in range(len(tried.questions))],
        "stopped_by": tried.stopped_by,
    }
    if as_json and tried.stopped_by is None:
        print_document(document)
        return
    if not as_json:
        print("\n".join([*_columns(tried.decision), *_asked(tried)]))
    if tried.stopped_by is not None:
        raise Failed(f"It would not be taken as it is: {tried.stopped_by}", document)


def _with_what_is_sure(hub: "Hub", one: "OfSubmission") -> "OfSubmission":
    """Of a held file the columns as far as they are sure: no decision is recorded before its questions are answered."""
    from dataclasses import replace

    if one.decision is not None or one.submission.state != "in_review":
        return one
    return replace(one, decision=hub.judge.try_again(one.submission.envelope).decision)


# ---- what is meant


def _source_named(name: str) -> "Source":
    from hub_pipelines.drift.model import Source
    from hub_pipelines.intake.service import source_key

    parts = name.split("/", 2)
    if len(parts) < 3 or not all(parts):
        raise SettingsError(f"{name!r} names no source. Write campus/feed/file name: north/inventory/stock.xlsx.")
    return Source(parts[0], parts[1], source_key(parts[2]))


def _sources(hub: "Hub", what: str) -> list["Source"]:
    """The source of this full name, or those of this file name."""
    from hub_pipelines.drift.service import source_of
    from hub_pipelines.intake.service import source_key
    from hub_pipelines.submission import store as submissions

    parts = what.split("/", 2)
    if len(parts) == 3 and parts[0] in hub.campuses and parts[1] in hub.feeds:
        return [_source_named(what)]
    with hub.db.read() as tx:
        sent = submissions.of_source(tx, source_key(Path(what).name), limit=1_000)
    found = list(dict.fromkeys(source_of(one.envelope) for one in sent))
    if not found:
        raise SettingsError(f"There is no submission and no source {what!r}. `hub why` looks for more.")
    return found


# ---- documents


def _decision_document(decision: "Decision | None") -> dict[str, Any]:
    if decision is None:
        return {"decision": None, "record_type": None, "columns": [], "unread": [], "notes": [], "values": []}
    from hub_pipelines.validate.columns import places_of

    mapping = decision.mapping
    return {
        "decision": decision.digest,
        "record_type": mapping.record_type if mapping else None,
        "columns": [
            {**one.document(), "place": places_of(one.position, decision.parts)}
            for one in (mapping.assigned if mapping else ())
        ],
        "unread": list(decision.unread),
        "notes": list(decision.notes),
        "values": list(decision.told),
    }


def _question_document(one: "Kept") -> dict[str, Any]:
    return {
        "question": one.question_id,
        "kind": one.kind,
        "column": one.column,
        "heading": one.heading,
        "text": one.text,
        "choices": [asdict(choice) for choice in one.choices],
        "evidence": list(one.evidence),
        "answer": one.answer,
        "answered_by": one.answered_by,
        "answered_at": one.answered_at,
    }


def _asked_document(tried: "Tried", number: int) -> dict[str, Any]:
    one = tried.questions[number]
    return {
        "question": f"q{number + 1}",
        "kind": one.kind,
        "column": one.column,
        "heading": one.heading,
        "text": one.text,
        "choices": [{"value": choice.value, "label": choice.label} for choice in one.choices],
        "evidence": list(one.evidence),
    }


def _remembered_document(one: "Remembered") -> dict[str, Any]:
    return {
        **asdict(one.source),
        "version": one.version,
        "headings": dict(one.confirmed.headings),
        "absent": sorted(one.confirmed.absent),
        "record_type": one.confirmed.record_type,
        "values": dict(one.values),
        "changed_by": one.changed_by,
        "changed_at": one.changed_at,
        "request_id": one.request_id,
    }


def _submission_document(one: "OfSubmission") -> dict[str, Any]:
    current = one.submission
    return {
        "request_id": current.request_id,
        "source_name": current.envelope.source_name,
        "state": current.state,
        "cause": current.cause,
        "revision": current.revision,
        **_decision_document(one.decision),
        "questions": [_question_document(question) for question in one.questions],
    }


def _source_document(one: "OfSource") -> dict[str, Any]:
    return {
        **_remembered_document(one.remembered),
        "history": [_remembered_document(version) for version in one.history],
        "newest": _submission_document(one.newest) if one.newest else None,
    }


# ---- lines


def _source(one: "OfSource") -> list[str]:
    lines = _remembered(one.remembered)
    lines += [
        f"  version {version.version} by {version.changed_by}, {version.changed_at:%Y-%m-%d %H:%M} UTC"
        for version in one.history
    ]
    return [*lines, *(_submission(one.newest) if one.newest else ["No file of this name has come yet."])]


def _remembered(one: "Remembered") -> list[str]:
    source = one.source
    lines = [f"{source.campus}/{source.feed}/{source.key}  version {one.version}"]
    if one.changed_at:
        lines[0] += f", by {one.changed_by}, {one.changed_at:%Y-%m-%d %H:%M} UTC"
    lines += [f"  {key} → {column or 'none of ours'}" for key, column in one.confirmed.headings.items()]
    lines += [f"  it has no {column}" for column in sorted(one.confirmed.absent)]
    lines += [f"  it is a list of {one.confirmed.record_type}"] if one.confirmed.record_type else []
    lines += [f"  {key} = {value}" for key, value in one.values.items()]
    return lines if not one.is_empty else [*lines, "  nothing is remembered"]


def _submission(one: "OfSubmission") -> list[str]:
    current = one.submission
    lines = [f"{current.envelope.source_name}  {current.request_id}  {current.state}"]
    lines += _columns(one.decision) if one.decision else ["No decision about its columns is recorded."]
    for question in one.questions:
        lines += _question(question)
    still_open = [question for question in one.questions if question.answer is None]
    if still_open and current.state == "in_review":
        pairs = " ".join(f"{question.question_id} N" for question in still_open)
        lines.append(f"To answer: hub mapping answer {current.request_id} {pairs}")
    return lines


def _columns(decision: "Decision | None") -> list[str]:
    """Each column of the contract with its heading, how it was found, how sure that is and why."""
    if decision is None:
        return []
    if decision.mapping is None:
        return ["Its columns are named by a migration (`hub why` tells which)."]
    from hub_pipelines.validate.columns import places_of

    rows = [("column", "in the file", "", "by", "sure", "why")]
    rows += [
        (
            one.column,
            one.heading or "(no heading)",
            places_of(one.position, decision.parts),
            one.how,
            f"{one.confidence:.2f}",
            "; ".join(one.evidence),
        )
        for one in decision.mapping.assigned
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(5)]
    lines = [f"a list of {decision.mapping.record_type}"]
    lines += [
        "  " + "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=False)) + f"  {row[5]}"
        for row in rows
    ]
    if decision.unread:
        lines.append(f"kept as they are: {', '.join(decision.unread)}")
    return [*(line.rstrip() for line in lines), *decision.notes, *decision.told]


def _question(one: "Kept") -> list[str]:
    return _question_lines(
        one.question_id, one.text, [choice.label for choice in one.choices], one.evidence, one.label_of(one.answer)
    )


def _asked(tried: "Tried") -> list[str]:
    lines: list[str] = []
    for number, one in enumerate(tried.questions, start=1):
        lines += _question_lines(f"q{number}", one.text, [choice.label for choice in one.choices], one.evidence, None)
    return lines


def _question_lines(
    name: str, text: str, choices: "Sequence[str]", evidence: "Sequence[str]", answer: str | None
) -> list[str]:
    lines = [f"{name}  {text}"]
    if answer is not None:
        return [*lines, f"    answered: {answer}"]
    lines += [f"    {number} = {label}" for number, label in enumerate(choices, start=1)]
    return [*lines, *(f"    ({line})" for line in evidence)]


def _print_changed(after: "Remembered", as_json: bool) -> None:
    if as_json:
        print_document({"ok": True, **_remembered_document(after)})
    else:
        print("\n".join(_remembered(after)))


def _print_replayed(replayed: "Sequence[str]") -> None:
    for request_id in replayed:
        print(f"{request_id} is on its way again.")
    if replayed:
        print("`hub drain` processes it now, a running hub does so by itself.")
