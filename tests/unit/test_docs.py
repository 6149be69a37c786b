"""Documentation cannot drift: what exists is in the reference, and what is shown exists."""

import dataclasses
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest

import octavo
import octavo.cli
from octavo.cli.main import MODULES, app

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
IDS = [str(path.relative_to(ROOT)) for path in DOCS]
EVERYWHERE = {"--debug", "--help"}


@cache
def commands() -> dict[str, Any]:
    """Return every command by the words it is called with: ``run``, ``config set``, …"""
    return dict(_leaves(app, ()))


def _leaves(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(words), command
        return
    if default := getattr(command, "default", ""):
        yield " ".join(words), inner[default]
    for name, child in inner.items():
        yield from _leaves(child, (*words, name))


def test_every_command_is_listed_with_its_module():
    modules = [import_module(f"octavo.cli.{m.name}") for m in iter_modules(octavo.cli.__path__)]
    found = {
        module.__name__.removeprefix("octavo.cli."): tuple(each.name for each in module.COMMANDS)
        for module in modules
        if hasattr(module, "COMMANDS")
    }
    assert found == MODULES


def options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts if "-" in option}


def shown(text: str) -> Iterator[str]:
    """Give the octavo command lines of a page: those in backticks, and in blocks of code."""
    fence = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
    for language, block in fence.findall(text):
        if language in ("", "sh", "console"):
            lines = block.replace("\\\n", " ").splitlines()
            yield from (found for line in lines if (found := _call(line)))
    for span in re.findall(r"`([^`]+)`", fence.sub("", text)):
        if found := _call(span.replace("\n", " ")):
            yield found


def _call(line: str) -> str | None:
    """Return what follows ``octavo`` on a line that calls it, without comments."""
    match = re.match(r"(?:\$ )?(?:\S*/)?octavo ([^#|>]*)", line.strip())
    return match[1].strip() if match else None


@pytest.mark.parametrize("name", octavo.__all__)
def test_every_public_name_and_its_fields_are_in_the_reference(name: str) -> None:
    assert f"ov.{name}" in REFERENCE
    thing = getattr(octavo, name)
    if dataclasses.is_dataclass(thing):
        section = REFERENCE.split(f"ov.{name}")
        for field in dataclasses.fields(thing):
            assert any(re.search(rf"\b{field.name}\b", part) for part in section[1:]), field.name


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_and_its_options_are_in_the_reference(name: str) -> None:
    assert f"`octavo {name}" in REFERENCE
    for option in options(commands()[name]) - EVERYWHERE:
        assert f"`{option}" in REFERENCE, option


@pytest.mark.parametrize("path", DOCS, ids=IDS)
def test_only_commands_that_exist_are_shown(path: Path) -> None:
    for call in shown(path.read_text()):
        if call.startswith("COMMAND"):
            continue
        known = [name for name in commands() if call == name or call.startswith(f"{name} ")]
        assert known, f"octavo {call}"
        used = set(re.findall(r"(?<!\S)(--?[a-z][a-z-]*)", call))
        unknown = used - options(commands()[max(known, key=len)]) - EVERYWHERE
        assert not unknown, f"octavo {call}: {unknown}"


@pytest.mark.parametrize("path", DOCS, ids=IDS)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        page = (path.parent / file) if file else path
        assert page.exists(), target
        if anchor:
            assert anchor in headings(page), target


def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as they are made on the web."""
    found = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in found}


def test_the_finder_sees_a_command_that_does_not_exist() -> None:
    text = "see `octavo fly`\n\n```\noctavo run --fast  # no\n. x; ls\n```\n"
    assert sorted(shown(text)) == ["fly", "run --fast"]
