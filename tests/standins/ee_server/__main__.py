"""python -m ee_server STORE [PORT], with tests/standins on the path."""

import sys
import threading

from ee_server.server import serve

if __name__ == "__main__":
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    print(serve(sys.argv[1], port).url, flush=True)
    threading.Event().wait()
