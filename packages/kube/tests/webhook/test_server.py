"""The webhook server answers what it should and refuses all else, each with one line."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from webhook_lab import JSON, ask, review, running

from moorage_domain.admission import AdmissionRequest, Allowed, Decision, Denied, Patched
from moorage_kube.webhook.connections import Limits
from moorage_kube.webhook.server import Leaving
from moorage_kube.webhook.webhook import Webhook
from moorage_testing.waiting import until


def check(request: AdmissionRequest) -> Decision:
    """Pods must have an owner; those of the shop get one."""
    labels = (request.object or {}).get("metadata", {}).get("labels") or {}
    if "owner" in labels:
        return Allowed(("owners are a thing of the past",))
    if request.namespace == "shop":
        before = request.object or {}
        meta = before["metadata"] | {"labels": labels | {"owner": request.user.name}}
        return Patched.between(before, {**before, "metadata": meta})
    return Denied("a pod needs an owner", 422, "Invalid")


CHECK = Webhook("/check", check)


async def test_each_decision_is_answered_with_the_uid_of_its_question(tmp_path: Path) -> None:
    owned = {"metadata": {"labels": {"owner": "jane"}}}
    async with running(tmp_path, [CHECK]) as lab:
        assert await lab.ask(body=review(uid="one", object=owned)) == (
            200,
            {"uid": "one", "allowed": True, "warnings": ["owners are a thing of the past"]},
        )
        status = {"code": 422, "reason": "Invalid", "message": "a pod needs an owner"}
        assert await lab.ask(body=review(uid="two", namespace="yard")) == (
            200,
            {"uid": "two", "allowed": False, "status": status},
        )
        code, patched = await lab.ask("/check?timeout=10s")
        assert isinstance(patched, dict)
        assert (code, patched["allowed"], patched["patchType"]) == (200, True, "JSONPatch")
        assert (
            lab.metric("requests_total", webhook="/check", operation="CREATE", decision="patched")
            == 1
        )
        assert (
            lab.metric("requests_total", webhook="/check", operation="CREATE", decision="denied")
            == 1
        )
        assert lab.metric("duration_seconds_count", webhook="/check") == 3


async def test_the_older_version_is_answered_in_the_older_version(tmp_path: Path) -> None:
    question = review(uid="old") | {"apiVersion": "admission.k8s.io/v1beta1"}
    async with running(tmp_path, [CHECK]) as lab, lab.caller() as session:
        url = f"{lab.url}/check"
        async with session.post(
            url, data=orjson.dumps(question), headers=JSON, server_hostname="localhost"
        ) as answered:
            said = orjson.loads(await answered.read())
    assert (said["apiVersion"], said["kind"]) == ("admission.k8s.io/v1beta1", "AdmissionReview")
    assert said["response"]["uid"] == "old"


NO_REVIEW = "the body is no AdmissionReview:"
REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "another method": ({"method": "GET"}, 405, "only POST"),
    "another path": ({"path": "/other"}, 404, "no webhook has this path"),
    "another content type": (
        {"headers": {"Content-Type": "text/plain"}}, 415, "only application/json",
    ),
    "compressed": ({"headers": JSON | {"Content-Encoding": "br"}}, 415, "no Content-Encoding"),
    "too long": ({"body": b" " * 4097}, 413, "a body has at most 4096 bytes"),
    "no JSON": ({"body": b"{"}, 400, "the body is not JSON"),
    "JSON that ends early": (
        {"body": b'{"request": {"object": {"spec": {"a": [1, '}, 400, "the body is not JSON",
    ),
    "an object that is no JSON": (
        {"body": b'{"request": {"object": {"spec": {"a": nope}}}}'}, 400, "the body is not JSON",
    ),
    "deep JSON": (
        {"body": b'{"request": {"object": {"spec": ' + b"[" * 4000}, 400, "the body is not JSON",
    ),
    "no object": ({"body": b"[]"}, 400, f"{NO_REVIEW} Expected `object`, got `array`"),
    "an unknown version": (
        {"body": review() | {"apiVersion": "admission.k8s.io/v9"}},
        400, "the body is not an AdmissionReview of admission.k8s.io/v1",
    ),
    "another kind": (
        {"body": review() | {"kind": "ConversionReview"}},
        400, "the body is not an AdmissionReview of admission.k8s.io/v1",
    ),
    "no request": ({"body": review() | {"request": None}}, 400, "the review has no request"),
    "no uid": ({"body": review(uid=...)}, 400, "the request has no uid, or one that is too long"),
    "a uid that is none": (
        {"body": review(uid=7)},
        400, f"{NO_REVIEW} Expected `str | null`, got `int` - at `$.request.uid`",
    ),
    "a uid without end": (
        {"body": review(uid="x" * 300)}, 400, "the request has no uid, or one that is too long",
    ),
    "another operation": (
        {"body": review(operation="PATCH")}, 400, "the request has no operation that is known",
    ),
    "no kind": ({"body": review(kind=...)}, 400, "the request has no kind, or no resource"),
    "no resource": (
        {"body": review(resource=None)}, 400, "the request has no kind, or no resource",
    ),
    "an object that is none": (
        {"body": review(object=[])},
        400, f"{NO_REVIEW} Expected `object | null`, got `array` - at `$.request.object`",
    ),
    "a flag that is none": (
        {"body": review(dryRun="true")},
        400, f"{NO_REVIEW} Expected `bool | null`, got `str` - at `$.request.dryRun`",
    ),
    "groups that are none": (
        {"body": review(userInfo={"groups": "admins"})},
        400, f"{NO_REVIEW} Expected `array | null`, got `str` - at `$.request.userInfo.groups`",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_no_question_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    asked, status, line = REFUSED[name]
    async with running(tmp_path, [CHECK], Limits(body_bytes=4096)) as lab:
        assert await lab.ask(**asked) == (status, f"{line}\n")
        assert (await lab.ask())[0] == 200


async def test_all_that_the_question_says_arrives(tmp_path: Path) -> None:
    asked: list[AdmissionRequest] = []

    def note(request: AdmissionRequest) -> Decision:
        asked.append(request)
        return Allowed()

    body = review(
        operation="UPDATE", subResource="status", dryRun=True, oldObject={"a": 1}, name=...
    )
    async with running(tmp_path, [Webhook("/check", note)]) as lab:
        assert (await lab.ask(body=body))[0] == 200
    (request,) = asked
    assert (request.operation, request.subresource, request.name) == ("UPDATE", "status", "")
    assert (request.kind.name, request.resource.name) == ("Pod", "pods")
    assert request.old_object == {"a": 1}
    assert request.options == {"kind": "CreateOptions"}
    assert (request.user.name, request.user.groups) == ("jane", ("system:authenticated",))
    assert request.dry_run


class TestFailSafe:
    """Whatever happens to `decide`, the API server gets an answer in time."""

    @pytest.mark.parametrize("safe", [Allowed(), Denied("not now", 503, "ServiceUnavailable")])
    async def test_an_error_is_answered_and_logged_once(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, safe: Allowed | Denied
    ) -> None:
        def broken(request: AdmissionRequest) -> Decision:
            raise KeyError(request.name)

        async with running(tmp_path, [Webhook("/check", broken, on_failure=safe)]) as lab:
            for _ in range(3):
                _, answer = await lab.ask()
                assert isinstance(answer, dict)
                assert answer["allowed"] is isinstance(safe, Allowed)
            assert (
                lab.metric(
                    "requests_total", webhook="/check", operation="CREATE", decision="failed"
                )
                == 3
            )
        logged = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert len(logged) == 1
        assert logged[0].exc_info is not None
        assert "decide failed" in logged[0].message

    async def test_a_late_decision_is_cancelled(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        cancelled = asyncio.Event()

        async def slow(_: AdmissionRequest) -> Decision:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            return Allowed()

        async with running(tmp_path, [Webhook("/check", slow, deadline=0.05)]) as lab:
            _, answer = await lab.ask()
            assert isinstance(answer, dict)
            assert answer["status"]["code"] == 500
            assert cancelled.is_set()
            assert (
                lab.metric("requests_total", webhook="/check", operation="CREATE", decision="late")
                == 1
            )
        assert "no decision within 0.05 s" in caplog.text

    async def test_the_answer_comes_before_the_api_server_gives_up(self, tmp_path: Path) -> None:
        async def slow(_: AdmissionRequest) -> Decision:
            await asyncio.Event().wait()
            return Allowed()

        async with running(tmp_path, [Webhook("/check", slow, deadline=600.0)]) as lab:
            async with asyncio.timeout(30):
                _, answer = await lab.ask("/check?timeout=1s")
            assert isinstance(answer, dict)
            assert not answer["allowed"]

    async def test_a_timeout_of_the_function_s_own_is_a_failure(self, tmp_path: Path) -> None:
        async def impatient(_: AdmissionRequest) -> Decision:
            raise TimeoutError

        async with running(tmp_path, [Webhook("/check", impatient)]) as lab:
            await lab.ask()
            assert (
                lab.metric(
                    "requests_total", webhook="/check", operation="CREATE", decision="failed"
                )
                == 1
            )

    async def test_what_is_no_decision_is_a_failure(self, tmp_path: Path) -> None:
        def forgetful(_: AdmissionRequest) -> Any:
            return None

        async with running(tmp_path, [Webhook("/check", forgetful)]) as lab:
            _, answer = await lab.ask()
            assert isinstance(answer, dict)
            assert not answer["allowed"]

    @pytest.mark.parametrize("path", ["check", "", "/check?x=1"])
    def test_a_path_that_is_none_is_refused(self, path: str) -> None:
        with pytest.raises(ValueError, match="is no path of a webhook"):
            Webhook(path, check)


class TestStopping:
    """A server that is stopped loses no request."""

    async def test_a_request_in_hand_is_answered(self, tmp_path: Path) -> None:
        began, go_on = asyncio.Event(), asyncio.Event()

        async def slow(_: AdmissionRequest) -> Decision:
            began.set()
            await go_on.wait()
            return Allowed()

        async with running(tmp_path, [Webhook("/check", slow, deadline=30)]) as lab:
            asking = asyncio.create_task(lab.ask())
            await began.wait()
            lab.task.cancel()
            await until(lambda: lab.server.ready() == "stopping", "the server to stop")
            go_on.set()
            assert (await asking)[0] == 200
            await until(lab.task.done, "the server to end")
            assert lab.task.cancelled()

    async def test_during_its_notice_it_answers_and_ends_the_connection(
        self, tmp_path: Path
    ) -> None:
        async with running(tmp_path, [CHECK]) as lab, lab.caller() as session:
            lab.server.leaving = Leaving(60.0, 5.0)
            assert (await ask(session, f"{lab.url}/check"))[0] == 200
            lab.task.cancel()
            await until(lambda: lab.server.ready() == "stopping", "the server to stop")
            body = orjson.dumps(review())
            async with session.post(
                f"{lab.url}/check", data=body, headers=JSON, server_hostname="localhost"
            ) as answer:
                assert answer.status == 200
                assert answer.headers["Connection"] == "close"
            # Somebody new is answered, too: not everybody knows yet.
            assert (await lab.ask())[0] == 200
            lab.task.cancel()

    async def test_what_never_ends_is_cut(self, tmp_path: Path) -> None:
        began = asyncio.Event()

        async def stuck(_: AdmissionRequest) -> Decision:
            began.set()
            await asyncio.Event().wait()
            return Allowed()

        async with running(tmp_path, [Webhook("/check", stuck, deadline=600)]) as lab:
            lab.server.leaving = Leaving(0.0, 0.1)
            asking = asyncio.create_task(lab.ask())
            await began.wait()
            lab.task.cancel()
            await until(lab.task.done, "the server to end")
            with pytest.raises(aiohttp.ClientError):
                await asking


async def test_before_there_is_a_certificate_it_is_not_ready(tmp_path: Path) -> None:
    async with running(tmp_path, [CHECK]) as lab:
        assert lab.server.ready() is None
        assert lab.metric("certificate_expiry_timestamp_seconds") > 0
        assert lab.metric("connections") == 0


async def test_what_may_go_wrong_is_counted_from_0(tmp_path: Path) -> None:
    """Prometheus sees no growth in a series that begins with 1."""
    async with running(tmp_path, [CHECK]) as lab:
        shown = {
            (one.labels["webhook"], one.labels["operation"], one.labels["decision"]): one.value
            for metric in lab.registry.collect()
            for one in metric.samples
            if one.name == "moorage_lab_webhook_requests_total"
        }
    failed = {
        ("/check", "CREATE", "failed"),
        ("/check", "UPDATE", "late"),
        ("/check", "", "refused"),
    }
    assert failed | {("", "", "refused")} <= shown.keys()
    assert set(shown.values()) == {0.0}
