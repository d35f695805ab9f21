"""What several test files of this package share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from moorage_testing.cluster.identity import Authority

Write = Callable[..., Path]


@pytest.fixture(name="nowhere")
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No kubeconfig, no pod and an empty home, whatever the machine has."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture(scope="session", name="authority")
def _authority() -> Authority:
    return Authority.make()


@pytest.fixture(name="ca")
def _ca(authority: Authority, tmp_path: Path) -> Path:
    return authority.write(tmp_path / "ca.crt")


@pytest.fixture(scope="session", name="pem")
def _pem(authority: Authority) -> str:
    """Key and certificate of a user."""
    return authority.client_pem("alice", ()).decode()


@pytest.fixture(name="write")
def _write(tmp_path: Path) -> Write:
    def write(
        name: str = "config",
        cluster: dict[str, Any] | None = None,
        user: dict[str, Any] | None = None,
        **top: Any,
    ) -> Path:
        """A good kubeconfig, but for what is given."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [
                {"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "team"}},
                {"name": "spare", "context": {"cluster": "k", "user": "u"}},
            ],
            "clusters": [
                {"name": "k", "cluster": {"server": "https://api:6443"} | (cluster or {})}
            ],
            "users": [{"name": "u", "user": {"token": "s3cret"} if user is None else user}],
        }
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(yaml.safe_dump(config | top))
        return path

    return write
