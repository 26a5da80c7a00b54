"""A tracking server on loopback that offers a registered model whose files are called what the attacker likes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

CONTENT = b"owned"
API = "/api/2.0/mlflow"


@contextmanager
def hostile_server(*names: str) -> Iterator[str]:
    """Serve the model `m` with files of these names; yield the tracking URI."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path == f"{API}/registered-models/alias":
                self._json({"model_version": {"name": "m", "version": "1"}})
            elif path == f"{API}/registered-models/get":
                self._json({"registered_model": {"name": "m"}})
            elif path == f"{API}/model-versions/get-download-uri":
                self._json({"artifact_uri": "mlflow-artifacts:/m"})
            elif path == "/api/2.0/mlflow-artifacts/artifacts":
                files = [{"path": n, "is_dir": False, "file_size": len(CONTENT)} for n in names]
                self._json({"files": files})
            else:
                self._send(CONTENT, "application/octet-stream")

        def _json(self, value: object) -> None:
            self._send(json.dumps(value).encode(), "application/json")

        def _send(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
