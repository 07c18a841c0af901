"""All that runs load, for the process that they are forked from (decisions/0086); nothing else imports this.

None of it reads a setting, opens a connection or starts a thread of the hub when it is loaded. What each run would make
from the contracts alone is made too, and there is what all of them fork their readers from (decisions/0079).
"""

# ruff: noqa: F401  # loading is all that is wanted
import alembic.command
import cryptography.hazmat.primitives.asymmetric.ed25519
import dagster._cli.api
import dagster._core.execution.plan.active
import dagster._core.executor.in_process
import dagster._core.storage.local_compute_log_manager
import dagster._core.storage.root
import dagster._core.storage.sqlite_storage
import dagster._daemon.daemon
import dagster_postgres
import jinja2
import pandas
import pint
import pyarrow.compute
import pyarrow.pandas_compat
import pyarrow.parquet
import rapidfuzz.distance
import rapidfuzz.process
import upath.implementations.local

import hub_pipelines.definitions
import hub_pipelines.defs.build
import hub_pipelines.evidence
import hub_pipelines.hub
import hub_pipelines.publishing
import hub_pipelines.recovery.store
import hub_pipelines.report.index_page
import hub_pipelines.report.render
import hub_pipelines.timeline.news
from hub_pipelines.mapping.likeness import prepare
from hub_pipelines.validate.feeds import FEEDS
from hub_pipelines.validate.reading.starting import fork_readers

prepare(record for feed in FEEDS.values() for record in feed.record_types)
fork_readers()
