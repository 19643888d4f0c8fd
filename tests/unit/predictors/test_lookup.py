"""What a predictor looks up: codes, rows and prototypes by hand; and that it starts from the network alone."""

import math

import pytest
import torch

from latentdyn.errors import UserError
from latentdyn.predictors.base import build_predictor
from latentdyn.predictors.lookup import Basis, Engram
from latentdyn.stores.windows import Scaling, Windows
from tests.settings import settings_of

ENGRAM = {"codes": "fitted", "n_codes": 3, "ngrams": [1, 2], "rows": 100, "width": 4, "learning_rate": 0.01}
NETWORK = {"kind": "mlp", "width": 8, "layers": 1}


def engram(dim=2, window=3, outputs=5, **changes):
    return Engram(dim, window, outputs, **ENGRAM | changes)


def latents(n=300):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(1)) * torch.tensor([1.0, 3.0]) + 2


def test_each_length_of_n_gram_has_its_own_table_and_the_newest_code_counts_least():
    lookup = engram()
    assert lookup.sizes == (3, 9) and lookup.table.shape == (12, 4)
    assert lookup.rows_of(torch.tensor([[1, 2], [2, 1], [0, 0]])).tolist() == [[2, 3 + 5], [1, 3 + 7], [0, 3]]


def test_more_n_grams_than_rows_share_them_evenly():
    lookup = engram(n_codes=50, ngrams=[3], rows=97)
    codes = torch.cartesian_prod(*[torch.arange(50)] * 3)
    rows = lookup.rows_of(codes)[:, 0]
    counts = torch.bincount(rows, minlength=97)
    assert lookup.table.shape == (97, 4) and len(counts) == 97
    assert (counts / counts.double().mean() - 1).abs().max() < 0.2
    a, b, c = 7, 49, 3  # by whole numbers of any size
    prime = 2**31 - 1
    expected = ((a * 50 + b) * 50 + c) % prime * 1_103_515_245 % prime % 97
    assert int(lookup.rows_of(torch.tensor([[a, b, c]]))) == expected


def test_a_fitted_code_is_the_nearest_centroid():
    lookup = engram()
    lookup.codebook.copy_(torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 10.0]]))
    frames = torch.tensor([[[1.9, 0.0], [2.1, 0.0], [0.0, 4.9], [0.0, 5.1], [3.0, 9.0]]])
    assert lookup.codes_of(frames).tolist() == [[0, 1, 0, 2, 2]]


def test_clusters_of_training_frames_become_codes():
    centres = torch.tensor([[-20.0, 0.0], [0.0, 20.0], [20.0, 0.0]])
    frames = (centres[:, None] + torch.randn(3, 50, 2, generator=torch.Generator().manual_seed(0))).flatten(0, 1)
    torch.manual_seed(0)
    lookup = engram()
    lookup.fit(frames)
    codes = lookup.codes_of(frames[None])[0].unflatten(0, (3, 50))
    assert (codes == codes[:, :1]).all() and len(set(codes[:, 0].tolist())) == 3


def test_a_random_code_is_of_the_frame_and_similar_frames_share_nothing():
    lookup = engram(codes="random", n_codes=10)
    lookup.fit(torch.zeros(1, 2))  # nothing is fitted, so that one frame is enough
    frames = torch.randn(1, 20_000, 2, generator=torch.Generator().manual_seed(0))
    codes = lookup.codes_of(frames)
    assert torch.equal(codes, engram(codes="random", n_codes=10).codes_of(frames))
    near = lookup.codes_of(frames * (1 + 1e-6))
    for values in (codes, near):
        assert (torch.bincount(values[0], minlength=10) - 2000).abs().max() < 5 * math.sqrt(2000)
    assert float((codes == near).double().mean()) == pytest.approx(0.1, abs=0.02)


def test_what_is_added_is_a_linear_map_of_the_sum_of_rows():
    lookup = engram(window=2)
    lookup.codebook.copy_(torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 10.0]]))
    torch.nn.init.normal_(lookup.table)
    context = torch.tensor([[[0.0, 9.0], [4.0, 0.0]]])  # codes 2, 1
    expected = (lookup.table[1] + lookup.table[3 + 7]) @ lookup.answer.weight.T
    torch.testing.assert_close(lookup(context)[0], expected)
    torch.testing.assert_close(lookup(context, 2)[0], expected[:2])


@pytest.mark.parametrize("kind", ["mdn", "vmf_lognormal", "flow"])
@pytest.mark.parametrize("codes", ["fitted", "random"])
def test_every_head_starts_from_its_network_alone_and_a_row_changes_the_density(kind, codes):
    windows = Windows(latents(), torch.arange(10, 300), 2)
    settings = settings_of("predictors", kind, window_frames=2, horizons=[1], network=NETWORK)
    context, delta = windows.batch(slice(0, 20), 1)
    found = []
    for lookup in (None, {"kind": "engram"} | ENGRAM | {"codes": codes}):
        torch.manual_seed(0)
        predictor = build_predictor(settings | {"lookup": lookup}, 2)
        torch.manual_seed(1)
        predictor.set_start(Scaling.fit(windows), windows, None, 1)
        found.append(predictor.eval())
    plain, looking = found
    if kind != "flow":  # it draws weights after the network's
        torch.testing.assert_close(looking.nll(context, delta), plain.nll(context, delta))
    before = looking.nll(context, delta)
    torch.nn.init.normal_(looking.lookup.table)
    assert (looking.nll(context, delta) - before).abs().max() > 1e-3
    torch.testing.assert_close(looking.density(context).mean(), looking.mean_step(context), rtol=1e-4, atol=1e-4)


def test_what_cannot_be_looked_up_is_told():
    with pytest.raises(UserError, match=r"codes of 4 frames.*context has 3.*lookup\.ngrams"):
        engram(ngrams=[1, 4])
    with pytest.raises(UserError, match=r"3 codes are to be fitted to 2 training frames.*lookup\.n_codes"):
        engram().fit(torch.zeros(2, 2))


def test_prototypes_are_weighed_by_the_cosines_of_their_keys():
    basis = Basis(2, codes="learned", n_prototypes=2)
    with torch.no_grad():
        basis.keys.copy_(torch.tensor([[2.0, 0.0], [0.0, 0.5]]))
        basis.prototypes.copy_(torch.tensor([[1.0, 2.0], [3.0, -1.0]]))
        basis.log_sharpness.fill_(math.log(5))
        weight = math.exp(5 * 0.6) / (math.exp(5 * 0.6) + math.exp(5 * 0.8))
        expected = torch.tensor([weight * 1 + (1 - weight) * 3, weight * 2 - (1 - weight)])
        for scale in (0.1, 7.0):
            torch.testing.assert_close(basis(scale * torch.tensor([[3.0, 4.0]]))[0], expected)


def test_archetypes_are_the_directions_of_long_steps_and_are_kept():
    directions = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-0.6, -0.8]])
    long = directions.repeat(40, 1) * torch.linspace(5, 50, 120)[:, None]
    short = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    basis = Basis(2, codes="archetypes", n_prototypes=3)
    basis.fit(torch.cat([short / short.norm(dim=1, keepdim=True), long]))
    cosines = basis.prototypes @ directions.T
    torch.testing.assert_close(cosines.max(dim=0).values, torch.ones(3), atol=1e-4, rtol=0)
    assert "prototypes" in dict(basis.named_buffers())
    with pytest.raises(UserError, match=r"3 archetypes are to be fitted to the 2 longer ones of 4 training steps"):
        basis.fit(torch.tensor([[1.0, 0], [0, 0], [3, 0], [0, 0]]))


@pytest.mark.parametrize(("codes", "trained"), [("learned", 2 * 5 * 2 + 1), ("random", 5 * 2 + 1)])
def test_random_prototypes_are_kept_and_are_no_parameters(codes, trained):
    basis = Basis(2, codes=codes, n_prototypes=5)
    assert sum(parameter.numel() for parameter in basis.parameters()) == trained
    torch.testing.assert_close(basis.prototypes.norm(dim=1), torch.ones(5))
    assert "prototypes" in basis.state_dict()


def test_the_mean_direction_of_a_basis_is_one_of_its_prototypes_where_one_key_stands_out():
    lookup = {"kind": "basis", "codes": "learned", "n_prototypes": 3}
    torch.manual_seed(0)
    predictor = build_predictor(
        settings_of("predictors", "vmf_lognormal", window_frames=2, network=NETWORK) | {"lookup": lookup}, 2
    )
    with torch.no_grad():
        predictor.lookup.log_sharpness.fill_(8)
        context = latents(2)[None]
        query = predictor.outputs(context)[:, :2]
        closest = torch.cosine_similarity(query, predictor.lookup.keys).argmax()
        expected = torch.nn.functional.normalize(predictor.lookup.prototypes[closest], dim=0)
        torch.testing.assert_close(predictor.density(context).mean_direction[0], expected, atol=1e-4, rtol=0)
