"""Every method this project trains; a new one is one file and one line here."""

from __future__ import annotations

from robot_il.errors import ConfigError
from robot_il.learning.algorithms import bc, d2mil, dmil, linear
from robot_il.learning.learner import Method

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        linear.METHOD,
        bc.METHOD,
        dmil.METHOD,
        d2mil.METHOD,
    )
}


def find_method(name: str) -> Method:
    """The method of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in METHODS:
        raise ConfigError(f"a method out of {', '.join(METHODS)}", repr(name), "see robot-il train --list")
    return METHODS[name]
