"""How a step ends: exit status, and one paragraph instead of a traceback for what a user can do something about."""

import errno
import sys

import pytest

from latentdyn.errors import UserError
from latentdyn.steps.cli import run_step


def run(monkeypatch, error):
    monkeypatch.setattr(sys, "argv", ["step"])

    def step(_):
        raise error

    with pytest.raises(SystemExit) as ended:
        run_step("A step.", lambda parser: None, step)
    return ended.value.code


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UserError("this is wrong", "there", "do that"), ["this is wrong", "there", "do that"]),
        (OSError(errno.ENOSPC, "No space left on device", "a.json"), ["the disk is full", "a.json", "free some space"]),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), ["the disk is full", "quota"]),
        (OSError(errno.EROFS, "Read-only file system", "a"), ["may not be read or written", "permissions"]),
        (PermissionError(errno.EACCES, "Permission denied", "a.json"), ["may not be read or written", "a.json"]),
        (OSError(errno.EIO, "Input/output error", "a.json"), ["Input/output error", "a.json"]),
        (OSError("without a number"), ["without a number"]),
        (MemoryError(), ["too little memory", "give the job more"]),
    ],
)  # fmt: skip
def test_what_the_user_can_change_is_a_paragraph(monkeypatch, error, words):
    message = run(monkeypatch, error)
    assert message.startswith("error: ") and "Where: " in message and "What to do: " in message
    assert all(word in message for word in words), message
    assert "\n" not in message


def test_an_interrupted_step_says_how_to_go_on(monkeypatch, capsys):
    assert run(monkeypatch, KeyboardInterrupt()) == 130
    assert "run the same command again" in capsys.readouterr().err


def test_a_defect_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["step"])
    with pytest.raises(ZeroDivisionError):
        run_step("A step.", lambda parser: None, lambda _: 1 // 0)
