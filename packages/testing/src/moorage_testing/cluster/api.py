"""The API server for tests: one call by the official client, or thousands of creations at once."""

import asyncio
import json
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

# What one aiohttp process and one API server on two cores keep busy; more only queues.
WORKERS = 64
MERGE_PATCH = "application/merge-patch+json"

Json = dict[str, Any]


class ApiError(Exception):
    """The API server refused a call."""

    def __init__(self, status: int, message: str) -> None:
        """Keep the HTTP status for those who can answer it."""
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Creation:
    """One object to be created: the path of its collection and its body."""

    path: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Api:
    """An API server and who is asking; connections are kept: tests ask thousands of times."""

    host: str
    port: int
    ca_file: Path
    token: str
    timeout_seconds: float
    _client: ApiClient = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the client, which connects when it is first asked."""
        # Tests want to see each failure, so nothing is tried again.
        configuration = Configuration(
            host=self._base(), ssl_ca_cert=str(self.ca_file), retries=False
        )
        object.__setattr__(self, "_client", ApiClient(configuration))

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Json:
        """Make one call and return the answer's object; a PATCH is a merge.

        Raises ApiError, or OSError where no answer comes.
        """
        answer: Json = json.loads(self._exchange(method, path, body))
        return answer

    def get_text(self, path: str) -> str:
        """Return the text behind a path that is no object, for instance /readyz."""
        return self._exchange("GET", path, None).decode()

    def create_all(self, creations: Iterable[Creation]) -> int:
        """Create objects, many at a time; return how many. Stops at the first that is refused.

        Runs an event loop in a thread of its own, so it can be called where a loop runs already.
        """
        counts: list[int] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                counts.append(asyncio.run(self._create_all(iter(creations))))
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                errors.append(error)

        thread = threading.Thread(target=work, name="create-all")
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return counts[0]

    def _exchange(self, method: str, path: str, body: Mapping[str, Any] | None) -> bytes:
        kind = MERGE_PATCH if method == "PATCH" else "application/json"
        headers = self._headers() | {"Content-Type": kind}
        url = f"{self._base()}{path}"
        try:
            response = self._client.call_api(
                method, url, headers, body, _request_timeout=self.timeout_seconds
            )
            content: bytes = response.read()
        except (ApiException, HTTPError) as error:
            raise ConnectionError(f"{method} {path}: {error}") from error
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise ApiError(response.status, f"{method} {path}: {_message(content)}")
        return content

    async def _create_all(self, creations: Iterator[Creation]) -> int:
        tls = ssl.create_default_context(cafile=str(self.ca_file))
        connector = aiohttp.TCPConnector(limit=WORKERS, ssl=tls)
        headers = self._headers() | {"Content-Type": "application/json"}
        refused: list[ApiError] = []
        async with aiohttp.ClientSession(
            self._base(), connector=connector, headers=headers
        ) as session:
            work = (_create_each(session, creations, refused) for _ in range(WORKERS))
            counts = await asyncio.gather(*work)
        if refused:
            raise refused[0]
        return sum(counts)

    def _base(self) -> str:
        return f"https://{self.host}:{self.port}"

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}


async def _create_each(
    session: aiohttp.ClientSession, creations: Iterator[Creation], refused: list[ApiError]
) -> int:
    """Take from the iterator, which all workers share, until it is empty or one was refused.

    The others end after the call they are in: cancelled in it, they would leak its connection.
    """
    count = 0
    for creation in creations:
        payload = json.dumps(creation.body).encode()
        async with session.post(creation.path, data=payload) as response:
            content = await response.read()
        if response.status >= HTTPStatus.BAD_REQUEST:
            message = f"POST {creation.path}: {_message(content)}"
            refused.append(ApiError(response.status, message))
        if refused:
            break
        count += 1
    return count


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace")[:200]
