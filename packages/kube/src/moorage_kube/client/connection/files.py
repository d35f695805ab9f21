"""Kubeconfig files: read, merged as kubectl does, and their entries found by name."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar

import yaml
from pydantic import BaseModel, Field, ValidationError

from moorage_kube.client.connection.errors import ConfigError
from moorage_kube.client.connection.pem import Pem, PemFile, plain

Section = Literal["context", "cluster", "user"]
ModelT = TypeVar("ModelT", bound=BaseModel)


class _Named(BaseModel):
    name: str
    context: dict[str, Any] = {}
    cluster: dict[str, Any] = {}
    user: dict[str, Any] = {}

    def part(self, section: Section) -> dict[str, Any]:
        parts: dict[str, dict[str, Any]] = dict(self)
        return parts[section]


class _File(BaseModel):
    current_context: str = Field("", validation_alias="current-context")
    contexts: list[_Named] = []
    clusters: list[_Named] = []
    users: list[_Named] = []

    def section(self, section: Section) -> list[_Named]:
        sections: dict[str, list[_Named]] = dict(self)
        return sections[f"{section}s"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One context, cluster or user, with the file it stands in; paths start at its folder."""

    file: Path
    section: Section
    name: str
    values: Mapping[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return f'kubeconfig {self.file}: {self.section} "{self.name}"'

    def refuse(self, problem: str, cause: Exception | None = None) -> NoReturn:
        """Raise :class:`ConfigError`; ``problem`` names field, value and the way out."""
        raise ConfigError(f"{self}: {problem}") from cause

    def checked(self, model: type[ModelT]) -> ModelT:
        """The values by their meaning."""
        return _checked(model, self.values, str(self))

    def pem(self, field: str, data: str, path: str) -> Pem | None:
        """What base64 ``data`` holds, else the file at ``path``; ``None`` = neither is given."""
        try:
            if data:
                return plain(b64decode(data, validate=True))
            return PemFile(self.file.parent / path) if path else None
        except binascii.Error:
            # The cause would show the secret.
            self.refuse(f"{field}-data is not base64 of PEM text: put that there")
        except OSError as error:
            self.refuse(f"{field} {path} cannot be read ({error.strerror}): correct it", error)


class Kubeconfig:
    """One or more kubeconfig files; of several values for one thing the first counts."""

    def __init__(self, paths: Iterable[Path]) -> None:
        """Raises :class:`ConfigError` for a file that cannot be read or is no kubeconfig."""
        self._files = [(path, _read(path)) for path in paths]

    @property
    def names(self) -> str:
        """The files, for messages."""
        return ":".join(str(path) for path, _ in self._files)

    @property
    def current_context(self) -> str:
        """The name of the context to use; raises :class:`ConfigError` where none is set."""
        for _, file in self._files:
            if file.current_context:
                return file.current_context
        raise ConfigError(
            f"kubeconfig {self.names}: current-context is not set: "
            f"set it to one of: {self._choice('context')}"
        )

    def find(self, section: Section, name: str, mentioned_as: str) -> Entry:
        """The entry of this name; raises :class:`ConfigError` where there is none."""
        for path, file in self._files:
            for named in file.section(section):
                if named.name == name:
                    return Entry(path, section, name, named.part(section))
        raise ConfigError(
            f'kubeconfig {self.names}: {mentioned_as} "{name}" is not among its {section}s: '
            f"set it to one of: {self._choice(section)}"
        )

    def _choice(self, section: Section) -> str:
        names = dict.fromkeys(n.name for _, file in self._files for n in file.section(section))
        return ", ".join(names) or f"(there are none, add a {section})"


def _read(path: Path) -> _File:
    where = f"kubeconfig {path}"
    try:
        values = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(
            f"{where}: cannot be read ({error.strerror}): name another with --kubeconfig"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: is not YAML{_place(error)}: correct it") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: is no kubeconfig: name another with --kubeconfig")
    return _checked(_File, values, where)


def _place(error: Exception) -> str:
    """Where a YAML file is wrong; the rest of what the error knows would show what stands there."""
    mark = getattr(error, "problem_mark", None)
    return f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _checked(model: type[ModelT], values: Mapping[str, Any], where: str) -> ModelT:
    try:
        return model.model_validate(_without_nulls(values))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(map(str, first["loc"]))
        problem = "is missing" if first["type"] == "missing" else f"is wrong ({first['msg']})"
        # Its cause would show the values.
        raise ConfigError(f"{where}: {field} {problem}: correct it") from None


def _without_nulls(values: Any) -> Any:  # noqa: ANN401 - whatever YAML can hold
    """Without what is null, which to kubectl is the same as left out."""
    if isinstance(values, Mapping):
        return {key: _without_nulls(value) for key, value in values.items() if value is not None}
    return [_without_nulls(value) for value in values] if isinstance(values, list) else values
