"""Performs the steps of flows: with a synchronous and with an asynchronous httpx client."""

import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar

import anyio
import httpx

from oms_client.exchange import Call, Emit, Exchange, Exclusive, Flow, Send, Sleep, Step
from oms_client.feed import Gap, follow
from oms_client.importing import ImportResult, Progress, import_file
from oms_client.models import EventResponse, ImportFormat, ImportKind, ImportMode

T = TypeVar("T")


class Sender:
    """Sends the requests of the synchronous client. Threads may share it."""

    exchange: Exchange
    http: httpx.Client
    _lock: threading.Lock

    def send(self, call: Call[T]) -> T:
        return self.run(self.exchange.call(call))

    def iterate(self, flow: Flow[None]) -> Iterator[Any]:
        result: Any = None
        while True:
            try:
                step = flow.send(result)
            except StopIteration:
                return
            if isinstance(step, Emit):
                yield step.value
                result = None
            else:
                result = self._perform(step)

    def run(self, flow: Flow[T]) -> T:
        result: Any = None
        try:
            while True:
                try:
                    step = flow.send(result)
                except StopIteration as end:
                    return end.value  # type: ignore[no-any-return]
                result = self._perform(step)
        finally:
            flow.close()

    def _perform(self, step: Step) -> Any:
        match step:
            case Send(request):
                try:
                    return self.http.send(request)
                except httpx.TransportError as error:
                    return error
            case Sleep(seconds):
                time.sleep(seconds)
            case Exclusive(flow):
                with self._lock:
                    return self.run(flow)
        return None


class AsyncSender:
    """Sends the requests of the asynchronous client, under asyncio or Trio."""

    exchange: Exchange
    http: httpx.AsyncClient
    _lock: anyio.Lock

    async def send(self, call: Call[T]) -> T:
        return await self.run(self.exchange.call(call))

    async def iterate(self, flow: Flow[None]) -> AsyncIterator[Any]:
        result: Any = None
        while True:
            try:
                step = flow.send(result)
            except StopIteration:
                return
            if isinstance(step, Emit):
                yield step.value
                result = None
            else:
                result = await self._perform(step)

    async def run(self, flow: Flow[T]) -> T:
        result: Any = None
        try:
            while True:
                try:
                    step = flow.send(result)
                except StopIteration as end:
                    return end.value  # type: ignore[no-any-return]
                result = await self._perform(step)
        finally:
            flow.close()

    async def _perform(self, step: Step) -> Any:
        match step:
            case Send(request):
                try:
                    return await self.http.send(request)
                except httpx.TransportError as error:
                    return error
            case Sleep(seconds):
                await anyio.sleep(seconds)
            case Exclusive(flow):
                async with self._lock:
                    return await self.run(flow)
        return None


class Group:
    """The operations of one group."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def _send(self, call: Call[T]) -> T:
        return self._sender.send(call)

    def _iterate(self, call: Call[Any]) -> Iterator[Any]:
        return self._sender.iterate(self._sender.exchange.pages(call))


class AsyncGroup:
    """The operations of one group."""

    def __init__(self, sender: AsyncSender) -> None:
        self._sender = sender

    async def _send(self, call: Call[T]) -> T:
        return await self._sender.send(call)

    def _iterate(self, call: Call[Any]) -> AsyncIterator[Any]:
        return self._sender.iterate(self._sender.exchange.pages(call))


class FeedReader(Group):
    """The feed of events."""

    def follow(
        self,
        after: str | None = None,
        *,
        type: str | None = None,
        poll_seconds: float = 2,
        on_gap: Gap | None = None,
        wait: bool = True,
    ) -> Iterator[EventResponse]:
        """Yields the events of the feed in their order, and waits for further ones.

        `after` is the id of the last event that you have processed, or `latest`; without it, the feed starts with the
        oldest event, of 90 days ago. Store the id of each event once it is processed, and resume with it. After a lost
        connection, a 429 or a 5xx it continues, however long that lasts.

        If the place is older than the feed (410), events are missing: `on_gap` is called with the place, and the feed
        continues with its oldest event. Events may be repeated then, so compare their ids. Without `on_gap`, the logger
        `oms_client` gets a warning.

        `type` has types such as `order.*,stock.low`. `wait=False` ends at the last event that there is now.
        """
        exchange = self._sender.exchange
        return self._sender.iterate(follow(exchange, after, type, poll_seconds, on_gap, wait=wait))


class AsyncFeedReader(AsyncGroup):
    """The feed of events."""

    def follow(
        self,
        after: str | None = None,
        *,
        type: str | None = None,
        poll_seconds: float = 2,
        on_gap: Gap | None = None,
        wait: bool = True,
    ) -> AsyncIterator[EventResponse]:
        """Yields the events of the feed in their order, and waits for further ones.

        `after` is the id of the last event that you have processed, or `latest`; without it, the feed starts with the
        oldest event, of 90 days ago. Store the id of each event once it is processed, and resume with it. After a lost
        connection, a 429 or a 5xx it continues, however long that lasts.

        If the place is older than the feed (410), events are missing: `on_gap` is called with the place, and the feed
        continues with its oldest event. Events may be repeated then, so compare their ids. Without `on_gap`, the logger
        `oms_client` gets a warning.

        `type` has types such as `order.*,stock.low`. `wait=False` ends at the last event that there is now.
        """
        exchange = self._sender.exchange
        return self._sender.iterate(follow(exchange, after, type, poll_seconds, on_gap, wait=wait))


class FileImporter(Group):
    """Imports of files."""

    def import_file(
        self,
        content: bytes,
        *,
        kind: ImportKind,
        format: ImportFormat = "csv",
        mode: ImportMode = "upsert",
        dry_run: bool = False,
        idempotency_key: str | None = None,
        progress: Progress | None = None,
    ) -> ImportResult:
        """Imports a file: creates the import, uploads the content, starts it, and waits for its end.

        Raises ImportFailedError if the whole import fails. Rows that fail alone are in the result. The same content is
        imported once: a repetition continues with the import, also after an interruption, and `replayed` of the result
        is true if it was finished before. To import it once more, pass another `idempotency_key`.
        """
        options = {"kind": kind, "format": format, "mode": mode, "dry_run": dry_run}
        flow = import_file(self._sender.exchange, content, options, idempotency_key, progress)
        return self._sender.run(flow)


class AsyncFileImporter(AsyncGroup):
    """Imports of files."""

    async def import_file(
        self,
        content: bytes,
        *,
        kind: ImportKind,
        format: ImportFormat = "csv",
        mode: ImportMode = "upsert",
        dry_run: bool = False,
        idempotency_key: str | None = None,
        progress: Progress | None = None,
    ) -> ImportResult:
        """Imports a file: creates the import, uploads the content, starts it, and waits for its end.

        Raises ImportFailedError if the whole import fails. Rows that fail alone are in the result. The same content is
        imported once: a repetition continues with the import, also after an interruption, and `replayed` of the result
        is true if it was finished before. To import it once more, pass another `idempotency_key`.
        """
        options = {"kind": kind, "format": format, "mode": mode, "dry_run": dry_run}
        flow = import_file(self._sender.exchange, content, options, idempotency_key, progress)
        return await self._sender.run(flow)
