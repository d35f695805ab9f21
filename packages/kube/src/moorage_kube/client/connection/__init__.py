"""Where the API server is and how to prove who we are: kubeconfig, in-cluster, exec plug-ins."""

from moorage_kube.client.connection.credentials import Credentials, CredentialSource
from moorage_kube.client.connection.endpoint import Connection
from moorage_kube.client.connection.errors import ConfigError
from moorage_kube.client.connection.load import load_connection

__all__ = ["ConfigError", "Connection", "CredentialSource", "Credentials", "load_connection"]
