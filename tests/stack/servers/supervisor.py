"""Runs the local stack's servers for as long as one test runner lives.

    supervisor.py --runner-pid N --runner-started N --state FILE --logs DIR SERVER...

SERVER is `aws` (ministack), `mongo` (secantusdb) or `bigquery` (local-bigquery), each on free loopback ports. Once
all of them answer, FILE appears with their endpoints. When the runner is gone the servers are ended and FILE is
removed. When a server ends before that, FILE is removed and a file with its name and the suffix `.failed` says
which and why.
Standard library only; run it with the Python of the environment that holds the servers.
"""

import argparse
import json
import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path

from servers import SERVERS, ServerFailed, is_alive, log, started

LOGS_KEPT = 10
FAILURE_KEPT_SECONDS = 24 * 3600


class Stopped(Exception):
    """The runner has ended, or a signal requests the end."""


class Runner:
    """The process with whose end the servers end."""

    def __init__(self, pid, start):
        self.pid, self.start, self.fd = pid, start, None
        if hasattr(os, "pidfd_open"):
            try:
                self.fd = os.pidfd_open(pid)
            except ProcessLookupError:
                raise Stopped from None
            except OSError as error:
                log(f"no pidfd, polling instead: {error}")
        if not is_alive(pid, start):
            raise Stopped

    def watch(self, seconds):
        """Returns after `seconds`; raises Stopped as soon as the process ends."""
        if self.fd is None:
            time.sleep(seconds)
            gone = not is_alive(self.pid, self.start)
        else:
            gone = bool(select.select([self.fd], [], [], seconds)[0])
        if gone:
            raise Stopped


def write_atomically(path, content):
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(content, indent=1))
    partial.replace(path)


def end_leftovers(runs):
    """Ends the servers of killed supervisors, and removes their files in the directory `runs`."""
    for path in runs.glob("*.json"):
        try:
            left = json.loads(path.read_text())
            if is_alive(left["supervisor_pid"], left["supervisor_started"]):
                continue
            for server in left["servers"].values():
                if server["started"] > 0 and is_alive(server["pid"], server["started"]):
                    log(f"ending a leftover server, pid {server['pid']}")
                    os.killpg(server["pid"], signal.SIGKILL)
        except (OSError, ValueError, KeyError) as error:
            log(f"cannot clear {path}: {error}")
        path.unlink(missing_ok=True)
        shutil.rmtree(path.with_suffix(".d"), ignore_errors=True)
    for path in runs.glob("*.failed"):
        if time.time() - path.stat().st_mtime > FAILURE_KEPT_SECONDS:
            path.unlink(missing_ok=True)


def prune(logs):
    """Removes the oldest log directories of earlier runs."""
    others = [d for d in logs.parent.iterdir() if d.is_dir() and d != logs]
    others.sort(key=lambda d: d.stat().st_mtime)
    for old in others[:-LOGS_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def supervise(options, servers):
    runner = Runner(options.runner_pid, options.runner_started)
    for server in servers.values():
        server.start_until_ready(runner)
    state = {
        "supervisor_pid": os.getpid(),
        "supervisor_started": started(os.getpid()),
        "runner_pid": options.runner_pid,
        "runner_started": options.runner_started,
        "python": sys.executable,
        "logs": str(options.logs),
        "servers": {kind: server.state() for kind, server in servers.items()},
    }
    write_atomically(options.state, state)
    while True:
        runner.watch(0.5)
        for server in servers.values():
            if server.has_ended():
                raise ServerFailed(server, "ended while the tests ran")


def raise_stopped(_number, _frame):
    raise Stopped


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runner-pid", type=int, required=True)
    parser.add_argument("--runner-started", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--logs", type=Path, required=True)
    parser.add_argument("servers", nargs="+", choices=SERVERS)
    options = parser.parse_args()

    if os.getsid(0) != os.getpid():
        os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, raise_stopped)

    base = options.state.with_suffix(".d")
    failed = options.state.with_suffix(".failed")
    failed.unlink(missing_ok=True)
    end_leftovers(options.state.parent)
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    prune(options.logs)
    servers = {kind: SERVERS[kind](base, options.logs) for kind in options.servers}
    try:
        supervise(options, servers)
    except Stopped:
        log("the run has ended, stopping")
    except ServerFailed as failure:
        log(failure)
        write_atomically(failed, {"runner_started": options.runner_started, "why": str(failure), "log": failure.log})
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        options.state.unlink(missing_ok=True)
        for server in servers.values():
            server.stop()
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
