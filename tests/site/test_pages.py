"""The pages before they are HTML: each says what its source says, and nothing of README is left out or said twice."""

import json
import re
from base64 import urlsafe_b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cio_mcp.explaining import EXPLAINED, explanations
from cio_mcp.hosts.table import HOSTS
from docs import error_pages, host_pages, tool_pages
from docs.building import DOCUMENTS, LEFT_OUT, ROOT, Source, cuts, source
from docs.cutting import Cuts, Unplaced
from docs.failures import FAILURES
from docs.markdown import below, outside_fences, relinked, sections, written
from docs.sameness import settled, unless_the_same
from tests.catalog import listed

DOCUMENT = """\
# Title

Before all.

## First

See [second](#second), [elsewhere](https://example.com/#x) and [the folder](deploy).

```sh
# no heading
[no](#link)
```

### Below

Text.

## Second

Words.
"""


@pytest.fixture(scope="module")
def made() -> Source:
    """Return the site as Markdown."""
    return source()


def cut(**pages: str) -> Cuts:
    return Cuts(documents={"README.md": DOCUMENT}, pages={f"{name}.md": text for name, text in pages.items()})


def test_a_section_stands_on_its_page_and_links_lead_to_others() -> None:
    both = cut(a="<!-- include: README.md#First -->\n", b="# Own\n\n<!-- include: README.md#Second -->\n")
    page = both.page("a.md")
    assert page.startswith("# First\n\nSee [second](b.md#second), [elsewhere](https://example.com/#x) and the folder.")
    assert "# no heading\n[no](#link)" in page
    assert "## Below\n\nText." in page
    assert both.page("b.md") == "# Own\n\n## Second\n\nWords.\n"


def test_a_section_with_a_page_of_its_own_is_left_out_of_the_one_above_it() -> None:
    both = cut(a="<!-- include: README.md#First -->", b="<!-- include: README.md#Below -->",
               c="<!-- include: README.md#Second -->")  # fmt: skip
    assert "Below" not in both.page("a.md")
    assert both.page("b.md") == "# Below\n\nText.\n"


def test_a_section_that_no_page_shows_is_named() -> None:
    assert cut(a="<!-- include: README.md#First -->").unplaced("README.md") == ["Title", "Second"]


def test_a_section_on_two_pages_is_refused() -> None:
    with pytest.raises(Unplaced, match=r"stands on a\.md and on b\.md"):
        cut(a="<!-- include: README.md#First -->", b="<!-- include: README.md#First -->").claims()


def test_a_link_to_what_no_page_shows_is_refused() -> None:
    with pytest.raises(Unplaced, match=r"README\.md#second, which no page shows"):
        cut(a="<!-- include: README.md#First -->").page("a.md")


def test_a_heading_that_does_not_exist_is_refused() -> None:
    with pytest.raises(LookupError, match="0 sections are called Third"):
        cut(a="<!-- include: README.md#Third -->").page("a.md")


def test_headings_move_together() -> None:
    assert re.findall(r"^#+ .*", written(below("First", sections(DOCUMENT)), top=2), re.MULTILINE) == [
        "## First",
        "# no heading",
        "### Below",
    ]


def test_code_is_left_as_it_is() -> None:
    assert "[no](#link)" in relinked(DOCUMENT, lambda _file, _anchor: None)
    assert outside_fences(DOCUMENT, str.upper).count("# no heading") == 1


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_section_of_a_document_stands_on_one_page(document: str) -> None:
    assert cuts().unplaced(document) == LEFT_OUT.get(document, [])


def test_what_readme_says_is_not_copied_by_hand(made: Source) -> None:
    paragraphs = [
        part for part in re.split(r"\n\n+", (ROOT / "README.md").read_text(encoding="utf-8")) if len(part) > 80
    ]
    copied = [part for part in paragraphs for text in cuts().pages.values() if part in text]
    assert copied == []
    shown = "\n".join(made.pages.values())
    prose = [part for part in paragraphs if not re.search(r"[|`#\[<]", part)]
    assert prose
    missing = [part for part in prose if part not in shown]
    assert [part for part in missing if "[CHANGELOG.md]" not in part] == []


@pytest.mark.parametrize("tool", listed.tools(), ids=lambda tool: tool.name)
def test_a_tools_page_shows_its_arguments_its_marks_and_a_call_with_its_answer(made: Source, tool: Any) -> None:
    page = made.pages[tool_pages.path_of(tool.name)]
    for name in tool.input_schema["properties"]:
        assert f"| `{name}` |" in page
    assert ("reads only" in page) is tool.annotations.read_only_hint
    assert ("had back" in page.partition("## A call")[0]) is tool.annotations.destructive_hint
    assert page.count("```json") >= 2
    assert "is answered with" in page


def test_a_tool_that_is_confirmed_shows_plan_token_and_done(made: Source) -> None:
    examples = json.loads(tool_pages.EXAMPLES.read_text(encoding="utf-8"))
    asked = {name for name, example in examples.items() if len(example["calls"]) > 1}
    assert {"suppress_person", "trigger_broadcast", "update_collection", "create_reporting_webhook"} <= asked
    for name in asked:
        first, last = examples[name]["calls"]
        assert first["result"]["error"]["code"] == "confirmation_needed"
        assert first["result"]["error"]["plan"]
        assert last["arguments"]["confirm_token"] == first["result"]["error"]["confirm_token"]
        assert not last["is_error"]
        assert "the same call with its token" in made.pages[tool_pages.path_of(name)]


def test_every_other_call_that_is_shown_was_answered_and_not_refused() -> None:
    examples = json.loads(tool_pages.EXAMPLES.read_text(encoding="utf-8"))
    assert set(examples) == {tool.name for tool in listed.tools()}
    assert [name for name, example in examples.items() if example["calls"][-1]["is_error"]] == []


@pytest.mark.parametrize("code", EXPLAINED)
def test_an_errors_page_says_what_happened_what_was_sent_and_what_is_next(made: Source, code: str) -> None:
    page, one = made.pages[error_pages.path_of(code)], explanations()[code]
    assert one.happened in page
    assert all(f"## {heading}" in page for heading in ("What an agent does next", "What a person does next"))
    assert f"\n{code}: " in page, "the error that was produced"
    assert f"`cio-mcp explain {code}`" in page


def test_every_error_was_produced() -> None:
    examples = json.loads(error_pages.EXAMPLES.read_text(encoding="utf-8"))
    assert list(examples) == list(FAILURES)
    assert set(examples) == set(EXPLAINED)
    for code, failure in FAILURES.items():
        assert examples[code]["typed"] == list(failure.typed)


@pytest.mark.parametrize("name", HOSTS)
def test_a_hosts_page_has_its_command_its_files_and_the_way_out(made: Source, name: str) -> None:
    page = made.pages[host_pages.path_of(HOSTS[name])]
    assert f"cio-mcp install {name} --read-only\n" in page
    assert f"cio-mcp install {name} --uninstall\n" in page
    assert all(f"| {system} | `" in page for system in ("macOS", "Windows", "Linux"))
    assert HOSTS[name].then in page


def test_the_tables_lead_to_the_pages_of_what_they_name(made: Source) -> None:
    assert "| [`send_email`](send_email.md) |" in made.pages["tools/index.md"]
    assert "| [`rate_limited`](rate_limited.md) |" in made.pages["errors/index.md"]
    assert "| [Codex](codex.md) |" in made.pages["start/hosts/index.md"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"queued_at": 1795908453}, {"queued_at": 1795999999}),
        ({"operation": "01M8J7RV4GJH0HT3665BJTEZCX"}, {"operation": "01M8J8182XNWB77VK7A5J6MKR3"}),
        ({"reason": "it took 3 s"}, {"reason": "it took 12.5 s"}),
        ({"at": "2026-11-28T23:27:45Z"}, {"at": "2027-01-01T00:00:00Z"}),
        ({"confirm_token": "Ut0CnyxRYJ2W-qLfllX3GEvsAEenULy7"}, {"confirm_token": "KrJGpAVpTprCLT4A7g7MuNtvqw_VmsiT"}),
    ],
)
def test_runs_that_differ_by_time_and_numbers_alone_are_the_same(one: Any, other: Any) -> None:
    assert settled(one) == settled(other)
    assert unless_the_same(one, other) is one


@pytest.mark.parametrize("text", ["{}", "send it again with {}", '{{"token":"{}"}}', "twice: {0}, {0}."])
@pytest.mark.parametrize(("size", "word"), [(24, "<token>"), (20, "<delivery>")])
@given(number=st.integers(min_value=0))
@example(number=0b111110 << 186 | 0b111110 << 154 | 62)
@example(number=2**192 - 1)
def test_a_token_and_a_delivery_are_settled_whatever_letters_they_are_made_of(
    text: str, size: int, word: str, number: int
) -> None:
    drawn = urlsafe_b64encode((number % 2 ** (8 * size)).to_bytes(size, "big")).decode()
    assert settled(text.format(drawn)) == text.format(word)


@pytest.mark.parametrize(
    ("one", "other"),
    [({"count": 11}, {"count": 12}), ({"ending": "ok"}, {"ending": "unknown"}), ({"a": 1}, {}), ([1], [1, 2])],
)
def test_runs_that_differ_otherwise_are_not(one: Any, other: Any) -> None:
    assert settled(one) != settled(other)
    assert unless_the_same(one, other) is other


def test_a_page_that_the_navigation_lacks_would_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    known = cuts()
    more = replace(known, pages={**known.pages, "lost.md": "# Lost\n"})
    monkeypatch.setattr("docs.building.cuts", lambda: more)
    with pytest.raises(Unplaced, match=r"lost\.md"):
        source()


@pytest.mark.parametrize("made_of", [tool_pages, error_pages])
def test_what_has_no_example_yet_is_named_with_the_way_to_make_one(
    made_of: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "none.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(made_of, "EXAMPLES", tmp_path / "none.json")
    with pytest.raises(Unplaced, match=r"and run `python -m docs\.\w+`"):
        made_of.pages()


def test_the_comparison_tells_the_tokens_that_the_benchmarks_measured() -> None:
    measured = re.search(r"\| cio-mcp \| 69 \| (\d+,\d{3}) \|", (ROOT / "benchmarks" / "README.md").read_text("utf-8"))
    assert measured
    told = (ROOT / "docs" / "pages" / "compare.md").read_text("utf-8")
    assert f"| Cost of the tool list | {measured[1]} tokens" in told
