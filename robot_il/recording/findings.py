"""One finding on a recording, and how bad it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FAIL: Final = "fail"
WARN: Final = "warn"
OK: Final = "ok"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: identifier of the check.
        severity: ``fail`` (do not learn from it), ``warn`` (look at it) or ``ok``.
        count: how many ticks, or whatever ``text`` names.
        text: the finding in words, with units.
    """

    name: str
    severity: str
    count: int
    text: str


def graded(name: str, count: int, total: int, what: str, warn_share: float, fail_share: float = 2.0) -> Finding:
    """A finding by its share of the ticks.

    Args:
        name: of the check.
        count: ticks that have it.
        total: ticks that were looked at.
        what: in words.
        warn_share: share above which it is to be looked at.
        fail_share: share above which the recording fails; by default none.
    """
    share = count / max(1, total)
    severity = FAIL if share > fail_share else WARN if share > warn_share else OK
    return Finding(name, severity, count, f"{what}: {count} ({100 * share:.2g} %)")
