"""Put the tables of a corpus together: CSV, Markdown and LaTeX beside the published values, and one document."""

import argparse
import json
import logging
import shutil
import time
from dataclasses import replace
from pathlib import Path

from latentdyn.files import write_text
from latentdyn.provenance import source_commit, write_run_record
from latentdyn.reporting.comparison import with_verdicts
from latentdyn.reporting.compute import compute_sheet
from latentdyn.reporting.document import ROOM, Shown, compile_pdf, document
from latentdyn.reporting.findings import findings
from latentdyn.reporting.forecasts import forecasts_sheet
from latentdyn.reporting.front_matter import origins_and_names, what_holds, why_trusted
from latentdyn.reporting.origins import facts_of, frame_rates, made_of, origins
from latentdyn.reporting.panels import read_panels
from latentdyn.reporting.sheet import write_sheet
from latentdyn.reporting.stored import read_stored
from latentdyn.steps.cli import run_step

_SPEECH = "librispeech"  # the kind of corpus that published values are of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpus", required=True, help="its name")
    parser.add_argument("--corpus-kind", required=True, help="its kind: published values are of librispeech")
    parser.add_argument("--results", type=Path, required=True, help="folder of the corpus, whose run records are told")
    parser.add_argument("--sheets", type=Path, nargs="+", required=True, help="{table}.sheet.json, in order")
    parser.add_argument("--figures", type=Path, nargs="*", default=[], help="{table}.png of these tables")
    parser.add_argument(
        "--certificates", type=Path, nargs="*", default=[], help="{table}.sheet.json of tables of known answers"
    )
    parser.add_argument(
        "--meanings", type=json.loads, default={}, help="JSON: what names stand for, of config.meanings"
    )
    parser.add_argument("--splits", type=Path, help="splits.parquet of the corpus, whose speakers are counted")
    parser.add_argument("--folder", type=Path, required=True, help="to write")


def step(arguments: argparse.Namespace) -> None:
    started, folder = time.time(), arguments.folder
    tables = [read_stored(path) for path in arguments.sheets]
    sheets = {table.name: with_verdicts(table, arguments.corpus_kind == _SPEECH) for table in tables}
    sheets.setdefault("compute", compute_sheet(origins(arguments.results)))
    sheets.setdefault("forecasts", forecasts_sheet(tables))
    sheets = {name: replace(sheet, caption=f"{name}: {sheet.caption or name}") for name, sheet in sheets.items()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, sheet in sheets.items():
        csv, markdown, latex = (folder / f"{name}.{form}" for form in ("csv", "md", "tex"))
        write_sheet(sheet, csv, markdown, latex, ROOM)
    for figure in arguments.figures:
        shutil.copyfile(figure, folder / figure.name)
    facts = facts_of(arguments.results, arguments.splits, source_commit())
    title = f"Tables of corpus {arguments.corpus}"
    source = folder / "paper.tex"
    drawn = {figure.stem: read_panels(figure) for figure in arguments.figures}
    shown = [Shown(name, sheet.caption, len(sheet.rows), drawn.get(name)) for name, sheet in sheets.items()]
    topics = findings(tables, frame_rates(arguments.results))
    notes = [note for sheet in sheets.values() for note in sheet.notes]
    before = what_holds(topics, facts, made_of(arguments.results), notes)
    before += why_trusted([read_stored(path) for path in arguments.certificates], ROOM)
    after = origins_and_names(facts, arguments.meanings)
    write_text(source, document(title, shown, before, after))
    told = compile_pdf(source)
    logging.info(told)
    written = sorted(path for path in folder.iterdir() if path.name != "files.run.json")
    write_run_record(folder / "files.run.json", started=started, files=written, pdf=told)


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
