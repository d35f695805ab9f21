"""Settings: each option is written once, for flags, environment, file and --help."""

from __future__ import annotations

import argparse
import os
import secrets
import socket
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NoReturn, Self, TypeVar, get_args, get_origin

import yaml
from pydantic import AliasChoices, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from moorage_kube.election.lease import LeaseSettings
from moorage_kube.manager import environment
from moorage_kube.manager.environment import PREFIX
from moorage_kube.manager.termination import refuse
from moorage_kube.telemetry.logs import LogFormat, LogLevel

EXIT_BAD_SETTINGS = 2

S = TypeVar("S", bound="CommonSettings")


def also(*names: str) -> AliasChoices:
    """The environment names of a field, ``MOORAGE_...`` first.

    The field's own name stays valid as a key of the file.
    """
    return AliasChoices(*names)


def in_group(group: str, *flags: str) -> dict[str, Any]:
    """Where ``--help`` shows a field, and further flags that set it (``"--iface"``)."""
    return {"group": group, "flags": list(flags)}


def without_effect(*flags: str) -> dict[str, Any]:
    """Of a field that is only understood; its description says why it changes nothing."""
    return in_group("without effect", *flags) | {"without_effect": True}


class CommonSettings(BaseSettings):
    """What every process can be set to. Flags win over environment, file and defaults.

    Attributes:
        prog: name of the command, of the Lease and in the metrics.
        version: of the package.
        description: for ``--help``.
        plugin_groups: groups of entry points whose plug-ins read ``MOORAGE_<NAME>_...`` themselves.
    """

    prog: ClassVar[str] = "moorage"
    version: ClassVar[str] = "0"
    description: ClassVar[str] = ""
    plugin_groups: ClassVar[tuple[str, ...]] = ()

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, populate_by_name=True
    )

    config: str | None = Field(
        None,
        description="File (YAML or JSON) with any of these settings, with _ for - in their names.",
        json_schema_extra=in_group("general"),
    )
    dry_run: bool = Field(
        default=False,
        description="Change nothing but the status, which says what would be done.",
        json_schema_extra=in_group("general"),
    )
    workers: int = Field(
        8,
        ge=1,
        le=256,
        description="Objects worked on at the same time.",
        json_schema_extra=in_group("general"),
    )
    cluster_name: str | None = Field(
        None,
        validation_alias=also("MOORAGE_CLUSTER_NAME", "CLUSTER_NAME"),
        description="Name of this cluster where several share one account.",
        json_schema_extra=in_group("general"),
    )
    kubeconfig: str | None = Field(
        None,
        description=(
            "Kubeconfig file; else $KUBECONFIG, else the pod's service account,"
            " else ~/.kube/config."
        ),
        json_schema_extra=in_group("cluster"),
    )
    metrics_port: int = Field(
        9999,
        ge=0,
        le=65535,
        validation_alias=also("MOORAGE_METRICS_PORT", "METRICS_PORT"),
        description="Port of /healthz, /readyz and /metrics; 0: a free one, see the log.",
        json_schema_extra=in_group("output"),
    )
    metrics_host: str = Field(
        "0.0.0.0",  # noqa: S104 - kubelet and Prometheus call the pod's address
        description="Address of that port; :: for IPv6.",
        json_schema_extra=in_group("output"),
    )
    log_format: LogFormat = Field(
        "json", description="Form of the log lines.", json_schema_extra=in_group("output")
    )
    log_level: LogLevel = Field(
        "info", description="Least important lines shown.", json_schema_extra=in_group("output")
    )

    def ineffective(self) -> list[str]:
        """Of each setting that was given and changes nothing: its flag or variable, and why."""
        return [
            *(
                f"--{name.replace('_', '-')}: {type(self).model_fields[name].description}"
                for name in sorted(self.model_fields_set)
                if "without_effect" in _extra(type(self).model_fields[name])
            ),
            *environment.ignored(os.environ, _variables(type(self))),
        ]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the library's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the library's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, environment, file; no dotenv and no secrets folder."""
        if isinstance(env_settings, EnvSettingsSource):
            strange = {one.lower() for one in environment.addresses_of_services(os.environ)}
            variables = env_settings.env_vars.items()
            env_settings.env_vars = {k: v for k, v in variables if k.lower() not in strange}
        given = init_settings.init_kwargs if isinstance(init_settings, InitSettingsSource) else {}
        path = given.get("config") or os.environ.get(PREFIX + "CONFIG")
        file = (YamlConfigSettingsSource(settings_cls, yaml_file=path),) if path else ()
        return (init_settings, env_settings, *file)


class ElectedSettings(CommonSettings):
    """Settings of a process of which several run and one leads."""

    lease_name: str = Field(
        "",
        validation_alias=also("MOORAGE_LEASE_NAME", "LEASE_NAME"),
        description="Lease by which one replica leads; empty: the command's name.",
        json_schema_extra=in_group("leadership"),
    )
    lease_namespace: str | None = Field(
        None,
        validation_alias=also("MOORAGE_LEASE_NAMESPACE", "LEASE_NAMESPACE", "POD_NAMESPACE"),
        description="Namespace of the Lease; else the connection's, else default.",
        json_schema_extra=in_group("leadership"),
    )
    lease_duration: float = Field(
        15.0,
        gt=0,
        allow_inf_nan=False,
        validation_alias=also("MOORAGE_LEASE_DURATION", "LEASE_DURATION"),
        description="Seconds after which a silent leader is replaced.",
        json_schema_extra=in_group("leadership"),
    )
    lease_renew_deadline: float = Field(
        10.0,
        gt=0,
        allow_inf_nan=False,
        description="Seconds after which a leader that cannot renew stops.",
        json_schema_extra=in_group("leadership"),
    )
    lease_retry: float = Field(
        2.0,
        gt=0,
        allow_inf_nan=False,
        description="Seconds between renewals.",
        json_schema_extra=in_group("leadership"),
    )

    @model_validator(mode="after")
    def _lease_times_grow(self) -> Self:
        try:
            self.lease(namespace="default", identity="-")
        except ValueError as error:
            way_out = "change --lease-retry, --lease-renew-deadline or --lease-duration"
            raise ValueError(f"{error}; {way_out}") from error
        return self

    def lease(self, namespace: str, identity: str) -> LeaseSettings:
        """This controller's Lease; ``namespace`` is used where none is set."""
        return LeaseSettings(
            name=self.lease_name or self.prog,
            namespace=self.lease_namespace or namespace,
            identity=identity,
            duration=self.lease_duration,
            renew_deadline=self.lease_renew_deadline,
            retry=self.lease_retry,
        )


def new_identity() -> str:
    """A name for this process that no other and no later one has.

    The pod's name alone would not do: a StatefulSet gives it to a successor while the
    predecessor's node is only unreachable.
    """
    return f"{os.environ.get('POD_NAME') or socket.gethostname()}_{secrets.token_hex(4)}"


def load(cls: type[S], argv: Sequence[str] | None = None) -> S:
    """The settings of this process; ``argv`` without the program's name.

    ``--help`` and ``--version`` print and exit 0. What is wrong is said in one line on stderr that
    names the flag, variable or file key, its value and the way out; then ``SystemExit`` 2. A
    variable with our prefix that nothing reads is wrong too: it was meant to change something.
    """
    flags = _flags(cls, sys.argv[1:] if argv is None else argv)
    _check_environment(cls)
    path = flags.get("config") or os.environ.get(PREFIX + "CONFIG")
    if path:
        _check_file(cls, path)
    try:
        return cls(**flags)
    except ValidationError as error:
        _refuse(cls, "; ".join(_sentence(cls, flags, dict(one)) for one in error.errors()))


def environment_names(name: str, field: FieldInfo) -> tuple[str, ...]:
    """The environment variables that set a field, the preferred one first."""
    if isinstance(field.validation_alias, AliasChoices):
        return tuple(str(choice) for choice in field.validation_alias.choices)
    return (PREFIX + name.upper(),)


def _flags(cls: type[CommonSettings], argv: Sequence[str]) -> dict[str, Any]:
    parser = _Parser(
        prog=cls.prog,
        description=cls.description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        epilog=textwrap.dedent(
            f"""\
            Each option can also be set by a variable in brackets or in the --config file.
            Flags win over the environment, the environment over the file.
            Example: {cls.prog} --log-format text --dry-run"""
        ),
    )
    parser.add_argument("--version", action="version", version=f"{cls.prog} {cls.version}")
    groups: dict[str, argparse._ArgumentGroup] = {}
    for name, field in cls.model_fields.items():
        extra = _extra(field)
        title = str(extra.get("group", cls.prog))
        group = groups.setdefault(title, parser.add_argument_group(title))
        _add_flag(group, name, field, extra)
    return {key: value for key, value in vars(parser.parse_args(argv)).items() if value is not None}


def _extra(field: FieldInfo) -> Mapping[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def _add_flag(
    group: argparse._ArgumentGroup, name: str, field: FieldInfo, extra: Mapping[str, Any]
) -> None:
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    default = "" if field.default in (None, "") else f"; default {field.default}"
    allowed = f" One of {', '.join(choices)}." if choices else ""
    text = f"{field.description}{allowed} [{', '.join(environment_names(name, field))}{default}]"
    flags = ("--" + name.replace("_", "-"), *extra.get("flags", ()))
    help_text = text.replace("%", "%%")
    if "without_effect" in extra:
        # With a value and without, as its first version took it.
        group.add_argument(
            *flags,
            dest=name,
            default=None,
            nargs="?",
            const="true",
            metavar="VALUE",
            help=help_text,
        )
    elif field.annotation is bool:
        group.add_argument(
            *flags, dest=name, default=None, action=argparse.BooleanOptionalAction, help=help_text
        )
    else:
        group.add_argument(*flags, dest=name, default=None, metavar="VALUE", help=help_text)


def _variables(cls: type[CommonSettings]) -> set[str]:
    """The environment variables that set anything."""
    fields = cls.model_fields.items()
    return {name for key, field in fields for name in environment_names(key, field)}


def _check_environment(cls: type[CommonSettings]) -> None:
    if found := environment.unknown(os.environ, _variables(cls), cls.plugin_groups):
        _refuse(cls, "; ".join(found))


def _check_file(cls: type[CommonSettings], path: str) -> None:
    where = f"--config / {PREFIX}CONFIG: {path!r}"
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        _refuse(cls, f"{where} cannot be read: {error.strerror}; give an existing file")
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        _refuse(cls, f"{where} is neither YAML nor JSON: {' '.join(str(error).split())}")
    if not isinstance(content or {}, dict):
        _refuse(cls, f"{where} must hold a mapping of settings, not a {type(content).__name__}")


def _sentence(cls: type[CommonSettings], flags: Mapping[str, Any], error: Mapping[str, Any]) -> str:
    """One of pydantic's errors as a sentence about what the user typed."""
    location = error["loc"]
    if not location:
        return str(error["msg"]).removeprefix("Value error, ")
    key = str(location[0])
    if error["type"] == "extra_forbidden":
        return f"{key} in the --config file is no setting of {cls.prog}; see --help"
    given = f"{error['input']!r}"
    return f"{_origin(cls, flags, key)}: {given} will not do: {error['msg']}; see --help"


def _origin(cls: type[CommonSettings], flags: Mapping[str, Any], key: str) -> str:
    """How the user named the field whose name or alias is ``key``."""
    for name, field in cls.model_fields.items():
        variables = environment_names(name, field)
        if key not in (name, *variables):
            continue
        if name in flags:
            return "--" + name.replace("_", "-")
        return next((one for one in variables if one in os.environ), f"{name} in the file")
    return key


class _Parser(argparse.ArgumentParser):
    """A parser that refuses in one line, without the usage text."""

    def error(self, message: str) -> NoReturn:
        refuse(self.prog, f"{message}; see --help")
        self.exit(EXIT_BAD_SETTINGS)


def _refuse(cls: type[CommonSettings], what: str) -> NoReturn:
    refuse(cls.prog, what)
    raise SystemExit(EXIT_BAD_SETTINGS)
