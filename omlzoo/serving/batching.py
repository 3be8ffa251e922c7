"""Batches of requests: when the model is free, all waiting requests go through it together."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

__all__ = ["Batcher", "Busy"]


class Busy(Exception):
    """More requests wait than is allowed."""


class Batcher:
    """Threads that compute batches; the free ones share the items that wait.

    Args:
        compute: Computes from a batch an answer for each item; an answer that is an exception is raised for its item
            alone.
        most: The largest number of items in a batch.
        waiting: The largest number of items that wait.
        workers: Number of batches that are computed at the same time.
        seen: Called with the size of every batch.

    Attributes:
        running: Number of batches that are being computed.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[Any]], Sequence[Any]],
        most: int = 32,
        waiting: int = 256,
        workers: int = 1,
        seen: Callable[[int], None] = lambda size: None,
    ) -> None:
        self.compute, self.most, self.workers, self.seen = compute, most, workers, seen
        self.queue: asyncio.Queue[tuple[Any, asyncio.Future[Any]]] = asyncio.Queue(waiting)
        self.threads = ThreadPoolExecutor(workers, thread_name_prefix="omlzoo-model")
        self.tasks: list[asyncio.Task[None]] = []
        self.running = 0

    async def __call__(self, item: Any) -> Any:
        """The answer to one item.

        Raises:
            Busy: Too many items wait.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        try:
            self.queue.put_nowait((item, answer))
        except asyncio.QueueFull as error:
            raise Busy from error
        return await answer

    def start(self) -> None:
        """Start the workers in the running event loop."""
        self.tasks = [asyncio.get_running_loop().create_task(self._run()) for _ in range(self.workers)]

    async def stop(self) -> None:
        """Stop the workers; items that still wait are cancelled."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        while not self.queue.empty():
            self.queue.get_nowait()[1].cancel()
        self.threads.shutdown(wait=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self.queue.get()]
            free = self.workers - self.running
            share = min(self.most, -(-(1 + self.queue.qsize()) // free))
            while len(batch) < share and not self.queue.empty():
                batch.append(self.queue.get_nowait())
            batch = [(item, answer) for item, answer in batch if not answer.done()]  # cancelled requests
            if not batch:
                continue
            self.seen(len(batch))
            self.running += 1
            try:
                answers = await loop.run_in_executor(self.threads, self.compute, [item for item, _ in batch])
            except asyncio.CancelledError:
                for _, answer in batch:
                    answer.cancel()
                raise
            except Exception as error:  # one batch must not end the server; each of its requests gets the error
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            finally:
                self.running -= 1
            for (_, answer), result in zip(batch, answers, strict=True):
                if answer.done():
                    continue
                if isinstance(result, Exception):
                    answer.set_exception(result)
                else:
                    answer.set_result(result)
