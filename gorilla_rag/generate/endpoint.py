"""Requests to a model server: timeouts, retries, and errors that say what is wrong with it.

Knows JSON over HTTP and server-sent events; nothing of prompts, schemas or what the answers mean.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Generator as Pieces
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import SystemRandom
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urlsplit

from gorilla_rag.errors import EndpointError, ExtraMissing, UsageError

if TYPE_CHECKING:
    import httpx2

Reason = Literal["down", "slow", "rate-limited", "refused", "nonsense", "schema ignored"]
LONGEST_WAIT = 60.0
_LONGEST_BACKOFF = 8.0
_RETRIED = {408, 409, 429}
_LARGEST = 8 * 1024 * 1024
_LONGEST_ANSWER = 2000
_SHOWN = 300
_Got = TypeVar("_Got")
_random = SystemRandom()


class Endpoint:
    """A server's base URL.

    The key is read from the environment when the object is made, goes into one header, and is in no message. Redirects
    aren't followed: the key and the question stay with the server that was named.

    Args:
        url: such as `http://127.0.0.1:11434/v1`.
        key_env: the environment variable with the key; nothing is sent where it isn't set.
        timeout: the longest silence, in seconds, while connecting or while an answer is read.
        retries: how often a request is repeated after 408, 409, 429, 5xx or a broken connection.
        backoff: seconds before the first repetition; doubled each time, and varied. A server that says how long to
            wait is given that time, up to `LONGEST_WAIT`.

    Raises:
        UsageError: no URL that can be asked, or a key that can't be sent.
        ExtraMissing: httpx2 isn't installed.
    """

    def __init__(self, url: str, *, key_env: str, timeout: float, retries: int, backoff: float) -> None:
        self.url, self.key_env = checked_url(url), key_env
        self._retries, self._backoff, self._timeout = retries, backoff, timeout
        self._key = _key(key_env)
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        # A proxy that is set for the network knows nothing of this machine's own ports.
        self._client = _httpx2().Client(headers=headers, timeout=timeout, trust_env=not _is_local(self.url))
        weakref.finalize(self, self._client.close)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON that the server answers.

        Raises:
            EndpointError: there is none.
        """
        return self._retried(lambda: self._read(self._open(path, body)))

    def events(self, path: str, body: Mapping[str, Any]) -> Pieces[Any, None, None]:
        """The JSON of each server-sent event as it comes; the whole answer at once where a server doesn't stream.

        Raises:
            EndpointError: there is none, or it breaks off.
        """
        httpx2 = _httpx2()
        response = self._retried(lambda: self._open(path, body))
        if _content_type(response) != "text/event-stream":
            with self._passing_is_final():
                yield self._read(response)
            return
        try:
            with self._passing_is_final(), self._named("broke off its answer"):
                for event in httpx2.EventSource(response, max_event_size=_LARGEST):
                    if event.data.strip() == "[DONE]":
                        return
                    yield self._parsed(event.data, response)
        finally:
            response.close()

    def error(self, message: str, reason: Reason, *, status: int = 0, hint: str) -> EndpointError:
        """An error about this server, without its key."""
        text = message.replace(self._key, "…") if self._key else message
        return EndpointError(f"{self.url} {short(text)}", reason=reason, status=status, hint=hint)

    def _retried(self, act: Callable[[], _Got]) -> _Got:
        attempt = 0
        while True:
            try:
                return act()
            except _Passing as passing:
                wait = passing.wait
                if wait is None:
                    wait = min(_LONGEST_BACKOFF, self._backoff * 2**attempt) * _random.uniform(0.5, 1.5)
                if attempt >= self._retries or wait > LONGEST_WAIT:
                    raise passing.error from passing.__cause__
                attempt += 1
                time.sleep(wait)

    def _open(self, path: str, body: Mapping[str, Any]) -> httpx2.Response:
        """The answer's head; its body is still to be read."""
        with self._named("can't be reached"):
            content, kind = json.dumps(body), {"Content-Type": "application/json"}
            request = self._client.build_request("POST", self.url + path, content=content, headers=kind)
            response: httpx2.Response = self._client.send(request, stream=True)
        if response.is_success:
            return response
        status, wait = response.status_code, _retry_after(response)
        message = _said(self._whole(response))
        error = self._refusal(status, message, response.headers.get("location", ""), wait)
        if status in _RETRIED or status >= 500:
            raise _Passing(error, wait)
        raise error

    def _read(self, response: httpx2.Response) -> Any:
        return self._parsed(self._whole(response), response)

    def _whole(self, response: httpx2.Response) -> str:
        content = bytearray()
        try:
            with self._named("broke off its answer"):
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > _LARGEST:
                        raise self.error("answers with more than 8 MiB", "nonsense", hint=_CHECK_URL)
        finally:
            response.close()
        return content.decode("utf-8", "replace")

    def _parsed(self, text: str, response: httpx2.Response) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            found = f"answers with {_content_type(response) or 'something'}, not JSON: {text[:_LONGEST_ANSWER]!r}"
            raise self.error(found, "nonsense", status=response.status_code, hint=_CHECK_URL) from error

    def _refusal(self, status: int, message: str, location: str, wait: float | None) -> EndpointError:
        text = f"answers {status}" + (f": {message}" if message else "")
        if 300 <= status < 400:
            return self.error(f"redirects to {location}", "refused", status=status, hint="name that address itself")
        if status == 429:
            hint = f"wait {wait:.0f} s, as the server asks" if wait else "wait, or see what your account allows"
            return self.error(text, "rate-limited", status=status, hint=hint)
        if status in (408, 504):
            return self.error(text, "slow", status=status, hint="try again, or ask a smaller model")
        if status >= 500:
            return self.error(text, "down", status=status, hint="see the server's own log")
        return self.error(text, "refused", status=status, hint=_HINTS.get(status, _AS_SAID).format(key=self.key_env))

    @contextmanager
    def _named(self, failed: str) -> Iterator[None]:
        """The client's errors as ours."""
        httpx2 = _httpx2()
        try:
            yield
        except httpx2.SSEError as error:
            raise self.error(f"sends events that can't be read: {error}", "nonsense", hint=_CHECK_URL) from None
        except httpx2.TimeoutException as error:
            if isinstance(error, httpx2.ConnectTimeout):
                raise _Passing(self.error(f"{failed}: no connection in time", "down", hint=_IS_IT_UP)) from None
            text = f"says nothing for {self._timeout:g} s"
            raise self.error(text, "slow", hint="give it more time (timeout=), or ask a smaller model") from None
        except httpx2.TransportError as error:
            raise _Passing(self.error(f"{failed}: {error}", "down", hint=_IS_IT_UP)) from None
        except httpx2.DecodingError as error:
            raise self.error(f"sends what can't be unpacked: {error}", "nonsense", hint=_CHECK_URL) from None

    @contextmanager
    def _passing_is_final(self) -> Iterator[None]:
        """What has partly been read isn't asked for again."""
        try:
            yield
        except _Passing as passing:
            raise passing.error from None


class _Passing(Exception):
    """An error that may be gone at the next attempt, and the seconds that the server asks to wait."""

    def __init__(self, error: EndpointError, wait: float | None = None) -> None:
        super().__init__(str(error))
        self.error, self.wait = error, wait


_CHECK_URL = "check the base URL: it is the part before /chat/completions, and usually ends in /v1"
_IS_IT_UP = "see whether the server runs there"
_AS_SAID = "change what the server names"
_HINTS = {
    401: "set {key} to a key of this server",
    403: "set {key} to a key that may use this model",
    404: f"check the model's name, and {_CHECK_URL}",
}


def checked_url(url: str) -> str:
    """A base URL without its last slash.

    Raises:
        UsageError: it isn't http or https, has no host, or carries a password, a query or a fragment.
    """
    hint = "use a base URL such as http://127.0.0.1:11434/v1"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UsageError("the endpoint's URL can't be read", hint=hint) from None
    if parts.username is not None or parts.password is not None:
        raise UsageError("the endpoint's URL has a name or password in it", hint="put the key in the environment")
    if parts.scheme not in ("http", "https") or not host or re.search(r"\s", url):
        raise UsageError(f"the endpoint's URL is {url!r}", hint=hint)
    if parts.query or parts.fragment:
        raise UsageError(f"the endpoint's URL {url!r} has more than a path", hint=hint)
    return url.rstrip("/")


def _key(name: str) -> str:
    key = os.environ.get(name, "").strip()
    if not key.isascii() or not key.isprintable():
        raise UsageError(f"the key in {name} has characters that a header can't carry", hint=f"set {name} anew")
    return key


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _retry_after(response: httpx2.Response) -> float | None:
    """Seconds that the server asks to wait: `Retry-After` as a number or as a date."""
    given = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", given):
        return float(given)
    try:
        return max(0.0, (parsedate_to_datetime(given).astimezone(UTC) - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):
        return None


def _said(text: str) -> str:
    try:
        return said(json.loads(text))
    except (ValueError, RecursionError):
        return re.sub(r"<[^>]*>", " ", text)


def said(found: Any) -> str:
    """The message in an error's JSON, in whichever of the usual places it stands."""
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and name in found:
            found = found[name]
    return found if isinstance(found, str) else json.dumps(found)


def short(text: str) -> str:
    """A text on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[:_SHOWN] + "…"


def _content_type(response: httpx2.Response) -> str:
    kind: str = response.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower()


def _httpx2() -> Any:
    try:
        import httpx2
    except ImportError as error:
        raise ExtraMissing("endpoints need httpx2", hint="pip install 'gorilla-rag[endpoint]'") from error
    return httpx2
