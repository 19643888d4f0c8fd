"""`paper`: which tables are put together into one document."""

from pydantic import Field

from latentdyn.config.values import Names, Strict


class Paper(Strict):
    """The document that `snakemake paper` makes for each corpus."""

    tables: Names | None = Field(None, description="its tables, in order; all of the corpus where it is left out")
