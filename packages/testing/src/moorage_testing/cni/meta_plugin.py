"""A CNI plug-in that gives pods the networks that they name, as multi-net-spec 1.3 defines it.

Run as a program by the container runtime, with nothing but the standard library. It delegates to
the plug-in of the cluster's network first, and then to those of each NetworkAttachmentDefinition
that the pod's annotation selects: ``net1``, ``net2`` and so on, or the interface that is asked for.
What they answered it writes into the annotation ``k8s.v1.cni.cncf.io/network-status``.

Its config has, beside what every one has, ``delegate`` (the config of the cluster's network),
``access`` (a file: server, CA file and token, as JSON) and ``state`` (a folder that is lost with
the pods' networks).
"""

import json
import os
import ssl
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NETWORKS = "k8s.v1.cni.cncf.io/networks"
STATUS = "k8s.v1.cni.cncf.io/network-status"
VERSIONS = ["0.3.0", "0.3.1", "0.4.0", "1.0.0"]
API_SECONDS = 10
# Codes below 100 are the specification's; see its section 5.
FAILED = 100

Json = dict[str, Any]


class PluginError(Exception):
    """A network cannot be had; the runtime shows the message in an Event of the pod."""


@dataclass(frozen=True)
class Attachment:
    """One network of a pod: as the pod names it, and the configs of its plug-ins in order."""

    name: str
    interface: str
    plugins: list[Json]
    default: bool = False


@dataclass(frozen=True)
class Api:
    """The API server, for an account that may read pods and networks and write a pod's status."""

    server: str
    ca_file: str
    token: str

    @classmethod
    def of_file(cls, path: str) -> "Api":
        """As the file says."""
        return cls(**json.loads(Path(path).read_text("utf-8")))

    def ask(self, path: str, patch: Json | None = None) -> Json:
        """Get an object, or patch it."""
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/merge-patch+json",
        }
        asked = urllib.request.Request(  # noqa: S310 - https, as the file says
            self.server + path,
            data=json.dumps(patch).encode() if patch else None,
            headers=headers,
            method="PATCH" if patch else "GET",
        )
        trusted = ssl.create_default_context(cafile=self.ca_file)
        with urllib.request.urlopen(asked, timeout=API_SECONDS, context=trusted) as answer:  # noqa: S310 - as above
            found: Json = json.load(answer)
            return found


def selected(text: str, namespace: str) -> list[tuple[str, str, str]]:
    """Namespace, name and interface (``""`` = any) of each network that an annotation selects."""
    if any(sign in text for sign in '[{"'):
        return [
            (one.get("namespace") or namespace, one["name"], one.get("interface") or "")
            for one in json.loads(text)
        ]
    found = []
    for item in filter(None, (one.strip() for one in text.split(","))):
        head, _, rest = item.rpartition("/")
        name, _, interface = rest.partition("@")
        found.append((head.strip() or namespace, name.strip(), interface.strip()))
    return found


def plugins_of(config: str, name: str) -> list[Json]:
    """The plug-ins of a config, each with the name and the version of the whole."""
    raw = json.loads(config)
    common = {"name": raw.get("name") or name, "cniVersion": raw.get("cniVersion") or VERSIONS[0]}
    return [{**one, **common} for one in raw.get("plugins") or [raw]]


def attachments(config: Json, arguments: Json, api: Api) -> list[Attachment]:
    """The cluster's network, and those that the pod names."""
    interface = os.environ["CNI_IFNAME"]
    delegate = {**config["delegate"], "name": config["name"], "cniVersion": config["cniVersion"]}
    found = [Attachment(config["name"], interface, [delegate], default=True)]
    pod = api.ask(_pod(arguments))
    text = (pod["metadata"].get("annotations") or {}).get(NETWORKS, "")
    namespace = arguments["K8S_POD_NAMESPACE"]
    for number, (space, name, wanted) in enumerate(selected(text, namespace), start=1):
        path = f"/apis/k8s.cni.cncf.io/v1/namespaces/{space}/network-attachment-definitions/{name}"
        try:
            nad = api.ask(path)
        except OSError as error:
            raise PluginError(f"network {space}/{name}: {error}") from error
        plugins = plugins_of(nad["spec"]["config"], name)
        found.append(Attachment(f"{space}/{name}", wanted or f"net{number}", plugins))
    return found


def add(config: Json) -> Json:
    """Attach the pod to all of its networks, or to none; the result of the cluster's network."""
    arguments = _arguments()
    api = Api.of_file(config["access"])
    wanted = attachments(config, arguments, api)
    # Written down first: what is attached is found again, whatever happens next.
    _state(config).parent.mkdir(parents=True, exist_ok=True)
    _state(config).write_text(json.dumps([vars(one) for one in wanted]), "utf-8")
    try:
        results = [_add_one(one) for one in wanted]
        status = [_status(one, result) for one, result in zip(wanted, results, strict=True)]
        annotations = {STATUS: json.dumps(status)}
        api.ask(f"{_pod(arguments)}/status", {"metadata": {"annotations": annotations}})
    except (OSError, PluginError):
        delete(config)
        raise
    return results[0]


def delete(config: Json) -> None:
    """Detach the pod from all of its networks, the last one first; may be repeated."""
    state = _state(config)
    known = json.loads(state.read_text("utf-8")) if state.exists() else []
    failed = []
    for one in reversed([Attachment(**raw) for raw in known]):
        for plugin in reversed(one.plugins):
            try:
                _call("DEL", one.interface, plugin)
            except PluginError as error:
                failed.append(str(error))
    if failed:
        raise PluginError("; ".join(failed))
    state.unlink(missing_ok=True)


def _add_one(attachment: Attachment) -> Json:
    """Through all of its plug-ins; each gets the result of the one before."""
    result: Json = {}
    for plugin in attachment.plugins:
        before = {"prevResult": result} if result else {}
        result = json.loads(_call("ADD", attachment.interface, plugin | before))
    return result


def _status(attachment: Attachment, result: Json) -> Json:
    """One entry of the network status."""
    inside = [one for one in result.get("interfaces") or () if one.get("sandbox")]
    entry: Json = {
        "name": attachment.name,
        "interface": attachment.interface,
        "ips": [one["address"].partition("/")[0] for one in result.get("ips") or ()],
        "mac": inside[0].get("mac", "") if inside else "",
        "dns": result.get("dns") or {},
    }
    return entry | ({"default": True} if attachment.default else {})


def _call(command: str, interface: str, plugin: Json) -> str:
    """Run a plug-in; raises PluginError with what it says."""
    folders = os.environ["CNI_PATH"].split(os.pathsep)
    programs = [path for one in folders if (path := Path(one, plugin["type"])).exists()]
    if not programs:
        raise PluginError(f"there is no CNI plug-in {plugin['type']!r} in {folders}")
    done = subprocess.run(  # noqa: S603 - as the config says, which administrators write
        [programs[0]],
        input=json.dumps(plugin),
        env=os.environ | {"CNI_COMMAND": command, "CNI_IFNAME": interface},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PluginError(f"{plugin['type']} {command} {interface}: {done.stdout or done.stderr}")
    return done.stdout


def _arguments() -> Json:
    """What the runtime says of the pod."""
    pairs = (one.partition("=") for one in os.environ.get("CNI_ARGS", "").split(";"))
    return {key: value for key, _, value in pairs}


def _pod(arguments: Json) -> str:
    return f"/api/v1/namespaces/{arguments['K8S_POD_NAMESPACE']}/pods/{arguments['K8S_POD_NAME']}"


def _state(config: Json) -> Path:
    return Path(config["state"], f"{os.environ['CNI_CONTAINERID']}.json")


def main() -> int:
    """One command of the runtime; the exit code says whether it worked."""
    command = os.environ.get("CNI_COMMAND", "")
    if command == "VERSION":
        print(json.dumps({"cniVersion": VERSIONS[-1], "supportedVersions": VERSIONS}))  # noqa: T201 - the answer
        return 0
    config = json.load(sys.stdin)
    try:
        if command == "ADD":
            print(json.dumps(add(config)))  # noqa: T201 - the answer
        elif command == "DEL":
            delete(config)
    except (KeyError, OSError, PluginError, ValueError) as error:
        message = f"{type(error).__name__}: {error}"
        print(json.dumps({"cniVersion": config["cniVersion"], "code": FAILED, "msg": message}))  # noqa: T201 - the answer
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
