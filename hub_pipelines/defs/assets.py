"""Assets: for each feed received → archived → validated → posted → receipts; shared review_queue and audit_log.

A body is a step of processing.py and its metadata. A run that finds the submission busy or settled ends
well and materialises nothing. Nothing is passed between assets but the partition key: every step finds
its input in the hub's database, so that each can run again alone.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg

from hub_pipelines.defs import metadata
from hub_pipelines.defs.checks import asked, drifted
from hub_pipelines.defs.last_word import what_has_posted
from hub_pipelines.defs.partitions import requests_of
from hub_pipelines.defs.resources import HubResource
from hub_pipelines.validate.model import Feed

if TYPE_CHECKING:
    from hub_pipelines.hub import Hub
    from hub_pipelines.submission.model import Lease

OWNERS = ["team:research-data"]
Results = Iterator[dg.MaterializeResult[Any]]
Decorator = Callable[[Callable[..., Results]], dg.AssetsDefinition]


def feed_assets(feed: Feed, sources: Sequence[str]) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The five assets of a feed, in the order of the flow, from where its files come from."""
    received = dg.AssetSpec(
        f"{feed.name}_received",
        deps=sources,
        description=f"{feed.title}: files as they came from the drop folders and the command line.",
        group_name=feed.name,
        owners=OWNERS,
        kinds={"file"},
        partitions_def=requests_of(feed.name),
    )
    return [received, _archived(feed), _validated(feed), _posted(feed), _receipts(feed)]


def _step(feed: Feed, stage: str, after: str, kinds: set[str], description: str) -> Decorator:
    return dg.asset(
        name=f"{feed.name}_{stage}",
        deps=[f"{feed.name}_{after}"],
        partitions_def=requests_of(feed.name),
        group_name=feed.name,
        owners=OWNERS,
        kinds=kinds,
        description=description,
        output_required=False,
        code_version=_contracts(feed),
    )


def _contracts(feed: Feed) -> str:
    return " ".join(f"{one.name}:{one.contract_version}" for one in feed.record_types)


def _names(feed: Feed) -> str:
    return ", ".join(one.name for one in feed.record_types)


def _archived(feed: Feed) -> dg.AssetsDefinition:
    @_step(
        feed,
        "archived",
        "received",
        {"file", "sha256"},
        "The bytes as they were sent, in the write-once archive; signature and fingerprint verified again.",
    )
    def archived(context: dg.AssetExecutionContext, hub: HubResource) -> Results:
        with _attempt(context, hub.open()) as work:
            if work:
                current = work.hub.processing.check_archive(work.lease)
                path = work.hub.archive.object_path(current.envelope.content_digest)
                yield dg.MaterializeResult(metadata=metadata.of_archived(current, path))

    return archived


def _validated(feed: Feed) -> dg.AssetsDefinition:
    @_step(
        feed,
        "validated",
        "archived",
        {"pydantic", "parquet"},
        f"Every row judged by its contract ({_names(feed)}): accepted, or rejected with reason and suggestion.",
    )
    def validated(context: dg.AssetExecutionContext, hub: HubResource) -> Results:
        with _attempt(context, hub.open()) as work:
            if work:
                handle = work.hub.processing.validate(work.lease)
                problems = work.hub.processing.first_problems(handle)
                decision = work.hub.processing.decision_of(handle)
                yield dg.MaterializeResult(metadata=metadata.of_validated(feed, handle.summary, problems, decision))

    return validated


def _posted(feed: Feed) -> dg.AssetsDefinition:
    @_step(
        feed,
        "posted",
        "validated",
        {"sql"},
        "Accepted rows in journal and ledger, in one transaction with their rejections and audit entry.",
    )
    def posted(context: dg.AssetExecutionContext, hub: HubResource) -> Results:
        posting = None
        with _attempt(context, hub.open()) as work:
            if work:
                work.hub.recounts.begin(work.lease.request_id)
                with work.hub.receipts.expected(work.lease.request_id):
                    posting = work.hub.processing.post(work.lease)
        if work and posting is None:  # it failed, or the answer to its commit was lost
            posting = work.hub.processing.posting_of(work.lease)
        # outside the attempt: an error in telling what has posted is none of the submission's
        if work and posting is not None:
            work.hub.receipts.begin(work.lease.request_id)
            yield dg.MaterializeResult(metadata=what_has_posted(work.hub, feed, posting))

    return posted


def _receipts(feed: Feed) -> dg.AssetsDefinition:
    @_step(
        feed,
        "receipts",
        "posted",
        {"html", "json"},
        "What the sender gets back: what was taken, what was not, why, and what to do next.",
    )
    def receipts(context: dg.AssetExecutionContext, hub: HubResource) -> Results:
        page = hub.open().receipts.finish(context.partition_key)
        yield dg.MaterializeResult(
            metadata={"receipt": dg.MetadataValue.path(str(page)), "link": dg.MetadataValue.url(page.as_uri())}
        )

    return receipts


class _Work:
    """A hub and the lease under which this step works."""

    def __init__(self, hub: "Hub", lease: "Lease") -> None:
        self.hub = hub
        self.lease = lease


@contextmanager
def _attempt(context: dg.AssetExecutionContext, hub: "Hub") -> Iterator[_Work | None]:
    """Work under the submission's lease; None when there is nothing to do. A failure has its receipt at once.

    A run is red when the hub needs its operator. A file that can't be read is the day's business: it goes to
    review, its receipt says so, and the run ends well with its later steps skipped (decisions/0010).
    """
    from hub_pipelines.drift.model import Drifted
    from hub_pipelines.ledger.model import LedgerTaken
    from hub_pipelines.mapping.remembered import questions_of
    from hub_pipelines.processing import AttemptFailed
    from hub_pipelines.submission.model import Lease, LeaseLost

    answer = hub.processing.begin(context.partition_key, context.run.run_id)
    if not isinstance(answer, Lease):
        context.log.info(f"{answer.request_id} is {answer.state}: {type(answer).__name__.lower()}, nothing to do.")
        yield None
        return
    try:
        with hub.processing.attempt(answer):
            yield _Work(hub, answer)
    except LeaseLost as lost:
        context.log.warning(str(lost))
    except LedgerTaken as taken:
        context.log.info(f"{taken} Its place is for others until then; a new run is launched.")
    except AttemptFailed as failed:
        page = hub.receipts.write(context.partition_key)
        validated = f"{context.asset_key.to_user_string().rpartition('_')[0]}_validated"
        told = [drifted(validated, failed.__cause__)] if isinstance(failed.__cause__, Drifted) else []
        if questions := questions_of(failed.__cause__):
            told.append(asked(validated, questions))
        for one in told:
            context.op_execution_context.log_event(one)  # type: ignore[arg-type]  # it takes check results too
        if failed.is_the_senders:
            context.log.warning(f"{failed.failure.reason} The submission waits in review. Receipt: {page}")
            return
        raise dg.Failure(
            description=f"{failed.failure.reason} The submission is now {failed.state}.",
            metadata={
                "state": str(failed.state),
                "fix": failed.failure.fix,
                "receipt": dg.MetadataValue.path(str(page)),
                "trace": dg.MetadataValue.md(f"```\n{failed.failure.trace}\n```"),
            },
            allow_retries=False,
        ) from failed


def shared_assets(feeds: list[Feed]) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """`review_queue` (reported by its sensor) and `audit_log` (walked by its job)."""
    posted = [f"{feed.name}_posted" for feed in feeds]
    review_queue = dg.AssetSpec(
        "review_queue",
        deps=[f"{feed.name}_validated" for feed in feeds] + posted,
        description="What could not be posted and waits for a person: `hub review list`. Nothing is ever dropped.",
        group_name="evidence",
        owners=OWNERS,
        kinds={"sql"},
    )

    @dg.asset(
        deps=posted,
        group_name="evidence",
        owners=OWNERS,
        kinds={"sha256", "sql"},
        description="The hash chain over everything that happened, one per campus, walked from its first entry.",
    )
    def audit_log(context: dg.AssetExecutionContext, hub: HubResource) -> dg.MaterializeResult[Any]:
        report = hub.open().checkpoints.verify()
        context.log.info(f"{report.entries} entries walked")
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": report.entries,
                "heads": dg.MetadataValue.json(report.heads),
                "signed_upto": dg.MetadataValue.json(report.signed),
                "first_bad": report.first_bad or "none",
            }
        )

    return [review_queue, audit_log]
