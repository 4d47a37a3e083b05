"""Look for GEO series that may be worth adding."""

from neuroimmune.workflow import job

with job(snakemake):
    import os

    from neuroimmune.discover import discover
    from neuroimmune.files import write_table
    from neuroimmune.geo import entrez

    settings = snakemake.params.settings
    # From the environment, because parameters are recorded beside the results.
    key = os.environ.get(entrez.KEY, "").strip()
    ask = entrez.connect(
        settings["base_url"], settings["email"], key, deadline=60 * snakemake.resources.runtime
    )
    candidates, searches = discover(
        ask, settings, snakemake.params.configured, snakemake.params.min_subjects
    )
    write_table(snakemake.output.candidates, candidates)
    write_table(snakemake.output.searches, searches)
