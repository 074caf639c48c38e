"""What ADD of URLs fetches from: an HTTP server and a git daemon, both on loopback alone.

Both serve the work directory of the cases: http://.../CASE/NAME is CASE/www/NAME, and
git://.../CASE/git/NAME is CASE/git/NAME.
"""
import functools
import hashlib
import http.server
import json
import os
import socket
import subprocess
import threading
import time
import urllib.parse


class _Handler(http.server.BaseHTTPRequestHandler):
    """Files with ETag and Last-Modified. NAME.headers, a JSON object, has further headers for NAME,
    and null for those to leave out."""

    protocol_version = "HTTP/1.1"

    def __init__(self, directory, *arguments):
        self.directory = directory
        super().__init__(*arguments)

    def do_GET(self):
        self._answer(body=True)

    def do_HEAD(self):
        self._answer(body=False)

    def log_message(self, *_):
        pass

    def _answer(self, body):
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        case, _, name = path.lstrip("/").partition("/")
        file = os.path.join(self.directory, case, "www", name)
        if ".." in path or not os.path.isfile(file):
            self.send_error(404)
            return
        with open(file, "rb") as stream:
            content = stream.read()
        headers = {
            "ETag": f'"{hashlib.sha256(content).hexdigest()[:16]}"',
            "Last-Modified": self.date_time_string(int(os.stat(file).st_mtime)),
            "Content-Type": "application/octet-stream",
            "Content-Length": str(len(content)),
        }
        if os.path.exists(file + ".headers"):
            with open(file + ".headers") as stream:
                headers.update(json.load(stream))
        unchanged = headers["ETag"] and self.headers.get("If-None-Match") == headers["ETag"]
        self.send_response(304 if unchanged else 200)
        for key, value in headers.items():
            if value is not None and not (unchanged and key == "Content-Length"):
                self.send_header(key, value)
        self.end_headers()
        if body and not unchanged:
            self.wfile.write(content)


class Servers:
    """Both servers, from `with` to its end."""

    def __init__(self, directory):
        self.directory = directory

    def __enter__(self):
        os.makedirs(self.directory, exist_ok=True)
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(_Handler, self.directory))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.http = f"http://127.0.0.1:{self.server.server_port}"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.git = f"git://127.0.0.1:{port}"
        # The program itself: "git daemon" would leave it behind when it is ended.
        path = subprocess.run(["git", "--exec-path"], capture_output=True, text=True,
                              check=True).stdout.strip()
        self.daemon = subprocess.Popen(
            [os.path.join(path, "git-daemon"), "--listen=127.0.0.1", f"--port={port}", "--reuseaddr",
             "--export-all", "--base-path=" + self.directory],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait_for(port)
        return self

    def _wait_for(self, port):
        for _ in range(1000):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except OSError:
                time.sleep(0.01)
        raise RuntimeError("git-daemon does not answer on its port")

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.daemon.terminate()
        self.daemon.wait()
