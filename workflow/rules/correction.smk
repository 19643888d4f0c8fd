# Score models of single latents, with which Langevin steps correct the states of forecasts.


rule train_score:
    """Fit a score model to the training speakers' single latents; a killed job continues."""
    input:
        latents="results/{corpus}/{representation}/latents.json",
        frames="results/{corpus}/{representation}/frames.json",
    output:
        weights="results/{corpus}/{representation}/{correction}/seed{seed}/score.safetensors",
        curve="results/{corpus}/{representation}/{correction}/seed{seed}/curve.parquet",
        handle="results/{corpus}/{representation}/{correction}/seed{seed}/score.json",
    log:
        "results/{corpus}/{representation}/{correction}/seed{seed}/logs/train_score.log",
    conda:
        "../envs/latentdyn.yaml"
    threads: 2
    resources:
        gpu=1,
        mem_mb=memory(3000, copies=1.2),
        runtime=minutes(120, mb_per_minute=50),
    params:
        inputs=presence,
        float32_matmul=CONFIG.compute.float32_matmul,
        code=code_digest("latentdyn.steps.train_model", MODELS.module("score")),
        settings=lambda w: canonical_json(correction_of(w).score_model()),
        state="results/.state/train_score/{corpus}/{representation}/{correction}/seed{seed}",
    shell:
        "python -m latentdyn.steps.train_model --kind score --settings {params.settings:q}"
        " --latents {input.latents:q} --frames {input.frames:q} --seed {wildcards.seed}"
        " --code {params.code} --state {params.state:q}"
        " --curve {output.curve:q} --handle {output.handle:q} --float32-matmul {params.float32_matmul:q} >{log:q} 2>&1"
