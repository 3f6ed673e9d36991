"""An S3 server on loopback for the tests: moto behind one lock, which can be told to fail.

What S3 promises of one key, one request after the other, moto's threads alone do not: hence the lock.
"""

import io
import logging
from collections import deque
from collections.abc import Callable
from threading import Lock, Thread

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

ACCOUNT = "123456789012"
SECRET = "a-secret-of-the-tests"  # noqa: S105


def bucket_name(text: str) -> str:
    """A name of a bucket of whoever is called so."""
    return f"b{abs(hash(text)):x}"


class BucketServer:
    """A server with buckets. requests: method, path and range of each. faults: what becomes of the next writes.

    A fault is `refused` (not done, 503), `lost` (done, and 503) or `flipped` (done with one bit wrong). only: what the
    name of an object has in it for a fault to befall it.
    """

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.requests: list[tuple[str, str, str]] = []
        self.faults: deque[str] = deque()
        self.only = ""
        self._away = False
        self._app, self._lock = DomainDispatcherApplication(create_backend_app), Lock()
        self._listen(0)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _listen(self, port: int) -> None:
        self._server = make_server("127.0.0.1", port, self._answer, threaded=True, request_handler=MotoRequestHandler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def go_away(self) -> None:
        """Take no connection, and answer nothing but an error on those that are there; buckets stay as they are."""
        self._away = True
        self.stop()

    def come_back(self) -> None:
        if self._away:
            self._away = False
            self._listen(self._server.server_address[1])

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def environment(self) -> dict[str, str]:
        """What a process needs to know to ask it."""
        return {
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def make_bucket(self, name: str) -> None:
        s3_backends[ACCOUNT]["aws"].create_bucket(name, "us-east-1")

    def objects(self, bucket: str) -> dict[str, bytes]:
        return {key: it.value for key, it in s3_backends[ACCOUNT]["aws"].buckets[bucket].keys.items()}

    def replace(self, bucket: str, key: str, data: bytes) -> None:
        """Put other bytes there behind everybody's back."""
        s3_backends[ACCOUNT]["aws"].put_object(bucket, key, data)

    def remove(self, bucket: str, key: str) -> None:
        s3_backends[ACCOUNT]["aws"].delete_object(bucket, key)

    def _answer(self, environ: dict[str, object], start_response: Callable[..., object]) -> object:
        with self._lock:
            if self._away:
                start_response("503 Service Unavailable", [("Content-Length", "0"), ("Connection", "close")])
                return [b""]
            method = str(environ["REQUEST_METHOD"])
            self.requests.append((method, str(environ["PATH_INFO"]), str(environ.get("HTTP_RANGE", ""))))
            befalls = self.faults and method == "PUT" and self.only in str(environ["PATH_INFO"])
            fault = self.faults.popleft() if befalls else ""
            if fault == "flipped":
                length = int(str(environ["CONTENT_LENGTH"]))
                data = bytearray(environ["wsgi.input"].read(length))  # type: ignore[attr-defined]
                data[length // 2] ^= 1
                environ["wsgi.input"], fault = io.BytesIO(data), ""
            if fault != "refused":
                answer = list(self._app(environ, start_response if not fault else lambda *_: None))
                if not fault:
                    return answer
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return [b""]
