"""Serves a page until Ctrl-C, for the verbs that have one."""

from __future__ import annotations

import sys
import webbrowser

from runner.system.loopback import LoopbackServer


def serve(server: LoopbackServer, *, is_opened: bool) -> None:
    """Print the page's address, open it in a browser where that is asked, and serve it."""
    print(f"{server.address}   (Ctrl-C to end)", flush=True)
    if is_opened and not webbrowser.open(server.address):
        print("no browser was found to open it in", file=sys.stderr)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()
