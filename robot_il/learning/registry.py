"""Every method this project trains; a new one is one file and one line here."""

from __future__ import annotations

from robot_il.errors import ConfigError
from robot_il.learning.algorithms import (
    airl,
    bc,
    bc_dynamics,
    bc_dynamics_2phase,
    contradice,
    d2mil,
    dagger,
    demodice,
    dmil,
    dpo,
    dwbc,
    gail,
    iq_learn,
    linear,
    maxent_irl,
    oril,
    reward_model,
    smodice,
    uniq,
    valuedice,
)
from robot_il.learning.learner import Method

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        linear.METHOD,
        bc.METHOD,
        bc_dynamics.METHOD,
        bc_dynamics_2phase.METHOD,
        dmil.METHOD,
        d2mil.METHOD,
        valuedice.METHOD,
        iq_learn.METHOD,
        oril.METHOD,
        dwbc.METHOD,
        uniq.METHOD,
        contradice.METHOD,
        demodice.METHOD,
        smodice.METHOD,
        dagger.METHOD,
        dpo.METHOD,
        maxent_irl.METHOD,
        gail.METHOD,
        airl.METHOD,
        reward_model.METHOD,
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
