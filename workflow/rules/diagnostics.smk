# Diagnostics of a representation alone, without a predictor. Those of a predictor are in predictors.smk.


rule cluster_contexts:
    """Measure whether clusters of contexts tell about the next step (Phase 0)."""
    input:
        latents="results/{corpus}/{representation}/latents.json",
        frames="results/{corpus}/{representation}/frames.json",
    output:
        "results/{corpus}/{representation}/{key}/clusters.json",
    log:
        "results/{corpus}/{representation}/{key}/logs/cluster_contexts.log",
    benchmark:
        "results/{corpus}/{representation}/{key}/benchmarks/cluster_contexts.tsv"
    conda:
        "../envs/latentdyn.yaml"
    threads: 2
    resources:
        mem_mb=memory(3000, copies=1.2),
        runtime=minutes(30, mb_per_minute=50),
    params:
        code=code_digest("latentdyn.steps.cluster_contexts"),
        key=lambda w: key_of(w).canonical(),
        identity=identity_of("clusters"),
        clustering=CONFIG.clustering.canonical(),
        evaluation=canonical_json(
            CONFIG.evaluation.model_dump(include={"max_frames", "principal_dims", "bootstrap_resamples"})
        ),
    shell:
        "python -m latentdyn.steps.cluster_contexts --latents {input.latents:q} --frames {input.frames:q}"
        " --key {params.key:q} --identity {params.identity:q} --clustering {params.clustering:q} --evaluation {params.evaluation:q}"
        " --metrics {output:q} >{log:q} 2>&1"
