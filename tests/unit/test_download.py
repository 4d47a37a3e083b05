import email.utils
import errno
import gzip
import hashlib
import io
import json
import logging
import os
import random
import re
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
import requests

from geo_server import PRIVATE, serve
from neuroimmune.errors import UserError
from neuroimmune.geo import download as module
from neuroimmune.geo.download import download

MATRIX = "GSE1_series_matrix.txt.gz"
TEXT = (
    '!Series_title\t"simulated"\n!series_matrix_table_begin\n"ID_REF"\t"GSM1"\n'
    + "".join(f"{i}_at\t{random.Random(i).random():.6f}\n" for i in range(3000))
    + "!series_matrix_table_end\n"
)
CONTENT = gzip.compress(TEXT.encode(), mtime=0)
COUNTS = "GSE1_counts.tsv.gz"
DATE = 1_700_000_000

# A folder with GEO's tree of real files, for the checks on them (in shared/data/real/geo).
REAL = Path(
    os.environ.get("GEO_TREE", Path(__file__).parents[3] / "shared" / "data" / "real" / "geo")
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "BACKOFF", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def geo(tmp_path):
    folder = tmp_path / "geo"
    folder.mkdir()
    put(folder / MATRIX, CONTENT)
    with serve(folder) as server:
        yield server


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def waits(monkeypatch):
    """The waits between attempts, which are noted and not slept."""
    seconds = []
    monkeypatch.setattr(module.time, "sleep", seconds.append)
    return seconds


def put(path, content):
    path.write_bytes(content)
    os.utime(path, (DATE, DATE))


def content_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def error_of(url, out, name=MATRIX, **options):
    """The message of a download that fails and leaves the folder as it was."""
    before = content_of(out)
    with pytest.raises(UserError) as caught:
        download(url, out / name, **options)
    assert content_of(out) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def error_for(content, geo, out, name):
    """The message for bad content, which is asked for twice over http, and once from a file."""
    put(geo.folder / name, content)
    message = error_of(f"{geo.url}/{name}", out, name, attempts=2)
    assert [request.range for request in geo.requests] == [None, None]
    assert message.endswith(f"; 2 attempts ({geo.url}/{name})")
    local = error_of(f"file:{geo.folder}/{name}", out, name)
    problem = message.removesuffix(f"; 2 attempts ({geo.url}/{name})")
    assert local == f"{problem} (file:{geo.folder}/{name})"
    return problem.removeprefix(f"{name}: ")


def ranges(geo):
    return [request.range for request in geo.requests]


def test_a_plain_download(geo, out):
    manifest = download(f"{geo.url}/{MATRIX}", out / MATRIX)
    assert (out / MATRIX).read_bytes() == CONTENT
    assert sorted(content_of(out)) == [MATRIX, f"{MATRIX}.json"]
    assert json.loads((out / f"{MATRIX}.json").read_text()) == manifest
    when = manifest.pop("downloaded")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", when)
    assert abs(module.datetime.fromisoformat(when).timestamp() - time.time()) < 10
    assert manifest == {
        "url": f"{geo.url}/{MATRIX}",
        "file": MATRIX,
        "bytes": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "last_modified": "2023-11-14T22:13:20Z",
    }
    assert [request[:4] for request in geo.requests] == [(f"/{MATRIX}", None, None, "identity")]


def test_a_broken_connection_is_resumed(geo, out):
    geo.misbehave(f"/{MATRIX}", "drop", times=1, at=1000)
    geo.misbehave(f"/{MATRIX}", "refuse", times=1)
    geo.misbehave(f"/{MATRIX}", "status", times=1, code=503)
    geo.misbehave(f"/{MATRIX}", "drop", times=1, at=500)
    download(f"{geo.url}/{MATRIX}", out / MATRIX)
    assert (out / MATRIX).read_bytes() == CONTENT
    # The one refused saw no header; the others ask for what is missing.
    assert ranges(geo) == [None, None, "bytes=1000-", "bytes=1000-", "bytes=1500-"]
    tag = f'"{len(CONTENT)}-{DATE * 10**9}"'
    assert [request.if_range for request in geo.requests] == [None, None, tag, tag, tag]
    assert [request.status for request in geo.requests] == [200, None, 503, 206, 206]


def test_a_server_that_ignores_range_starts_again(geo, out):
    geo.misbehave(f"/{MATRIX}", "drop", times=1, at=1000)
    geo.misbehave(f"/{MATRIX}", "serve", ranges=False)
    download(f"{geo.url}/{MATRIX}", out / MATRIX)
    assert (out / MATRIX).read_bytes() == CONTENT
    assert [(r.range, r.status) for r in geo.requests] == [(None, 200), ("bytes=1000-", 200)]


def test_a_server_without_tag_or_date_starts_again(geo, out):
    geo.misbehave(f"/{MATRIX}", "drop", times=1, at=1000, validators=False)
    geo.misbehave(f"/{MATRIX}", "serve", validators=False)
    manifest = download(f"{geo.url}/{MATRIX}", out / MATRIX)
    assert (out / MATRIX).read_bytes() == CONTENT
    assert manifest["last_modified"] is None
    assert ranges(geo) == [None, None]


def test_a_weak_tag_leaves_the_date_to_resume_by(geo, out):
    date = email.utils.formatdate(DATE, usegmt=True)
    weak = {"ETag": 'W/"1"', "Last-Modified": date}
    geo.misbehave(f"/{MATRIX}", "drop", times=1, at=1000, validators=False, headers=weak)
    geo.misbehave(f"/{MATRIX}", "serve", validators=False, headers=weak)
    download(f"{geo.url}/{MATRIX}", out / MATRIX)
    assert (out / MATRIX).read_bytes() == CONTENT
    assert [(r.range, r.if_range) for r in geo.requests] == [(None, None), ("bytes=1000-", date)]


def test_a_file_that_changes_meanwhile_is_fetched_whole(geo, out, monkeypatch):
    new = gzip.compress(TEXT.upper().encode() + b"\n!series_matrix_table_end\n", mtime=0)
    monkeypatch.setattr(module.time, "sleep", lambda _: put(geo.folder / MATRIX, new))
    geo.misbehave(f"/{MATRIX}", "drop", times=1, at=1000)
    download(f"{geo.url}/{MATRIX}", out / MATRIX)
    assert (out / MATRIX).read_bytes() == new
    assert [(r.range, r.status) for r in geo.requests] == [(None, 200), ("bytes=1000-", 200)]


@pytest.mark.parametrize(
    "options",
    [
        {"shift": -1},
        {"shift": 1},
        {"headers": {"Content-Range": f"bytes 1000-{len(CONTENT)}/{len(CONTENT) + 1}"}},
        {"headers": {"Content-Range": "nonsense"}},
        {"headers": {"ETag": '"of another file"'}},
    ],
)
def test_a_wrong_part_starts_from_zero(geo, out, options):
    geo.misbehave(f"/{MATRIX}", "drop", times=1, at=1000)
    geo.misbehave(f"/{MATRIX}", "serve", times=1, **options)
    download(f"{geo.url}/{MATRIX}", out / MATRIX)
    assert (out / MATRIX).read_bytes() == CONTENT
    assert ranges(geo) == [None, "bytes=1000-", None]


def test_a_part_smaller_than_asked_for_is_resumed(geo, out):
    geo.misbehave(f"/{MATRIX}", "drop", times=1, at=1000)
    geo.misbehave(f"/{MATRIX}", "serve", times=1, limit=5000)
    download(f"{geo.url}/{MATRIX}", out / MATRIX)
    assert (out / MATRIX).read_bytes() == CONTENT
    assert ranges(geo) == [None, "bytes=1000-", "bytes=6000-"]


def test_a_range_past_the_end_starts_from_zero(geo, out):
    geo.misbehave(f"/{MATRIX}", "drop", times=1, at=1000)
    geo.misbehave(f"/{MATRIX}", "status", times=1, code=416)
    download(f"{geo.url}/{MATRIX}", out / MATRIX)
    assert (out / MATRIX).read_bytes() == CONTENT
    assert ranges(geo) == [None, "bytes=1000-", None]


def test_a_bad_end_of_a_resumed_file_starts_from_zero(geo, out):
    # The bytes on hand may be the bad ones, so that resuming would never mend the file.
    put(geo.folder / MATRIX, CONTENT[:-5] + b"wrong")
    geo.misbehave(f"/{MATRIX}", "drop", times=1, at=1000)
    message = error_of(f"{geo.url}/{MATRIX}", out, attempts=3)
    assert "damaged gzip file" in message
    assert ranges(geo) == [None, "bytes=1000-", None]


def test_retry_after_in_seconds_is_waited_for(geo, out):
    geo.misbehave(f"/{MATRIX}", "status", times=1, code=429, headers={"Retry-After": "1"})
    started = time.monotonic()
    download(f"{geo.url}/{MATRIX}", out / MATRIX)
    assert 1.0 <= time.monotonic() - started < 3
    assert [request.status for request in geo.requests] == [429, 200]


def test_retry_after_as_a_date(geo, out, waits):
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    geo.misbehave(f"/{MATRIX}", "status", times=2, code=429, headers={"Retry-After": date})
    download(f"{geo.url}/{MATRIX}", out / MATRIX)
    assert waits == [pytest.approx(30, abs=2)] * 2
    assert [request.status for request in geo.requests] == [429, 429, 200]


def test_retry_after_the_deadline_is_not_waited_for(geo, out, waits):
    geo.misbehave(f"/{MATRIX}", "status", code=429, headers={"Retry-After": "7200"})
    assert error_of(f"{geo.url}/{MATRIX}", out) == (
        f"{MATRIX}: the server answered 429 Too Many Requests; the next attempt, in 7200 s, would "
        f"pass the time limit ({geo.url}/{MATRIX})"
    )
    assert len(geo.requests) == 1 and waits == []


@pytest.mark.parametrize("header", [{}, {"Retry-After": "soon"}, {"Retry-After": "-5"}])
def test_back_off_doubles(geo, out, waits, header):
    geo.misbehave(f"/{MATRIX}", "status", times=3, code=503, headers=header)
    download(f"{geo.url}/{MATRIX}", out / MATRIX)
    assert (out / MATRIX).read_bytes() == CONTENT
    assert waits == [0.001, 0.002, 0.004]
    assert [request.status for request in geo.requests] == [503, 503, 503, 200]
    geo.misbehave(f"/{MATRIX}", "status", code=503, headers=header)
    message = error_of(f"{geo.url}/{MATRIX}", out, attempts=1)
    assert "the server answered 503 Service Unavailable; 1 attempts" in message


def test_attempts_come_to_an_end(geo, out):
    geo.misbehave(f"/{MATRIX}", "status", code=500)
    assert error_of(f"{geo.url}/{MATRIX}", out) == (
        f"{MATRIX}: the server answered 500 Internal Server Error; 5 attempts ({geo.url}/{MATRIX})"
    )
    assert len(geo.requests) == 5


def test_no_server(geo, out):
    url = f"http://127.0.0.1:1/{MATRIX}"
    message = error_of(url, out, attempts=2)
    assert message.startswith(f"{MATRIX}: no answer from 127.0.0.1:1 (")
    assert message.endswith(f"Connection refused); 2 attempts ({url})")


def test_the_cause_is_not_the_error_of_the_caller(out):
    try:
        raise UserError("the caller's own")
    except UserError:
        message = error_of(f"http://127.0.0.1:1/{MATRIX}", out, attempts=1)
    assert "Connection refused" in message and "caller" not in message


def test_an_address_that_is_none(out):
    assert "http://[" in error_of(f"http://[/{MATRIX}", out)


@pytest.mark.parametrize("code", [404, 410])
def test_a_missing_file(geo, out, code):
    geo.misbehave(f"/{MATRIX}", "status", code=code)
    geo.misbehave("/", "status", code=403)
    assert error_of(f"{geo.url}/{MATRIX}", out) == (
        f"GEO has no file {MATRIX} at {geo.url}/{MATRIX}; the accession may be mistyped, private "
        "or withdrawn, or have no such file: see "
        "https://www.ncbi.nlm.nih.gov/geo/query/acc.cgi?acc=GSE1"
    )
    assert [request.target for request in geo.requests] == [f"/{MATRIX}", "/"]


def test_a_platform_without_annotation(geo, out):
    geo.misbehave("/GPL4133.annot.gz", "status", code=404)
    text = error_of(f"{geo.url}/GPL4133.annot.gz", out, "GPL4133.annot.gz")
    assert text.endswith(
        "set source.annotation to GPL4133.txt (the submitter's table) in study.yaml"
    )


def test_a_missing_file_with_what_its_folder_holds(geo, out):
    (geo.folder / "suppl").mkdir()
    for name in ("GSE1_RAW.tar", "GSE1 counts.txt.gz"):
        (geo.folder / "suppl" / name).write_text("x")
    for address in (geo.url, f"file:{geo.folder}"):
        assert "; its folder holds GSE1 counts.txt.gz, GSE1_RAW.tar: see" in error_of(
            f"{address}/suppl/GSE1_other.txt.gz", out, "GSE1_other.txt.gz"
        )


def test_another_refusal(geo, out):
    geo.misbehave(f"/{MATRIX}", "status", code=403)
    assert "the server answered 403 Forbidden" in error_of(f"{geo.url}/{MATRIX}", out)
    assert len(geo.requests) == 1


def test_an_answer_without_a_file(geo, out):
    geo.misbehave(f"/{MATRIX}", "status", code=204, body=None)
    message = error_of(f"{geo.url}/{MATRIX}", out, attempts=2)
    assert "unexpected answer 204 No Content; 2 attempts" in message
    assert len(geo.requests) == 2


def test_a_redirect_is_followed(geo, out):
    moved = {"Location": f"/{MATRIX}"}
    geo.misbehave("/old", "status", code=302, headers=moved)
    manifest = download(f"{geo.url}/old", out / MATRIX)
    assert (out / MATRIX).read_bytes() == CONTENT
    assert manifest["url"] == f"{geo.url}/old"
    assert [request.target for request in geo.requests] == ["/old", f"/{MATRIX}"]


def test_a_redirect_in_circles(geo, out):
    geo.misbehave(f"/{MATRIX}", "status", code=302, headers={"Location": f"/{MATRIX}"})
    assert "redirects" in error_of(f"{geo.url}/{MATRIX}", out)


def test_the_deadline_ends_a_trickle(geo, out):
    geo.misbehave(f"/{MATRIX}", "trickle", size=20, pause=0.02)
    started = time.monotonic()
    message = error_of(f"{geo.url}/{MATRIX}", out, deadline=0.3)
    assert time.monotonic() - started < 1
    assert re.fullmatch(rf"{MATRIX}: time limit passed after 0\.0 of 0\.0 MB", message)
    assert len(geo.requests) == 1


def test_the_deadline_ends_a_silence(geo, out):
    geo.misbehave(f"/{MATRIX}", "trickle", size=10_000, pause=1)
    started = time.monotonic()
    message = error_of(f"{geo.url}/{MATRIX}", out, deadline=0.3)
    assert time.monotonic() - started < 0.9
    assert f"cut off after 10000 of {len(CONTENT)} bytes (timed out); the next attempt" in message


def test_a_silent_server_is_resumed(geo, out):
    geo.misbehave(f"/{MATRIX}", "trickle", times=1, size=10_000, pause=1)
    started = time.monotonic()
    download(f"{geo.url}/{MATRIX}", out / MATRIX, timeout=(1, 0.2))
    assert time.monotonic() - started < 0.9
    assert (out / MATRIX).read_bytes() == CONTENT
    assert ranges(geo) == [None, "bytes=10000-"]


def test_a_server_silent_to_the_end(geo, out):
    geo.misbehave(f"/{MATRIX}", "trickle", size=10_000, pause=1)
    message = error_of(f"{geo.url}/{MATRIX}", out, timeout=(1, 0.1), attempts=1)
    assert f"cut off after 10000 of {len(CONTENT)} bytes (timed out); 1 attempts" in message


def test_a_body_shorter_than_promised(geo, out):
    geo.misbehave(f"/{MATRIX}", "drop", at=1000, ranges=False)
    assert error_of(f"{geo.url}/{MATRIX}", out, attempts=3) == (
        f"{MATRIX}: cut off after 1000 of {len(CONTENT)} bytes (the connection was closed); "
        f"3 attempts ({geo.url}/{MATRIX})"
    )
    assert ranges(geo) == [None, "bytes=1000-", "bytes=1000-"]


@pytest.mark.parametrize(
    ("sentence", "says"),
    [
        (
            None,
            'the accession is private; GEO says "Accession "GSE1" is currently private and is '
            'scheduled to be released on Jan 02, 2031". There is no public file: check',
        ),
        ('Accession "GSE1" was deleted by the GEO staff on Mar 04, 2020.', "was withdrawn; GEO"),
        ('Could not find a public or private accession "GSE1".', "is unknown to GEO or not public"),
        ("Accession GSE1 is not public.", "is unknown to GEO or not public"),
        ("Accession <i>GSE1</i> not found.", "is unknown to GEO or not public"),
    ],
)
def test_an_accession_that_is_not_public(geo, out, sentence, says):
    page = PRIVATE if sentence is None else f"<html><body>{sentence}</body></html>".encode()
    geo.misbehave(f"/{MATRIX}", "page", body=page)
    assert says in error_of(f"{geo.url}/{MATRIX}", out)
    assert len(geo.requests) == 1  # GEO's own word is not asked for again
    name = "GSE1_notes.txt"
    put(geo.folder / name, page)
    assert says in error_of(f"file:{geo.folder}/{name}", out, name)


def test_the_refusal_as_plain_text(geo, out):
    geo.misbehave(f"/{MATRIX}", "page", body=b'Accession "GSE1" is currently private.\n')
    assert "the accession is private" in error_of(f"{geo.url}/{MATRIX}", out)


PAGE = b"\n<!-- x -->\n<HTML lang='en'><head><title>\n Site &amp; login </title></head></HTML>"


@pytest.mark.parametrize(
    ("name", "content"),
    [(name, PAGE) for name in (MATRIX, COUNTS, "GSE1_RAW.tar", "GSE1_notes.txt", "GSE1.h5")]
    + [(name, gzip.compress(PAGE)) for name in (MATRIX, COUNTS)],
)
def test_a_web_page_is_refused(geo, out, name, content):
    problem = error_for(content, geo, out, name)
    assert problem == 'a web page came instead of the file, titled "Site & login"'


def test_a_web_page_may_be_a_passing_fault(geo, out):
    geo.misbehave(f"/{MATRIX}", "page", times=2, body=PAGE)
    download(f"{geo.url}/{MATRIX}", out / MATRIX)
    assert (out / MATRIX).read_bytes() == CONTENT
    assert ranges(geo) == [None, None, None]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("GSE1_report.html", PAGE),
        ("GSE1_report.html.gz", gzip.compress(PAGE)),
        ("GSE1_family.xml", b'<?xml version="1.0"?><MINiML><Title>x</Title></MINiML>'),
        ("GSE1_notes.txt", b"a\t<html>\n"),
        (COUNTS, gzip.compress(b"gene\tGSM1\n") + gzip.compress(b"A\t1\n")),
        (COUNTS, gzip.compress(b"gene\tGSM1\nA\t1\n") + bytes(100)),
    ],
)
def test_content_that_is_right(geo, out, name, content):
    put(geo.folder / name, content)
    for url in (f"{geo.url}/{name}", f"file:{geo.folder}/{name}"):
        assert "repacked" not in download(url, out / name)
        assert (out / name).read_bytes() == content


def test_a_file_unpacked_on_the_way_is_packed_again(geo, out):
    geo.misbehave(f"/{MATRIX}", "unpack")
    manifest = download(f"{geo.url}/{MATRIX}", out / MATRIX)
    content = (out / MATRIX).read_bytes()
    assert gzip.decompress(content) == TEXT.encode()
    assert content[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # no name, no time
    assert manifest["repacked"] is True
    assert manifest["bytes"] == len(content)
    assert manifest["sha256"] == hashlib.sha256(content).hexdigest()
    assert json.loads((out / f"{MATRIX}.json").read_text()) == manifest
    assert download(f"{geo.url}/{MATRIX}", out / "b.gz")["sha256"] == manifest["sha256"]
    assert sorted(content_of(out)) == [MATRIX, f"{MATRIX}.json", "b.gz", "b.gz.json"]


def test_a_file_unpacked_and_cut_off(geo, out):
    geo.misbehave(f"/{MATRIX}", "page", body=TEXT.encode()[:-30])
    message = error_of(f"{geo.url}/{MATRIX}", out, attempts=2)
    assert "cut off: the line !series_matrix_table_end is missing; 2 attempts" in message


@pytest.mark.parametrize(
    "content", [b"Error: too many users\n", b'{"error":\n"limit"}\n', b"\0\1\n\2\3\n", b"PK\3\4\n"]
)
def test_what_is_neither_gzip_nor_a_table(geo, out, content):
    problem = error_for(content, geo, out, COUNTS)
    assert problem == f"not a gzip file; it starts with {content.decode()!r}"


def test_a_text_packed_on_the_way_is_refused(geo, out):
    name = "GSE1_notes.txt"
    put(geo.folder / name, CONTENT)
    geo.misbehave(f"/{name}", "serve", headers={"Content-Encoding": "gzip"})
    message = error_of(f"{geo.url}/{name}", out, name)
    assert "the server packed the file (gzip) although asked not to" in message
    assert len(geo.requests) == 1


def test_a_gz_file_declared_as_packed_is_kept_as_it_is(geo, out):
    geo.misbehave(f"/{MATRIX}", "serve", headers={"Content-Encoding": "x-gzip"})
    assert "repacked" not in download(f"{geo.url}/{MATRIX}", out / MATRIX)
    assert (out / MATRIX).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (CONTENT[:-1], "cut off: the gzip stream stops before its end"),
        (CONTENT[:5000], "cut off: the gzip stream stops before its end"),
        (CONTENT[:3], "cut off: the gzip stream stops before its end"),
        (CONTENT + CONTENT[:5000], "cut off: the gzip stream stops before its end"),
        (CONTENT[:-8] + bytes(8), "damaged gzip file (CRC check failed"),
        (CONTENT[:100] + b"\xff" * 100 + CONTENT[200:], "damaged gzip file ("),
        (CONTENT + b"trailing", "damaged gzip file (Not a gzipped file (b'tr')"),
        (b"", "the file is empty"),
        (gzip.compress(b""), "the file is empty once unpacked"),
        (
            gzip.compress(TEXT.encode()[:-30]),
            "cut off: the line !series_matrix_table_end is missing",
        ),
        (
            gzip.compress(TEXT.encode()[:-30] + b'"a !series_matrix_table_end'),
            "cut off: the line !series_matrix_table_end is missing",
        ),
    ],
)
def test_a_bad_matrix_is_refused(geo, out, content, problem):
    assert error_for(content, geo, out, MATRIX).startswith(problem)


def test_the_end_tag_is_found_across_blocks(geo, out, monkeypatch):
    url = f"file:{geo.folder}/{MATRIX}"
    for block in (len(TEXT) - 12, len(TEXT) - 25, 26):
        monkeypatch.setattr(module, "BLOCK", block)
        download(url, out / MATRIX)
    put(geo.folder / MATRIX, gzip.compress(TEXT.encode() + b"!x\n" * 100))
    download(url, out / MATRIX)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n\n", b" \n"])
@pytest.mark.parametrize("block", [7, 1 << 20])
def test_a_platform_table_ends_with_its_tag(geo, out, end, block, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block)
    name = "GPL1.annot.gz"
    put(geo.folder / name, gzip.compress(b"ID\tGene\n1_at\tA\n!platform_table_end" + end))
    download(f"file:{geo.folder}/{name}", out / name)


@pytest.mark.parametrize("end", [b"", b"!platform_table_end\n2_at\tB\n", b"x!platform_table_end"])
def test_a_platform_table_without_its_end_is_refused(geo, out, end):
    content = gzip.compress(b"ID\tGene\n1_at\tA\n" + end)
    problem = error_for(content, geo, out, "GPL1.annot.gz")
    assert problem == "cut off: the last line is not !platform_table_end"


def tar_of(sizes, mode="w"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for number, size in enumerate(sizes):
            member = tarfile.TarInfo(f"GSM{number}.txt.gz")
            member.size = size
            tar.addfile(member, io.BytesIO(bytes([65 + number]) * size))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "mode"), [("GSE1_RAW.tar", "w"), ("GSE1_x.tar.gz", "w:gz"), ("GSE1_x.tgz", "w:gz")]
)
def test_a_tar_file(geo, out, name, mode):
    content = tar_of([1000, 0, 2000], mode)
    put(geo.folder / name, content)
    download(f"{geo.url}/{name}", out / name)
    assert (out / name).read_bytes() == content


# Members start at 0, 1536 and 2048, the end mark at 4608.
@pytest.mark.parametrize("size", [100, 800, 1536, 1700, 2048, 3000, 4096, 4608])
def test_a_cut_tar_file_is_refused(geo, out, size):
    problem = error_for(tar_of([1000, 0, 2000])[:size], geo, out, "GSE1_RAW.tar")
    assert "cut off" in problem


def test_a_damaged_tar_file_is_refused(geo, out):
    content = tar_of([1000, 0, 2000])
    content = content[:1600] + b"\xff" * 100 + content[1700:]
    assert "cut off" in error_for(content, geo, out, "GSE1_RAW.tar")


def test_a_cut_tar_file_inside_gzip_is_refused(geo, out):
    content = gzip.compress(tar_of([1000, 0, 2000])[:3000], mtime=0)
    assert "cut off" in error_for(content, geo, out, "GSE1_x.tar.gz")


def test_a_pinned_checksum(geo, out):
    url, right = f"{geo.url}/{MATRIX}", hashlib.sha256(CONTENT).hexdigest()
    download(url, out / MATRIX, sha256=right.upper())
    put(geo.folder / MATRIX, gzip.compress(TEXT.encode() + b"\n", mtime=0))
    new = hashlib.sha256((geo.folder / MATRIX).read_bytes()).hexdigest()
    assert error_of(url, out, sha256=right) == (
        f"{MATRIX}: GEO changed the file: sha256 is {new}, pinned is {right} ({url}); "
        "check what changed, then pin the new one"
    )
    assert (out / MATRIX).read_bytes() == CONTENT
    assert json.loads((out / f"{MATRIX}.json").read_text())["sha256"] == right
    assert len(geo.requests) == 2


def test_an_earlier_file_is_replaced(geo, out):
    (out / MATRIX).write_text("old")
    (out / f"{MATRIX}.json").write_text("old")
    manifest = download(f"{geo.url}/{MATRIX}", out / MATRIX)
    assert (out / MATRIX).read_bytes() == CONTENT
    assert json.loads((out / f"{MATRIX}.json").read_text()) == manifest


def test_an_earlier_file_survives_a_failure(geo, out):
    (out / MATRIX).write_text("old")
    geo.misbehave(f"/{MATRIX}", "drop", at=1000, ranges=False)
    error_of(f"{geo.url}/{MATRIX}", out)


def test_a_session_of_the_caller(geo, out):
    seen = []
    with requests.Session() as session:
        session.hooks["response"].append(lambda response, **_: seen.append(response.url))
        download(f"{geo.url}/{MATRIX}", out / MATRIX, session=session)
    assert seen == [f"{geo.url}/{MATRIX}"]


def test_the_folder_is_made(geo, out):
    download(f"{geo.url}/{MATRIX}", out / "a" / "b" / MATRIX)
    assert (out / "a" / "b" / MATRIX).read_bytes() == CONTENT


def test_a_local_copy(geo, out, monkeypatch):
    monkeypatch.chdir(geo.folder.parent)
    absolute = (geo.folder / MATRIX).as_uri()
    for url in (absolute, f"file:geo/{MATRIX}"):
        manifest = download(url, out / MATRIX)
        assert (out / MATRIX).read_bytes() == CONTENT
        assert manifest["url"] == url
        assert manifest["last_modified"] == "2023-11-14T22:13:20Z"
        assert manifest["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert geo.requests == []


def test_a_missing_local_file(geo, out):
    for url in (f"file:{geo.folder}/no/{MATRIX}", f"file:{geo.folder}/{MATRIX}/{MATRIX}"):
        assert error_of(url, out).startswith(f"GEO has no file {MATRIX} at {url}; the accession")
    assert "cannot be read: Is a directory" in error_of(f"file:{geo.folder}", out)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk(geo, out, monkeypatch):
    def full(path, mode):
        return open("/dev/full" if mode == "wb" else path, mode)

    monkeypatch.setattr(module, "open", full, raising=False)
    for url in (f"{geo.url}/{MATRIX}", f"file:{geo.folder}/{MATRIX}"):
        message = error_of(url, out)
        assert message == (
            f"{out / MATRIX}: disk full: no space left in {out}; free some and rerun"
        )
    assert len(geo.requests) == 1


def test_a_full_quota_seen_only_at_the_end(geo, out, monkeypatch):
    def fsync(_):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(module.os, "fsync", fsync)
    assert "disk full" in error_of(f"{geo.url}/{MATRIX}", out)


def test_a_folder_that_is_a_file(geo, out):
    (out / "x").write_text("")
    message = error_of(f"{geo.url}/{MATRIX}", out, f"x/{MATRIX}")
    assert f"{out}/x/{MATRIX}: cannot be written: " in message


def start(url, target):
    code = "import sys; from neuroimmune.geo.download import download; download(*sys.argv[1:])"
    path = str(Path(module.__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", code, url, str(target)], env=os.environ | {"PYTHONPATH": path}
    )


def wait_for(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_two_processes_at_once(geo, out):
    geo.misbehave(f"/{MATRIX}", "trickle", size=1000, pause=0.02)
    both = [start(f"{geo.url}/{MATRIX}", out / MATRIX) for _ in range(2)]
    wait_for(lambda: len(geo.requests) == 2)
    assert len(content_of(out)) == 2  # a part each, and nothing under the final name
    assert [process.wait(10) for process in both] == [0, 0]
    assert (out / MATRIX).read_bytes() == CONTENT
    assert sorted(content_of(out)) == [MATRIX, f"{MATRIX}.json"]
    assert len(geo.requests) == 2


def test_a_killed_process_leaves_no_half_file(geo, out):
    geo.misbehave(f"/{MATRIX}", "trickle", times=1, size=1000, pause=0.05)
    process = start(f"{geo.url}/{MATRIX}", out / MATRIX)
    wait_for(lambda: any(content_of(out).values()))
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    (part,) = out.iterdir()
    assert part.name not in (MATRIX, f"{MATRIX}.json")
    # Another process may still write it; one that is a day old is nobody's.
    download(f"{geo.url}/{MATRIX}", out / MATRIX)
    assert sorted(content_of(out)) == sorted([part.name, MATRIX, f"{MATRIX}.json"])
    os.utime(part, (time.time() - 90_000,) * 2)
    download(f"{geo.url}/{MATRIX}", out / MATRIX)
    assert sorted(content_of(out)) == [MATRIX, f"{MATRIX}.json"]


def test_the_log(geo, out, caplog, monkeypatch):
    monkeypatch.setattr(module, "PROGRESS", 0.05)
    caplog.set_level(logging.INFO, logger=module.__name__)
    geo.misbehave(f"/{MATRIX}", "trickle", size=2000, pause=0.02)
    download(f"{geo.url}/{MATRIX}", out / MATRIX)
    first, *during, last = [record.getMessage() for record in caplog.records]
    assert first == f"{MATRIX}: downloading {geo.url}/{MATRIX}"
    assert 1 <= len(during) <= 8
    assert all(re.fullmatch(rf"{MATRIX}: 0\.0 of 0\.0 MB", line) for line in during)
    assert re.fullmatch(rf"{MATRIX}: 0\.0 MB, 0\.\d MB/s", last)


def test_a_retry_is_logged(geo, out, caplog):
    caplog.set_level(logging.WARNING)
    geo.misbehave(f"/{MATRIX}", "status", times=1, code=503)
    download(f"{geo.url}/{MATRIX}", out / MATRIX)
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning == (
        f"{MATRIX}: the server answered 503 Service Unavailable; next attempt in 0.0 s"
    )


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no copy of GEO's tree at {REAL} (set GEO_TREE)")
def test_real_files(out):
    files = [*REAL.rglob("*.annot.gz"), *REAL.rglob("*_series_matrix.txt.gz")]
    assert files
    for file in files:
        manifest = download(file.as_uri(), out / file.name)
        assert manifest["bytes"] == file.stat().st_size and "repacked" not in manifest
    for file in (REAL.parent / "broken").glob("*.gz"):
        assert "cut off" in error_of(file.as_uri(), out, file.name)
