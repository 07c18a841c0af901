"""A run coordinator that fails as a broken one does: the first run of a submission that it is handed, it raises about.
Other runs it takes: a walk over the audit chain may be asked for before."""

import os
from pathlib import Path
from typing import Any

from dagster._core.run_coordinator import SubmitRunContext

from hub_pipelines.defs.run_queue import PromptRunQueue
from hub_pipelines.defs.sensors import REQUEST_TAG


class RefusesTheFirst(PromptRunQueue):
    def submit_run(self, context: SubmitRunContext) -> Any:
        refused = Path(os.environ["HUB_TEST_REFUSED"])
        run = context.dagster_run
        if REQUEST_TAG in run.tags and not refused.exists():
            refused.write_text(run.run_id, encoding="utf-8")
            raise RuntimeError("the queue could not be reached")
        return super().submit_run(context)
