"""What the tests of checkpoints, their keys and bundles begin with, and those of what the archive has and the database
has not."""

import pytest

from hub_pipelines.hub import Hub
from hub_pipelines_tests.support import asset, make_registry, send_assets
from hub_pipelines_tests.tampering import append


@pytest.fixture
def signed(hub: Hub) -> Hub:
    """Seven entries of north and two of south, all covered, in two rounds."""
    append(hub, "north", "n1", "n2", "n3", "n4")
    append(hub, "south", "s1")
    hub.checkpoints.make()
    append(hub, "north", "n5", "n6", "n7")
    append(hub, "south", "s2")
    hub.checkpoints.make()
    return hub


@pytest.fixture
def request_id(hub: Hub) -> str:
    """A file that was received and waits."""
    make_registry(hub, ["NC-0001", "NC-0002"])
    return send_assets(hub, "lab.csv", asset("NC-0001"), asset("NC-0002"))
