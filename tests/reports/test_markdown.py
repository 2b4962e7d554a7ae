"""Markdown that shows what manifests and clusters say, and does nothing they may have wanted it to do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reconciler.model.outcome import Outcome, Status
from reconciler.reports.markdown import escape, markdown
from reconciler.reports.report import planned, running, with_outcome
from tests.reports.samples import CONTEXT, LOAD, PLAN, applied

FORGE = MarkdownIt("gfm-like", {"html": True, "linkify": False})


@pytest.mark.parametrize(
    "text",
    [
        "a | b",
        "`code`",
        "<script>alert(1)</script>",
        "*bold* _it_ ~~no~~",
        "[x](http://e)",
        "![i](http://e/p.png)",
        "\\",
        "$x$",
    ],
)
def test_what_looks_like_markup_shows_as_it_is(text: str) -> None:
    shown = FORGE.render(escape(text))
    assert [tag for tag in ("<code", "<script", "<em", "<strong", "<s>", "<a ", "<img") if tag in shown] == []


@pytest.mark.parametrize(
    "text", ["@alice", "mail bob@example.org", "#12", "!7", "http://evil.example", "www.evil.example"]
)
def test_mentions_references_and_links_are_broken_up(text: str) -> None:
    assert text not in FORGE.render(escape(text)).replace("&amp;", "&")


@given(st.text(max_size=60))
def test_no_text_breaks_a_table_or_opens_an_element(text: str) -> None:
    report = with_outcome(running(planned(PLAN, CONTEXT)), Outcome(LOAD.id, Status.FAILED, text))
    tokens = FORGE.parse(markdown(report))
    rows = [token for token in tokens if token.type == "tr_open"]
    cells = [token for token in tokens if token.type in ("td_open", "th_open")]
    assert len(rows) == len(PLAN.actions) + 1 + len(PLAN.capacity) + 1
    assert len(cells) == 7 * (len(PLAN.actions) + 1) + 5 * (len(PLAN.capacity) + 1)
    inside = {child.type for token in tokens for child in token.children or ()}
    assert inside <= {"text", "strong_open", "strong_close", "text_special", "softbreak"}


def test_the_summary_comes_first() -> None:
    assert markdown(applied()).startswith("## Incomplete: 5 of 6 actions done, 1 failed; ")


def test_a_failed_action_names_the_model_the_cause_and_the_file() -> None:
    assert "- **failed** load wine in models/wine.yaml:4\n  - no " in markdown(applied())
