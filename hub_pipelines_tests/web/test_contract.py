"""The contract at /openapi.json against the receiver: what it does not tell is not answered, whatever is sent."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import booleans
from schemathesis import Case
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)
from standardwebhooks import Webhook

from hub_pipelines_tests.messages import add_source
from hub_pipelines_tests.support import open_test_hub
from hub_pipelines_tests.web.serving import Sender, receiver

_CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
_AT_MOST = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    database=None,
)


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sender]:
    home: Path = tmp_path_factory.mktemp("contract") / "home"
    url = f"sqlite:///{home / 'hub.db'}"
    hub = open_test_hub(home, url)
    issued = add_source(hub, "erp")
    with receiver(home, url) as running:
        yield Sender(running.address, issued)
    hub.db.dispose()
    hub.inbox.db.dispose()


def prepared(case: Case[Any], sender: Sender, *, genuine: bool) -> requests.PreparedRequest:
    """The case's request as it is, or as its source would send it."""
    if genuine:
        case.query = {"source": "erp"}
        case.path_parameters = {"campus": "north", "feed": "inventory"}
    request = requests.Request(**case.as_transport_kwargs(base_url=sender.address)).prepare()
    body: Any = request.body or b""
    data = body.encode() if isinstance(body, str) else bytes(body)
    if genuine:
        now = datetime.now(UTC)
        signature = Webhook(str(sender.issued.secret)).sign("contract", now, data.decode("utf-8", "replace"))
        request.headers.update(
            {"webhook-id": "contract", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
        )
    return request


@pytest.mark.parametrize(
    ("path", "method"), [("/v1/{campus}/{feed}/messages", "POST"), ("/v1/requests/{request_id}", "GET")]
)
def test_every_answer_is_one_that_the_contract_tells(sender: Sender, path: str, method: str) -> None:
    contract = httpx.get(f"{sender.address}/openapi.json", timeout=30).json()
    contract["components"]["schemas"]["Message"]["oneOf"] = contract["components"]["schemas"]["Message"]["oneOf"][:2]
    operation = schemathesis.openapi.from_dict(contract)[path][method]
    statuses: set[int] = set()

    @given(case=operation.as_strategy(), genuine=booleans())
    @_AT_MOST
    def answers(case: Case[Any], genuine: bool) -> None:
        with requests.Session() as session:
            request = prepared(case, sender, genuine=genuine and method == "POST")
            answer = session.send(request, timeout=30, allow_redirects=False)
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=_CHECKS)

    answers()
    assert statuses >= ({202, 401, 409} if method == "POST" else {401})
