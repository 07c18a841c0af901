"""Messages that were acknowledged: durable before the answer, each exactly once, until they are sealed into a batch."""
