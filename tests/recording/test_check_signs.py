"""Every sign that can be wrong is injected into a good recording, and found; a good recording is never blamed."""

import dataclasses

import numpy as np
import pytest

from robot_il.recording.check import check
from robot_il.recording.motion import Motion, unbroken
from robot_il.recording.reader import read_log
from robot_il.recording.signs import look_at_signs
from robot_il.spec import Mode
from tests.recording.conftest import plausible_ticks, write_log
from tests.recording.driving import driving_ticks

EVERY_SIGN = (
    "pitch_rate",
    "yaw_rate",
    "velocity",
    "wheel_velocity_left",
    "wheel_velocity_right",
    "both wheels",
    "left wheel",
    "turning",
    "accel_x",
    "torque on velocity",
    "torque on pitch_rate",
    "accel_z",
)


@pytest.fixture(scope="module")
def good() -> np.ndarray:
    return driving_ticks()


def severities(ticks: np.ndarray) -> dict[str, str]:
    return {finding.name.removeprefix("sign of "): finding.severity for finding in look_at_signs(ticks, 200)}


@pytest.mark.parametrize("seed", range(5))
def test_a_good_drive_has_every_sign_right_and_enough_movement_to_tell(seed):
    found = list(look_at_signs(driving_ticks(seed=seed), 200))
    assert {finding.name.removeprefix("sign of ") for finding in found} == set(EVERY_SIGN)
    assert {finding.severity for finding in found} == {"ok"}
    assert not [finding.text for finding in found if "too little" in finding.text]


@pytest.mark.parametrize(
    ("flipped", "caught_by"),
    [
        (["pitch_rate"], {"pitch_rate"}),
        (["pitch"], {"pitch_rate", "accel_x"}),
        (["pitch", "pitch_rate"], {"accel_x", "torque on pitch_rate"}),
        (["yaw_rate"], {"yaw_rate", "turning"}),
        (["yaw", "yaw_rate"], {"turning"}),
        (["velocity"], {"velocity", "both wheels", "torque on velocity"}),
        (["position"], {"velocity"}),
        (["wheel_velocity_left"], {"wheel_velocity_left"}),
        (["wheel_velocity_right"], {"wheel_velocity_right"}),
        (["wheel_velocity_left", "wheel_position_left"], {"left wheel"}),
        (["accel_x"], {"accel_x"}),
        (["accel_z"], {"accel_z"}),
        (
            ["applied_left", "applied_right", "sent_left", "sent_right"],
            {"torque on velocity", "torque on pitch_rate"},
        ),
    ],
    ids=lambda names: "+".join(sorted(names)),
)
def test_each_flipped_sign_fails_where_another_signal_betrays_it(good, flipped, caught_by):
    ticks = good.copy()
    for name in flipped:
        ticks[name] *= -1
    found = severities(ticks)
    assert {name for name, severity in found.items() if severity == "fail"} >= caught_by


def test_a_flipped_sign_makes_the_recording_unfit(tmp_path, good):
    log = read_log(write_log(tmp_path / "good.mcap", good))
    assert check(log).passed
    ticks = good.copy()
    ticks["wheel_velocity_left"] *= -1
    report = check(dataclasses.replace(log, ticks=ticks))
    failed = [finding for finding in report.findings if finding.severity == "fail"]
    assert [finding.name for finding in failed] == ["sign of wheel_velocity_left", "sign of left wheel"]
    assert "one of the two is flipped: correlation with the change of wheel_position_left -1.00" in failed[0].text


def test_one_motor_that_is_turned_against_what_it_is_sent_is_disagreement(tmp_path, good):
    ticks = good.copy()
    ticks["applied_left"] *= -1
    failed = [f.name for f in check(read_log(write_log(tmp_path / "bad.mcap", ticks))).findings if f.severity == "fail"]
    assert "sent against applied" in failed


def test_a_robot_that_stands_still_is_not_judged_by_its_noise():
    found = list(look_at_signs(plausible_ticks(2000), 200))
    assert "fail" not in {finding.severity for finding in found}
    assert sum("too little movement" in finding.text for finding in found) >= 7


def test_movement_that_a_rate_does_not_show_is_remarked(good):
    ticks = good.copy()
    ticks["position"] = np.random.default_rng(3).normal(0, 0.1, len(ticks))
    assert severities(ticks)["velocity"] == "warn"


def test_a_short_movement_is_no_evidence(good):
    ticks = good[:180].copy()
    ticks["velocity"] *= -1
    assert "fail" not in severities(ticks).values()


def test_numbers_that_are_not_finite_spoil_their_own_window_alone(good):
    ticks = good.copy()
    ticks["accel_x"][100], ticks["velocity"][500], ticks["applied_left"][700] = np.inf, np.nan, -np.inf
    assert set(severities(ticks).values()) == {"ok"}


def test_a_format_without_an_accelerometer_is_not_judged_by_it(good):
    ticks = good.copy()
    ticks["accel_x"] = ticks["accel_z"] = np.nan
    found = {finding.name: finding for finding in look_at_signs(ticks, 200)}
    assert found["sign of accel_x"].severity == found["sign of accel_z"].severity == "ok"
    assert "too little" in found["sign of accel_x"].text


def test_windows_never_reach_over_a_gap_nor_into_disarmed_time(good):
    ticks = good[:400].copy()
    ticks["state_seq"][100:] += 5
    ticks["mode"][300:320] = Mode.DISARMED
    assert unbroken(ticks) == [(0, 100), (100, 300), (320, 400)]
    motion = Motion.of(ticks, 200)
    assert list(motion.first[:5]) == [0, 20, 40, 60, 100]
    assert set(motion.last - motion.first) == {20}
    assert not any(
        (first < 100 <= last) or (first < 320 and last >= 300)
        for first, last in zip(motion.first, motion.last, strict=True)
    )


def test_the_mean_and_change_of_a_window_are_those_of_a_line():
    ticks = plausible_ticks(200)
    motion = Motion.of(ticks, 200)
    line = 3.0 + 2.0 * np.arange(200) * 0.005
    assert np.allclose(motion.change(line), 2.0)
    assert np.allclose(motion.mean(line), (line[motion.first] + line[motion.last]) / 2)


@pytest.mark.parametrize("rate_hz", [500, 1000])
def test_a_faster_loop_is_judged_over_the_same_time(rate_hz):
    ticks = plausible_ticks(rate_hz)
    ticks["mcu_time_us"] = np.arange(rate_hz) * (1_000_000 // rate_hz)
    assert np.allclose(Motion.of(ticks, rate_hz).seconds, 0.1)
