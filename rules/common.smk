"""
Load and check the configuration, the studies and the panels' places.

needs: config/config.yaml, the study folders
makes: results/run_config.yaml
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

# Not workflow.basedir: as a module this file lies elsewhere than the main Snakefile.
BASE = Path(str(workflow.current_basedir)).parent
HOSTED = hasattr(workflow.current_basedir, "hosted_repo")
if HOSTED:
    # A module from GitHub or GitLab: Snakemake fetches its files one by one, but scripts need the
    # whole library, and the configuration lies beside it.
    hosted = workflow.current_basedir
    commit = hosted.hosted_repo.repo.commit(hosted.ref).hexsha
    BASE = Path(".snakemake", "aiha-neuroimmune", commit).absolute()
    if not BASE.exists():
        BASE.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BASE.parent) as folder:
            archive = f"{folder}/tree.zip"
            hosted.hosted_repo.repo.git.archive(commit, format="zip", output=archive)
            shutil.unpack_archive(archive, f"{folder}/tree")
            if not BASE.exists():
                os.rename(f"{folder}/tree", BASE)
sys.path.insert(0, str(BASE / "scripts"))

from neuroimmune import settings
from neuroimmune.errors import UserError
from neuroimmune.geo.urls import file_url
from neuroimmune.settings import chosen
from neuroimmune.slurm import check_executor
from neuroimmune.report import console
from neuroimmune.validation import read_yaml
from neuroimmune.workflow import QUIET, code_of, let_jobs_import
from snakemake.settings.enums import Quietness
from snakemake.utils import update_config

if HOSTED:
    let_jobs_import(BASE / "scripts")
if Path("config/config.yaml").exists():

    configfile: "config/config.yaml"


# The defaults are read here and not by `configfile:`, which a module ignores.
DEFAULTS = BASE / "config" / "config.yaml"

try:
    merged = read_yaml(DEFAULTS)
    update_config(merged, config)
    config.update(merged)
    RUN = settings.load(config, BASE, [DEFAULTS, *map(Path, workflow.configfiles)])
except UserError as error:
    sys.exit(f"ERROR in the configuration: {error}")
STARTED = time.time()
if Quietness.ALL in (workflow.output_settings.quiet or ()):
    os.environ[QUIET] = "yes"
STUDIES = RUN["studies"]
PANELS = RUN["panels"]
DOWNLOADS = RUN["downloads"]


wildcard_constraints:
    study=RUN["study_pattern"],
    contrast=RUN["contrast_pattern"],
    accession=r"G(SE|PL|SM)\d+",
    file=r"[^/]+",
    set_id=r"[a-z0-9_]+",
    stratum=r"[^/]+",
