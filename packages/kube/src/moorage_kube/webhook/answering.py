"""What a webhook server answers to one HTTP request: which webhook, whether at all, and counted."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Coroutine, Iterable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

from aiohttp.http import RawRequestMessage

from moorage_domain.admission import AdmissionRequest
from moorage_kube.webhook.admission import BadReview, answer, parse
from moorage_kube.webhook.callers import Callers, Certificate
from moorage_kube.webhook.connections import Limits
from moorage_kube.webhook.http1 import Refused, too_large
from moorage_kube.webhook.metrics import WebhookMetrics
from moorage_kube.webhook.webhook import REFUSED, Answered, Webhook

PATIENCE_SECONDS: Final = 10.0
"""How long the API server waits where a webhook configuration does not say."""
_PATIENCE = re.compile(r"(?:^|&)timeout=(\d{1,3})s(?:&|$)")
_LENGTH = re.compile(r"\d{1,18}")


class Answering:
    """Answers for a server's webhooks.

    Attributes:
        limits: of the server.
        large: held by each large body, from being read to being answered.
        stopping: no connection is to be kept.
        callers: who may call, ``None``: anybody.
    """

    def __init__(
        self, webhooks: Iterable[Webhook], metrics: WebhookMetrics, limits: Limits
    ) -> None:
        self._webhooks: Mapping[str, Webhook] = {webhook.path: webhook for webhook in webhooks}
        self._metrics = metrics
        for path in ("", *self._webhooks):
            metrics.begin(path)
        self.limits = limits
        self.large = asyncio.Semaphore(limits.large_bodies)
        self.stopping = False
        self.callers: Callers | None = None

    def refusal(self, certificate: Certificate | None) -> str | None:
        """Why whoever showed this certificate in the handshake may not ask; ``None``: it may."""
        return self.callers.refusal(certificate) if self.callers else None

    def body_size(self, head: RawRequestMessage) -> int | None:
        """The length of a body that may be read; ``None``: it comes in chunks, and shows it.

        Raises :class:`Refused`.
        """
        self._webhook(head)
        headers = head.headers
        kind = headers.get("Content-Type", "")
        if kind != "application/json" and kind.partition(";")[0].strip() != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "only application/json")
        if "Content-Encoding" in headers:
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "no Content-Encoding")
        coding = headers.get("Transfer-Encoding", "")
        if coding:
            if coding.strip().lower() != "chunked":
                raise Refused(HTTPStatus.NOT_IMPLEMENTED, "no Transfer-Encoding but chunked")
            return None
        length = headers.get("Content-Length", "")
        if not _LENGTH.fullmatch(length):
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "the Content-Length is missing")
        if int(length) > self.limits.body_bytes:
            raise too_large(self.limits.body_bytes)
        return int(length)

    def respond(
        self, head: RawRequestMessage, body: bytes, begun: float
    ) -> bytes | Coroutine[Any, Any, bytes]:
        """The review that answers the one in the body, or who will give it.

        Raises :class:`Refused` where the body is no review.
        """
        webhook = self._webhook(head)
        try:
            question = parse(body)
        except BadReview as error:
            raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from error
        answered = webhook.answer(question, _patience(head.path.partition("?")[2]))
        if isinstance(answered, tuple):
            return self._review(webhook, question, answered, begun)
        return self._review_later(webhook, question, answered, begun)

    def refused(self, head: RawRequestMessage, begun: float) -> None:
        """Count a request that was refused."""
        path = head.path.partition("?")[0]
        known = path if path in self._webhooks else ""
        self._metrics.answered(known, "", REFUSED, time.perf_counter() - begun)

    def _webhook(self, head: RawRequestMessage) -> Webhook:
        webhook = self._webhooks.get(head.path.partition("?")[0])
        if webhook is None:
            raise Refused(HTTPStatus.NOT_FOUND, "no webhook has this path")
        if head.method != "POST":
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "only POST", allow="POST")
        return webhook

    def _review(
        self, webhook: Webhook, question: AdmissionRequest, answered: Answered, begun: float
    ) -> bytes:
        decision, outcome = answered
        body = answer(question, decision)
        self._metrics.answered(
            webhook.path, question.operation, outcome, time.perf_counter() - begun
        )
        return body

    async def _review_later(
        self,
        webhook: Webhook,
        question: AdmissionRequest,
        answered: Coroutine[Any, Any, Answered],
        begun: float,
    ) -> bytes:
        return self._review(webhook, question, await answered, begun)


@lru_cache(maxsize=64)
def _patience(query: str) -> float:
    """Seconds for an answer, from ``timeout=10s`` in the query: a fifth is left for the way."""
    asked = _PATIENCE.search(query)
    return 0.8 * (float(asked[1]) if asked else PATIENCE_SECONDS)
