"""The key of the seals is made once, in a Secret of somebody else, and outlives the process."""

from __future__ import annotations

import base64
import logging
import secrets
from typing import Any

import pytest
from core_builders import IP1
from virtual_core import Lab, Raw, play

from moorage_core import controller
from moorage_core.seal import Seal
from moorage_core.settings import CoreSettings
from moorage_core.status_key import load_key
from moorage_kube.client.client import Target
from moorage_kube.client.errors import Conflict, Forbidden, KubeError, NotFound, Unavailable
from moorage_kube.client.kinds import NODES, SECRETS
from moorage_kube.manager.settings import load

PLACE = "moorage-system/moorage-core-status-key"
NAMESPACE, NAME = PLACE.split("/")
KEY = bytes(range(32))


class Secrets:
    """An API server with one Secret; ``errors`` are for its first requests, one for each."""

    def __init__(self, data: dict[str, str] | None = None, *errors: KubeError | None) -> None:
        self.raw: Raw = {"metadata": {"uid": "u", "resourceVersion": "1"}}
        if data is not None:
            self.raw["data"] = data
        self.errors = list(errors)
        self.patches: list[Raw] = []

    async def get(self, _kind: object, name: str, namespace: str | None = None) -> Raw:
        self._strike()
        assert (namespace, name) == (NAMESPACE, NAME)
        return self.raw

    async def patch(self, _kind: object, target: Target, body: Raw) -> Raw:
        self._strike()
        assert (target.namespace, target.name) == (NAMESPACE, NAME)
        self.patches.append(body)
        self.raw["data"] = body["data"]
        return self.raw

    def _strike(self) -> None:
        if self.errors and (error := self.errors.pop(0)):
            raise error


def text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def refused(kind: type[KubeError], status: int) -> KubeError:
    return kind(status, kind.__name__, "why", "secrets")


async def test_sec_08_a_key_that_is_there_is_taken() -> None:
    api = Secrets({"key": text(KEY)})
    assert await load_key(api, PLACE) == KEY
    assert api.patches == []


@pytest.mark.parametrize("data", [None, {}, {"key": ""}])
async def test_sec_08_an_empty_secret_is_filled_once(data: dict[str, str] | None) -> None:
    api = Secrets(data)
    key = await load_key(api, PLACE)
    assert key is not None
    assert len(key) == len(KEY)
    assert [one["metadata"] for one in api.patches] == [{"uid": "u", "resourceVersion": "1"}]
    assert await load_key(api, PLACE) == key
    assert len(api.patches) == 1


async def test_sec_08_where_another_replica_was_faster_the_secret_is_read_again() -> None:
    api = Secrets(None, None, refused(Conflict, 409))
    key = await load_key(api, PLACE)
    assert [one["data"] for one in api.patches] == [{"key": text(key or b"")}]


@pytest.mark.parametrize("error", [refused(NotFound, 404), refused(Forbidden, 403)])
async def test_sec_08_without_the_secret_a_warning_says_what_that_costs(
    error: KubeError, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert await load_key(Secrets(None, error), PLACE) is None
    assert f"Secret {PLACE} cannot be used" in caplog.text
    assert "a restart forgets which nodes are owed" in caplog.text


@pytest.mark.parametrize("bad", ["short", text(b"short"), "no base64 at all!", "=" * 50])
async def test_sec_08_a_bad_key_is_neither_used_nor_replaced(
    bad: str, caplog: pytest.LogCaptureFixture
) -> None:
    api = Secrets({"key": bad})
    with caplog.at_level(logging.WARNING):
        assert await load_key(api, PLACE) is None
    assert api.patches == []
    assert "delete that field, and a new one is made" in caplog.text
    assert bad not in caplog.text


async def test_sec_08_an_api_server_that_is_away_is_waited_for() -> None:
    api = Secrets({"key": text(KEY)}, refused(Unavailable, 503))
    assert await load_key(api, PLACE) == KEY


def test_sec_08_the_secret_is_named_with_its_namespace(capsys: pytest.CaptureFixture[str]) -> None:
    assert load(CoreSettings, ["--status-key-secret", PLACE]).status_key_secret == PLACE
    with pytest.raises(SystemExit):
        load(CoreSettings, ["--status-key-secret", "no-namespace"])
    assert "--status-key-secret" in capsys.readouterr().err


def test_sec_08_another_process_knows_by_the_secret_what_the_first_one_wrote(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def begin(lab: Lab) -> None:
        # Of a new process nothing is known by an old one.
        monkeypatch.setattr(controller, "OF_THIS_PROCESS", Seal(secrets.token_bytes(32)))
        lab.world.begin()

    async def story(lab: Lab) -> None:
        await lab.world.kill()
        metadata: dict[str, Any] = {"resourceVersion": "1"}
        lab.server.put(SECRETS, NAME, namespace=NAMESPACE, metadata=metadata, type="Opaque")
        begin(lab)
        lab.add_node("n1")
        lab.allocate(IP1)
        await lab.until(lambda: lab.settled(IP1, "n1"), "it there", 30)
        await lab.world.kill()
        lab.server.delete(NODES, "n1")
        lab.add_node("n2")
        begin(lab)
        await lab.until(lambda: lab.settled(IP1, "n2"), "it to move", 200)
        await lab.until(lambda: bool(lab.cloud.machine("vm-n1").public_ip), "n1's own", 60)
        assert lab.events("StatusNotBelieved") == []

    play(story, status_key_secret=PLACE)
