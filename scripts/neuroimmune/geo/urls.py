"""Where GEO keeps the files of an accession."""

import re
from pathlib import Path
from urllib.parse import quote, unquote

from ..errors import UserError

# Kind of file -> (accession type, folder in GEO's tree). The first pattern that fits the whole
# name counts; any other file is supplementary.
FOLDERS = {
    r".*_series_matrix\.txt\.gz": ("GSE", "matrix"),
    r"GSE[0-9]+_(raw|norm)_counts_.*_NCBI\.tsv\.gz": ("GSE", "rnaseq_counts"),
    r"GSE[0-9]+_family\.soft\.gz": ("GSE", "soft"),
    r"GPL.*\.annot\.gz": ("GPL", "annot"),
    r"GPL.*_family\.soft\.gz": ("GPL", "soft"),
    r"GPL[0-9]+\.txt": ("GPL", "table"),
}
# Files that GEO's pages serve and its tree does not: kind -> setting with their address.
SERVED = {"rnaseq_counts": "ncbi_counts_url", "table": "platform_table_url"}
TREES = {"GSE": "series", "GPL": "platforms", "GSM": "samples"}


def stub_folder(accession):
    """GEO's folder of a thousand accessions: GSE7 -> GSEnnn, GSE301528 -> GSE301nnn.

    Raises UserError unless the accession is GSE, GPL or GSM and a number.
    """
    if not re.fullmatch(r"(GSE|GPL|GSM)[1-9][0-9]*", accession):
        raise UserError(
            f"accession {accession!r}: expected GSE, GPL or GSM and a number, such as GSE301528"
        )
    return accession[:3] + accession[3:-3] + "nnn"


def file_url(geo, accession, file):
    """The address of a file of a series (GSE), platform (GPL) or sample (GSM).

    geo: the settings of that name. `base_url` is the top of GEO's tree (http, https, or file: as
    in `local_path`). `ncbi_counts_url` and `platform_table_url` are the templates for the counts
    that NCBI computes and for a platform's own table (GPLnnn.txt); {base_url}, {stub},
    {accession} and {file} are filled in. The file name is percent-quoted.

    Raises UserError for another accession, a name that is not a plain file name, a file of
    another kind of accession (GPL570.annot.gz of a series), or an address that cannot be built.
    """
    stub = stub_folder(accession)
    base_url = geo["base_url"]
    if not file or re.search(r"[/\\\x00-\x1f]|\.\.", file):
        raise UserError(f"{accession}: file {file!r}: expected a file name, without a folder")
    if not re.match(r"https?://.|file:.", base_url):
        raise UserError(f"geo.base_url {base_url!r}: expected http://, https:// or file: and more")
    prefix = re.match("(GPL|GSM)[0-9]", file)
    kind, folder = next(
        (place for pattern, place in FOLDERS.items() if re.fullmatch(pattern, file)),
        (prefix[1] if prefix else "GSE", "suppl"),
    )
    if kind != accession[:3]:
        raise UserError(f"{accession}: {file!r} is a file of a {kind} accession, not of this one")
    values = {
        "base_url": base_url.rstrip("/"),
        "stub": stub,
        "accession": accession,
        "file": quote(file, safe=""),
    }
    if folder not in SERVED:
        tree = TREES[kind]
        return f"{{base_url}}/{tree}/{{stub}}/{{accession}}/{folder}/{{file}}".format_map(values)
    key = SERVED[folder]
    try:
        return geo[key].format_map(values)
    except (LookupError, ValueError, AttributeError):
        raise UserError(
            f"geo.{key} {geo[key]!r}: the names in braces may be {{base_url}}, {{stub}}, "
            "{accession} and {file}"
        ) from None


def local_path(url):
    """The path of a file: URL: file:///from/the/root, or file:from/the/current/folder.

    Raises UserError if the URL names another computer.
    """
    path = url.removeprefix("file:")
    if path.startswith("//"):
        host, slash, path = path[2:].partition("/")
        if host not in ("", "localhost"):
            raise UserError(
                f"{url}: {host!r} stands where a computer is named; write file:/// and the path "
                "from the root, or file: and the path from the current folder"
            )
        path = slash + path
    return Path(unquote(path))
