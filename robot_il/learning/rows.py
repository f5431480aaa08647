"""Transitions as one matrix, so that drawing a batch is one gather and joining batches is one copy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from robot_il.learning.devices import CPU, random_rows


@dataclass(frozen=True)
class Rows:
    """N transitions in network coordinates.

    Attributes:
        table: float32 (N, 2S + 3A): state | action clipped for input | action | log volume | scaled change of state.
        states: S.
        actions: A.
    """

    table: Tensor
    states: int
    actions: int

    def __post_init__(self) -> None:
        width = self.width(self.states, self.actions)
        if self.table.ndim != 2 or self.table.shape[1] != width:
            raise ValueError(f"expected a table of width {width}; came {tuple(self.table.shape)}")

    @classmethod
    def width(cls, states: int, actions: int) -> int:
        """Number of columns."""
        return 2 * states + 3 * actions

    @classmethod
    def join(cls, state: Tensor, action: Tensor, log_volume: Tensor, change: Tensor, clip: float) -> Rows:
        """From states and scaled changes (N, S), actions v and their log volumes (N, A)."""
        table = torch.cat([state, action.clamp(-clip, clip), action, log_volume, change], dim=1)
        return cls(table, state.shape[1], action.shape[1])

    @classmethod
    def stack(cls, *parts: Self) -> Self:
        """All rows of the parts, in order."""
        return cls(torch.cat([part.table for part in parts]), parts[0].states, parts[0].actions)

    def __len__(self) -> int:
        """N."""
        return self.table.shape[0]

    def draw(self, count: int, generator: torch.Generator) -> Self:
        """``count`` rows, uniformly and with replacement."""
        index = random_rows(len(self), count, generator, self.table.device)
        return type(self)(self.table.index_select(0, index), self.states, self.actions)

    def to(self, device: torch.device) -> Self:
        """The same rows on a device."""
        return type(self)(self.table.to(device), self.states, self.actions)

    def blocks(self, size: int = 65_536) -> Iterator[Self]:
        """All rows in blocks of at most ``size``, for passes that should not need memory for all at once."""
        for table in self.table.split(size):
            yield type(self)(table, self.states, self.actions)

    def first(self, count: int) -> Self:
        """The first ``count`` rows, or all where there are fewer; a view."""
        return type(self)(self.table[:count], self.states, self.actions)

    @property
    def state(self) -> Tensor:
        """Standardised, clipped states, (N, S)."""
        return self.table[:, : self.states]

    @property
    def inputs(self) -> Tensor:
        """State and clipped action beside each other, (N, S + A)."""
        return self.table[:, : self.states + self.actions]

    @property
    def action(self) -> Tensor:
        """Standardised pre-tanh actions v, (N, A)."""
        start = self.states + self.actions
        return self.table[:, start : start + self.actions]

    @property
    def log_volume(self) -> Tensor:
        """Their log |dv/da|, (N, A)."""
        start = self.states + 2 * self.actions
        return self.table[:, start : start + self.actions]

    @property
    def change(self) -> Tensor:
        """Change of state until the next step, divided by its spread, (N, S)."""
        return self.table[:, self.states + 3 * self.actions :]


class Ring:
    """A first-in-first-out store of rows with a fixed capacity, on one device."""

    kind: type[Rows] = Rows

    def __init__(self, capacity: int, states: int, actions: int, device: torch.device = CPU) -> None:
        self.capacity = capacity
        table = torch.zeros(capacity, self.kind.width(states, actions), device=device)
        self._rows = self.kind(table, states, actions)
        self._next = 0
        self._size = 0

    def __len__(self) -> int:
        """Rows in store."""
        return self._size

    def add(self, rows: Rows) -> None:
        """Stores the rows, over the oldest where it is full; of more than the capacity, the last ones."""
        table = rows.table[-self.capacity :]
        index = (self._next + torch.arange(len(table), device=table.device)) % self.capacity
        self._rows.table.index_copy_(0, index, table)
        self._next = (self._next + len(table)) % self.capacity
        self._size = min(self._size + len(table), self.capacity)

    def draw(self, count: int, generator: torch.Generator) -> Rows:
        """``count`` rows, uniformly and with replacement."""
        return self.rows().draw(count, generator)

    def rows(self) -> Rows:
        """What is in store; a view."""
        return self._rows.first(self._size)

    def state(self) -> dict[str, Tensor | int]:
        """Everything needed to go on exactly here."""
        return {"table": self._rows.table.clone(), "next": self._next, "size": self._size}

    def restore(self, state: dict) -> None:
        """Goes back to what ``state`` returned."""
        self._rows.table.copy_(state["table"])
        self._next, self._size = int(state["next"]), int(state["size"])
