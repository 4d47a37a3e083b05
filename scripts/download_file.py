"""Download one GEO file with its manifest."""

from neuroimmune.workflow import job

with job(snakemake):
    from neuroimmune.geo.download import download

    download(
        snakemake.params.url,
        snakemake.output.file,
        sha256=snakemake.params.sha256 or None,
        deadline=60 * snakemake.resources.runtime,
    )
