"""Every reason a Service can give for its endpoints."""

from __future__ import annotations

from moorage_domain.reasons import Reason
from moorage_endpoints.nads import reasons as nad_reasons

SYNCED = Reason("SecondaryEndpointsSynced", "The Service leads to its pods' secondary addresses.")
SYNCING = Reason("SecondaryEndpointsSyncing", "Endpoints are being written.")
NOT_OURS = Reason("NotOurs", "The Service names no network; nothing is written for it.")
LEFT_ALONE = Reason(
    "LeftAlone",
    "The Service is being deleted: what it has goes with it. With --release-all: it never had a"
    " selector, and what it has stays.",
)
HANDED_BACK = Reason(
    "HandedBack",
    "The Service has its selector again; ours go once Kubernetes has written its own endpoints.",
)
COMPANION_SYNCED = Reason(
    "CompanionSynced", "A second Service leads to the secondary addresses; its name is said."
)
ENDPOINTS_UPDATED = Reason(
    "UpdatedToUseNetwork", "In the mode legacy, the Endpoints have the secondary addresses."
)
INVALID_NETWORK_SELECTION = Reason(
    "InvalidNetworkSelection",
    "The annotation that names the networks, the selector or the mode cannot be read. The message"
    " says where and how to write it; until then, nothing is changed.",
    warning=True,
)
UNSUPPORTED_SERVICE = Reason(
    "UnsupportedService",
    "A Service of type ExternalName has no endpoints: take the annotation off.",
    warning=True,
)
NO_SUCH_NETWORK = Reason(
    "NoSuchNetwork",
    "The Service names a network of which there is no NetworkAttachmentDefinition.",
    warning=True,
)
NOT_NODE_ROUTABLE = Reason(
    "NotNodeRoutable",
    "The Service has a cluster address, and its network does not say that nodes can reach it. Make"
    ' the Service headless, or annotate the network with moorage.dev/node-routable: "true".',
    warning=True,
)
NO_SELECTOR = Reason(
    "NoSelector",
    "Nothing says which pods are meant. Give the Service a selector, or the annotation"
    " moorage.dev/selector.",
    warning=True,
)
NO_MATCHING_PODS = Reason("NoMatchingPods", "No pod has the labels.", warning=True)
NO_ADDRESS_ON_NETWORK = Reason(
    "NoAddressOnNetwork",
    "Pods have no usable address in the network; the message says which and why.",
    warning=True,
)
STATUS_UNREADABLE = Reason(
    "NetworkStatusUnreadable",
    "The network status of a pod is no JSON list. Its last addresses are kept for half a minute.",
    warning=True,
)
PORT_NOT_FOUND = Reason(
    "PortNotFound", "A pod has no port of the name that the Service asks for.", warning=True
)
DUPLICATE_ADDRESS = Reason(
    "DuplicateAddress",
    "Several pods say that they have one address; one of them is published.",
    warning=True,
)
SELECTOR_CONFLICT = Reason(
    "SelectorConflict",
    "The Service has a spec.selector, so Kubernetes writes its default addresses, too. The message"
    " says what can be done.",
    warning=True,
)
SELECTOR_CONTESTED = Reason(
    "SelectorContested",
    "Somebody puts the selector back again and again; it is taken out less often. Install the"
    " webhook, or take the selector out of the manifest.",
    warning=True,
)
FOREIGN_SLICES = Reason(
    "ForeignSlices",
    "Somebody else writes endpoints of the Service, too; they are left as they are.",
    warning=True,
)
COMPANION_NAME_TAKEN = Reason(
    "CompanionNameTaken",
    "There is another Service of the name that the companion would have.",
    warning=True,
)
MULTIPLE_NETWORKS = Reason(
    "MultipleNetworks", "In the mode legacy a Service can name one network only.", warning=True
)
LEGACY_INEFFECTIVE = Reason(
    "LegacyEndpointsIneffective",
    "In the mode legacy, service proxies and DNS do not see the addresses.",
    warning=True,
)
REWRITES_PAUSED = Reason(
    "RewritesPaused",
    "Somebody rewrites the Endpoints more than ten times a minute; ours are written less often.",
    warning=True,
)

_OWN = tuple(one for one in list(globals().values()) if isinstance(one, Reason))
ALL: tuple[Reason, ...] = (*_OWN, *nad_reasons.ALL)
"""All of them."""
