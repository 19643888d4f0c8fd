"""Phase 0: do contexts fall into clusters that help to predict the next step (seed 000 §2, 001 §1, 002 §1)?

Contexts are clustered by a key. The steps Δx that follow are then compared within and between clusters. Keys, clusters
and everything else that is fitted see training frames only. A cluster with too few of them is left out, and the share
of frames that this costs is reported. Beside every number stands the same number for labels that are permuted among the
same frames: without any structure, C clusters of n frames take (C-1)/(n-1) of the sum of squares.

With m_c the mean of cluster c on the scored frames, m that of all of them, and μ_c, μ those of training frames:

- variance_ratio: Σ||Δx - m_c||² / Σ||Δx - m||²; variance_ratio_top{m}: the same within the first m principal axes of
  training steps, which hold the share explained_variance_top{m} of Σ||Δx - m||²;
- variance_ratio_held_out: Σ||Δx - μ_c||² / Σ||Δx - μ||², what the clusters predict; it can exceed 1;
- entropy_reduction: mean of ln p(Δx | c) - ln p(Δx) under diagonal Gaussians of training frames, nats/frame;
- *_permuted, *_permuted_sd: mean and deviation over permutations of the labels (of training frames too, where these
  are what Gaussians are fitted to);
- label_entropy: -Σ p_c ln p_c of the shares p_c of frames; clusters_used: clusters with a frame;
- mass_excluded: share of frames in clusters with too few training frames; all of the above leaves them out.
"""

from latentdyn.diagnostics.clusters.evaluation import cluster_contexts
from latentdyn.diagnostics.clusters.settings import ClusteringSettings

__all__ = ["ClusteringSettings", "cluster_contexts"]
