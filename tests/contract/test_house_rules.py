"""The rules of the house, held over every file."""

from __future__ import annotations

import ast
import re
from pathlib import Path

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40
MAX_BYTES = 8_000_000
DRAWERS = {"utils", "helpers", "common", "base", "misc"}
# A home directory, or an address that packages come from. Written so that the patterns do not match themselves.
HOME = re.compile(r"(?<![\w.\-])/(?:home|root|Users)/\w")
INDEX = re.compile(r"--(?:extra-)?index[-]url|--find[-]links|https?://\S+/simple\b|https?://\S+\.(?:whl|tar\.gz)|file:///\w")


def python_files(tree: list[Path]) -> list[Path]:
    return [path for path in tree if path.suffix == ".py"]


def texts(tree: list[Path]) -> dict[Path, str]:
    found = {}
    for path in tree:
        try:
            found[path] = path.read_text()
        except UnicodeDecodeError:  # an image, an artifact
            continue
    return found


def functions(path: Path) -> list[tuple[str, int]]:
    """Name and length of every function, from its `def` to its last line."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return [
        (node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_no_file_is_longer_than_a_person_reads_at_once(tree: list[Path]) -> None:
    assert {str(path): lines for path in python_files(tree) if (lines := len(path.read_text().splitlines())) > MAX_FILE_LINES} == {}


def test_no_function_is_longer_than_a_screen(tree: list[Path]) -> None:
    too_long = {f"{path}:{name}": lines for path in python_files(tree) for name, lines in functions(path) if lines > MAX_FUNCTION_LINES}
    assert too_long == {}


def test_no_module_is_a_drawer(root: Path, tree: list[Path]) -> None:
    assert [path for path in tree if DRAWERS & {part.removesuffix(".py") for part in path.relative_to(root).parts}] == []


def test_no_file_is_larger_than_a_repository_should_carry(tree: list[Path]) -> None:
    assert {str(path): path.stat().st_size for path in tree if path.stat().st_size > MAX_BYTES} == {}


def test_no_file_names_a_place_on_somebodys_machine(root: Path, tree: list[Path]) -> None:
    here = f"{root}/"
    assert [path for path, text in texts(tree).items() if HOME.search(text) or here in text] == []


def test_no_file_names_where_packages_come_from(tree: list[Path]) -> None:
    assert [path for path, text in texts(tree).items() if INDEX.search(text)] == []


def test_every_test_folder_mirrors_a_source_folder(root: Path, tree: list[Path]) -> None:
    tests = [path for path in tree if path.is_relative_to(root / "tests") and path.name.startswith("test_")]
    folders = {path.parent.relative_to(root / "tests") for path in tests}
    assert [folder for folder in folders if folder.parts[:1] != ("contract",) and not (root / folder).is_dir()] == []


def test_every_decision_fits_on_a_page(root: Path) -> None:
    records = sorted((root / "docs/decisions").glob("*.md"))
    assert records
    for record in records:
        text = record.read_text()
        assert len(text.splitlines()) <= 40, record.name
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences", "Alternatives"], record.name
