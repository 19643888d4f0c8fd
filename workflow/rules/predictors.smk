# Predictors: one job fits a predictor at all its horizons, so that the latents are loaded once.


rule train_predictor:
    """Fit a predictor at all its horizons to the training speakers; a killed job continues."""
    input:
        latents="results/{corpus}/{representation}/latents.json",
        frames="results/{corpus}/{representation}/frames.json",
        start=start_of,
    output:
        weights="results/{corpus}/{representation}/{predictor}/seed{seed}/predictor.safetensors",
        curve="results/{corpus}/{representation}/{predictor}/seed{seed}/curve.parquet",
        handle="results/{corpus}/{representation}/{predictor}/seed{seed}/predictor.json",
    log:
        "results/{corpus}/{representation}/{predictor}/seed{seed}/logs/train_predictor.log",
    conda:
        "../envs/latentdyn.yaml"
    threads: threads_of
    resources:
        gpu=1,
        mem_mb=memory(3000, copies=1.2),
        runtime=minutes(120, mb_per_minute=50),
    params:
        inputs=presence,
        float32_matmul=CONFIG.compute.float32_matmul,
        code=lambda w: code_digest(
            "latentdyn.steps.train_model", MODELS.module("predictor"), *predictor_of(w).fitted_by
        ),
        settings=lambda w: predictor_of(w).canonical(),
        state="results/.state/train_predictor/{corpus}/{representation}/{predictor}/seed{seed}",
    shell:
        "python -m latentdyn.steps.train_model --kind predictor --settings {params.settings:q}"
        " --latents {input.latents:q} --frames {input.frames:q} --start {input.start:q} --seed {wildcards.seed}"
        " --code {params.code} --state {params.state:q}"
        " --curve {output.curve:q} --handle {output.handle:q} --float32-matmul {params.float32_matmul:q} >{log:q} 2>&1"
