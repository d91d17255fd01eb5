"""A process that looks like one of Okno to the stack runner: pid file, /readyz, SIGTERM. Its behaviour is set by TOY:
`ready` (default), `unready` (answers 503 and says why), `exit` (ends with code 3), `stubborn` (ignores SIGTERM)."""

from __future__ import annotations

import http.server
import os
import signal
import sys
from pathlib import Path

mode = os.environ.get("TOY", "ready")
Path(os.environ["PID_FILE"]).write_text(f"{os.getpid()}\n")
print(f"toy {sys.argv[1:]} is {mode}", flush=True)
if mode == "exit":
    print("the toy is broken: SETTING is missing", flush=True)
    sys.exit(3)
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503 if mode == "unready" else 200)
        self.end_headers()
        self.wfile.write(b"the database is away" if mode == "unready" else b"ready")

    def log_message(self, *args: object) -> None:
        """Silent."""


http.server.HTTPServer(("127.0.0.1", int(os.environ["PROBE_PORT"])), Handler).serve_forever()
