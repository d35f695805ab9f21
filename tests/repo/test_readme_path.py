"""The way of a new user through the README has no step that others have stumbled over."""

from __future__ import annotations

import re

from .files import ROOT

README = (ROOT / "README.md").read_text("utf-8")
INSTALL = README.partition("\n## Install\n")[2].partition("\n## ")[0]


def order(*texts: str) -> bool:
    """Whether the texts stand in the README in this order."""
    places = [INSTALL.find(text) for text in texts]
    return -1 not in places and places == sorted(places)


def test_harm_29_credentials_are_exported_before_they_are_used() -> None:
    assert order("export AWS_ACCESS_KEY_ID=", "create secret", '"$AWS_SECRET_ACCESS_KEY"')


def test_harm_29_nodes_are_chosen_by_a_label_that_nobody_else_has() -> None:
    assert "NODE-3 pool=" not in INSTALL
    assert "nodeSelector: {example.com.node-restriction.kubernetes.io/fixed-ip: edge}" in INSTALL


def test_harm_29_an_example_sends_one_pod_to_each_address() -> None:
    assert order('/ip.ready: "true"', "podAntiAffinity:", "kubernetes.io/hostname")


def test_sec_04_pods_and_pools_of_the_example_select_what_no_kubelet_can_set() -> None:
    selected = re.findall(r"nodeSelector: ?(?:\{(\S+): |\n((?:  \S+: .*\n)+))", INSTALL)
    keys = [one for one, _ in selected if one]
    keys += [key for _, more in selected for key in re.findall(r"(?m)^  (\S+): ", more)]
    assert len(keys) == 3  # of the pool; the address and the pool of the pods
    assert all(key.partition("/")[0].endswith(".node-restriction.kubernetes.io") for key in keys)


def test_harm_29_it_is_said_in_which_order_to_uninstall_and_what_to_do_where_it_was_not() -> None:
    assert order(
        "in this order", "delete nia --all", "helm uninstall", "delete crd", "delete lease",
        '"finalizers":null',
    )  # fmt: skip


def test_harm_29_people_find_the_lease_and_the_metrics() -> None:
    assert "`kube-system/moorage-core`" in INSTALL
    assert "port-forward" in INSTALL
