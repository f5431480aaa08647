"""A step recorded once on a GPU, as a CUDA graph, and replayed: one request in place of some hundred."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

WARM_UP_STEPS = 3
"""Steps taken as they are before one is recorded: libraries set themselves up at first use, which no graph can hold."""


class Replayed:
    """A function without arguments and result, called again and again, and on a GPU recorded and replayed.

    What it is to leave behind it must write into tensors that are there already.

    Args:
        function: see ``Learner.move`` for what it may not do.
        device: where it computes.
        generators: all that it draws from.

    Attributes:
        refused: why it could not be recorded; empty where it could, or has not been tried.
    """

    def __init__(
        self, function: Callable[[], object], device: torch.device, generators: Sequence[torch.Generator]
    ) -> None:
        self._function, self._generators = function, generators
        self._recordable = device.type == "cuda"
        self._stream = torch.cuda.Stream() if self._recordable else None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._called = 0
        self.refused = ""

    def forbid(self) -> None:
        """Has it called as it is, always."""
        self._recordable = False

    def __call__(self) -> None:
        """Calls it, or replays what it did."""
        if self._graph is None and self._recordable and self._called >= WARM_UP_STEPS:
            self._record()
        if self._graph is not None:
            self._graph.replay()
            return
        if self._recordable and self._stream is not None:
            self._warm_up(self._stream)
        else:
            self._function()
        self._called += 1

    def _warm_up(self, stream: torch.cuda.Stream) -> None:
        """On a stream of its own, as recording will be."""
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._function()
        torch.cuda.current_stream().wait_stream(stream)

    def _record(self) -> None:
        """Records one call, which does not take place; where that cannot be done, none is tried again."""
        graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            graph.register_generator_state(generator)
        try:
            with torch.cuda.graph(graph):
                self._function()
        except RuntimeError as error:
            self._recordable = False
            self.refused = str(error).strip().splitlines()[0]
            return
        self._graph = graph
