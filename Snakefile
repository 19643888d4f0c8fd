# From audio to tables: ask for a table, and what it needs follows from its entry in the config.
from pathlib import Path

from snakemake.utils import min_version

min_version("9.14.8")  # older versions lose defaults of the config schema in remote jobs


configfile: str(Path(workflow.basedir) / "config/config.yaml")  # of this project, whatever the working directory is


include: "workflow/rules/common.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/corpus.smk"
include: "workflow/rules/representations.smk"
include: "workflow/rules/learned.smk"
include: "workflow/rules/predictors.smk"
include: "workflow/rules/correction.smk"
include: "workflow/rules/measuring.smk"
include: "workflow/rules/measurements.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/reporting.smk"


if not CONFIG.tables and workflow.is_main_process:
    logger.warning("The configuration asks for no tables. Add a file that does, such as --configfile config/demo.yaml")


localrules:
    all,


rule all:
    default_target: True
    input:
        [
            f"results/{corpus}/{file}"
            for name, table in CONFIG.tables.items()
            for corpus in table.corpora
            for file in (f"tables/{name}.csv", f"tables/{name}.md", f"tables/{name}.tex", f"figures/{name}.png")
        ],


include: "workflow/rules/report.smk"
include: "workflow/rules/paper.smk"
