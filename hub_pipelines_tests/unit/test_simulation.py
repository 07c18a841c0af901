"""What a simulated system does when the receiver closes the connection that it keeps."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, cast

from hub_pipelines.simulation import Answers, _Sender

Step = Literal["answer", "answer and close", "close"]


class Receiver(ThreadingHTTPServer):
    """Does one step for each request. Where it closes a connection it does not say so before."""

    def __init__(self, *steps: Step) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.steps = list(steps)
        self.webhook_ids: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        receiver, webhook_id = cast(Receiver, self.server), self.headers["webhook-id"]
        self.rfile.read(int(self.headers["content-length"]))
        is_repeat = webhook_id in receiver.webhook_ids
        receiver.webhook_ids.append(webhook_id)
        step = receiver.steps.pop(0)
        self.close_connection = "close" in step
        if "answer" in step:
            self._answer({"request_id": webhook_id, "duplicate": is_repeat})

    def _answer(self, told: dict[str, object]) -> None:
        body = json.dumps(told).encode()
        self.send_response(202)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_told: object) -> None:
        pass


@contextmanager
def receiving(*steps: Step) -> Iterator[Receiver]:
    with Receiver(*steps) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


def sent(receiver: Receiver, *webhook_ids: str) -> dict[str, int]:
    """One after the other; how many had which answer."""
    sender, answers = _Sender(receiver.server_port, "/v1/north/inventory/messages", b"secret"), Answers()
    for one in webhook_ids:
        sender.send(one, b"{}", answers)
    return dict(answers.by_kind)


def test_a_message_whose_kept_connection_was_closed_is_sent_by_a_new_one() -> None:
    with receiving(*["answer and close"] * 3) as receiver:
        assert sent(receiver, "m-1", "m-2", "m-3") == {"received": 3}
        assert receiver.webhook_ids == ["m-1", "m-2", "m-3"]


def test_a_message_that_came_before_its_kept_connection_was_closed_is_known_when_it_is_sent_again() -> None:
    with receiving("answer", "close", "answer and close") as receiver:
        assert sent(receiver, "m-1", "m-2") == {"received": 1, "duplicate": 1}
        assert receiver.webhook_ids == ["m-1", "m-2", "m-2"]


def test_a_message_that_has_no_answer_by_a_new_connection_is_not_sent_again() -> None:
    with receiving("close", "answer", "close", "close") as receiver:
        assert sent(receiver, "m-1", "m-2", "m-3") == {"RemoteDisconnected": 2, "received": 1}
        assert receiver.webhook_ids == ["m-1", "m-2", "m-3", "m-3"]
