# Predictors: one job fits a predictor at all its horizons, so that the latents are loaded once.


rule train_predictor:
    """Fit a predictor at all its horizons to the training speakers; a killed job continues."""
    input:
        latents="results/{corpus}/{representation}/latents.json",
        frames="results/{corpus}/{representation}/frames.json",
    output:
        weights="results/{corpus}/{representation}/{predictor}/seed{seed}/predictor.safetensors",
        curve="results/{corpus}/{representation}/{predictor}/seed{seed}/curve.parquet",
        handle="results/{corpus}/{representation}/{predictor}/seed{seed}/predictor.json",
    log:
        "results/{corpus}/{representation}/{predictor}/seed{seed}/logs/train_predictor.log",
    benchmark:
        "results/{corpus}/{representation}/{predictor}/seed{seed}/benchmarks/train_predictor.tsv"
    conda:
        "../envs/latentdyn.yaml"
    threads: 2
    resources:
        gpu=1,
        mem_mb=lambda w, attempt: 16000 * attempt,
        runtime=lambda w, attempt: 720 * attempt,
    params:
        code=lambda w: code_digest("latentdyn.steps.train_predictor", predictor_module(predictor_of(w).kind)),
        predictor=lambda w: predictor_of(w).canonical(),
        state="results/.state/train_predictor/{corpus}/{representation}/{predictor}/seed{seed}",
    shell:
        "python -m latentdyn.steps.train_predictor --latents {input.latents:q} --frames {input.frames:q}"
        " --predictor {params.predictor:q} --seed {wildcards.seed} --code {params.code} --state {params.state:q}"
        " --curve {output.curve:q} --handle {output.handle:q} >{log:q} 2>&1"


rule evaluate_predictor:
    """Measure how predictable a representation is to a fitted predictor, on every split."""
    input:
        latents="results/{corpus}/{representation}/latents.json",
        frames="results/{corpus}/{representation}/frames.json",
        checkpoint="results/{corpus}/{representation}/{predictor}/seed{seed}/predictor.json",
    output:
        "results/{corpus}/{representation}/{predictor}/seed{seed}/metrics.json",
    log:
        "results/{corpus}/{representation}/{predictor}/seed{seed}/logs/evaluate_predictor.log",
    benchmark:
        "results/{corpus}/{representation}/{predictor}/seed{seed}/benchmarks/evaluate_predictor.tsv"
    conda:
        "../envs/latentdyn.yaml"
    threads: 2
    resources:
        gpu=1,
        mem_mb=lambda w, attempt: 16000 * attempt,
        runtime=240,
    params:
        code=lambda w: code_digest(
            "latentdyn.steps.evaluate_predictor",
            predictor_module(predictor_of(w).kind),
        ),
        predictor=lambda w: predictor_of(w).canonical(),
        evaluation=CONFIG.evaluation.canonical(),
    shell:
        "python -m latentdyn.steps.evaluate_predictor --latents {input.latents:q} --frames {input.frames:q}"
        " --checkpoint {input.checkpoint:q} --predictor {params.predictor:q} --evaluation {params.evaluation:q}"
        " --metrics {output:q} >{log:q} 2>&1"
