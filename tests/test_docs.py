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


def sources() -> Iterator[tuple[Path, str]]:
    """What the code says, in one line each: comments that go on are not cut, nor are those of the .proto."""
    for folder in ("reconciler", "benchmarks", "tests/controlplane", "tests/kubernetes", "tests/standin"):
        for file in sorted([*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.proto")]):
            yield file, " ".join(re.sub(r"\n\s*(?:#|//) ?", "\n", file.read_text()).split())


def titles_of(document: Path) -> set[str]:
    return {line.lstrip("# ").strip() for line in document.read_text().splitlines() if line.startswith("#")}


def test_every_document_and_section_that_the_code_cites_exists() -> None:
    cited = set()
    for file, text in sources():
        assert "SELDON.md" not in text, file
        assert "DESIGN.md" not in text, file
        for name, *titles in re.findall(r'(docs/[a-z-]+\.md)(?:,? \(?"([^"]+)"(?:(?:,? and|,) "([^"]+)")?)?', text):
            cited |= {(name, title) for title in titles}
    assert ("docs/seldon.md", "Servers") in cited
    for name, title in cited:
        assert (ROOT / name).is_file(), name
        assert not title or any(known.startswith(title) for known in titles_of(ROOT / name)), (name, title)


def test_every_decision_that_the_code_cites_exists() -> None:
    cited = {number for _, text in sources() for number in re.findall(r"docs/decisions/(\d{4})", text)}
    assert "0012" in cited
    assert cited <= {record.name[:4] for record in (ROOT / "docs" / "decisions").glob("*.md")}


def test_decisions_are_numbered_one_after_the_other() -> None:
    records = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [record.name[:4] for record in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    for number, record in enumerate(records, start=1):
        assert record.read_text().startswith(f"# {number}. "), record.name


def test_every_link_to_a_section_leads_there() -> None:
    for document in [*DOCUMENTS, *(ROOT / "docs" / "decisions").glob("*.md")]:
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", document.read_text()):
            titles = titles_of(document.parent / target if target else document)
            known = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in known, f"{document.name}: {target}#{anchor}"
