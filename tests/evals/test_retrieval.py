"""Whether the right tool ranks first, as it was recorded; and the parts that this is computed with."""

import json
import os
import re
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from evals import lexical
from evals.entries import FOLDER, Request, Right, requests
from evals.listing import descriptions
from evals.minilm import PACKAGE, MiniLM, folder
from evals.ranking import opening, ranked, score, whole
from evals.retrieval import BEFORE, MEASURE, RECORDED, measured, summed

NOISE = 1
"""Requests: another processor adds up floats in another order."""
TOP_1, TOP_3 = 0.80, 0.95


@pytest.fixture(scope="module")
def model() -> MiniLM:
    if find_spec(PACKAGE) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{PACKAGE} is not installed")
        pytest.skip(f"{PACKAGE} is not installed")
    return MiniLM(folder())


def test_the_right_tool_ranks_as_it_was_recorded(model: MiniLM) -> None:
    found = summed(measured(descriptions(), requests(), model))[MEASURE]
    recorded: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))["now"][MEASURE]
    assert found.keys() == recorded.keys()
    for part, told in recorded.items():
        assert abs(found[part].first - told["first"]) <= NOISE, (part, "record it: python -m evals.retrieval --record")
        assert abs(found[part].near - told["near"]) <= NOISE, (part, "record it: python -m evals.retrieval --record")
        assert found[part].requests == told["requests"]
    assert found["tune, English"].top_1 >= TOP_1
    assert found["tune, English"].top_3 >= TOP_3


def test_the_model_puts_near_what_means_the_same(model: MiniLM) -> None:
    cat, kitten, invoice = model.vectors(["A cat sat on the mat.", "A kitten is sitting on a rug.", "Pay the invoice."])
    assert np.linalg.norm(cat) == pytest.approx(1.0, abs=1e-5)
    assert cat @ kitten > cat @ invoice + 0.3
    assert model.vectors(["a" * 5000]).shape == (1, 384)


def test_what_is_compared_with_names_every_tool_of_today() -> None:
    assert json.loads(BEFORE.read_text(encoding="utf-8")).keys() == descriptions().keys()


def test_words_that_few_tools_have_weigh_more_and_plurals_are_the_same() -> None:
    found = lexical.scores(["list segments", "list people", "list a segment now, and more words"], "list the segment")
    assert found[0] > found[2] > found[1]


def test_the_first_sentence_is_searched_or_all_of_them() -> None:
    assert opening("get_segment", "Read it. Cannot be undone.") == "get segment: Read it."
    assert whole("get_segment", "Read it. Cannot be undone.") == "get segment: Read it. Cannot be undone."


def test_any_right_tool_counts_and_the_margin_is_to_the_best_wrong_one() -> None:
    either = Request(id="r", say="x", split="tune", right=(Right(tool="a"), Right(tool="c")))
    [found] = ranked([either], ["a", "b", "c", "d"], [[0.1, 0.5, 0.4, 0.9]])
    assert (found.place, found.first) == (3, ("d", "b", "c"))
    assert found.margin == pytest.approx(-0.5)
    assert asdict(score([found])) == {"requests": 1, "first": 0, "near": 1, "margin": found.margin}


def test_the_numbers_on_the_page_are_those_that_were_recorded() -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (MiniLM[^|]*|BM25[^|]*) \|(.* %.*)\|$", page, re.MULTILINE))
    assert len(rows) == 6
    for title, numbers in rows.items():
        when = "now" if title.endswith("now") else "before"
        search = title.split(",")[0].split(" ")[0]
        way = f"{search}, {'whole description' if 'whole' in title else 'name and first sentence'}"
        parts = [recorded[when][way][f"{split}, English"] for split in ("tune", "held_out")]
        shares = [f"{part[place] / part['requests']:.1%}" for part in parts for place in ("first", "near")]
        assert re.findall(r"[\d.]+", numbers) == [share.rstrip("%") for share in shares], title
