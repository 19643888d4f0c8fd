"""Progress where there is no terminal: whole lines in the log, the last one when the work is done."""

import logging
import sys

from latentdyn import progress as module


def test_without_a_terminal_it_logs_lines(caplog, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    monkeypatch.setattr(module, "_LINE_EVERY_S", 0.0)
    with caplog.at_level(logging.INFO, logger="latentdyn.progress"):
        assert list(module.progress(range(3), unit="file")) == [0, 1, 2]
    assert "3/3" in caplog.messages[-1] and "file" in caplog.messages[-1]
    assert not any("\r" in message or "\n" in message for message in caplog.messages)
    assert "\r" not in capsys.readouterr().err
