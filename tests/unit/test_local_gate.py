"""Requests wait while code is exchanged, and none is in progress meanwhile."""

import threading
import time

from local.gate import Gate

WAIT_SECONDS = 10


def test_the_gate_closes_when_the_last_request_has_passed_and_others_wait() -> None:
    gate, order = Gate(), list[str]()
    inside, leave = threading.Event(), threading.Event()

    def slow() -> None:
        with gate.passing():
            inside.set()
            leave.wait(WAIT_SECONDS)
            order.append("slow one answered")

    def late() -> None:
        with gate.passing():
            order.append("late one answered")

    def exchange() -> None:
        with gate.closed(WAIT_SECONDS):
            order.append("exchanged")
            time.sleep(0.05)
            order.append("done")

    threads = [threading.Thread(target=slow)]
    threads[0].start()
    inside.wait(WAIT_SECONDS)
    threads.append(threading.Thread(target=exchange))
    threads[-1].start()
    while not gate.is_closed:
        time.sleep(0.01)
    threads.append(threading.Thread(target=late))
    threads[-1].start()
    leave.set()
    for thread in threads:
        thread.join(WAIT_SECONDS)

    assert order == ["slow one answered", "exchanged", "done", "late one answered"]


def test_a_request_that_does_not_end_is_not_waited_for_for_ever() -> None:
    gate = Gate()

    with gate.passing(), gate.closed(0.01):
        pass

    with gate.passing():
        assert not gate.idle
    assert gate.idle
