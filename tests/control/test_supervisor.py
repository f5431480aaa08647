"""Every state meets every event; the expected outcomes stand here a second time, written out as a person reads them."""

from __future__ import annotations

import pytest

from robot_il.control.supervisor import Reason, Supervisor, SupervisorEvent, SupervisorState

S, E = SupervisorState, SupervisorEvent
# rows: events; columns: DISARMED ARMING RUNNING FALLBACK SAFE_STOP FAULT; "." stays
EXPECTED = """
ARM_REQUESTED       ARMING  .          .          .          .         .
MCU_ARMED           .       RUNNING    .          .          .         .
ARM_REFUSED         .       SAFE_STOP  .          .          .         .
CONTROLLER_FAILED   .       .          FALLBACK   .          .         .
CONTROLLER_SLOW     .       .          FALLBACK   .          .         .
CONTROLLER_LATE     .       .          FALLBACK   .          .         .
REGION_LEFT         .       .          FALLBACK   .          .         .
REGION_REGAINED     .       .          .          RUNNING    .         .
OBSERVATION_INVALID .       SAFE_STOP  SAFE_STOP  SAFE_STOP  .         .
OBSERVATION_REPEATED .      SAFE_STOP  FALLBACK   .          .         .
OBSERVATION_STALE   .       SAFE_STOP  FALLBACK   .          .         .
OBSERVATION_LOST    .       SAFE_STOP  SAFE_STOP  SAFE_STOP  .         .
OPERATOR_SILENT     .       .          FALLBACK   .          .         .
OPERATOR_LOST       .       SAFE_STOP  FALLBACK   .          .         .
STOP_REQUESTED      .       SAFE_STOP  FALLBACK   .          .         .
SETTLED             .       .          .          SAFE_STOP  .         .
TILT_EXCEEDED       .       SAFE_STOP  SAFE_STOP  SAFE_STOP  .         .
MCU_STOPPED         .       FAULT      FAULT      FAULT      FAULT     .
MCU_DISARMED        .       .          .          .          DISARMED  .
LINK_LOST           FAULT   FAULT      FAULT      FAULT      FAULT     FAULT
"""
ROWS = [line.split() for line in EXPECTED.strip().splitlines()]
CASES = [(state, E[row[0]], row[1 + int(state)]) for row in ROWS for state in S]


def test_the_expectation_covers_every_event() -> None:
    assert {row[0] for row in ROWS} == set(E.__members__)


@pytest.mark.parametrize(("state", "event", "following"), CASES)
def test_every_state_meets_every_event(state: S, event: E, following: str) -> None:
    supervisor = Supervisor()
    supervisor.state = state
    supervisor.handle(event)
    assert supervisor.state is (state if following == "." else S[following])


LEAVES_RUNNING = set(E) - {E.ARM_REQUESTED, E.MCU_ARMED, E.ARM_REFUSED, E.REGION_REGAINED, E.SETTLED, E.MCU_DISARMED}


@pytest.mark.parametrize("event", sorted(LEAVES_RUNNING, key=lambda event: event.name))
def test_whatever_goes_wrong_leaves_running_and_says_why(event: E) -> None:
    supervisor = Supervisor()
    supervisor.state = S.RUNNING
    assert supervisor.handle(event)
    assert supervisor.state in (S.FALLBACK, S.SAFE_STOP, S.FAULT)
    assert supervisor.reasons == Reason[event.name]


def test_every_reason_is_an_event_and_has_a_bit_of_its_own() -> None:
    assert set(Reason.__members__) <= set(E.__members__)
    assert len({int(reason) for reason in Reason}) == len(Reason.__members__)


def test_reasons_gather_until_the_next_arming() -> None:
    supervisor = Supervisor()
    for event in (E.ARM_REQUESTED, E.MCU_ARMED, E.REGION_LEFT, E.STOP_REQUESTED, E.SETTLED, E.MCU_DISARMED):
        supervisor.handle(event)
    assert supervisor.reasons == Reason.REGION_LEFT | Reason.STOP_REQUESTED
    supervisor.handle(E.ARM_REQUESTED)
    assert supervisor.reasons == Reason(0)


def test_an_event_that_changes_nothing_leaves_no_reason() -> None:
    supervisor = Supervisor()
    assert not supervisor.handle(E.REGION_LEFT)
    assert supervisor.reasons == Reason(0)
