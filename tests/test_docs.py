"""The documentation names every command, option, setting and schema, and every command line in it parses."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from reconciler.cli import app
from reconciler.settings import TABLE

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "examples" / "repo" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(document.read_text() for document in DOCUMENTS)
COMMANDS = typer.main.get_command(app)


def walk(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command below `command`, which is Any because typer keeps its command classes private."""
    inner = getattr(command, "commands", {})
    for name, below in inner.items():
        yield from walk(below, (*words, name))
    if not inner:
        yield words, command


LEAVES = list(walk(COMMANDS))


@pytest.mark.parametrize("words", [words for words, _ in LEAVES], ids=" ".join)
def test_every_command_is_in_the_guide(words: tuple[str, ...]) -> None:
    assert f"`reconciler {' '.join(words)}" in (ROOT / "docs" / "guide.md").read_text()


def test_every_option_is_in_the_docs() -> None:
    options = {name for _, command in LEAVES for option in command.params for name in option.opts if name[0] == "-"}
    assert {name for name in options if f"{name}`" not in TEXT and f"{name} " not in TEXT} == set()


def test_every_setting_is_in_the_table_of_the_guide_as_help_tells_it() -> None:
    guide = (ROOT / "docs" / "guide.md").read_text()
    for setting in TABLE.values():
        short = f", `{setting.short}`" if setting.short else ""
        assert f"| `{setting.flag}`{short} | `{setting.key}` | {setting.help} | {setting.shown} |" in guide


def command_lines() -> list[str]:
    """Every command line of ours in the docs: in indented or fenced blocks, and in backticks."""
    found = re.findall(r"(?:^ {4}|^|`|&& )(reconciler [^`#\n]*)", TEXT, flags=re.MULTILINE)
    return sorted({line.strip().rstrip(".,") for line in found if not line.startswith("reconciler is")})


@pytest.mark.parametrize("line", command_lines())
def test_every_command_line_in_the_docs_parses(line: str) -> None:
    words = [word.strip("[]") for word in shlex.split(line)[1:]]
    command, name = COMMANDS, "reconciler"
    while words and hasattr(command, "commands"):
        if words[0].startswith("-"):
            break
        name = words.pop(0).strip(",…")
        command = command.commands[name]
    command.make_context(name, words, resilient_parsing=True)
    options = {name for option in command.params for name in (*option.opts, "--help", "--version")}
    assert {word for word in words if word.startswith("--")} <= options, line


def test_every_schema_is_listed() -> None:
    assert all(schema.name in TEXT for schema in (ROOT / "schemas").glob("*.json"))


def test_every_link_to_a_file_leads_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_module_that_the_architecture_names_exists() -> None:
    table = re.findall(r"^\| `([^|]+)` \|", (ROOT / "docs" / "architecture.md").read_text(), flags=re.MULTILINE)
    for name in (part.strip("` ") for row in table for part in row.split(",")):
        assert (ROOT / "reconciler" / name).exists() or (ROOT / "reconciler" / f"{name}.py").exists(), name


def test_every_document_and_section_that_the_code_cites_exists() -> None:
    cited = set()
    for file in [*(ROOT / "reconciler").rglob("*.py")]:
        text = " ".join(file.read_text().split())
        assert "SELDON.md" not in text, file
        assert "DESIGN.md" not in text, file
        cited |= {(name, title) for name, title in re.findall(r'(docs/[a-z-]+\.md)(?:, "([^"]+)")?', text)}
    assert cited
    for name, title in cited:
        document = (ROOT / name).read_text()
        titles = {line.lstrip("# ").strip() for line in document.splitlines() if line.startswith("#")}
        assert not title or any(known.startswith(title) for known in titles), (name, title)
