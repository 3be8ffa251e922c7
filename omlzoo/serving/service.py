"""The service that answers requests: an open index, its model, and the threads that decode and compute."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from fastapi import HTTPException, UploadFile
from prometheus_client import CollectorRegistry, Histogram
from starlette.concurrency import run_in_threadpool

from omlzoo.catalog import shared
from omlzoo.embedding.options import Runtime
from omlzoo.errors import BadImage, OmlzooError, notice
from omlzoo.index.index import Index
from omlzoo.serving.answers import OWN, Request, answers
from omlzoo.serving.batching import Batcher, Busy
from omlzoo.serving.limits import Limits
from omlzoo.serving.parsing import parse_box
from omlzoo.serving.pictures import Pictures, check_upload
from omlzoo.serving.row_facts import RowFacts
from omlzoo.serving.threads import threads_that_pay

__all__ = ["TURNS", "Service"]

Result = TypeVar("Result")
TURNS = 4  # images decoded at the same time, which bounds the memory
REPEATED = 80  # characters of a text that a message repeats


class Service:
    """An open index that answers many requests at once.

    Args:
        index: An open index; its model, and its text tower if it has one, are opened by this call.
        limits: Limits of size, pixels and time.
        roots: Folders whose pictures are shown; by default the folder where the table's relative paths start.
        runtime: "torch", or "onnx": ONNX Runtime, see :func:`omlzoo.embed`.
    """

    def __init__(self, index: Index, limits: Limits, roots: Sequence[Path] = (), runtime: Runtime = "torch") -> None:
        self.index, self.limits = index, limits
        self.encoder = index.encoder.with_runtime(runtime)
        self.pipeline = self.encoder.pipeline()
        self.pictures, self.row_facts = Pictures(index, roots), RowFacts(index)
        self.reads_texts = self._opens_text_tower()
        self.registry = CollectorRegistry()
        self.turns = asyncio.Semaphore(TURNS)
        sizes = Histogram("omlzoo_batch", "Pictures of a batch", buckets=(1, 2, 4, 8, 16, 32), registry=self.registry)
        self.cores = torch.get_num_threads()
        self.threads = self._threads_of_one()
        workers = self.cores if self.pipeline.device.type == "cpu" else 1
        self.batcher = Batcher(self._compute, waiting=limits.waiting, workers=workers, seen=sizes.observe)
        hidden = [name for name in OWN if name in index.embeddings.table]
        if hidden:
            columns = ", ".join(hidden)
            notice(f"the table's columns {columns} are not shown: answers have keys of these names of their own")

    async def pixels(self, image: UploadFile, box: str | None) -> torch.Tensor:
        """A request's picture, decoded and cropped: (3, H, W) uint8.

        Args:
            image: The uploaded file.
            box: The field "left,top,right,bottom" in pixels; None takes the whole picture.

        Raises:
            BadImage: The picture cannot be read or has too many pixels.
            Busy: Too many requests wait for the model.
        """
        sides = parse_box(box)

        def decode() -> torch.Tensor:
            content = image.file.read()  # not before it is this one's turn, which bounds the memory
            check_upload(content, self.limits)
            (pixels,), (error,) = self.pipeline.decode([(content, sides)])
            if pixels is None:
                raise BadImage(error)
            return pixels

        if self.batcher.queue.full():
            raise Busy
        return await self.in_turn(decode)

    async def in_turn(self, work: Callable[[], Result]) -> Result:
        """What a function gives that decodes a picture or goes through the table; few run at the same time.

        Raises:
            Busy: Its turn did not come in time.
        """
        try:
            async with asyncio.timeout(self.limits.seconds if self.turns.locked() else None):
                await self.turns.acquire()
        except TimeoutError as error:
            raise Busy from error
        try:
            return await run_in_threadpool(work)
        finally:
            self.turns.release()

    def words(self, text: str | None) -> str:
        """A request's text, checked for words that can be searched for.

        Raises:
            HTTPException: Status 422: the model has no text tower, or the text has no words.
        """
        if not self.reads_texts:
            model = self.index.embeddings.record.model
            raise HTTPException(422, f"{model} has no text tower; give image or item")
        words = (text or "").encode("utf-8", "replace").decode()  # half of a surrogate pair is no text
        if not self.index.encoder.text_model().tokens.has_words(words):  # otherwise its whole batch would fail
            raise HTTPException(422, f"the text {words[:REPEATED]!r} has no words; describe what to look for")
        return words

    async def answer(self, request: Request) -> Any:
        """The vector (D,), or the hits, that a request asks for.

        Raises:
            HTTPException: Status 503: the model did not answer in time.
            Busy: Too many requests wait for the model.
        """
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await self.batcher(request)
        except TimeoutError as error:
            raise HTTPException(503, "the model did not answer in time; try again") from error

    def facts(self) -> dict[str, Any]:
        """The facts of model and index that the page needs."""
        index, record = self.index, self.index.embeddings.record
        return {
            "model": record.model, "dim": record.dim, "rows": index.size, "similarity": index.similarity,
            "backend": index.backend, "recall": None if index.recall is None else index.recall.value,
            "thresholds": [] if index.calibration is None else [cut.name for cut in index.calibration.cut_points],
            "filters": self.row_facts.choices(), "limits": vars(self.limits), "texts": self.reads_texts,
            "parts": "x_1" in index.embeddings.table, "reranking": list(shared("rerank._candidates", "METHODS")),
        }  # fmt: skip

    def _compute(self, batch: Sequence[Request]) -> list[Any]:
        share = self.cores // max(1, self.batcher.running)  # batches that are computed at once share the cores
        torch.set_num_threads(max(1, min(share, self.threads * len(batch))))  # of this thread
        return answers(self.index, self.encoder, self.row_facts, batch)

    def _threads_of_one(self) -> int:
        """Threads of torch that one picture is worth: one where an engine has its own, or a GPU computes."""
        if self.pipeline.device.type != "cpu":
            return 1
        height, width = self.pipeline.transform.preprocess.crop
        black = torch.zeros(3, height, width, dtype=torch.uint8)
        return threads_that_pay(lambda: self.pipeline.vectors([black]), self.cores)

    def _opens_text_tower(self) -> bool:
        """Whether texts can be searched for; the tower is opened now, not at the first request."""
        if not self.index.encoder.reads_texts:
            return False
        try:
            self.index.encoder.text_model()
        except OmlzooError as error:
            notice(f"texts are not searched for: {error}")
            return False
        return True
