"""A run coordinator that fails as a broken one does: the first run that it is handed, it raises about."""

import os
from pathlib import Path
from typing import Any

from dagster._core.run_coordinator import SubmitRunContext

from hub_pipelines.defs.run_queue import PromptRunQueue


class RefusesTheFirst(PromptRunQueue):
    def submit_run(self, context: SubmitRunContext) -> Any:
        refused = Path(os.environ["HUB_TEST_REFUSED"])
        if not refused.exists():
            refused.write_text(context.dagster_run.run_id, encoding="utf-8")
            raise RuntimeError("the queue could not be reached")
        return super().submit_run(context)
