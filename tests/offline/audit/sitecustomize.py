"""Keeps a process, and those that it starts, on this machine, and notes what they would do.

Python imports this first where its folder is on PYTHONPATH. The file that the environment variable
AUDIT_LOG names gets a line "asked HOST" for each other machine that was looked up or connected to,
and a line "wrote PATH" for each file that was opened for writing.
"""

import os
import sys
from pathlib import Path

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_LOOK_UPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
_CONNECTIONS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
_HERE = (None, "", "localhost", "0.0.0.0", "::", "::1")


def _note(line):
    log = os.open(os.environ["AUDIT_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, f"{line}\n".encode())
    os.close(log)


def _host(event, arguments):
    if event in _LOOK_UPS:
        host = arguments[0]
    elif event in _CONNECTIONS and isinstance(arguments[1], tuple):  # not a socket file's path
        host = arguments[1][0]
    else:
        return None
    return host.decode() if isinstance(host, bytes) else host


def _hook(event, arguments):
    host = _host(event, arguments)
    if host not in _HERE and not host.startswith("127."):
        _note(f"asked {host}")
        raise ConnectionRefusedError(f"no network: {host}")
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
        path = arguments[0]
        if isinstance(path, (str, bytes)) and path != os.environ["AUDIT_LOG"]:
            _note(f"wrote {Path.cwd() / os.fsdecode(path)}")


if "AUDIT_LOG" in os.environ:
    sys.addaudithook(_hook)
