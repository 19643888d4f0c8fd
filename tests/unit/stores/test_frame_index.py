"""The frame index in memory, against the table of all frames and what pandas makes of it."""

import numpy as np
import pandas as pd
import pytest
import torch

from latentdyn.parquet import table_sha256
from latentdyn.seeds import numpy_generator
from latentdyn.stores import frames as module
from latentdyn.stores.frame_index import COLUMNS, FrameIndex, subsample
from latentdyn.stores.frames import index_frames, open_frames, write_frames
from latentdyn.stores.latents import open_latents
from latentdyn.stores.latents_writer import LatentsWriter
from latentdyn.stores.runs import Runs, edges_of
from latentdyn.stores.windows import Windows, common_runs

SPLITS = {"a": "train", "b": "eval", "c": "train", "d": "validation"}
LENGTHS = [7, 1, 23, 0, 4, 12, 9, 2, 30, 5]
BAD = [3, 12, 13, 31, 47, 86]  # rows; the first one is that of an utterance's first frame


@pytest.fixture
def store(tmp_path):
    rng = np.random.default_rng(0)
    writer = LatentsWriter(tmp_path / "latents.json", 2, 12.5)
    x = rng.normal(size=(sum(LENGTHS), 2)).astype(np.float32)
    x[BAD] = np.nan
    for i, (n, latents) in enumerate(zip(LENGTHS, np.split(x, np.cumsum(LENGTHS)[:-1]), strict=True)):
        energy = None if i == 4 else rng.normal(size=n).astype(np.float32).round(1)
        writer.append(f"u{(7 * i) % 10}", "abcd"[i % 4], latents, energy)
    writer.close()
    return open_latents(tmp_path / "latents.json")


def table_of(store):
    """A row for each frame, by plain loops: all columns of the file."""
    energy, finite, rows = store.load_energy(), np.isfinite(store.load()).all(axis=1), []
    for one in store.utterances.itertuples():
        mine = energy[one.start : one.start + one.n_frames]
        median = np.sort(mine)[(one.n_frames - 1) // 2] if one.n_frames else np.nan
        for t in range(one.n_frames):
            position = np.float32(t / max(one.n_frames - 1, 1))
            rows.append(
                (one.start + t, one.utterance_id, one.speaker_id, SPLITS[one.speaker_id], t, position, mine[t],
                 finite[one.start + t], True, mine[t] >= median, np.float32(0.1) <= position <= np.float32(0.9))
            )  # fmt: skip
    names = [*COLUMNS[:5], "position", "energy_db", *COLUMNS[5:]]
    table = pd.DataFrame(rows, columns=names).astype({"t": np.int32, "position": np.float32, "energy_db": np.float32})
    return table.astype(dict.fromkeys(("utterance_id", "speaker_id", "split"), "category"))


@pytest.fixture(params=[1, 10, 2**20])
def index(request, store, tmp_path, monkeypatch):
    """Made, written and read by blocks of so many frames."""
    monkeypatch.setattr(module, "_BLOCK_FRAMES", request.param)
    splits = pd.DataFrame(SPLITS.items(), columns=["speaker_id", "split"])
    made = index_frames(store, splits)
    write_frames(tmp_path / "frames.parquet", tmp_path / "frames.json", made, store)
    return open_frames(tmp_path / "frames.json", store)


def test_what_is_written_and_read_by_blocks_is_the_table_of_all_frames(store, index, tmp_path):
    expected = table_of(store)
    pd.testing.assert_frame_equal(index.table(), expected[list(COLUMNS)])
    written = pd.read_parquet(tmp_path / "frames.parquet")
    texts = dict.fromkeys(("utterance_id", "speaker_id", "split"), str)
    pd.testing.assert_frame_equal(written.astype(texts), expected.astype(texts))
    facts = module.read_frames_handle(tmp_path / "frames.json", store)
    assert facts["digest"] == table_sha256(expected) and facts["invalid_frames"] == len(BAD)
    assert facts["frames"] == expected.groupby("split", observed=True).size().to_dict()


def equal(index, table):
    """Whether an index is of these frames of the whole table."""
    pd.testing.assert_frame_equal(index.table().astype(str), table[list(COLUMNS)].astype(str).reset_index(drop=True))
    assert len(index) == len(table)


def test_what_is_chosen_is_what_a_table_would_choose(store, index):
    table = table_of(store)
    equal(index.of_splits("eval"), table[table["split"] == "eval"])
    equal(index.of_splits("train", "validation"), table[table["split"] != "eval"])
    equal(index.of_splits("nobody"), table[:0])
    equal(index.finite(), table[table["valid"]])
    equal(index.late(4), table[table["t"] >= 4])
    equal(index.finite().late(4), table[table["valid"] & (table["t"] >= 4)])
    for step in (1, 2, 5, 100):
        equal(index.on_grid(step), table[table["t"] % step == 0])
        equal(
            index.finite().late(1).on_grid(step), table[table["valid"] & (table["t"] >= 1) & (table["t"] % step == 0)]
        )
    equal(index.of_speakers("d", "a", "nobody"), table[table["speaker_id"].isin(["a", "d"])])
    chosen = store.utterances["n_frames"].to_numpy() > 8
    equal(index.finite().of_utterances(chosen), table[table["valid"] & chosen[numbers(store, table)]])
    assert index.splits == ["eval", "train", "validation"] and index.of_splits("eval").speakers == ["b"]
    assert index.of_splits("nobody").splits == index.of_splits("nobody").speakers == []
    some = table[table["valid"] & (table["t"] >= 8)]
    assert index.finite().late(8).speakers == some["speaker_id"].unique().tolist() == ["c", "b", "a"]
    assert index.finite().late(8).n_utterances == some["utterance_id"].nunique()


def numbers(store, table):
    """The number of each frame's utterance."""
    return store.utterances.reset_index().set_index("utterance_id")["index"].loc[table["utterance_id"]].to_numpy()


@pytest.mark.parametrize("bad", [[], [0, 5, 6, 92], range(93)])
def test_other_frames_may_count_as_finite(store, index, bad):
    finite = ~np.isin(np.arange(store.n_rows), bad)
    found, table = index.with_finite(finite), table_of(store)
    equal(found, table.assign(valid=finite[table["row"]]))
    equal(found.finite(), table.assign(valid=finite[table["row"]])[finite[table["row"]]])


def test_rows_of_no_utterance_are_no_frames_that_are_not_finite():
    names = pd.DataFrame({"utterance_id": ["u", "v"], "speaker_id": ["a", "a"], "start": [2, 7], "n_frames": [3, 2]})
    index = FrameIndex.whole(names, {"a": "train"}, np.zeros(0, np.int64), np.zeros(1, np.uint8))
    assert index.with_finite(np.isin(np.arange(10), [2, 4, 7])).table()["valid"].tolist() == [1, 0, 1, 1, 0]


def test_frames_are_numbered_without_the_rows_of_no_utterance_between_them():
    utterances = pd.DataFrame({"utterance_id": list("uvwx"), "speaker_id": list("abab"), "start": [0, 3, 16, 20],
                               "n_frames": [3, 2, 4, 1]})  # fmt: skip
    loud = np.packbits([0, 1, 0, 1, 1, 0, 0, 1, 0, 1])
    index = FrameIndex.whole(utterances, {"a": "train", "b": "eval"}, np.array([4, 5, 9]), loud)
    table = index.table()
    assert table["row"].tolist() == [0, 1, 2, 3, 4, 16, 17, 18, 19, 20]
    assert np.flatnonzero(~table["valid"]).tolist() == [4, 5, 9]
    assert np.flatnonzero(table["high_energy"]).tolist() == [1, 3, 4, 7, 9]
    assert index.finite().rows().tolist() == [0, 1, 2, 3, 17, 18, 19]


def test_what_belongs_to_frames_is_what_a_table_says_of_them(store, index):
    table = table_of(store)
    table, some = table[table["valid"] & (table["t"] >= 2)], index.finite().late(2)
    np.testing.assert_array_equal(some.rows(), table["row"])
    assert some.speaker_ids().tolist() == table["speaker_id"].tolist()
    assert some.speaker_ids().codes.tolist() == table["speaker_id"].cat.codes.tolist()
    np.testing.assert_array_equal(Runs.of(some, torch.device("cpu"))[:], table["row"])
    np.testing.assert_array_equal(some.earlier(2).rows(), table["row"] - 2)
    assert not len(index.of_splits("nobody").rows()) and not len(index.of_splits("nobody").speaker_ids())


@pytest.mark.parametrize("chosen", ["all", "finite", "none"])
def test_utterances_and_speakers_come_as_pandas_groups_them(store, index, chosen):
    table = table_of(store)
    some = {"all": index.late(2), "finite": index.finite().late(2), "none": index.of_splits("nobody")}[chosen]
    of = {"all": table["t"] >= 2, "finite": table["valid"] & (table["t"] >= 2), "none": table["t"] < 0}[chosen]
    table = table[of].assign(utterance_id=lambda frames: frames["utterance_id"].cat.remove_unused_categories())
    for found, column in ((some.by_utterance(), "utterance_id"), (some.by_speaker(), "speaker_id")):
        expected = [(name, mine["row"].tolist()) for name, mine in table.groupby(column, observed=True)]
        assert [(name, mine.rows().tolist()) for name, mine in found] == expected
    names = [name for name, _ in table.groupby("utterance_id", observed=True)]
    places = [2, 0] if names else []
    assert [name for name, _ in some.by_utterance(places)] == [names[place] for place in places]
    expected = table.groupby("utterance_id", observed=True).agg(
        speaker_id=("speaker_id", "first"), row=("row", "min"), n=("row", "size"), valid=("valid", "all")
    )
    pd.testing.assert_frame_equal(
        some.utterance_table(), expected.set_axis(expected.index.astype("str"), axis=0), check_dtype=False
    )
    codes = some.utterance_table()["speaker_id"].cat.codes
    assert codes.tolist() == expected["speaker_id"].cat.codes.tolist()


@pytest.mark.parametrize(("window", "horizons", "ahead"), [(1, [1], 0), (2, [1, 2], 0), (1, [1], 2), (3, [1], 0)])
def test_the_frames_of_every_horizon_are_those_of_the_table(store, index, window, horizons, ahead):
    table, back = table_of(store), window - 1 + max(horizons)
    ok = {(one.utterance_id, one.t) for one in table[table["valid"]].itertuples()}
    kept = [
        all((one.utterance_id, one.t + step) in ok for step in range(-back, ahead + 1)) for one in table.itertuples()
    ]
    equal(common_runs(index, window, horizons, ahead), table[kept])


@pytest.mark.parametrize("limit", [1, 5, 20, 10_000])
def test_a_draw_is_that_of_the_table(store, index, limit):
    table = table_of(store)
    mine = table[(table["split"] == "train") & table["valid"]]
    expected = mine if len(mine) <= limit else mine.iloc[subsample(len(mine), limit, ("x", limit))]
    drawn = index.finite().of_splits("train").draw(limit, ("x", limit))
    pd.testing.assert_frame_equal(drawn.astype(str), expected[list(COLUMNS)].astype(str).reset_index(drop=True))
    assert drawn["speaker_id"].cat.codes.tolist() == expected["speaker_id"].cat.codes.tolist()
    order = expected["utterance_id"].cat.remove_unused_categories().cat.codes
    assert drawn["utterance_id"].cat.codes.tolist() == order.tolist()


@pytest.mark.parametrize("limit", [1, 6, 20, 40, 10_000])
def test_a_share_of_speakers_is_that_of_a_loop_over_utterances(store, index, limit):
    usable = index.finite().trimmed(1)
    table = usable.table()
    names = table["utterance_id"].astype(str)
    utterances, speaker_of = names.unique(), dict(zip(names, table["speaker_id"].astype(str), strict=True))
    turns, order = {}, []
    for place in numpy_generator("x", "share of speakers").permutation(len(utterances)):
        speaker = speaker_of[utterances[place]]
        turns[speaker] = turns.get(speaker, -1) + 1
        order.append((turns[speaker], len(order), utterances[place]))
    taken, rows = 0, []
    for *_, name in sorted(order):
        mine = table["row"][names == name].tolist()[: limit - taken]
        taken, rows = taken + len(mine), rows + mine
    assert usable.share_of_speakers(limit, ("x",)).table()["row"].tolist() == sorted(rows)


@pytest.mark.parametrize("chosen", ["all", "finite", "none"])
def test_windows_of_runs_are_those_of_a_table(store, index, chosen):
    some = {"all": index.late(2), "finite": index.finite().late(2), "none": index.of_splits("nobody")}[chosen]
    latents = torch.from_numpy(store.load())
    ours, theirs = (Windows.of(latents, frames, 2) for frames in (some, some.table()))
    places = torch.from_numpy(np.random.default_rng(0).integers(0, max(len(some), 1), 50 if len(some) else 0))
    for mine, their in ((ours.rows, theirs.rows), (ours.t, theirs.t)):
        assert len(mine) == len(their) and mine.device == their.device
        for index_ in (slice(None), slice(3, 17), slice(5, 10_000), slice(-4, None), slice(0, 30, 7), places):
            assert torch.equal(mine[index_], their[index_])
        assert [block.tolist() for block in mine.split(3)] == [block.tolist() for block in their.split(3) if len(block)]
    for mine, their in zip(ours.batch(places, 1), theirs.batch(places, 1), strict=True):
        torch.testing.assert_close(mine, their, rtol=0, atol=0, equal_nan=True)
    if chosen == "finite":
        some = index.finite().trimmed(2)
        ours, theirs = (Windows.of(latents, frames, 2).moments(1) for frames in (some, some.table()))
        np.testing.assert_array_equal(ours.covariance, theirs.covariance)
        assert ours.n == theirs.n == len(some)


def test_runs_that_meet_are_one_edge_and_stand_in_order():
    runs = Runs(np.array([8, 0, 3, 20]), np.array([2, 3, 4, 1]), torch.device("cpu"))
    assert [edge.tolist() for edge in runs.edges()] == [[0, 8, 20], [7, 10, 21]]
    rows = np.sort(runs[:].numpy())
    assert [edge.tolist() for edge in edges_of(rows)] == [[0, 8, 20], [7, 10, 21]]


@pytest.fixture
def of_three():
    """Frames of a speaker with 50 utterances of 4 frames, of one with 3 of 10, and of one with 1 of 20."""
    counts = [*(("a", f"a{i}", 4) for i in range(50)), *(("b", f"b{i}", 10) for i in range(3)), ("c", "c0", 20)]
    table = pd.DataFrame(counts, columns=["speaker_id", "utterance_id", "n_frames"])
    table["start"] = table["n_frames"].cumsum() - table["n_frames"]
    index = FrameIndex.whole(table, dict.fromkeys("abc", "train"), np.zeros(0, np.int64), np.zeros(32, np.uint8))
    return index, pd.Series({u: s for s, u, _ in counts})


@pytest.mark.parametrize("limit", [1, 34, 35, 100, 249, 250, 10_000])
def test_speakers_take_turns_with_whole_utterances_until_there_are_enough(of_three, limit):
    index, speaker_of = of_three
    frames, taken = index.table(), index.share_of_speakers(limit, ("x",)).table()
    frames, taken = (table.assign(utterance_id=table["utterance_id"].astype(str)) for table in (frames, taken))
    assert len(taken) == min(limit, 250)
    whole = frames.groupby("utterance_id").size()
    lengths = taken.groupby("utterance_id").size()
    assert (lengths < whole[lengths.index]).sum() <= 1, "the last one alone is cut"
    assert (taken.groupby("utterance_id")["t"].max() == lengths - 1).all(), "and it keeps its first frames"
    turns = speaker_of[lengths.index].value_counts()
    most = turns.max()
    for speaker, there in {"a": 50, "b": 3, "c": 1}.items():
        assert turns.get(speaker, 0) >= min(there, most - 1), "nobody is a turn behind who had one to give"


def test_a_share_is_drawn_by_name_and_a_larger_one_holds_the_smaller(of_three):
    index, _ = of_three

    def rows(limit, name):
        return set(index.share_of_speakers(limit, (name,)).table()["row"])

    assert rows(40, "x") < rows(120, "x") and rows(40, "x") != rows(40, "y")
    assert rows(40, "x") == rows(40, "x")
