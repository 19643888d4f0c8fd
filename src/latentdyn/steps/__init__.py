"""One thin command per Snakemake rule: parse arguments, one library call. Nothing imports these."""
