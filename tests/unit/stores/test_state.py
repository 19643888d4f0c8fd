import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from latentdyn.errors import UserError
from latentdyn.stores.state import open_state, remove_state

HOLD = """
import sys
from pathlib import Path
from latentdyn.stores.state import open_state
print(open_state(Path(sys.argv[1]), {"steps": int(sys.argv[2])}), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def start():
    """Start another process that opens a state and keeps it until it is killed or its input is closed."""
    started = []

    def start_(root: Path, steps: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, root, str(steps)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "SLURM_JOB_ID": "4711"},
        )  # fmt: skip
        started.append(process)
        assert process.stdout.readline()
        return process

    yield start_
    for process in started:
        process.kill()
        process.communicate()


def test_a_job_that_is_at_work_is_not_joined_whatever_its_settings(tmp_path, start):
    process = start(tmp_path / "job", steps=1)
    for steps in (1, 2):
        with pytest.raises(UserError, match=f"process {process.pid} on .*, Slurm job 4711"):
            open_state(tmp_path / "job", {"steps": steps})
    open_state(tmp_path / "another", {"steps": 1})


def test_work_left_behind_by_a_killed_job_is_free(tmp_path, start, caplog):
    process = start(tmp_path / "job", steps=1)
    process.kill()
    process.wait()
    assert (tmp_path / "job/lock").read_text()  # it still names the dead process, and is only text
    with caplog.at_level(logging.INFO):
        open_state(tmp_path / "job", {"steps": 1})
    assert "continuing" in caplog.text


def test_success_deletes_everything_and_gives_the_lock_back(tmp_path, start):
    open_state(tmp_path / "job", {"steps": 1})
    remove_state(tmp_path / "job")
    assert not (tmp_path / "job").exists()
    start(tmp_path / "job", steps=1)
