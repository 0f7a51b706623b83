"""The servers of the local stack, and the state of processes for the supervisor. Standard library only."""

import ctypes
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

READY_SECONDS = 120
STOP_SECONDS = 5
BIND_ATTEMPTS = 5
REGION = "ap-south-1"
PROJECT = "quiz-test"
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT")


class ServerFailed(Exception):
    def __init__(self, server, why):
        super().__init__(f"{server.name} {why}")
        self.log = str(server.log)


def log(text):
    print(time.strftime("%Y-%m-%dT%H:%M:%S"), text, flush=True)


def started(pid):
    """Start time of a process in clock ticks since boot; 0 where the system has no value, -1 for a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return -1 if fields[0] == "Z" else int(fields[19])


def is_alive(pid, start):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return started(pid) == start


def die_with_parent():
    """Runs in the child: on Linux the child gets a SIGTERM when the supervisor is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1 = PR_SET_PDEATHSIG


def free_ports(count):
    """Different free loopback ports."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]
    finally:
        for free in sockets:
            free.close()


def answers(port, path):
    """Whether a GET is answered with status 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Server:
    """One server process, the leader of its own session."""

    name = ""

    def __init__(self, base, logs):
        self.base, self.log = base, logs / f"{self.name}.log"
        self.port, self.grpc_port, self.process = 0, 0, None

    def environment(self):
        home, tmp = self.base / "home", self.base / "tmp"
        home.mkdir(parents=True, exist_ok=True)
        tmp.mkdir(parents=True, exist_ok=True)
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return passed_on | {"HOME": str(home), "TMPDIR": str(tmp), "PYTHONUNBUFFERED": "1"}

    def start(self):
        self.port, self.grpc_port = free_ports(2)
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.base,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def has_ended(self):
        """Whether the process has ended. The process is not reaped, so that no other process gets its pid."""
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def stop(self):
        """Ends the server and its process group, which has the functions of ministack."""
        if self.process is None:
            return
        self.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while not self.has_ended() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def start_until_ready(self, runner):
        for attempt in range(1, BIND_ATTEMPTS + 1):
            self.start()
            deadline = time.monotonic() + READY_SECONDS
            while time.monotonic() < deadline and not self.has_ended():
                if self.is_ready() and not self.has_ended():
                    log(f"{self.name} is ready on port {self.port}, pid {self.process.pid}")
                    return
                runner.watch(0.05)
            if not self.has_ended():
                raise ServerFailed(self, f"did not answer within {READY_SECONDS} s")
            said = self.log.read_text(errors="replace").lower()
            self.stop()
            if "in use" not in said:
                break
            log(f"{self.name} could not bind port {self.port} (attempt {attempt})")
        raise ServerFailed(self, "ended before it was ready")

    def state(self):
        pid = self.process.pid
        return {"pid": pid, "started": started(pid), "url": self.url(), "log": str(self.log)}


class Ministack(Server):
    name = "ministack"

    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def command(self):
        return [sys.executable, "-m", "ministack"]

    def environment(self):
        return super().environment() | {
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "AWS_ENDPOINT_URL": self.url(),
            "MINISTACK_REGION": REGION,
            "S3_DATA_DIR": str(self.base / "s3"),
            "STATE_DIR": str(self.base / "state"),
            # listeners on fixed ports, and containers of other programs
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": f"unix://{self.base}/no-docker.sock",
        }

    def is_ready(self):
        return answers(self.port, "/_ministack/ready")


class Secantusdb(Server):
    name = "secantusdb"

    def url(self):
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"

    def command(self):
        executable = Path(sys.executable).with_name("secantusd-py")
        options = ["--host", "127.0.0.1", "--port", str(self.port)]
        return [sys.executable, str(executable), *options, "--storage-path", ":memory:", "--log-level", "WARNING"]

    def is_ready(self):
        """Whether `{ping: 1}` sent as OP_MSG is answered with `ok: 1.0`."""
        fields = b"\x10ping\0\1\0\0\0" + b"\x02$db\0\6\0\0\0admin\0"
        document = (len(fields) + 5).to_bytes(4, "little") + fields + b"\0"
        message = bytes(4) + b"\0" + document
        header = b"".join(n.to_bytes(4, "little") for n in (16 + len(message), 1, 0, 2013))
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(header + message)
                return b"\x01ok\0\0\0\0\0\0\0\xf0\x3f" in connection.recv(65536)
        except OSError:
            return False


class LocalBigquery(Server):
    name = "local-bigquery"

    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def command(self):
        executable = Path(sys.executable).with_name("local-bigquery")
        ports = ["--host", "127.0.0.1", "--port", str(self.port), "--grpc-port", str(self.grpc_port)]
        data = ["--project", PROJECT, "--data-dir", str(self.base / "bigquery")]
        return [sys.executable, str(executable), "serve", *ports, *data]

    def environment(self):
        """Links DuckDB's extensions (130 MB) from the Python environment into HOME, where DuckDB searches them."""
        environment = super().environment()
        extensions = Path(environment["HOME"]) / ".duckdb" / "extensions"
        if not extensions.is_symlink():
            extensions.parent.mkdir(exist_ok=True)
            extensions.symlink_to(Path(sys.prefix) / "home" / ".duckdb" / "extensions")
        return environment

    def is_ready(self):
        return answers(self.port, f"/bigquery/v2/projects/{PROJECT}/datasets")


SERVERS = {"aws": Ministack, "mongo": Secantusdb, "bigquery": LocalBigquery}
