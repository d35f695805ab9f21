"""Where the API server is and how to prove who we are: kubeconfig, in-cluster, exec plug-ins."""

from moorage_kube.connection.credentials import Credentials, CredentialSource
from moorage_kube.connection.endpoint import Connection
from moorage_kube.connection.errors import ConfigError
from moorage_kube.connection.load import load_connection

__all__ = ["ConfigError", "Connection", "CredentialSource", "Credentials", "load_connection"]
