"""The Lambda runtime API for one process: sends it one event, and records the times of its polls and its answers."""

import http.server
import json
import queue
import threading
import time

NEXT = "/2018-06-01/runtime/invocation/next"
REQUEST_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
FUNCTION_ARN = "arn:aws:lambda:ap-south-1:000000000000:function:"
INVOCATION_SECONDS = 60


class RuntimeApi:
    """Listens on a free loopback port until it is closed. Without an event, it only records polls."""

    def __init__(self, function, event=None):
        self.function = function
        self.event = event
        self.polled_at = queue.Queue()
        self.answers = queue.Queue()
        self.closed = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def environment(self, memory_mb=512):
        """The variables that Lambda sets."""
        return {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": self.function,
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.function}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "LAMBDA_TASK_ROOT": "/var/task",
        }

    def close(self):
        self.closed.set()
        self.server.shutdown()
        self.server.server_close()


def _handler(api):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            polled_at = time.monotonic()
            if self.path != NEXT:
                return self.reply(404, {"errorType": "NotFound", "errorMessage": self.path})
            api.polled_at.put(polled_at)
            event, api.event = api.event, None
            if event is None:
                # like Lambda while there is no event
                api.closed.wait()
                self.close_connection = True
                return None
            deadline = int((time.time() + INVOCATION_SECONDS) * 1000)
            headers = {
                "Lambda-Runtime-Aws-Request-Id": REQUEST_ID,
                "Lambda-Runtime-Deadline-Ms": str(deadline),
                "Lambda-Runtime-Invoked-Function-Arn": FUNCTION_ARN + api.function,
                "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
            }
            return self.reply(200, event, headers)

        def do_POST(self):
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                body = self.chunks()
            else:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            # …/invocation/ID/response, …/invocation/ID/error, …/init/error
            api.answers.put((self.path.removeprefix("/2018-06-01/runtime/"), json.loads(body or b"null")))
            self.reply(202, {"status": "OK"})

        def chunks(self):
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def reply(self, status, value, headers=None):
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, text in (headers or {}).items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler
