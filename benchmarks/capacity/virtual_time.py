"""Virtual time: simulated tasks that take turns, so that seconds of waiting take no time and every run is the same.

A task is ordinary code in a thread. Only one runs at a time: when it sleeps, it wakes the task with the next event, and
then waits for its own turn. So the code under test needs no change, and no lock.
"""

from collections.abc import Callable
from contextvars import Context
from heapq import heappop, heappush
from itertools import count
from threading import Lock, Thread

type Task = Callable[[], object]


class StoppedError(BaseException):
    """The simulation has ended while this task slept. Not an Exception, so that no code under test catches it."""


class _Worker:
    """A thread that runs one task after another. `turn` is released when it may run."""

    def __init__(self, run: Callable[["_Worker"], None]) -> None:
        self.turn = Lock()
        self.turn.acquire()
        self.task: Task | None = None
        self.thread = Thread(target=run, args=(self,), daemon=True)
        self.thread.start()


class VirtualTime:
    """The clock and the tasks of one simulation. `now` is in seconds since its start."""

    def __init__(self) -> None:
        self.now = 0.0
        self._until = 0.0
        self._events: list[tuple[float, int, _Worker | None, Task | None]] = []
        self._numbers = count()
        self._idle: list[_Worker] = []
        self._started: _Worker | None = None
        self._current: _Worker | None = None
        self._ended = Lock()
        self._stopped = False
        self._failure: BaseException | None = None

    def at(self, moment: float, callback: Task) -> None:
        """Calls `callback` at that time. It must not sleep; see `spawn`."""
        self._add(moment, None, callback)

    def spawn(self, task: Task, *, at: float | None = None) -> None:
        """Runs `task` at that time, now by default. It may sleep."""
        moment = self.now if at is None else at
        self.at(moment, lambda: self._start(task))

    def sleep(self, seconds: float) -> None:
        """Lets other tasks run until `seconds` have passed. Raises StoppedError if the simulation ends before."""
        worker = self._current
        if worker is None:
            raise RuntimeError("only a task can sleep")
        if self._stopped:
            raise StoppedError
        self._add(self.now + seconds, worker, None)
        self._hand_over(worker)
        if self._stopped:
            raise StoppedError

    def run(self, until: float) -> None:
        """Runs all events up to that time, and stops the tasks that still sleep. Raises the first task's failure."""
        self._until = until
        self._ended.acquire()
        self._hand_over(None)
        self._ended.acquire()
        self._stop()
        if self._failure is not None:
            raise self._failure

    def _add(self, moment: float, worker: _Worker | None, callback: Task | None) -> None:
        heappush(self._events, (moment, next(self._numbers), worker, callback))

    def _hand_over(self, own: _Worker | None) -> None:
        """Runs due callbacks, wakes the task of the next event, and waits for the turn of `own` (None: does not)."""
        while self._events and self._events[0][0] <= self._until and self._failure is None:
            self.now, _, worker, callback = heappop(self._events)
            if callback is not None:
                callback()
                worker = self._take_started()
            if worker is None:
                continue
            self._current = worker
            if worker is own:
                return
            worker.turn.release()
            break
        else:
            self._current = None
            self._ended.release()
        if own is not None:
            own.turn.acquire()

    def _start(self, task: Task) -> None:
        worker = self._idle.pop() if self._idle else _Worker(self._work)
        worker.task = task
        self._started = worker

    def _take_started(self) -> _Worker | None:
        worker, self._started = self._started, None
        return worker

    def _work(self, worker: _Worker) -> None:
        worker.turn.acquire()
        while worker.task is not None:
            task, worker.task = worker.task, None
            try:
                Context().run(task)
            except StoppedError:
                return
            except BaseException as failure:
                self._failure = self._failure or failure
            if self._stopped:
                return
            self._idle.append(worker)
            self._hand_over(worker)

    def _stop(self) -> None:
        """Ends all threads, one after the other: those that sleep by StoppedError, the idle ones without a task."""
        self._stopped = True
        sleeping = [worker for _, _, worker, _ in self._events if worker]
        self._events.clear()
        for worker in [*sleeping, *self._idle]:
            self._current = worker
            worker.turn.release()
            worker.thread.join()
