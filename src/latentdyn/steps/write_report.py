"""Write the page of a corpus: what its tables say, the tables and figures themselves, sounds, and where all is from.

Tables that are not there are named on the page, so that a page can be had of an unfinished run too.
"""

import argparse
import json
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from latentdyn.files import write_text
from latentdyn.provenance import source_commit, write_run_record
from latentdyn.provenance.jobs import FOLDER, MANIFEST, runs
from latentdyn.reporting.findings import findings
from latentdyn.reporting.origins import citation, facts_of, frame_rates, made_of, origins
from latentdyn.reporting.page.audio import heard
from latentdyn.reporting.page.judge import judge
from latentdyn.reporting.page.names import names_of
from latentdyn.reporting.page.render import Page, image_url, render
from latentdyn.reporting.page.rulegraph import rulegraph
from latentdyn.reporting.page.tables import page_table
from latentdyn.reporting.stored import StoredSheet, read_stored
from latentdyn.steps.cli import run_step

_ENDING = ".sheet.json"
_ABSENT = "it has not been made yet"
_MB = 1_000_000
_LISTS_MB = 0.2  # of the page, for the names of what is heard and of what does not fit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    files: dict[str, Any] = {"type": Path, "nargs": "*", "default": []}
    parser.add_argument("--corpus", required=True, help="its name")
    parser.add_argument("--results", type=Path, required=True, help="folder of the corpus, whose run records are told")
    parser.add_argument("--sheets", **files, help="{table}.sheet.json, in order; those that do not exist are named")
    parser.add_argument("--figures", **files, help="{table}.svg or .png of these tables")
    parser.add_argument("--certificates", **files, help="{table}.sheet.json of tables of known answers")
    parser.add_argument("--heard", **files, help="folders of WAV files")
    parser.add_argument(
        "--meanings", type=json.loads, default={}, help="JSON: what names stand for, of config.meanings"
    )
    parser.add_argument("--splits", type=Path, help="splits.parquet of the corpus, whose speakers are counted")
    parser.add_argument("--most-mb", type=float, default=25.0, help="of the page; sounds get what is left (default 25)")
    parser.add_argument("--page", type=Path, required=True, help="HTML to write")


def step(arguments: argparse.Namespace) -> None:
    started = time.time()
    tables, missing = _read(arguments.sheets)
    certificates, _ = _read(arguments.certificates)
    facts = facts_of(arguments.results, arguments.splits, source_commit())
    settings = {table.name: _settings(table) for table in tables}
    written = {"written": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())}
    page = Page(
        corpus=arguments.corpus,
        tables=[page_table(table) for table in tables],
        figures={file.stem: image_url(file) for file in arguments.figures if file.exists()},
        topics=findings(tables, frame_rates(arguments.results)),
        certificates={table.name: findings([table]) for table in certificates},
        missing=missing,
        heard=[],
        left_out=[],
        origins=origins(arguments.results),
        facts=written | facts,
        citation=citation(facts, settings.values()),
        settings=settings,
        digests={table.name: table.sha256 for table in tables},
        rulegraph=rulegraph(_jobs(arguments.results, arguments.corpus)),
        judge=judge(tables, certificates),
        meanings=names_of(arguments.meanings),
        made=made_of(arguments.results),
    )
    room = _MB * (arguments.most_mb - _LISTS_MB) - len(render(page).encode())
    sounds, left_out = heard(arguments.heard, arguments.results, max(0, int(room)))
    write_text(arguments.page, render(replace(page, heard=sounds, left_out=left_out)))
    write_run_record(arguments.page.with_suffix(".run.json"), started=started, files=[arguments.page])


def _jobs(results: Path, corpus: str) -> list[dict[str, Any]]:
    """The jobs of a corpus that are known."""
    known = runs(results.parent / FOLDER.relative_to("results"), results.parent / MANIFEST.name)
    return [job for job in known if job.get("wildcards", {}).get("corpus", corpus) == corpus]


def _read(paths: Iterable[Path]) -> tuple[list[StoredSheet], dict[str, str]]:
    """The sheets that are there, and why others are not, by name."""
    there, absent = [], {}
    for path in paths:
        if path.exists():
            there.append(read_stored(path))
        else:
            absent[path.name.removesuffix(_ENDING)] = _ABSENT
    return there, absent


def _settings(table: StoredSheet) -> str:
    return json.dumps({"table": table.settings, "plan": table.plan}, indent=1, ensure_ascii=False, sort_keys=True)


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
