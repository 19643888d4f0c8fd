"""The memory of a predictor: what it looks up, beside what its network computes.

| kind   | what is looked up                   | by                            | what it gives                     |
|--------|-------------------------------------|-------------------------------|-----------------------------------|
| engram | rows of tables (seed 002, Phase 4)  | the codes of the newest frames| a vector beside the last layer    |
| basis  | prototypes (seed 004 §3, insight 5) | the network's numbers, softly | the vector of the mean direction  |
"""

from typing import Any

import faiss
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from latentdyn.errors import UserError

_PRIME = 2**31 - 1  # of hashes: products of two numbers below it fit in 64 bits
_MULTIPLIER = 1_103_515_245
_MOST_FRAMES = 100_000  # that centroids are fitted to
_SHARPNESS = 10.0  # at first: enough that one prototype of a hundred can stand out


def build_lookup(settings: dict[str, Any], dim: int, window_frames: int, outputs: int) -> "Engram | Basis":
    """A fresh memory of the kind that `settings` (the `lookup` section of a predictor) names."""
    options = {name: value for name, value in settings.items() if name != "kind"}
    return Engram(dim, window_frames, outputs, **options) if settings["kind"] == "engram" else Basis(dim, **options)


class Engram(nn.Module):
    """Rows of tables, one table for each n, added to each other and mapped to the numbers of a head.

    A row is chosen by the codes of the n newest frames of the context. Where there are more n-grams than rows, some
    share a row. All rows are 0 at first, so that training starts from the network alone.

    Args:
        codes: `fitted`: the nearest centroid, in deviations of the training frames. `random`: a hash of the frame.
        n_codes: codes of a frame. ngrams: every n. rows: at most, of a table. width: numbers of a row.
        learning_rate: of the tables alone.

    Raises:
        UserError: an n-gram is longer than the context.
    """

    codebook: Tensor
    mixer: Tensor

    def __init__(
        self,
        dim: int,
        window_frames: int,
        outputs: int,
        *,
        codes: str,
        n_codes: int,
        ngrams: list[int],
        rows: int,
        width: int,
        learning_rate: float,
    ) -> None:
        super().__init__()
        if max(ngrams) > window_frames:
            raise UserError(
                f"the codes of {max(ngrams)} frames are to be looked up, and a context has {window_frames}",
                "lookup.ngrams and window_frames of the predictor",
                "shorten the n-grams, or lengthen the window",
            )
        self.codes, self.n_codes, self.ngrams, self.learning_rate = codes, n_codes, tuple(ngrams), learning_rate
        self.sizes = tuple(min(rows, n_codes**n) for n in self.ngrams)
        self.register_buffer("codebook", torch.zeros(n_codes if codes == "fitted" else 0, dim))
        drawn = torch.randint(2**62, (dim,), generator=torch.Generator().manual_seed(0))
        self.register_buffer("mixer", 2 * drawn + 1, persistent=False)
        self.table = nn.Parameter(torch.zeros(sum(self.sizes), width))
        self.answer = nn.Linear(width, outputs, bias=False)

    def fit(self, frames: Tensor) -> None:
        """Fit the centroids to training frames (n, D), in deviations of them; torch's global generator draws the seed.

        Raises:
            UserError: there are fewer frames than codes.
        """
        if self.codes == "random":
            return
        if len(frames) < self.n_codes:
            raise UserError(
                f"{self.n_codes} codes are to be fitted to {len(frames)} training frames",
                "lookup.n_codes of the predictor",
                "ask for fewer codes, or use a larger corpus",
            )
        self.codebook.copy_(_centroids(frames, self.n_codes, spherical=False))

    def codes_of(self, frames: Tensor) -> Tensor:
        """Codes (B, N) int64 of frames (B, N, D), in deviations of the training frames."""
        if self.codes == "random":
            bits = frames.float().contiguous().view(torch.int32).long()
            mixed = (bits * self.mixer).sum(-1)  # modulo 2^64, as all products here
            mixed = (mixed ^ (mixed >> 32)) * self.mixer[0]  # what differs by little differs by anything after it
            return ((mixed >> 32) & _PRIME) % self.n_codes
        half_square = 0.5 * self.codebook.square().sum(1)
        return (frames @ self.codebook.T - half_square).argmax(-1)

    def rows_of(self, codes: Tensor) -> Tensor:
        """Rows of the tables, (B, number of n), for codes (B, N), the newest last."""
        rows, first = [], 0
        for n, size in zip(self.ngrams, self.sizes, strict=True):
            number = torch.zeros_like(codes[:, 0])
            for code in codes[:, -n:].unbind(1):
                number = (number * self.n_codes + code) % _PRIME
            if size < self.n_codes**n:
                number = number * _MULTIPLIER % _PRIME % size
            rows.append(first + number)
            first += size
        return torch.stack(rows, dim=1)

    def forward(self, context: Tensor, n: int | None = None) -> Tensor:
        """What to add to the first n of a head's numbers (or to all), (B, n).

        Args:
            context: (B, W, D) in deviations of the training frames.
        """
        rows = self.rows_of(self.codes_of(context[:, -self.ngrams[-1] :]))
        return F.linear(F.embedding(rows, self.table).sum(1), self.answer.weight[:n])


class Basis(nn.Module):
    """Σ_k α_k P_k of prototypes P_k, α the softmax of s cos(q, key_k): keys and the sharpness s are learned.

    Args:
        codes: `learned`, `archetypes` or `random` prototypes; the last two stay as they are. n_prototypes: K.
    """

    prototypes: Tensor

    def __init__(self, dim: int, *, codes: str, n_prototypes: int) -> None:
        super().__init__()
        self.codes = codes
        self.keys = nn.Parameter(torch.randn(n_prototypes, dim))
        self.log_sharpness = nn.Parameter(torch.tensor(_SHARPNESS).log())
        prototypes = F.normalize(torch.randn(n_prototypes, dim), dim=1)
        if codes == "learned":
            self.prototypes = nn.Parameter(prototypes)
        else:
            self.register_buffer("prototypes", prototypes)

    def fit(self, steps: Tensor) -> None:
        """Archetypes are the centres of spherical k-means on the directions of the longer half of training steps
        (n, D); torch's global generator draws the seed.

        Raises:
            UserError: so many steps are fewer than prototypes.
        """
        if self.codes != "archetypes":
            return
        lengths = steps.norm(dim=1)
        long = steps[(lengths >= lengths.median()) & (lengths > 0)]
        if len(long) < len(self.prototypes):
            raise UserError(
                f"{len(self.prototypes)} archetypes are to be fitted to the {len(long)} longer ones of {len(steps)} "
                "training steps",
                "lookup.n_prototypes of the predictor",
                "ask for fewer prototypes, or use a larger corpus",
            )
        self.prototypes.copy_(_centroids(F.normalize(long, dim=1), len(self.prototypes), spherical=True))

    def forward(self, query: Tensor) -> Tensor:
        """The sum (B, D) for a query (B, D)."""
        cosines = F.normalize(query, dim=1) @ F.normalize(self.keys, dim=1).T
        return torch.softmax(self.log_sharpness.exp() * cosines, dim=1) @ self.prototypes


def _centroids(points: Tensor, n: int, *, spherical: bool) -> Tensor:
    """Centres (n, D) of k-means on points (m, D), m >= n, or on directions; float32."""
    kmeans = faiss.Kmeans(
        points.shape[1],
        n,
        nredo=3,
        spherical=spherical,
        seed=int(torch.randint(2**31 - 1, ())),
        init_method=faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS,  # at random, well separated clusters are missed
        min_points_per_centroid=1,
    )
    some = points[torch.randperm(len(points))[:_MOST_FRAMES]]
    kmeans.train(np.ascontiguousarray(some.cpu().numpy(), np.float32))
    assert kmeans.centroids is not None  # it is trained
    return torch.from_numpy(kmeans.centroids)
