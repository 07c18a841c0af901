"""One partition per submission: `<feed>_requests`, the key is the request_id. No other dimension, ever
(a product of dynamic keys is what makes Dagster's pages slow)."""

import dagster as dg


def requests_of(feed: str) -> dg.DynamicPartitionsDefinition:
    return dg.DynamicPartitionsDefinition(name=f"{feed}_requests")
