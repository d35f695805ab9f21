"""The admission service: from a request to its answer, from memory."""

from __future__ import annotations

import logging
from collections.abc import Awaitable

from moorage_danm.webhook import metrics as outcomes
from moorage_danm.webhook.caches import AdmissionCaches
from moorage_danm.webhook.decide import Advice, decide
from moorage_danm.webhook.demands import Demands
from moorage_danm.webhook.metrics import AdmissionMetrics
from moorage_danm.webhook.observe import observed
from moorage_danm.webhook.registration import FIRST_PATH, PATH
from moorage_danm.webhook.settings import DanmWebhookSettings
from moorage_danm.webhook.wording import limited
from moorage_domain.admission import AdmissionRequest, Allowed, Decision
from moorage_kube.webhook.webhook import Webhook

logger = logging.getLogger(__name__)

ALLOWED = Allowed()
FAILED = Allowed(("static DANM addresses were not looked at: the webhook failed, see its log",))
_SPARE_SECONDS = 0.5
"""Behind the time for which a demand is waited."""


class Admission:
    """Answers, each on its own: nothing is kept from one request to the next."""

    def __init__(
        self,
        settings: DanmWebhookSettings,
        caches: AdmissionCaches,
        demands: Demands,
        metrics: AdmissionMetrics,
    ) -> None:
        self._settings = settings
        self._caches = caches
        self._demands = demands
        self._metrics = metrics

    def webhooks(self) -> tuple[Webhook, ...]:
        """All paths; where anything fails, the pod is allowed."""
        deadline = self._settings.sync_seconds + _SPARE_SECONDS
        return tuple(
            Webhook(path, self.admit, deadline=deadline, on_failure=FAILED)
            for path in (PATH, FIRST_PATH)
        )

    def admit(self, request: AdmissionRequest) -> Decision | Awaitable[Decision]:
        """The answer, or who will give it where an address is waited for."""
        if not self._settings.evaluates:
            return ALLOWED
        found = observed(self._caches, request)
        if found is None:
            return ALLOWED
        if missing := self._caches.missing():
            self._metrics.found((outcomes.NOT_EVALUATED,))
            return Allowed((f"static DANM addresses were not looked at: no {missing} yet",))
        mode = self._settings.mode
        advice = decide(found, enforcing=mode == "enforce")
        self._note(request, advice)
        if advice.denial is not None:
            return advice.denial
        is_trial = request.dry_run or self._settings.dry_run
        if mode == "sync" and advice.wanted and not is_trial and not found.template:
            return self._after_release(request, advice)
        return advice.allowed

    async def _after_release(self, request: AdmissionRequest, advice: Advice) -> Decision:
        """The answer once the addresses are free, or it cannot wait any longer."""
        is_free = await self._demands.released(advice.wanted, self._settings.sync_seconds)
        self._metrics.demands.labels(outcomes.FREED if is_free else outcomes.LATE).inc()
        now = observed(self._caches, request)
        return decide(now).allowed if now is not None else ALLOWED

    def _note(self, request: AdmissionRequest, advice: Advice) -> None:
        if not advice.warnings:
            return
        self._metrics.found(advice.findings)
        if not logger.isEnabledFor(logging.INFO):
            return
        logger.info(
            "%s",
            "; ".join(limited(advice.warnings)),
            extra={
                "request": request.uid,
                "object": f"{request.kind.name} {request.namespace}/{request.name or '(new)'}",
                "dry_run": request.dry_run,
            },
        )
