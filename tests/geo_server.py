"""A small GEO on 127.0.0.1 for tests: it serves a folder and misbehaves as it is told.

with serve(folder) as geo:
    geo.misbehave("/a.gz", "drop", times=2, at=1000)
    ... geo.url, geo.requests
"""

import contextlib
import email.utils
import gzip
import re
import threading
import time
from collections import defaultdict, namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote

Request = namedtuple("Request", "target range if_range encoding status")

UNAVAILABLE = b"<!DOCTYPE html><html><head><title>Service down</title></head></html>"
PRIVATE = (
    b'<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN">\n'
    b"<html><head><title>GEO Accession viewer</title></head><body><p>Accession "
    b"<b>&quot;GSE1&quot;</b> is currently private and is scheduled to be released on "
    b"Jan 02, 2031. Owners have to log in.</p></body></html>"
)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else small answers wait 40 ms

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = unquote(self.path.partition("?")[0])
        fault, options = self.server.next_fault(path)
        getattr(self, f"do_{fault}")(path, **options)

    def head(self, status, headers=(), body=None):
        self.server.requests.append(
            Request(
                self.path,
                self.headers.get("Range"),
                self.headers.get("If-Range"),
                self.headers.get("Accept-Encoding"),
                status,
            )
        )
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        if body is not None:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body is not None:
            self.wfile.write(body)

    def open_answer(self, path, ranges=True, validators=True, shift=0, limit=None, headers=()):
        """Send the header for the file (whole, or the part asked for); the bytes that follow.

        `shift` moves the start of a part, `limit` is its largest size; `headers` win.
        """
        file = self.server.folder / path.lstrip("/")
        if path.endswith("/") and file.is_dir():  # an index page, as GEO shows one
            names = [f'<a href="{quote(item.name)}">x</a>' for item in sorted(file.iterdir())]
            self.head(200, {}, f'<a href="/up/">up</a> {" ".join(names)}'.encode())
            return b""
        if ".." in path or not file.is_file():
            self.head(404, {}, b"not here")
            return b""
        data, status = file.read_bytes(), file.stat()
        tag = f'"{status.st_size}-{status.st_mtime_ns}"'
        date = email.utils.formatdate(status.st_mtime, usegmt=True)
        common = {"ETag": tag, "Last-Modified": date} if validators else {}
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        unchanged = self.headers.get("If-Range", tag) in (tag, date)
        if not (ranges and asked and unchanged):
            self.head(200, common | {"Content-Length": str(len(data))} | dict(headers))
            return data
        start = int(asked[1]) + shift
        part = data[start:][:limit]
        common |= {
            "Content-Range": f"bytes {start}-{start + len(part) - 1}/{len(data)}",
            "Content-Length": str(len(part)),
        }
        self.head(206, common | dict(headers))
        return part

    def do_serve(self, path, **options):
        self.wfile.write(self.open_answer(path, **options))

    def do_drop(self, path, at, **options):
        """Close the connection after `at` bytes; the length promised is that of the file."""
        self.wfile.write(self.open_answer(path, **options)[:at])
        self.close_connection = True

    def do_refuse(self, path):
        """Close the connection without an answer."""
        self.server.requests.append(Request(self.path, None, None, None, None))
        self.close_connection = True

    def do_trickle(self, path, size, pause):
        """`size` bytes at a time, with `pause` seconds between."""
        data = self.open_answer(path)
        with contextlib.suppress(ConnectionError):
            for start in range(0, len(data), size):
                self.wfile.write(data[start : start + size])
                time.sleep(pause)

    def do_status(self, path, code, headers=(), body=UNAVAILABLE):
        self.head(code, headers, body)

    def do_page(self, path, body):
        """A web page, or any other body, with status 200."""
        self.head(200, {"Content-Type": "text/html"}, body)

    def do_unpack(self, path):
        """The content of a .gz file, unpacked, in chunks and so without a length."""
        data = gzip.decompress((self.server.folder / path.lstrip("/")).read_bytes())
        self.head(200, {"Transfer-Encoding": "chunked"})
        for start in range(0, len(data), 700):
            block = data[start : start + 700]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
        self.wfile.write(b"0\r\n\r\n")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = Path(folder)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.requests = []  # in the order of the answers
        self.faults = defaultdict(list)
        self.lock = threading.Lock()

    def misbehave(self, path, fault, times=None, **options):
        """Answer the next `times` requests for `path` (all, if None) with `fault`.

        Faults are the do_* methods of the handler; those of one path are used up in order.
        """
        self.faults[path].append([times, fault, options])

    def next_fault(self, path):
        with self.lock:
            if not self.faults[path]:
                return "serve", {}
            entry = self.faults[path][0]
            if entry[0] is not None:
                entry[0] -= 1
                if entry[0] == 0:
                    self.faults[path].pop(0)
            return entry[1], entry[2]

    def handle_error(self, request, client_address):
        pass  # a client that hangs up is part of the tests


@contextlib.contextmanager
def serve(folder):
    """A server of the folder, running until the block ends."""
    with running(_Server(folder)) as server:
        yield server


@contextlib.contextmanager
def running(server):
    """The server, running in a thread until the block ends."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
