"""Outlines: what changed in a file has the name of a function, a class or a method."""

import ast

import pytest

from aidn_pipeline.config.code import syntax_digest
from aidn_pipeline.config.outline import changed_parts, outline, recalled, remember

SOURCE = '''
"""A module."""
import math
LIMIT = 3

def area(r):
    """The area."""
    return math.pi * r

class Shape:
    """A shape."""
    sides = 4

    def grow(self):
        return self.sides + 1
'''


def parts(old: str, new: str) -> list[str]:
    return changed_parts(outline(ast.parse(old)), outline(ast.parse(new)))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("math.pi * r", "math.pi * r * r", ["area()"]),
        ("sides + 1", "sides + 2", ["Shape.grow()"]),
        ("sides = 4", "sides = 5", ["class Shape"]),
        ("LIMIT = 3", "LIMIT = 4", ["module level"]),
        ("class Shape:", "class Shape(dict):", ["class Shape"]),
        ("def area(r):", "def surface(r):", ["surface() is new", "area() is gone"]),
        ('"""The area."""', '"""Another text."""', []),
        ("LIMIT = 3", "LIMIT = 3  # three", []),
    ],
)
def test_a_change_has_a_name(old, new, said):
    assert parts(SOURCE, SOURCE.replace(old, new)) == said


def test_an_outline_that_was_kept_is_found_by_the_digest_of_the_file(tmp_path):
    digest = syntax_digest(SOURCE)
    remember(tmp_path / "outlines", digest, ast.parse(SOURCE))
    assert recalled(tmp_path / "outlines", digest) == outline(ast.parse(SOURCE))


def test_a_digest_from_a_stranger_leads_nowhere(tmp_path):
    (tmp_path / "secret.json").write_text('{"a": "b"}')
    (tmp_path / "outlines").mkdir()
    assert recalled(tmp_path / "outlines", "b3:../secret") is None


def test_an_outline_that_is_none_is_not_believed(tmp_path):
    digest = syntax_digest(SOURCE)
    remember(tmp_path, digest, ast.parse(SOURCE))
    (file,) = tmp_path.iterdir()
    for text in ("[", "[]", '{"a": 1}'):
        file.write_text(text)
        assert recalled(tmp_path, digest) is None


def test_a_folder_that_cannot_be_written_is_let_be(tmp_path):
    (tmp_path / "outlines").write_text("a file")
    remember(tmp_path / "outlines", syntax_digest(SOURCE), ast.parse(SOURCE))
    assert recalled(tmp_path / "outlines", syntax_digest(SOURCE)) is None
