"""The environment of started processes: what a program needs of the machine and nothing else of the person's own, so
that stack.json can show it whole and a test driver can start the same process again.
"""

from __future__ import annotations

import os

_KEPT = (
    "PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "JAVA_HOME", "LD_LIBRARY_PATH",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY",
    "https_proxy", "http_proxy", "no_proxy",
)  # fmt: skip


def base_environment() -> dict[str, str]:
    """The parts of this process's environment that every program may have."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ}
