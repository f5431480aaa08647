"""The settings of a method: a frozen dataclass, checked when made, and made from ``key=value`` words."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from robot_il.errors import ConfigError

DEMONSTRATIONS = {"expert": ("expert",), "all": ("expert", "suboptimal", "unlabeled")}
"""What the ``data`` setting of a method that imitates one kind of demonstration chooses between."""


@dataclass(frozen=True, kw_only=True)
class MethodConfig:
    """Settings common to all methods.

    Attributes:
        steps: most steps to train.
        batch: rows drawn from each source in a step.
        evaluate_every: steps between looks at the held-out episodes.
        checkpoint_every: steps between checkpoints; a multiple of ``evaluate_every``.
        patience_steps: stop when the held-out score has not improved for this many steps and ``patience_share`` of the
            best step besides; 0 trains all steps and keeps the last.
        patience_share: see ``patience_steps``; the later the best step, the slower the progress to be waited for.
        keep_policies: keep the policy of the last step and of the steps that double (``evaluate_every`` times 1, 2, 4,
            ...) beside the chosen one, for ``robot-il select`` to try in the twin.
    """

    steps: int = 10_000
    batch: int = 256
    evaluate_every: int = 50
    checkpoint_every: int = 500
    patience_steps: int = 500
    patience_share: float = 0.25
    keep_policies: bool = True

    def __post_init__(self) -> None:
        self.require(self.steps >= 1, "steps", "at least 1")
        self.require(self.batch >= 1, "batch", "at least 1")
        self.require(self.evaluate_every >= 1, "evaluate_every", "at least 1")
        self.require(self.patience_steps >= 0, "patience_steps", "0 or more")
        self.require(self.patience_share >= 0, "patience_share", "0 or more")
        whole = self.checkpoint_every >= 1 and self.checkpoint_every % self.evaluate_every == 0
        self.require(whole, "checkpoint_every", f"a multiple of evaluate_every={self.evaluate_every}")

    def require(self, holds: bool, name: str, expected: str) -> None:
        """Raises unless ``holds``.

        Raises:
            ConfigError: naming the setting, what it should be and what it is.
        """
        if not holds:
            raise ConfigError(f"{name} {expected}", f"{name}={getattr(self, name)}", f"give another with --set {name}=")

    def sources(self) -> dict[str, tuple[str, ...]]:
        """For each part the data play in the method, the labels that serve; each part needs rows of one of them."""
        return {"demonstrations": DEMONSTRATIONS["expert"]}

    def needs_environment(self) -> bool:
        """Whether it must drive somewhere, or ask an expert, while it trains; see ``environment.py``."""
        return False

    def takes_preferences(self) -> bool:
        """Whether it learns from pairs of segments, drawn from labels or named in a file; see ``preferences.py``."""
        return False

    @classmethod
    def parse(cls, settings: Mapping[str, str]) -> Self:
        """A config from words, as ``--set key=value`` gives them; the rest keeps its default.

        Raises:
            ConfigError: an unknown key, or a value that cannot be used.
        """
        types = typing.get_type_hints(cls)
        allowed = [field.name for field in fields(cls)]
        values = {}
        for key, word in settings.items():
            if key not in allowed:
                raise ConfigError(f"a setting out of {', '.join(allowed)}", repr(key), "correct the name after --set")
            values[key] = _value(key, word, types[key])
        return cls(**values)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of ``as_dict``.

        Raises:
            ConfigError: a value out of its bounds.
        """
        settings: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**settings)

    def as_dict(self) -> dict[str, Any]:
        """Every setting by name, as JSON knows it (tuples become lists)."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in dataclasses.asdict(self).items()
        }


def settings_from_words(words: Iterable[str]) -> dict[str, str]:
    """``["key=value", ...]`` as a dictionary.

    Raises:
        ConfigError: a word without ``=``, or a key given twice.
    """
    settings: dict[str, str] = {}
    for word in words:
        key, separator, value = word.partition("=")
        if not separator or not key or key in settings:
            raise ConfigError("key=value, each key once", repr(word), "write for example --set steps=2000")
        settings[key] = value
    return settings


def _value(key: str, word: str, kind: Any) -> Any:
    choices = typing.get_args(kind)
    try:
        if typing.get_origin(kind) is typing.Literal:
            if word not in choices:
                raise ValueError
            return word
        if typing.get_origin(kind) is tuple:
            return tuple(_number(part, choices[0]) for part in word.split(","))
        return _number(word, kind)
    except ValueError as error:
        expected = " or ".join(map(str, choices)) if typing.get_origin(kind) is typing.Literal else _described(kind)
        raise ConfigError(f"{key} as {expected}", repr(word), f"correct --set {key}=") from error


def _number(word: str, kind: type) -> bool | int | float:
    if kind is bool:
        if word.lower() not in ("true", "false", "1", "0"):
            raise ValueError(word)
        return word.lower() in ("true", "1")
    value = kind(word)
    if not math.isfinite(value):
        raise ValueError(word)
    return value


def _described(kind: Any) -> str:
    if typing.get_origin(kind) is tuple:
        return f"{_described(typing.get_args(kind)[0])}s, separated by commas"
    return {bool: "true or false", int: "a whole number", float: "a finite number"}[kind]
