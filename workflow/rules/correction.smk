# Score correction: a score model of single latents, and forecasts whose states Langevin steps correct with it.


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
    benchmark:
        "results/{corpus}/{representation}/{correction}/seed{seed}/benchmarks/train_score.tsv"
    conda:
        "../envs/latentdyn.yaml"
    threads: 2
    resources:
        gpu=1,
        mem_mb=memory(3000, copies=1.2),
        runtime=minutes(120, mb_per_minute=50),
    params:
        float32_matmul=CONFIG.compute.float32_matmul,
        code=code_digest("latentdyn.steps.train_model", model_module("score")),
        settings=lambda w: canonical_json(correction_of(w).score_model()),
        state="results/.state/train_score/{corpus}/{representation}/{correction}/seed{seed}",
    shell:
        "python -m latentdyn.steps.train_model --kind score --settings {params.settings:q}"
        " --latents {input.latents:q} --frames {input.frames:q} --seed {wildcards.seed}"
        " --code {params.code} --state {params.state:q}"
        " --curve {output.curve:q} --handle {output.handle:q} --float32-matmul {params.float32_matmul:q} >{log:q} 2>&1"


rule correct_rollouts:
    """Forecast segments with every variant of a correction, beside the ceiling."""
    input:
        latents="results/{corpus}/{representation}/latents.json",
        frames="results/{corpus}/{representation}/frames.json",
        checkpoint="results/{corpus}/{representation}/{predictor}/seed{seed}/predictor.json",
        ceiling=ceiling_of,
        score="results/{corpus}/{representation}/{correction}/seed{seed}/score.json",
    output:
        metrics="results/{corpus}/{representation}/{predictor}/seed{seed}/corrected_{correction}.json",
        speakers="results/{corpus}/{representation}/{predictor}/seed{seed}/corrected_{correction}_speakers.parquet",
    log:
        "results/{corpus}/{representation}/{predictor}/seed{seed}/logs/correct_rollouts_{correction}.log",
    benchmark:
        "results/{corpus}/{representation}/{predictor}/seed{seed}/benchmarks/correct_rollouts_{correction}.tsv"
    conda:
        "../envs/latentdyn.yaml"
    threads: threads_of
    resources:
        gpu=1,
        mem_mb=memory(3000, copies=1.2),
        runtime=minutes(60, mb_per_minute=100),
    params:
        float32_matmul=CONFIG.compute.float32_matmul,
        code=lambda w: code_digest("latentdyn.steps.correct_rollouts", predictor_module(predictor_of(w).kind)),
        predictor=lambda w: predictor_of(w).canonical(),
        score_model=lambda w: canonical_json(correction_of(w).score_model()),
        sampling=lambda w: canonical_json(correction_of(w).sampling()),
        injection=CONFIG.injection.canonical(),
        resamples=CONFIG.evaluation.bootstrap_resamples,
    shell:
        "python -m latentdyn.steps.correct_rollouts --latents {input.latents:q} --frames {input.frames:q}"
        " --checkpoint {input.checkpoint:q} --predictor {params.predictor:q} --ceiling {input.ceiling:q}"
        " --score {input.score:q} --score-model {params.score_model:q} --sampling {params.sampling:q}"
        " --injection {params.injection:q} --resamples {params.resamples} --speakers {output.speakers:q}"
        " --metrics {output.metrics:q} --float32-matmul {params.float32_matmul:q} >{log:q} 2>&1"
