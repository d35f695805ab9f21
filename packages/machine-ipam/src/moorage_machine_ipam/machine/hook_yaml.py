"""YAML that people write, bounded, as a tree of texts."""

from __future__ import annotations

from typing import Protocol

import yaml

SIZE_LIMIT_BYTES = 64 * 1024
_DEPTH_LIMIT = 8
# A tenth of them is more than any file needs; the parser makes about 30,000 a second.
_EVENTS_LIMIT = 2000


class HasLine(Protocol):
    """A place in a text; there is one class of them in Python and one in C."""

    line: int


Tree = str | None | list["Tree"] | dict[str, "Tree"]
"""``None``: nothing is written there. Numbers and booleans are texts, as they are written."""

_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})


class InvalidYaml(ValueError):
    """The text is not YAML as it is allowed here; the message says where and what to do."""


def texts(text: str) -> Tree:
    """The tree in a text; raises ``InvalidYaml``.

    Every value stays as it is written: to YAML 1.1, ``023`` is 19 and ``1:20`` is 80. Refused are
    texts above :data:`SIZE_LIMIT_BYTES`, thousands of values, deep nesting, aliases and tags, a
    second document, and keys that are there twice: YAML would silently take the last one.
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > SIZE_LIMIT_BYTES:
        raise InvalidYaml(f"{size} bytes are too many: at most {SIZE_LIMIT_BYTES} are read")
    try:
        _refuse_tricks(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise InvalidYaml(
            f"not YAML{_line(error.problem_mark)}: {error.problem or error}; mind the indentation,"
            " and quote what has a colon or a bracket"
        ) from error
    except yaml.YAMLError as error:
        problem = str(error).partition("\n")[0]
        raise InvalidYaml(f"not YAML: {problem}; it must be UTF-8 text") from error
    return None if node is None else _tree(node)


def _refuse_tricks(text: str) -> None:
    """Raise for what could take much memory; the parser's events come one by one."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None) is not None:
            raise InvalidYaml(f"aliases and tags are not allowed{_line(event.start_mark)}")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEPTH_LIMIT or count > _EVENTS_LIMIT:
            raise InvalidYaml(f"too deep or too much{_line(event.start_mark)}")


def _tree(node: yaml.Node) -> Tree:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node)
    if isinstance(node, yaml.SequenceNode):
        return [_tree(each) for each in node.value]
    plain = not getattr(node, "style", None)
    return None if plain and node.value in _NOTHING else str(node.value)


def _mapping(node: yaml.MappingNode) -> dict[str, Tree]:
    result: dict[str, Tree] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise InvalidYaml(f"a key must be one word{_line(key.start_mark)}")
        if key.value in result:
            raise InvalidYaml(f'"{key.value[:64]}" is there twice{_line(key.start_mark)}: keep one')
        result[key.value] = _tree(value)
    return result


def _line(mark: HasLine | None) -> str:
    return f" in line {mark.line + 1}" if mark else ""
