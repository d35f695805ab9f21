"""Answers of the API server become errors by what the caller can do about them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from moorage_kube.client.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    KubeError,
    NotFound,
    Throttled,
    Unauthorized,
    Unavailable,
    from_response,
)


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (400, "BadRequest", Invalid),
        (401, "Unauthorized", Unauthorized),
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (405, "MethodNotAllowed", KubeError),
        (408, "Timeout", Unavailable),
        (409, "Conflict", Conflict),
        (409, "AlreadyExists", AlreadyExists),
        (410, "Expired", Gone),
        (410, "Gone", Gone),
        (422, "Invalid", Invalid),
        (429, "TooManyRequests", Throttled),
        (500, "InternalError", Unavailable),
        (503, "ServiceUnavailable", Unavailable),
        (504, "Timeout", Unavailable),
    ],
)
def test_each_status_has_its_class(status: int, reason: str, expected: type[KubeError]) -> None:
    answer = {"kind": "Status", "reason": reason, "message": "because"}
    error = from_response(status, orjson.dumps(answer), "GET nodes/n1")
    assert type(error) is expected
    assert (error.status, error.reason, error.message) == (status, reason, "because")
    assert str(error) == f"GET nodes/n1: because ({status} {reason})"


def test_harm_26_a_refused_eviction_says_which_budget_refuses_it() -> None:
    budget = "The disruption budget web needs 2 healthy pods and has 2 currently"
    answer: dict[str, Any] = {
        "reason": "TooManyRequests",
        "message": "Cannot evict pod as it would violate the pod's disruption budget.",
        "details": {"causes": [{"reason": "DisruptionBudget", "message": budget}, None, {}]},
    }
    error = from_response(429, answer, "POST pods/a/b/eviction")
    assert error.message == f"{answer['message']} {budget}"
    for details in ({}, {"causes": None}, None, "none"):
        error = from_response(429, answer | {"details": details}, "POST pods/a/b/eviction")
        assert error.message == answer["message"]


def test_a_patch_for_another_uid_is_a_conflict_though_the_api_server_calls_it_invalid() -> None:
    message = 'Node "n1" is invalid: metadata.uid: Invalid value: "u": field is immutable'
    body = {"reason": "Invalid", "message": message}
    assert type(from_response(422, body, "PATCH nodes/n1")) is Conflict
    body = {"reason": "Invalid", "message": message.replace("metadata.uid", "spec.podCIDR")}
    assert type(from_response(422, body, "PATCH nodes/n1")) is Invalid


def test_an_answer_in_plain_text_becomes_one_short_line() -> None:
    error = from_response(502, b"<h1>Bad\nGateway</h1>" + b"x" * 1000, "GET nodes")
    assert isinstance(error, Unavailable)
    assert error.message.startswith("<h1>Bad Gateway</h1>x")
    assert len(error.message) == 300


@pytest.mark.parametrize("body", [b"", b"[]", b'"text"', b"{}"])
def test_an_answer_that_says_nothing_is_an_error_all_the_same(body: bytes) -> None:
    assert type(from_response(404, body, "GET nodes/n1")) is NotFound


@pytest.mark.parametrize(
    ("header", "body", "seconds"),
    [
        ("7", {}, 7.0),
        ("-7", {}, 0.0),
        (None, {"details": {"retryAfterSeconds": 3}}, 3.0),
        ("7", {"details": {"retryAfterSeconds": 3}}, 7.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", {"details": {"retryAfterSeconds": 3}}, 3.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", {}, None),
        (None, {"details": None}, None),
        (None, {"details": "x"}, None),
        ("inf", {}, 600.0),
        ("9" * 400, {}, 600.0),
        ("nan", {"details": {"retryAfterSeconds": 86400}}, 600.0),
    ],
)
def test_a_throttled_error_says_how_long_to_wait(
    header: str | None, body: dict[str, Any], seconds: float | None
) -> None:
    error = from_response(429, body, "GET nodes", header)
    assert isinstance(error, Throttled)
    assert error.retry_after == seconds


def test_an_error_without_an_answer_shows_no_status() -> None:
    error = Unavailable(0, "Timeout", "no answer within 10 s", "GET nodes")
    assert str(error) == "GET nodes: no answer within 10 s (Timeout)"
