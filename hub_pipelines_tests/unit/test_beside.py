import threading

import pytest

from hub_pipelines.common.beside import Beside, at_best


def test_what_was_begun_is_had_without_doing_it_again() -> None:
    beside: Beside[str] = Beside()
    beside.begin("one", lambda: threading.current_thread().name)
    assert beside.result("one", lambda: "done now") == "beside-one"


def test_what_was_had_is_forgotten_unless_others_want_it_too() -> None:
    beside: Beside[str] = Beside()
    beside.begin("one", lambda: "begun")
    assert beside.result("one", lambda: "done now", forget=False) == "begun"
    assert beside.result("one", lambda: "done now") == "begun"
    assert beside.result("one", lambda: "done now") == "done now"


def test_other_work_than_was_begun_is_done_now() -> None:
    beside: Beside[str] = Beside()
    beside.begin("one", lambda: "begun")
    assert beside.result("two", lambda: "done now") == "done now"
    assert beside.result("one", lambda: "done now") == "begun"


def test_what_failed_beside_is_done_again_by_who_wants_it() -> None:
    beside: Beside[str] = Beside()

    def fails() -> str:
        raise OSError("the disk is full")

    beside.begin("one", fails)
    assert beside.result("one", lambda: "done now") == "done now"
    beside.begin("one", fails)
    with pytest.raises(OSError, match="full"):
        beside.result("one", fails)


def test_where_no_thread_can_be_had_nothing_was_begun_and_nobody_waits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    beside: Beside[str] = Beside()

    def no_more(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as without, at_best("reading"):
        without.setattr(threading.Thread, "start", no_more)
        beside.begin("one", lambda: "begun")
    assert "reading is not begun beside: can't start new thread" in caplog.text
    found: list[str] = []
    asks = threading.Thread(target=lambda: found.append(beside.result("one", lambda: "done now")), daemon=True)
    asks.start()
    asks.join(5)
    assert found == ["done now"]
