"""A worker that is stopped does not hold its client for ever."""

import os
import signal
import socket
import subprocess
import sys
import time

from rsweep.jobs import client, messages

SERVE = """
import socket, sys, time
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
peer, _ = server.accept()
time.sleep(float(sys.argv[2]))
peer.sendall(b'{"is": "answer"}' + bytes([10]))
time.sleep(60)
"""


def connected(tmp_path, answer_s):
    path = str(tmp_path / "s")
    worker = subprocess.Popen([sys.executable, "-c", SERVE, path, str(answer_s)])
    found = socket.socket(socket.AF_UNIX)
    for _ in range(200):
        try:
            found.connect(path)
            return worker, found
        except OSError:
            time.sleep(0.05)
    raise AssertionError("nobody listens")


def test_a_stopped_worker_is_ended_and_the_client_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(client, "STOPPED_S", 0.3)
    monkeypatch.setattr(client, "STOPPED_POLL_S", 0.1)
    worker, found = connected(tmp_path, 0)
    assert client._process(found) == worker.pid
    with found:
        peer = messages.Peer(found)
        assert client._wait(peer) == {"is": "answer"}
        os.kill(worker.pid, signal.SIGSTOP)
        began = time.monotonic()
        assert client._wait(peer) == {}  # the end of the connection
        assert time.monotonic() - began < 20
    assert worker.wait(10) == -signal.SIGKILL
    assert "a worker that was stopped is ended" in capsys.readouterr().err


def test_a_slow_worker_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(client, "STOPPED_S", 0.1)
    monkeypatch.setattr(client, "STOPPED_POLL_S", 0.05)
    worker, found = connected(tmp_path, 1)
    with found:
        assert client._wait(messages.Peer(found)) == {"is": "answer"}
    assert worker.poll() is None
    worker.kill()
    worker.wait()
