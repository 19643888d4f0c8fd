"""The spool: finished utterances survive a kill at any byte; unfinished ones leave no trace."""

import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentdyn.errors import UserError
from latentdyn.stores.spool import Spool
from latentdyn.stores.state import open_state, remove_state


def pieces(seed: int, lengths=(3, 2)):
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=(n, 4)).astype(np.float32), rng.normal(size=n).astype(np.float32)) for n in lengths]


def expect(seed: int):
    latents, levels = zip(*pieces(seed), strict=True)
    return np.concatenate(latents), np.concatenate(levels)


def test_utterances_come_back_in_order(tmp_path):
    spool = Spool(tmp_path, 4)
    for i in range(3):
        assert spool.append(f"u{i}", pieces(i)) == 5
    for i, (name, latents, levels) in enumerate(spool.read(sorted(spool.done))):
        assert name == f"u{i}"
        np.testing.assert_array_equal(latents, expect(i)[0])
        np.testing.assert_array_equal(levels, expect(i)[1])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_cut_off_at_any_byte_it_continues(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder, 4)
    for i in range(3):
        spool.append(f"u{i}", pieces(i))
    spool.close()
    name = data.draw(st.sampled_from(["frames.f32", "ledger.jsonl"]))
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: data.draw(st.integers(0, len(content)))])
    resumed = Spool(folder, 4)
    assert resumed.done in ({"u0", "u1", "u2"}, {"u0", "u1"}, {"u0"}, set())
    for i in range(3):
        if f"u{i}" not in resumed.done:
            resumed.append(f"u{i}", pieces(i))
    resumed.close()
    for i, (_, latents, levels) in enumerate(Spool(folder, 4).read(["u0", "u1", "u2"])):
        np.testing.assert_array_equal(latents, expect(i)[0])
        np.testing.assert_array_equal(levels, expect(i)[1])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_bit_of_finished_work_goes_into_a_store_wrong(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder, 4)
    for i in range(3):
        spool.append(f"u{i}", pieces(i))
    spool.close()
    file = folder / data.draw(st.sampled_from(["frames.f32", "ledger.jsonl"]))
    content = bytearray(file.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    file.write_bytes(content)
    resumed = Spool(folder, 4)
    assert resumed.done in ({"u0", "u1"}, {"u0"}, set())
    for i, (name, latents, levels) in enumerate(resumed.read(sorted(resumed.done))):
        assert name == f"u{i}"
        np.testing.assert_array_equal(latents, expect(i)[0])
        np.testing.assert_array_equal(levels, expect(i)[1])


@pytest.mark.parametrize(
    "ledger",
    [b"", b"\0\0\0\0\n", b"\xff\n", b"[]\n", b"null\n", b'["u0",-1,"x"]\n', b'[["u0"],1.5,"x"]\n', b"[" * 5000],
)
def test_a_ledger_that_says_nothing_is_told_and_replaced(tmp_path, caplog, ledger):
    (tmp_path / "ledger.jsonl").write_bytes(ledger)
    (tmp_path / "frames.f32").write_bytes(bytes(400))
    spool = Spool(tmp_path, 4)
    assert not spool.done and ("damaged after 0 utterances" in caplog.text) == bool(ledger)
    spool.append("u0", pieces(0))
    np.testing.assert_array_equal(next(spool.read(["u0"]))[1], expect(0)[0])


def test_a_killed_process_has_lost_no_finished_utterance(tmp_path):
    spool = Spool(tmp_path / "a", 4)
    for i in range(3):
        spool.append(f"u{i}", pieces(i))
        shutil.copytree(tmp_path / "a", tmp_path / f"killed{i}/a")  # what the process has given to the system
        assert Spool(tmp_path / f"killed{i}/a", 4).done == {f"u{j}" for j in range(i + 1)} == spool.done


def test_finished_work_is_synced_every_few_seconds(tmp_path, monkeypatch):
    now, synced = 0.0, []
    monkeypatch.setattr("latentdyn.stores.spool.time.monotonic", lambda: now)
    monkeypatch.setattr("latentdyn.stores.spool.os.fsync", lambda _: synced.append(now))
    spool = Spool(tmp_path, 4)
    for i, now in enumerate([1.0, 2.5, 3.0, 4.4, 4.6]):  # noqa: B007
        spool.append(f"u{i}", pieces(i))
    assert synced == [2.5, 2.5, 4.6, 4.6]  # both files


def test_utterances_are_read_in_any_order(tmp_path):
    spool = Spool(tmp_path, 4)
    for i, lengths in enumerate([(3, 2), (1,), (4,)]):
        spool.append(f"u{i}", pieces(i, lengths))
    for name, latents, _ in spool.read(["u2", "u0", "u1"]):
        i = int(name[1])
        np.testing.assert_array_equal(latents, np.concatenate([x for x, _ in pieces(i, [(3, 2), (1,), (4,)][i])]))


def test_finished_work_of_other_settings_or_of_no_frames_is_not_taken(tmp_path):
    spool = Spool(tmp_path / "a", 4)
    spool.append("u0", pieces(0))
    spool.close()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert Spool(tmp_path / "a", 4).done == {"u0"} and not Spool(tmp_path / "b", 4).done
    (tmp_path / "a/frames.f32").unlink()
    assert not Spool(tmp_path / "a", 4).done


def test_frames_that_change_while_the_job_works_are_refused(tmp_path):
    spool = Spool(tmp_path, 4)
    spool.append("u0", pieces(0))
    (tmp_path / "frames.f32").write_bytes(bytes(100))
    with pytest.raises(UserError, match=r"of u0 changed on the disk.*run the same command again"):
        list(spool.read(["u0"]))


def test_an_utterance_that_fails_half_way_leaves_no_trace(tmp_path):
    def failing():
        yield pieces(0)[0]
        raise RuntimeError

    spool = Spool(tmp_path, 4)
    spool.append("u0", pieces(0))
    try:
        spool.append("u1", failing())
    except RuntimeError:
        spool.close()
    again = Spool(tmp_path, 4)
    assert again.done == {"u0"}
    again.append("u1", pieces(1))
    np.testing.assert_array_equal(next(again.read(["u1"]))[1], expect(1)[0])


def test_state_is_kept_by_key_and_removed_whole(tmp_path):
    first = open_state(tmp_path / "job", {"steps": 1})
    (first / "work").write_text("x")
    other = open_state(tmp_path / "job", {"steps": 2})
    assert other != first and not (other / "work").exists()
    assert (open_state(tmp_path / "job", {"steps": 1}) / "work").read_text() == "x"
    remove_state(tmp_path / "job")
    assert not (tmp_path / "job").exists()
