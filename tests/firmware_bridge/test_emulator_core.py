"""The emulated core by itself: sleeping, waking, faults, calls; with programs of a few instructions."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_bridge.elf import Elf
from robot_il.errors import ConfigError
from tests.firmware_bridge.image_tools import ADD_R4, FLASH, JUMP_TO_ITSELF, NOP, RETURN, SLEEP, UNDEFINED, by_hand

pytest.importorskip("unicorn", reason="unicorn is not installed; pip install '.[firmware]'")

from unicorn import arm_const

from firmware_bridge.processor import Processor

SYSTICK = 15
COUNT_AND_SLEEP = (ADD_R4, SLEEP, 0xE7FC)  # r4 += 1; wfi; back to the beginning


def r4(core: Processor) -> int:
    return core._unicorn.reg_read(arm_const.UC_ARM_REG_R4)


def test_a_core_sleeps_at_wfi_and_stays_asleep():
    core = Processor(by_hand(*COUNT_AND_SLEEP))
    for _ in range(3):
        core.run(1000)
        assert (core.asleep, r4(core)) == (True, 1)


def test_an_interrupt_wakes_the_core_behind_its_wfi():
    core = Processor(by_hand(*COUNT_AND_SLEEP))
    core.run(1000)
    for wakes in range(2, 5):
        core.interrupt(SYSTICK)
        core.run(1000)
        assert (core.asleep, r4(core)) == (True, wakes)


def test_a_handler_leaves_the_interrupted_program_its_registers():
    spoils_r0_to_r3 = (0x2001, 0x2102, 0x2203, 0x2304, RETURN)
    keeps_r0 = (0x202A, SLEEP, 0x1824, SLEEP)  # r0 = 42; wfi; r4 += r0; wfi
    core = Processor(by_hand(*keeps_r0, handler=spoils_r0_to_r3))
    core.run(1000)
    core.interrupt(SYSTICK)
    core.run(1000)
    assert r4(core) == 42


def test_a_core_that_never_sleeps_goes_on_where_it_was():
    core = Processor(by_hand(ADD_R4, 0xE7FD))
    for runs in range(1, 4):
        core.run(1000)
        assert (core.asleep, r4(core)) == (False, runs * 500)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ((NOP, UNDEFINED), "UC_ERR"),
        ((0x2000, 0x6000, JUMP_TO_ITSELF), "UC_ERR_WRITE_UNMAPPED"),  # r0 = 0; *r0 = r0
        ((0x2000, 0x3808, 0x6800, JUMP_TO_ITSELF), "UC_ERR_READ_UNMAPPED"),  # r0 = -8; r0 = *r0
        ((0x2000, 0x4685, 0xB401, JUMP_TO_ITSELF), "UC_ERR_WRITE_UNMAPPED"),  # sp = 0; push r0: the stack is used up
    ],
    ids=["undefined", "write", "read", "stack"],
)
def test_a_fault_is_named_and_leads_to_the_handler_for_faults(code, reason):
    core = Processor(by_hand(*code, fault=(ADD_R4, JUMP_TO_ITSELF)))
    core.run(1000)
    core.run(1000)
    assert reason in core.crash
    assert (core.asleep, r4(core)) == (False, 1)


def test_a_fault_in_a_handler_is_named_too():
    core = Processor(by_hand(SLEEP, handler=(UNDEFINED,)))
    core.run(1000)
    core.interrupt(SYSTICK)
    assert "UC_ERR" in core.crash


def test_a_reset_begins_anew_and_forgets_the_fault():
    core = Processor(by_hand(ADD_R4, UNDEFINED))
    core.run(1000)
    core.reset()
    assert (core.crash, core.asleep) == ("", False)
    core.run(1000)
    assert r4(core) == 2


def test_a_call_returns_r0_and_leaves_the_program_where_it_was():
    core = Processor(by_hand(*COUNT_AND_SLEEP, 0x1840, RETURN))  # r0 += r1
    core.run(1000)
    assert core.call(FLASH + 0x80 + 6, 40, 2) == 42
    core.interrupt(SYSTICK)
    core.run(1000)
    assert (core.asleep, r4(core)) == (True, 2)


@pytest.mark.parametrize("address", [FLASH - 4, FLASH + 2**20 - 2, 0x20000000])
def test_an_image_outside_the_flash_is_refused(address):
    with pytest.raises(ConfigError, match="within the 1048576 bytes of flash"):
        Processor(Elf(Path("elsewhere.elf"), ((address, bytes(4)),), {}))
