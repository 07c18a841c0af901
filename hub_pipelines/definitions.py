"""What `dagster`, `dg` and the daemon load. Settings are read when the definitions are, not at import."""

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    from hub_pipelines.defs.build import build_defs
    from hub_pipelines.settings import load
    from hub_pipelines.validate.feeds import FEEDS

    return build_defs(load(tuple(sorted(FEEDS, key=lambda name: FEEDS[name].priority))))
