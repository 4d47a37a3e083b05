"""What GEO has for a series, without its values: names of files, and the record of the samples."""

import os
import re
import tempfile
import time
import zlib

from ..errors import UserError
from ..files import atomic, write_text
from .download import (
    BLOCK,
    GZIP,
    Fault,
    file_names,
    persist,
    refuse_page,
    retry_after,
    within,
)
from .matrix import BEGIN, open_text, read_records
from .urls import file_url, local_path

# Builds that NCBI counts the reads of an organism on.
BUILDS = {"Homo sapiens": "GRCh38.p13", "Mus musculus": "GRCm39"}


def files_of(geo, accession):
    """Folder ('matrix', 'suppl') -> names of the files of a series, as its folder lists them.

    geo: the settings of that name. A folder that is missing, or whose server shows no index, is an
    empty list. Raises UserError for what is no accession of a series.
    """
    if not re.fullmatch(r"GSE[1-9][0-9]*", accession):
        raise UserError(f"inspect: {accession!r}: expected a series, such as GSE301528")
    names = {"matrix": f"{accession}_series_matrix.txt.gz", "suppl": f"{accession}_RAW.tar"}
    found = {}
    for folder, name in names.items():
        listed = file_names(file_url(geo, accession, name))
        found[folder] = sorted(n for n in listed if n.startswith(accession))
    return found


def has_file(geo, accession, name):
    """Whether GEO has a packed file of a series or platform, by its first bytes."""
    import requests

    url = file_url(geo, accession, name)
    if url.startswith("file:"):
        return local_path(url).is_file()
    try:
        with requests.get(
            url, stream=True, timeout=(10, 60), headers={"Accept-Encoding": "identity"}
        ) as response:
            return response.ok and response.raw.read(2) == GZIP
    except requests.RequestException:
        return False


def fetch_header(url, target, timeout=(10, 60), deadline=600, attempts=5):
    """Write the record part of the series matrix at `url` to `target`, as text.

    No more is downloaded than holds it. Raises UserError where there is no such file, or it is no
    series matrix, and where it cannot be had in `deadline` seconds or `attempts` requests.
    """
    name = os.path.basename(url)
    if url.startswith("file:"):
        path = local_path(url)
        with open_text(path) as stream:
            write_text(target, _until_table(stream, path))
        return
    import requests

    end = time.monotonic() + deadline
    with requests.Session() as session:

        def once():
            with session.get(
                url,
                stream=True,
                timeout=within(timeout, end),
                headers={"Accept-Encoding": "identity"},
            ) as response:
                status = f"{response.status_code} {response.reason}"
                if response.status_code == 429 or response.status_code >= 500:
                    raise Fault(f"the server answered {status}", retry_after(response.headers))
                if not response.ok:
                    raise UserError(
                        f"{name}: the server answered {status} ({url}); the series may be "
                        "mistyped, private or withdrawn"
                    )
                return _record_part(response.raw, name)

        raw = persist(once, name, url, end, attempts)
    with atomic(target) as part:
        part.write_bytes(raw)


def _record_part(stream, name):
    """The bytes, unpacked, to the line that begins the table; that line included."""
    mark = b"\n" + BEGIN.encode()
    block = stream.read(BLOCK, decode_content=False)
    unpacker = zlib.decompressobj(wbits=31) if block.startswith(GZIP) else None
    text = b""
    while block:
        try:
            text += unpacker.decompress(block) if unpacker else block
        except zlib.error as error:
            raise Fault(f"damaged gzip file ({error})") from None
        refuse_page(text, name)
        if (place := text.find(mark)) >= 0:
            return text[:place] + mark + b"\n"
        block = stream.read(BLOCK, decode_content=False)
    raise Fault(f"no line {BEGIN}: not a series matrix, or cut off in its header")


def _until_table(stream, path):
    lines = []
    for line in stream:
        lines.append(line)
        if line.startswith(BEGIN):
            return "".join(lines)
    raise UserError(f"{path}: no line {BEGIN}: not a series matrix, or cut off in its header")


def look_up(geo, accession):
    """What GEO says about a series: (series, samples, files, annotated, build).

    series, samples: as from `matrix.read_records`; files: as from `files_of`; annotated: those of
    its platforms with GEO's annotation file; build: the genome build that NCBI has computed counts
    on, or ''. Raises UserError where GEO has no record of the series.
    """
    files = files_of(geo, accession)
    names = [n for n in files["matrix"] if n.endswith("_series_matrix.txt.gz")]
    names = names or [f"{accession}_series_matrix.txt.gz"]
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in names]
        for name, path in zip(names, paths, strict=True):
            fetch_header(file_url(geo, accession, name), path)
        series, samples = read_records(paths)
    listed = [address.rsplit("/", 1)[-1] for address in series.get("supplementary_file", [])]
    listed = [name for name in listed if name.startswith(accession)]
    files["suppl"] = list(dict.fromkeys([*files["suppl"], *listed]))
    files["matrix"] = names
    platforms = [p for p in series.get("platform_id", []) if re.fullmatch(r"GPL[1-9]\d*", p)]
    annotated = [p for p in platforms if has_file(geo, p, f"{p}.annot.gz")]
    builds = [BUILDS[s["organism_ch1"]] for s in samples if s.get("organism_ch1") in BUILDS]
    build = next(
        (
            build
            for build in dict.fromkeys(builds)
            if has_file(geo, accession, f"{accession}_raw_counts_{build}_NCBI.tsv.gz")
        ),
        "",
    )
    return series, samples, files, annotated, build
