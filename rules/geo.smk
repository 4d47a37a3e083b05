"""
Fetch GEO's files, each once, with a manifest of where it came from.

needs: the GEO tree at geo.base_url
makes: resources/geo/<accession>/<file> and <file>.json
"""


# No digest of the code here: an edited downloader must not fetch everything again.
rule download_file:
    output:
        file="resources/geo/{accession}/{file}",
        manifest="resources/geo/{accession}/{file}.json",
    log:
        "results/logs/download_file/{accession}/{file}.log",
    # The downloader repeats what can be repeated.
    retries: 0
    localrule: config["geo"]["download_here"]
    conda:
        "../envs/download.yaml"
    resources:
        geo_connections=1,
        mem_mb=300,
        runtime=config["geo"]["deadline_minutes"],
    params:
        url=lambda w: file_url(config["geo"] | {"base_url": RUN["base_url"]}, w.accession, w.file),
        sha256=lambda w: RUN["sha256"].get(w.file, ""),
    message:
        "Downloading {wildcards.file} of {wildcards.accession}"
    script:
        "../scripts/download_file.py"
