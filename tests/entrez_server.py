"""NCBI's E-utilities on 127.0.0.1 for tests: records and answers in the shape of recorded ones.

with serve_entrez() as ncbi:
    ncbi.add("AIHA", series(5), series(6))
    ncbi.faults = [(429, {"Retry-After": "2"}, {"error": "API rate limit exceeded"})]
    ... ncbi.url, ncbi.asked
"""

import json
import re
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from geo_server import running


def series(number, **changes):
    """A record in the shape that esummary gives for a series."""
    return {
        "uid": f"2{number:08d}",
        "accession": f"GSE{number}",
        "gds": "",
        "title": "Whole blood in AIHA",
        "summary": "Made-up record.",
        "gpl": "24676",
        "gse": str(number),
        "taxon": "Homo sapiens",
        "entrytype": "GSE",
        "gdstype": "Expression profiling by high throughput sequencing",
        "pdat": "2024/10/04",
        "suppfile": "TXT",
        "samples": [{"accession": "GSM1", "title": "a"}],
        "n_samples": 12,
        "pubmedids": ["39743589"],
        "ftplink": f"ftp://ftp.ncbi.nlm.nih.gov/geo/series/GSE{number}/",
        "geo2r": "no",
        "bioproject": "PRJNA1",
    } | changes


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = {name: values[0] for name, values in parse_qs(body).items()}
        program = re.search(r"(\w+)\.fcgi$", self.path)[1]
        server = self.server
        server.asked.append((program, asked, time.monotonic(), self.path))
        status, headers, answer = (
            server.faults.pop(0) if server.faults else (200, {}, getattr(server, program)(asked))
        )
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


class Entrez(ThreadingHTTPServer):
    """`hits`: text of a term -> numbers of series; `counted`: series with NCBI's counts."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/entrez/eutils"
        self.hits, self.counted, self.records = {}, set(), {}
        self.unknown, self.asked, self.faults = [], [], []

    def esearch(self, asked):
        term = asked["term"]
        numbers = sorted({n for text, found in self.hits.items() if text in term for n in found})
        if "rnaseq counts" in term:
            numbers = [n for n in numbers if n in self.counted]
        ids = [f"2{number:08d}" for number in numbers]
        start, size = int(asked["retstart"]), int(asked["retmax"])
        result = {
            "count": str(len(ids)),
            "retmax": str(size),
            "retstart": str(start),
            "idlist": ids[start : start + size],
            "translationset": [],
            "querytranslation": term,
        }
        missing = [phrase for phrase in self.unknown if phrase in term]
        if missing or not ids:
            result["errorlist"] = {"phrasesnotfound": missing, "fieldsnotfound": []}
            result["warninglist"] = {
                "phrasesignored": [],
                "quotedphrasesnotfound": [],
                "outputmessages": ["No items found."],
            }
        return {"header": {"type": "esearch", "version": "0.3"}, "esearchresult": result}

    def esummary(self, asked):
        result = {"uids": asked["id"].split(",")}
        for uid in result["uids"]:
            missing = {"uid": uid, "error": "cannot get document summary"}
            result[uid] = self.records.get(uid, missing)
        return {"header": {"type": "esummary", "version": "0.3"}, "result": result}

    def add(self, term, *records):
        self.hits.setdefault(term, []).extend(int(r["accession"][3:]) for r in records)
        self.records |= {r["uid"]: r for r in records}


def serve_entrez():
    """The server, running until the block ends."""
    return running(Entrez())
