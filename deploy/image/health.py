"""`health.py livez|readyz`: exit code 0 when the process in this container says yes on its probe port."""

import os
import socket
import sys

SECONDS = 4


def main(probe: str) -> int:
    port = int(os.environ.get("PROBE_PORT") or 9464)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
            connection.sendall(f"GET /{probe} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while more := connection.recv(65536):
                answer += more
    except OSError as error:
        sys.stdout.write(f"no answer on port {port}: {error}\n")
        return 1
    head, _, body = answer.partition(b"\r\n\r\n")
    sys.stdout.write(body.decode("utf-8", "replace"))
    return 0 if head.split(b" ")[1:2] == [b"200"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
