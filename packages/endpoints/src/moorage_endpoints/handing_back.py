"""``--release-all`` of Services: whether Kubernetes serves all again that it can serve."""

from __future__ import annotations

import logging

from moorage_endpoints.caches import Caches
from moorage_endpoints.observe import Observer
from moorage_endpoints.targets import Target

logger = logging.getLogger(__name__)


class HandingBack:
    """Knows which Services have something of ours yet, or have not got their selector back.

    The controller of Services does the work, and waits for Kubernetes before it takes ours away.
    """

    def __init__(self, caches: Caches, observer: Observer) -> None:
        self._caches = caches
        self._observer = observer

    def is_done(self) -> bool:
        """Whether nothing is left; the log names what is."""
        stores = (self._caches.services, self._caches.slices, self._caches.endpoints)
        if not all(one.synced for one in stores):
            return False
        left = sorted(key for key, _ in self._caches.services.items() if self._is_left(key))
        if left:
            logger.info("handed back, once Kubernetes has their endpoints: %s", ", ".join(left))
        return not left

    def _is_left(self, key: str) -> bool:
        observed = self._observer.service(key)
        if observed is None or observed.service is None or observed.target is not Target.NONE:
            return False
        endpoints, remembered = observed.endpoints, observed.service.wish.remembered
        rewritten = endpoints is not None and endpoints.ours
        return bool(observed.ours or observed.companions or rewritten) or remembered is not None
