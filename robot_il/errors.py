"""Every error this project raises on purpose.

    RobotIlError
    ├── ConfigError      a setting, robot profile or command-line value that cannot be used
    ├── LinkError        a serial port that is missing, busy, silent or gone
    ├── ProtocolError    a peer that speaks another protocol, version or spec
    ├── ArmingError      the arming checklist refused
    ├── LogError         a recording that is foreign, cut or damaged
    ├── DataError        a dataset that cannot be trained on
    ├── TrainingError    a training run that diverged or cannot be resumed
    └── PolicyError      a policy file of another shape, task, spec or content

Each message is one line and says three things: what was expected, what came, and what to do next.
"""

from __future__ import annotations


class RobotIlError(Exception):
    """Base of all errors raised on purpose; the command line prints it as one line and exits with 1.

    Args:
        expected: what would have been right.
        came: what was found instead, with the offending value.
        remedy: what the person can do about it.
    """

    def __init__(self, expected: str, came: str, remedy: str) -> None:
        super().__init__(f"expected {expected}; came {came}; {remedy}")
        self.expected = expected
        self.came = came
        self.remedy = remedy


class ConfigError(RobotIlError):
    """A setting, robot profile or command-line value that cannot be used."""


class LinkError(RobotIlError):
    """A serial port that is missing, busy, silent or gone."""


class ProtocolError(RobotIlError):
    """A peer that speaks another protocol, version or spec."""


class ArmingError(RobotIlError):
    """The arming checklist refused."""


class LogError(RobotIlError):
    """A recording that is foreign, cut or damaged."""


class DataError(RobotIlError):
    """A dataset that cannot be trained on."""


class TrainingError(RobotIlError):
    """A training run that diverged or cannot be resumed."""


class PolicyError(RobotIlError):
    """A policy file of another shape, task, spec or content."""
