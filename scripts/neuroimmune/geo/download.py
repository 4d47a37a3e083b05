"""Download one file of GEO: whole, checked and with a manifest, or not at all.

The loop is our own because pooch neither resumes a broken download nor honours Retry-After.
"""

import contextlib
import email.utils
import gzip
import hashlib
import html
import logging
import os
import re
import shutil
import tarfile
import time
import zlib
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..errors import UserError
from ..files import atomic, write_json
from .urls import local_path

log = logging.getLogger(__name__)

BACKOFF = 1.0  # seconds before the second attempt; doubled before each further one
PROGRESS = 5.0  # seconds between two progress lines
BLOCK = 1 << 20  # bytes read at a time
HEAD = 1 << 18  # bytes searched for a web page and its title

GZIP = b"\x1f\x8b"
WEB_PAGE = re.compile(rb"<(!doctype\s+html|html|head|body)\b", re.I)
MATRIX_END, PLATFORM_END = b"\n!series_matrix_table_end", b"\n!platform_table_end"
# GEO answers these with status 200.
GEO_REFUSALS = {
    "is private": r"(Accession\W{1,3}\w+\W{1,3})?is currently private[^.]{0,120}",
    "was withdrawn": r"Accession\W{1,3}\w+\W{1,3}was deleted[^.]{0,120}",
    "is unknown to GEO or not public": r"Could not find a public or private accession[^.]{0,40}"
    r"|Accession\W{1,3}\w+\W{1,3}(is )?not (public|found)",
}


class Fault(Exception):
    """A failure that another attempt may cure, after at least `wait` seconds."""

    def __init__(self, message, wait=0.0):
        super().__init__(message)
        self.wait = wait


def download(
    url, target, *, sha256=None, timeout=(10, 60), deadline=3600, attempts=5, session=None
):
    """Fetch `url` (http, https or file:) to the path `target`, and write `target`.json beside it.

    `sha256` is the expected checksum, `timeout` the seconds to wait for (a connection, more
    data), `deadline` the seconds for everything, retries included, `attempts` the number of
    requests, and `session` a requests.Session to use. Returns the manifest: url, file, bytes,
    sha256, downloaded (UTC), last_modified (UTC or None), and repacked (True) where the server
    had unpacked a .gz file, which is then packed again. Nothing of a failed download is kept,
    and an earlier `target` stays as it was.

    Raises UserError if the file is missing, refused, cut off, damaged, a web page, other than
    `sha256` says, or cannot be had in time, and if it cannot be written (disk full).
    """
    target = Path(target)
    started = time.monotonic()
    log.info("%s: downloading %s", target.name, url)
    try:
        with atomic(target) as part:
            if url.startswith("file:"):
                modified, repacked = _copy(url, part, target.name, started + deadline)
            else:
                modified, repacked = _fetch(
                    url, part, target.name, session, timeout, started + deadline, attempts
                )
            with open(part, "rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            if sha256 and found != sha256.strip().lower():
                raise UserError(
                    f"{target.name}: GEO changed the file: sha256 is {found}, pinned is {sha256} "
                    + ("(unpacked by the server and packed again here) " if repacked else "")
                    + f"({url}); check what changed, then pin the new one"
                )
            manifest = {
                "url": url,
                "file": target.name,
                "bytes": part.stat().st_size,
                "sha256": found,
                "downloaded": _utc(time.time()),
                "last_modified": None if modified is None else _utc(modified),
            }
            if repacked:
                manifest["repacked"] = True
            write_json(f"{target}.json", manifest)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror or error}") from error
    seconds = max(time.monotonic() - started, 1e-3)
    megabytes = manifest["bytes"] / 1e6
    log.info("%s: %.1f MB, %.1f MB/s", target.name, megabytes, megabytes / seconds)
    return manifest


def _copy(url, part, name, end):
    source = local_path(url)
    try:
        stream = open(source, "rb")
    except (FileNotFoundError, NotADirectoryError):
        folder = source.parent
        names = sorted(os.listdir(folder)) if folder.is_dir() else []
        raise UserError(_missing(name, url, names)) from None
    except OSError as error:
        raise UserError(f"{name}: {url} cannot be read: {error.strerror}") from None
    with stream:
        status = os.fstat(stream.fileno())
        try:
            _write(iter(lambda: stream.read(BLOCK), b""), part, 0, name, status.st_size, end)
            return status.st_mtime, _check(part, name)
        except Fault as fault:
            raise UserError(f"{name}: {fault} ({url})") from None


def _fetch(url, part, name, session, timeout, end, attempts):
    """Request until the part is whole and passes the checks; (modified, repacked)."""
    import requests

    answer = {}  # of the latest full answer: validator, total, modified
    with contextlib.ExitStack() as stack:
        session = session or stack.enter_context(requests.Session())

        def once():
            _request(session, url, part, name, within(timeout, end), answer, end)
            try:
                return answer["modified"], _check(part, name)
            except Fault:
                answer.clear()  # start from zero: the bytes that came are bad
                raise

        return persist(once, name, url, end, attempts)


def within(timeout, end):
    """The seconds to wait for (a connection, more data), cut so that they end by `end`."""
    left = max(end - time.monotonic(), 0.001)
    return tuple(min(seconds, left) for seconds in timeout)


def persist(once, name, url, end, attempts):
    """What once() returns, called again, with growing pauses, after failures that may pass.

    name, url: what is asked for, for messages; end: time.monotonic() at which to give up.
    Failures that may pass are Fault (which may ask for a longer pause), no answer, and a broken
    connection. Raises UserError for any other, and after the last attempt.
    """
    import requests
    import urllib3

    for attempt in range(1, attempts + 1):
        try:
            return once()
        except Fault as caught:
            fault = caught
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            fault = Fault(f"no answer from {urlsplit(url).netloc} ({_cause(error)})")
        except requests.RequestException as error:
            raise UserError(f"{name}: {url}: {error}") from None
        except urllib3.exceptions.HTTPError as error:
            fault = Fault(f"the answer was cut off ({_cause(error)})")
        if attempt == attempts:
            break
        wait = max(fault.wait, BACKOFF * 2 ** (attempt - 1))
        if time.monotonic() + wait >= end:
            raise UserError(
                f"{name}: {fault}; the next attempt, in {wait:.0f} s, would pass the time "
                f"limit ({url})"
            )
        log.warning("%s: %s; next attempt in %.1f s", name, fault, wait)
        time.sleep(wait)
    raise UserError(f"{name}: {fault}; {attempts} attempts ({url})")


def _request(session, url, part, name, timeout, answer, end):
    """One request, for the rest of the part where the server can prove that it is the same file."""
    import urllib3

    have = part.stat().st_size if answer.get("validator") else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": answer["validator"]}
    with session.get(url, headers=headers, stream=True, timeout=timeout) as response:
        status, headers = response.status_code, response.headers
        if status == 429 or status >= 500:
            raise Fault(f"the server answered {status} {response.reason}", retry_after(headers))
        if status in (404, 410):
            raise UserError(_missing(name, url, _listing(session, url, timeout)))
        if 400 <= status < 500 and not (have and status == 416):
            raise UserError(f"{name}: the server answered {status} {response.reason} ({url})")
        encoding = headers.get("Content-Encoding", "identity")
        if encoding != "identity" and not name.endswith((".gz", ".tgz")):
            raise UserError(
                f"{name}: the server packed the file ({encoding}) although asked not to ({url})"
            )
        if status == 200:
            have = 0
            length = headers.get("Content-Length", "")
            answer.update(
                validator=_validator(headers),
                total=int(length) if length.isdigit() else None,
                modified=_timestamp(headers.get("Last-Modified")),
            )
        elif not (have and status == 206 and _continues(headers, have, answer)):
            answer.clear()
            raise Fault(f"unexpected answer {status} {response.reason}")
        # read1 returns what has come, so that a trickle cannot outlast the deadline.
        blocks = iter(lambda: response.raw.read1(BLOCK, decode_content=False) or b"", b"")
        try:
            _write(blocks, part, have, name, answer["total"], end)
        except urllib3.exceptions.HTTPError as error:
            total = answer["total"] or "an unknown number of"
            raise Fault(
                f"cut off after {part.stat().st_size} of {total} bytes ({_cause(error)})"
            ) from None


def _write(blocks, part, have, name, total, end):
    """Write the blocks to the part after its first `have` bytes."""
    shown, size = time.monotonic(), have
    of_total = f" of {total / 1e6:.1f}" if total else ""
    with open(part, "ab" if have else "wb") as out:
        for block in blocks:
            out.write(block)
            size += len(block)
            now = time.monotonic()
            if now > end:
                raise UserError(f"{name}: time limit passed after {size / 1e6:.1f}{of_total} MB")
            if now - shown >= PROGRESS:
                log.info("%s: %.1f%s MB", name, size / 1e6, of_total)
                shown = now
        out.flush()
        os.fsync(out.fileno())  # network disks report a full disk or quota only here
    if total is not None and size != total:
        raise Fault(f"cut off after {size} of {total} bytes")


def _validator(headers):
    # If-Range takes no weak tag.
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")


def _continues(headers, have, answer):
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", ""))
    return (
        found is not None
        and int(found[1]) == have
        and (answer["total"] is None or found[2] in ("*", str(answer["total"])))
        and _validator(headers) in (None, answer["validator"])
    )


def retry_after(headers):
    import urllib3

    try:
        return urllib3.Retry().parse_retry_after(headers["Retry-After"])
    except (KeyError, ValueError, OverflowError, urllib3.exceptions.InvalidHeader):
        return 0.0


def _timestamp(http_date):
    parts = email.utils.parsedate_tz(http_date or "")
    return None if parts is None else email.utils.mktime_tz(parts)


def _utc(timestamp):
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cause(error):
    """The innermost reason, without the layers of the http libraries."""
    from http.client import HTTPException

    import urllib3

    layers = (OSError, HTTPException, urllib3.exceptions.HTTPError)
    while isinstance(error.__context__, layers):
        error = error.__context__
    if type(error).__name__ == "IncompleteRead":
        return "the connection was closed"
    return str(error) or type(error).__name__


def _listing(session, url, timeout):
    """Names in the folder of a file, from the server's index page; none if it shows no index."""
    import requests

    folder, _, query = url.rpartition("/")
    if "?" in query:
        return []
    try:
        page = session.get(f"{folder}/", timeout=timeout)
    except requests.RequestException:
        return []
    links = re.findall(r'href="([^"?/]+)"', page.text) if page.ok else []
    return [unquote(link) for link in dict.fromkeys(links)]


def file_names(url):
    """Names in the folder of the file at `url` (http, https or file:); none if none are shown."""
    import requests

    if url.startswith("file:"):
        folder = local_path(url).parent
        return sorted(os.listdir(folder)) if folder.is_dir() else []
    with requests.Session() as session:
        return _listing(session, url, (10, 60))


def _missing(name, url, names):
    accession = re.match(r"(GSE|GPL)[0-9]+", name)
    page = "https://www.ncbi.nlm.nih.gov/geo/query/acc.cgi?acc="
    return (
        f"GEO has no file {name} at {url}; the accession may be mistyped, private or withdrawn, "
        "or have no such file"
        + (f"; its folder holds {', '.join(names[:20])}" if names else "")
        + (f": see {page}{accession[0]}" if accession else "")
        + (
            f". For a platform without it, set source.annotation to {accession[0]}.txt (the "
            "submitter's table) in study.yaml"
            if accession and name.endswith(".annot.gz")
            else ""
        )
    )


def _check(part, name):
    """Raise unless the part is a whole file of its kind; True if it had to be packed again."""
    with open(part, "rb") as stream:
        head = stream.read(HEAD)
    if not head:
        raise Fault("the file is empty")
    packed = name.endswith((".gz", ".tgz"))
    repacked = packed and not head.startswith(GZIP)
    if repacked or not packed:
        refuse_page(head, name)
    if repacked:
        _refuse_geo_answer(head.decode("utf-8", "replace"), name)
        _refuse_other_than_lines(head)
        _repack(part)
    if packed:
        _check_gzip(part, name)
    if name.endswith((".tar", ".tar.gz", ".tgz")):
        _check_tar(part, "r:" if name.endswith(".tar") else "r:gz")
    return repacked


def refuse_page(head, name):
    """Raise where bytes are a web page and the name is not one's: UserError for GEO's refusals."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    page = start.startswith(b"<") and WEB_PAGE.search(start[:4096])
    if not page or name.endswith((".html", ".html.gz", ".htm", ".htm.gz")):
        return
    source = start.decode("utf-8", "replace")
    _refuse_geo_answer(source, name)
    title = re.search(r"<title[^>]*>(.*?)</title", source, re.I | re.S)
    title = f'titled "{_plain(title[1])[:120]}"' if title else "without a title"
    raise Fault(f"a web page came instead of the file, {title}")


def _refuse_geo_answer(source, name):
    text = _plain(source)
    for state, pattern in GEO_REFUSALS.items():
        if found := re.search(pattern, text, re.I):
            raise UserError(
                f'{name}: the accession {state}; GEO says "{found[0].strip()}". There is no public '
                "file: check the accession, or leave the study out"
            )


def _plain(source):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", source)).split())


def _refuse_other_than_lines(head):
    """Refuse what is neither gzip nor a text of several lines (an error message, say)."""
    lines = [line for line in head.splitlines() if line.strip()]
    if b"\0" in head or len(lines) < 2 or lines[0].lstrip()[:1] in (b"<", b"{"):
        raise Fault(f"not a gzip file; it starts with {head[:60].decode('latin-1')!r}")


def _repack(part):
    with atomic(part) as packed:
        with (
            open(part, "rb") as source,
            open(packed, "wb") as out,
            # No name and no time, so that the same text gives the same bytes.
            gzip.GzipFile("", "wb", compresslevel=6, fileobj=out, mtime=0) as stream,
        ):
            shutil.copyfileobj(source, stream, BLOCK)


def _check_gzip(part, name):
    """Read every member to its end, and look for the line that ends the content."""
    head = tail = b""
    matrix_ended = False
    try:
        with gzip.open(part) as stream:
            while block := stream.read(BLOCK):
                if len(head) < HEAD:
                    head = (head + block)[:HEAD]
                matrix_ended = matrix_ended or MATRIX_END in tail + block
                tail = (tail + block)[-64:]
    except EOFError:
        raise Fault("cut off: the gzip stream stops before its end") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise Fault(f"damaged gzip file ({error})") from None
    if not head:
        raise Fault("the file is empty once unpacked")
    refuse_page(head, name)
    if name.endswith("_series_matrix.txt.gz") and not matrix_ended:
        raise Fault(f"cut off: the line {MATRIX_END.decode().strip()} is missing")
    if re.fullmatch(r"GPL.*\.annot\.gz", name) and not tail.rstrip().endswith(PLATFORM_END):
        raise Fault(f"cut off: the last line is not {PLATFORM_END.decode().strip()}")


def _check_tar(part, mode):
    try:
        with tarfile.open(part, mode) as tar:
            for _ in tar:
                pass
            # tarfile takes a broken header for the end; the true end is a block of zeros.
            tar.fileobj.seek(tar.offset)
            ended = tar.fileobj.read(512) == bytes(512)
    except tarfile.TarError as error:
        raise Fault(f"damaged or cut off tar file ({error})") from None
    if not ended:
        raise Fault("cut off: the tar file has no end mark")
