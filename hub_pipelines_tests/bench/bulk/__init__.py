"""A quarter-end inventory through the hub and its peers, in one run: `python -m hub_pipelines_tests.bench.bulk`.

Belongs here: the files (data), the peers (peers), the hub as one more (hub), and the run that sets them side by side.
Each is a fresh process against an empty ledger, and what it rejects is compared with what was spoiled on purpose.
"""
