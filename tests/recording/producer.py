"""A process that records and then waits to be ended; started by the crash tests.

Arguments: the log, and how many ticks. Prints the side process's id once all ticks are published.
"""

import sys
import time
from pathlib import Path

from robot_il.recording.recorder import Recorder
from tests.recording.conftest import SESSION, plausible_ticks


def main() -> None:
    path, count = Path(sys.argv[1]), int(sys.argv[2])
    with Recorder(path, SESSION) as recorder:
        for row in plausible_ticks(count):
            recorder.tick(row.tobytes())
        recorder.event("last")
        print(recorder.writer_pid, flush=True)
        time.sleep(600)


if __name__ == "__main__":
    main()
