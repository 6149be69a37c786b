"""The table of kinds is that of what is emitted."""

import ast
from functools import cache
from pathlib import Path

import octavo
from octavo.definition.kinds import BY_SUBJECT, KINDS, STAGES, stage_of
from octavo.definition.notify import FIELDS
from octavo.runner import STAGES as RUN
from octavo.services.audit import DEPLOYING

SOURCE = Path(octavo.__path__[0])


@cache
def sources() -> dict[str, str]:
    return {str(file): file.read_text() for file in SOURCE.rglob("*.py") if file.name != "kinds.py"}


@cache
def emitted() -> set[str]:
    """Return the kinds that calls of ``emit`` name as text."""
    found = set()
    for text in sources().values():
        for node in ast.walk(ast.parse(text)) if "emit(" in text else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "emit":
                within = ast.unparse(node.args[0]) == "connection"
                kind = node.args[1] if within else node.args[0]
                found |= {kind.value} if isinstance(kind, ast.Constant) else set()
    return found


def test_every_kind_that_is_emitted_is_in_the_table():
    assert len(emitted()) > 15
    assert emitted() <= set(KINDS)


def test_every_kind_in_the_table_is_in_the_code():
    text = "\n".join(sources().values())
    assert not [kind for kind in KINDS if f'"{kind}"' not in text]
    assert set(DEPLOYING) <= set(KINDS)


def test_every_kind_and_field_is_in_the_docs():
    page = (Path(__file__).parents[3] / "docs" / "notifications.md").read_text()
    assert not [kind for kind in KINDS if kind not in page]
    assert not [name for name in FIELDS if f"{{{name}" not in page]


def test_stages_are_those_that_run():
    assert list(RUN) == list(STAGES)
    assert {about.stage for about in KINDS.values()} <= {*STAGES, "across", BY_SUBJECT}
    assert stage_of("run failed", "training") == "training"
    assert stage_of("job failed", "ingestion/orders") == "ingestion"
    assert stage_of("run failed", "elsewhere") == stage_of("unheard of", "") == "across"
