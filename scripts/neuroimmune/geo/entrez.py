"""Ask NCBI's E-utilities about GEO's records (database gds).

The shape of the answers follows recorded ones: esearch gives text counts and a list of UIDs,
and names phrases that it leaves out of a search; esummary gives a record a UID, with platforms as
bare numbers ('24247;17021'). A failure may come with status 200 as {"error": ...},
{"esearchresult": {"ERROR": ...}}, {"esummaryresult": [...]} or, within a record, "error".
"""

import time

from ..errors import UserError, some
from .download import Fault, persist, retry_after, within

DATABASE, TOOL = "gds", "aiha-neuroimmune"
KEY = "NCBI_API_KEY"
# Requests a second that NCBI allows without and with a key.
RATE, RATE_WITH_KEY = 3, 10
PAGE, BATCH = 500, 200


def connect(base_url, email="", key="", timeout=(10, 60), deadline=1800, attempts=6):
    """A function ask(program, **parameters) that returns the answer's JSON as a dict.

    base_url: address of the E-utilities; email: of the person who asks, or blank; key: NCBI's API
    key, or blank; timeout: seconds to wait for (a connection, more data); deadline: seconds for
    all that is asked; attempts: requests for one answer. Requests keep NCBI's distance of a third
    of a second, or a tenth with a key. Everything goes in the body of a POST, because addresses
    end up in logs, and the key must not.

    ask raises UserError where NCBI refuses the request or the key, or gives no usable answer.
    """
    import requests

    session = requests.Session()
    always = {"db": DATABASE, "retmode": "json", "tool": TOOL}
    always |= {name: value for name, value in (("email", email), ("api_key", key)) if value}
    distance = 1 / (RATE_WITH_KEY if key else RATE)
    end = time.monotonic() + deadline
    earliest = 0.0

    def ask(program, **parameters):
        url = f"{base_url.rstrip('/')}/{program}.fcgi"

        def once():
            nonlocal earliest
            time.sleep(max(0.0, earliest - time.monotonic()))
            earliest = time.monotonic() + distance
            response = session.post(url, data=always | parameters, timeout=within(timeout, end))
            return _answer(response)

        return persist(once, f"NCBI {program}", url, end, attempts)

    return ask


def _answer(response):
    try:
        answer = response.json()
    except ValueError:
        answer = None
    said = _error(answer) if isinstance(answer, dict) else ""
    status = f"{response.status_code} {response.reason}"
    if response.status_code == 429 or response.status_code >= 500:
        raise Fault(f"the server answered {status}", retry_after(response.headers))
    if "api key" in said.lower():
        raise UserError(f"NCBI refused the API key: {said}; correct {KEY} or unset it")
    if response.status_code >= 400:
        raise UserError(f"NCBI answered {status}{f': {said}' if said else ''} ({response.url})")
    if not isinstance(answer, dict):
        raise Fault(f"the answer is no JSON; it starts with {response.text[:60]!r}")
    if said:
        raise Fault(f"NCBI says {said!r}", retry_after(response.headers))
    return answer


def _error(answer):
    """What an answer gives as the reason that it is none; never its other parts, as the key."""
    result = answer.get("esearchresult")
    said = answer.get("error") or answer.get("esummaryresult") or answer.get("ERROR")
    if not said and isinstance(result, dict):
        said = result.get("ERROR")
    return "; ".join(map(str, said)) if isinstance(said, list) else str(said or "")


def search(ask, term, most):
    """(UIDs of the series that a term finds, what is to be said about the search or '').

    NCBI leaves a phrase that it does not know out of a search, which then finds what the rest
    finds, up to everything. Such a search counts as one that finds nothing.
    Raises UserError for more than `most` series.
    """
    found = {}
    total = 1
    while len(found) < total:
        answer = ask("esearch", term=term, retstart=len(found), retmax=PAGE)
        result = answer.get("esearchresult")
        try:
            total, page = int(result["count"]), [str(uid) for uid in result["idlist"]]
        except (TypeError, KeyError, ValueError):
            raise UserError(
                f"NCBI esearch: the answer for {term!r} has no count or no idlist"
            ) from None
        unknown = _left_out(result)
        if unknown:
            return [], f"NCBI does not know {some(map(repr, unknown))}; nothing is taken"
        if total > most:
            raise UserError(
                f"discover: {term!r} finds {total:,} series; discover.max_series is {most:,}. Make "
                "the term narrower, or raise the limit"
            )
        before = len(found)
        found |= dict.fromkeys(page)
        if len(found) == before:
            break
    missing = total - len(found)
    return list(found), f"{missing} of {total} were not listed by NCBI" if missing > 0 else ""


def _left_out(result):
    lists = result.get("errorlist") or {}, result.get("warninglist") or {}
    names = ("phrasesnotfound", "fieldsnotfound", "quotedphrasesnotfound")
    return [phrase for part in lists for name in names for phrase in part.get(name) or []]


def summaries(ask, uids):
    """UID -> record (dict) as esummary gives it, and the UIDs without one.

    Raises UserError where an answer has no result.
    """
    records, missing = {}, []
    for start in range(0, len(uids), BATCH):
        batch = uids[start : start + BATCH]
        result = ask("esummary", id=",".join(batch)).get("result")
        if not isinstance(result, dict):
            raise UserError("NCBI esummary: the answer has no 'result'")
        for uid in batch:
            record = result.get(uid)
            if isinstance(record, dict) and not record.get("error") and record.get("accession"):
                records[uid] = record
            else:
                missing.append(uid)
    return records, missing
