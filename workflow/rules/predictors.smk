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
    benchmark:
        "results/{corpus}/{representation}/{predictor}/seed{seed}/benchmarks/train_predictor.tsv"
    conda:
        "../envs/latentdyn.yaml"
    threads: threads_of
    resources:
        gpu=1,
        mem_mb=memory(3000, copies=1.2),
        runtime=minutes(120, mb_per_minute=50),
    params:
        float32_matmul=CONFIG.compute.float32_matmul,
        code=lambda w: code_digest(
            "latentdyn.steps.train_model", model_module("predictor"), predictor_module(predictor_of(w).kind)
        ),
        settings=lambda w: predictor_of(w).canonical(),
        state="results/.state/train_predictor/{corpus}/{representation}/{predictor}/seed{seed}",
    shell:
        "python -m latentdyn.steps.train_model --kind predictor --settings {params.settings:q}"
        " --latents {input.latents:q} --frames {input.frames:q} --start {input.start:q} --seed {wildcards.seed}"
        " --code {params.code} --state {params.state:q}"
        " --curve {output.curve:q} --handle {output.handle:q} --float32-matmul {params.float32_matmul:q} >{log:q} 2>&1"


rule evaluate_predictor:
    """Measure how predictable a representation is to a fitted predictor, on every split."""
    input:
        latents="results/{corpus}/{representation}/latents.json",
        frames="results/{corpus}/{representation}/frames.json",
        checkpoint="results/{corpus}/{representation}/{predictor}/seed{seed}/predictor.json",
    output:
        metrics="results/{corpus}/{representation}/{predictor}/seed{seed}/metrics.json",
        speakers="results/{corpus}/{representation}/{predictor}/seed{seed}/speakers.parquet",
    log:
        "results/{corpus}/{representation}/{predictor}/seed{seed}/logs/evaluate_predictor.log",
    benchmark:
        "results/{corpus}/{representation}/{predictor}/seed{seed}/benchmarks/evaluate_predictor.tsv"
    conda:
        "../envs/latentdyn.yaml"
    threads: threads_of
    resources:
        gpu=1,
        mem_mb=memory(3000, copies=1.2),
        runtime=minutes(60, mb_per_minute=50),
    params:
        float32_matmul=CONFIG.compute.float32_matmul,
        code=lambda w: code_digest(
            "latentdyn.steps.evaluate_predictor",
            predictor_module(predictor_of(w).kind),
        ),
        predictor=lambda w: predictor_of(w).canonical(),
        evaluation=CONFIG.evaluation.canonical(),
    shell:
        "python -m latentdyn.steps.evaluate_predictor --latents {input.latents:q} --frames {input.frames:q}"
        " --checkpoint {input.checkpoint:q} --predictor {params.predictor:q} --evaluation {params.evaluation:q}"
        " --speakers {output.speakers:q} --metrics {output.metrics:q} --float32-matmul {params.float32_matmul:q} >{log:q} 2>&1"


rule inject_truth:
    """Forecast segments with and without injected truth, beside the ceiling."""
    input:
        latents="results/{corpus}/{representation}/latents.json",
        frames="results/{corpus}/{representation}/frames.json",
        checkpoint="results/{corpus}/{representation}/{predictor}/seed{seed}/predictor.json",
        ceiling=ceiling_of,
    output:
        metrics="results/{corpus}/{representation}/{predictor}/seed{seed}/injection.json",
        speakers="results/{corpus}/{representation}/{predictor}/seed{seed}/injection_speakers.parquet",
    log:
        "results/{corpus}/{representation}/{predictor}/seed{seed}/logs/inject_truth.log",
    benchmark:
        "results/{corpus}/{representation}/{predictor}/seed{seed}/benchmarks/inject_truth.tsv"
    conda:
        "../envs/latentdyn.yaml"
    threads: threads_of
    resources:
        gpu=1,
        mem_mb=memory(3000, copies=1.2),
        runtime=minutes(30, mb_per_minute=100),
    params:
        float32_matmul=CONFIG.compute.float32_matmul,
        code=lambda w: code_digest("latentdyn.steps.inject_truth", predictor_module(predictor_of(w).kind)),
        predictor=lambda w: predictor_of(w).canonical(),
        injection=CONFIG.injection.canonical(),
        resamples=CONFIG.evaluation.bootstrap_resamples,
    shell:
        "python -m latentdyn.steps.inject_truth --latents {input.latents:q} --frames {input.frames:q}"
        " --checkpoint {input.checkpoint:q} --predictor {params.predictor:q} --ceiling {input.ceiling:q}"
        " --injection {params.injection:q} --resamples {params.resamples} --speakers {output.speakers:q} --metrics {output.metrics:q}"
        " --float32-matmul {params.float32_matmul:q} >{log:q} 2>&1"


rule measure_free_runs:
    """Let a predictor run freely for long, and compare with the data."""
    input:
        latents="results/{corpus}/{representation}/latents.json",
        frames="results/{corpus}/{representation}/frames.json",
        checkpoint="results/{corpus}/{representation}/{predictor}/seed{seed}/predictor.json",
    output:
        "results/{corpus}/{representation}/{predictor}/seed{seed}/free_runs.json",
    log:
        "results/{corpus}/{representation}/{predictor}/seed{seed}/logs/measure_free_runs.log",
    benchmark:
        "results/{corpus}/{representation}/{predictor}/seed{seed}/benchmarks/measure_free_runs.tsv"
    conda:
        "../envs/latentdyn.yaml"
    threads: threads_of
    resources:
        gpu=1,
        mem_mb=memory(3000, copies=1.2),
        runtime=minutes(30, mb_per_minute=100),
    params:
        float32_matmul=CONFIG.compute.float32_matmul,
        code=lambda w: code_digest("latentdyn.steps.measure_free_runs", predictor_module(predictor_of(w).kind)),
        predictor=lambda w: predictor_of(w).canonical(),
        free_runs=CONFIG.free_runs.canonical(),
        resamples=CONFIG.evaluation.bootstrap_resamples,
    shell:
        "python -m latentdyn.steps.measure_free_runs --latents {input.latents:q} --frames {input.frames:q}"
        " --checkpoint {input.checkpoint:q} --predictor {params.predictor:q} --free-runs {params.free_runs:q}"
        " --resamples {params.resamples} --metrics {output:q} --float32-matmul {params.float32_matmul:q} >{log:q} 2>&1"
