"""A file with comments is changed in one place, and is what it was, to the byte, when that is taken back."""

import re
from collections.abc import Mapping
from typing import Any

import json5
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cio_mcp.hosts import jsonc
from cio_mcp.hosts.document import Unreadable, is_bare, parsed, rendered
from cio_mcp.hosts.entry import put, servers_of, take_out
from cio_mcp.hosts.table import HOSTS, Syntax

ZED = HOSTS["zed"]
OURS = {"source": "custom", "command": "/opt/bin/cio-mcp", "args": ["--read-only"]}


def with_entry(text: str, entry: Mapping[str, Any] = OURS) -> str:
    document = parsed(Syntax.JSONC, text)
    put(servers_of(document, ZED), "customerio", entry)
    return rendered(Syntax.JSONC, document, like=text)


def without_entry(text: str) -> str:
    document = parsed(Syntax.JSONC, text)
    take_out(document, ZED, "customerio", bare=is_bare(Syntax.JSONC, text, ZED.table))
    return rendered(Syntax.JSONC, document, like=text)


EDITORS = """\
// Zed settings
//
// To see all of them, open the default settings.
{
  "telemetry": { "metrics": false, "diagnostics": false, },
  "base_keymap": "VSCode",
  /* The larger one is for
     presentations. */
  "ui_font_size": 16, // 20
  "context_servers": {
    // "old": { "command": "old" },
    "postgres": {
      "source": "custom",
      "command": "npx",
      "args": ["-y", "server", "https://example.com/*no comment*/"],
      "env": {}
    }, // for the reports
  },
  "theme": {
    "mode": "system", "light": "One Light", "dark": "One Dark" }
}
"""
WRITTEN = """\
    }, // for the reports
    "customerio": {
      "source": "custom",
      "command": "/opt/bin/cio-mcp",
      "args": [
        "--read-only"
      ]
    },
  },
  "theme": {
"""


def test_an_entry_is_written_as_the_rest_of_the_file_is_laid_out() -> None:
    before = '    }, // for the reports\n  },\n  "theme": {\n'
    assert before in EDITORS
    assert with_entry(EDITORS) == EDITORS.replace(before, WRITTEN)


def test_only_the_member_that_is_another_is_replaced() -> None:
    ours = '"customerio": {"command": "/opt/bin/cio-mcp", /* mine */ "args": [], "env": {"X": "1"}, "z": 0 /* too */}'
    text = f'{{\n  "context_servers": {{{ours}}} // servers\n}}'
    changed = with_entry(text, {"command": "/opt/bin/cio-mcp", "args": ["--read-only"], "z": 0, "source": "custom"})
    assert changed == text.replace("[]", '["--read-only"]').replace(' "env": {"X": "1"},', "").replace(
        "0 /* too */", '0, "source": "custom" /* too */'
    )
    assert with_entry(changed, {"command": "/opt/bin/cio-mcp"}) == text.replace(
        ', /* mine */ "args": [], "env": {"X": "1"}, "z": 0', " /* mine */"
    )


@pytest.mark.parametrize(
    "text",
    [
        EDITORS,
        EDITORS.replace("\n", "\r\n"),
        EDITORS.replace("  ", "\t"),
        EDITORS.rstrip("\n"),
        "{}",
        "{}\n",
        "// nothing yet\n{}\n// the end\n",
        "{\n  // nothing yet\n}\n",
        '{"a":1}',
        '{ "a": 1, }',
        '{"a": 1, // x\n "c": 2}',
        '{"a": 1 // x\n}',
        '{"a": 1 // x\n,}',
        '{\n  "a": 1 }\n',
        '{\n  "a": 1\n  , "b": 2\n}\n',
        '{\n  "a": {\n    "b": 1\n  } /* x\n y */\n}\n',
        '/* c */ {"a": 1 /* t */ } // end',
        '{\n  "context_servers": {},\n  "a": 1\n}\n',
        '{\n  "context_servers": { /* none */ }\n}\n',
        '{\n  "context_servers": {\n    // none\n  },\n}\n',
        '{\n  "context_servers": {"other": {"command": "o"}}\n}\n',
        '{\n  a: \'x\', "b": 0x10,\n  "n": NaN, t: true, one: 1, // JSON5\n}\n',
        '{"\\u0061": "\\"}//", "b": "/*"}',
        "\n\n  {\n    }\n".replace("\n    ", ""),
    ],
)
def test_an_entry_that_is_put_in_and_taken_out_leaves_no_trace(text: str) -> None:
    changed = with_entry(text)
    held = json5.loads(changed)
    assert held[ZED.table].pop("customerio") == OURS
    assert changed.count("\r\n") in {0, changed.count("\n")}
    assert with_entry(changed) == changed
    assert without_entry(changed) == text


COMMENTS = st.integers(0, 2).map(lambda kind: ("/*@*/", "/*@\n*/", "//@\n")[kind])
GAPS = st.lists(st.sampled_from(["", " ", "\n", "\n\t", "\n    "]) | COMMENTS, max_size=3).map("".join)
SCALARS = st.sampled_from(["1", "-2.5e3", "true", "null", '"x"', '"//"', '"/*,}"', "'y'", "[]", "[1, /*@*/ 2,]", "{}"])
NAMES = st.sampled_from(['"a"', '"b"', '"//c"', "d", "'e'", '"f\\n"', '"context_servers"'])


@st.composite
def objects(draw: st.DrawFn, depth: int = 2) -> str:
    names: list[str] = draw(st.lists(NAMES, unique=True, max_size=3))
    members = []
    for name in names:
        inner = objects(depth=depth - 1) if depth else SCALARS
        value: str = draw(inner if name == '"context_servers"' else SCALARS | inner)
        members.append(f"{draw(GAPS)}{name}{draw(GAPS)}:{draw(GAPS)}{value}{draw(GAPS)}")
    trailing: bool = draw(st.booleans())
    tail = f",{draw(GAPS)}" if names and trailing else draw(GAPS)
    return "{" + ",".join(members) + tail + "}"


@settings(max_examples=60, deadline=None)  # the library is slow, and a busy machine slower
@given(gap=GAPS, body=objects(), end=GAPS)
def test_no_comment_and_no_value_is_lost_wherever_they_stand(gap: str, body: str, end: str) -> None:
    count = iter(range(1_000))
    text = re.sub("@", lambda _: f"#{next(count)}#", gap + body + end)
    held = json5.loads(text)
    if not isinstance(held.setdefault(ZED.table, {}), dict):
        return
    changed = with_entry(text)
    held[ZED.table]["customerio"] = OURS
    assert json5.loads(changed) == held
    assert re.findall(r"#\d+#", changed) == re.findall(r"#\d+#", text)
    gone = without_entry(changed)
    assert re.findall(r"#\d+#", gone) == re.findall(r"#\d+#", text)
    was, now = json5.loads(text), json5.loads(gone)
    assert now == was or now == {name: value for name, value in was.items() if name != ZED.table or value}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('// mine\n{"a": }', "no JSON, even with comments: it cannot be read in line 2"),
        ('{"a": 1,,}', "cannot be read in line 1"),
        ('{"a": 1', "ends too early"),
        ("// only a comment", "ends too early"),
        ('{"a": 1, "a": 2} // why', "holds a name twice"),
        ("[1]", "is no JSON object"),
        ("[" * 10_000, "nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_refused_without_a_word_of_it(text: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said) as refused:
        parsed(Syntax.JSONC, text)
    assert "mine" not in str(refused.value)


def test_a_text_that_says_what_is_wanted_already_stays() -> None:
    assert jsonc.rewritten(EDITORS, json5.loads(EDITORS)) == EDITORS
