"""`python -m sandbox.container`: the sandbox in a container of its own. Makes the token that its page and the demo
need, then becomes `okno run sandbox`.

The page acts on tickets with an admin token, so a sandbox never starts beside an Okno that talks to real platforms:
where SLACK_API_URL and TELEGRAM_API_URL aren't this sandbox's, it ends with exit code 2.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping

from sandbox.stack.errors import StackError
from sandbox.stack.prepare import admin_token

EXIT_CONFIGURATION = 2


def strangers(environ: Mapping[str, str]) -> list[str]:
    """The settings by which the services talk to another platform than this sandbox."""
    own = f"http://{environ.get('HTTP_HOST')}:{environ.get('HTTP_PORT')}/"
    return [name for name in ("SLACK_API_URL", "TELEGRAM_API_URL") if not environ.get(name, "").startswith(own)]


def main() -> int:
    env = dict(os.environ)
    if named := strangers(env):
        sys.stderr.write(
            f"The sandbox doesn't start: {' and '.join(named)} of this Okno name no simulated platform.\n"
            "Give the sandbox an Okno of its own: docs/deployment.md.\n"
        )
        return EXIT_CONFIGURATION
    try:
        env["TICKETING_API_TOKEN"] = asyncio.run(admin_token(env, "sandbox"))
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return os.execve(sys.executable, [sys.executable, "-m", "cli", "run", "sandbox"], env)  # noqa: S606  no shell


if __name__ == "__main__":
    sys.exit(main())
