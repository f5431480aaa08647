"""Jobs: real processes, their output, their end, and what is refused."""

import asyncio
import sys

import pytest

from robot_il.console.jobs import MAX_LINE_CHARACTERS, MAX_LINES, NICENESS, Jobs, checked_name
from robot_il.errors import ConfigError

pytestmark = pytest.mark.asyncio

WAIT = "import time, sys; print('up', flush=True); time.sleep(60)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAIT}"


def jobs(busy=lambda: ""):
    return Jobs(busy, (sys.executable, "-c"))


async def ran(script, *words):
    runner = jobs()
    job = await runner.start("try", "a try", (script, *words))
    await runner.wait()
    return job


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)


async def said_up(job):
    await until(lambda: "up" in job.lines)


async def test_a_job_keeps_both_outputs_in_their_order():
    job = await ran("import sys; print('one', flush=True); print('two', file=sys.stderr, flush=True); print('three')")
    assert list(job.lines) == ["one", "two", "three"]
    assert (job.state, job.code, job.result) == ("done", 0, "three")


async def test_a_job_that_fails_says_with_what_status():
    job = await ran("import sys; print('expected a log; came none'); sys.exit(3)")
    assert job.state == "failed"
    assert job.outcome == "failed with exit status 3"
    assert job.result == "expected a log; came none"


async def test_a_job_that_is_killed_says_by_which_signal():
    assert (await ran("import os; os.kill(os.getpid(), 9)")).outcome == "failed: killed by signal 9"


async def test_no_shell_sees_an_argument():
    job = await ran("import sys; print(sys.argv[1:])", "$(id)", "; ls", "a b", "*")
    assert job.result == "['$(id)', '; ls', 'a b', '*']"


async def test_of_endless_output_only_the_newest_lines_are_kept():
    job = await ran(f"for i in range({2 * MAX_LINES}): print(i)")
    assert len(job.lines) == MAX_LINES
    assert job.result == str(2 * MAX_LINES - 1)


async def test_a_line_without_an_end_is_cut():
    job = await ran("import sys; sys.stdout.write('x' * 3_000_000)")
    assert [len(line) for line in job.lines] == [MAX_LINE_CHARACTERS]


async def test_a_bar_that_redraws_itself_comes_as_lines():
    assert list((await ran(r"print('1 %\r2 %\r3 %')")).lines) == ["1 %", "2 %", "3 %"]


async def test_bytes_that_are_no_text_are_shown_as_such():
    assert (await ran(r"import sys; sys.stdout.buffer.write(b'\xff\xfe!')")).result == "\ufffd\ufffd!"


async def test_a_job_yields_to_the_robot_and_uses_one_thread():
    job = await ran("import os, time; time.sleep(0.3); print(os.nice(0), os.environ['OMP_NUM_THREADS'])")
    assert job.result == f"{NICENESS} 1"


async def test_a_job_cannot_read_from_the_console():
    assert (await ran("import sys; print(repr(sys.stdin.read()))")).result == "''"


async def test_a_program_that_is_not_there_fails_with_its_reason():
    runner = Jobs(lambda: "", ("/no/such/program",))
    job = await runner.start("try", "a try", ())
    assert job.state == "failed"
    assert job.result == "No such file or directory"
    assert runner.running is None


async def test_only_one_job_runs_at_a_time():
    runner = jobs()
    first = await runner.start("try", "the first", (WAIT,))
    with pytest.raises(ConfigError, match="the first is still running"):
        await runner.start("try", "the second", (WAIT,))
    assert list(runner.all) == [first]
    await runner.close()


async def test_no_job_starts_while_the_robot_is_driven():
    runner = jobs(lambda: "the robot is driving")
    with pytest.raises(ConfigError, match="the robot is driving"):
        await runner.start("try", "a try", (WAIT,))
    assert not runner.all


async def test_a_job_can_be_cancelled():
    runner = jobs()
    job = await runner.start("try", "a try", (WAIT,))
    await said_up(job)
    runner.cancel(job)
    assert job.running
    assert job.outcome == "stopping"
    await runner.wait()
    assert (job.state, job.code) == ("cancelled", -15)


async def test_what_a_job_has_started_ends_with_it():
    runner = jobs()
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WAIT!r}])"
    job = await runner.start("try", "a try", (child,))
    await said_up(job)
    runner.cancel(job)
    await runner.wait()  # the output ends only once the child is gone too
    assert job.state == "cancelled"


async def test_a_job_that_does_not_listen_is_killed(monkeypatch):
    monkeypatch.setattr("robot_il.console.jobs.KILL_AFTER_S", 0.1)
    runner = jobs()
    job = await runner.start("try", "a try", (DEAF,))
    await said_up(job)
    runner.cancel(job)
    await runner.wait()
    assert (job.state, job.code) == ("cancelled", -9)


async def test_cancelling_a_job_that_has_ended_changes_nothing():
    runner = jobs()
    job = await runner.start("try", "a try", ("print('up')",))
    await runner.wait()
    runner.cancel(job)
    assert job.state == "done"


async def test_a_job_waits_while_the_robot_is_driven_and_then_goes_on():
    reason = ""
    runner = jobs(lambda: reason)
    job = await runner.start("try", "a try", ("print('up', flush=True)\nwhile 1: print('.', flush=True)",))
    await until(lambda: "." in job.lines)
    reason = "the robot is driving"
    runner.hold()
    assert job.outcome == "waiting while the robot is driven"
    await asyncio.sleep(0.2)  # what is in the pipe runs dry
    job.lines.clear()
    await asyncio.sleep(0.1)
    assert not job.lines
    reason = ""
    runner.hold()
    await until(lambda: "." in job.lines)
    assert job.outcome == "running"
    await runner.close()


async def test_a_job_that_waits_can_be_cancelled():
    reason = ""
    runner = jobs(lambda: reason)
    job = await runner.start("try", "a try", (WAIT,))
    await said_up(job)
    reason = "the robot is driving"
    runner.hold()
    runner.cancel(job)
    await runner.wait()
    assert job.state == "cancelled"


async def test_closing_ends_a_job_that_runs():
    runner = jobs()
    job = await runner.start("try", "a try", (DEAF,))
    await said_up(job)
    await runner.close()
    assert not job.running


@pytest.mark.parametrize("name", ["first", "run-2_b", "7", "A" * 64])
async def test_a_plain_name_is_taken(name):
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "-rf", "--out", "_x", ".", "..", "../x", "a/b", "a b", "a\n", "a;b", "$x", "ä", "A" * 65, "a\0"]
)
async def test_what_could_be_a_path_or_an_option_is_refused(name):
    with pytest.raises(ConfigError, match="64 letters"):
        checked_name(name)


async def test_a_question_is_answered_beside_a_job():
    runner = jobs()
    job = await runner.start("try", "a try", (WAIT,))
    assert await runner.ask(("print('a'); print('b')",)) == ["a", "b"]
    assert job.running
    assert list(runner.all) == [job]
    await runner.close()


async def test_a_question_that_fails_has_no_answer():
    assert await jobs().ask(("print('a'); raise SystemExit(1)",)) == []
    assert await Jobs(lambda: "", ("/no/such/program",)).ask(()) == []


async def test_closing_ends_a_question():
    runner = jobs()
    asked = asyncio.create_task(runner.ask((WAIT,)))
    await until(lambda: runner._asked)
    await runner.close()
    assert await asked == []
