"""
Load and check the configuration, the studies and the panels' places.

needs: config/config.yaml, the study folders
makes: results/run_config.yaml
"""

import sys
from pathlib import Path

BASE = Path(workflow.basedir)
sys.path.insert(0, str(BASE / "scripts"))

from neuroimmune import settings
from neuroimmune.errors import UserError
from neuroimmune.geo.urls import file_url
from neuroimmune.workflow import code_of


configfile: str(BASE / "config" / "config.yaml")


if Path("config/config.yaml").exists():

    configfile: "config/config.yaml"


try:
    RUN = settings.load(config, BASE, [Path(name) for name in workflow.configfiles])
except UserError as error:
    sys.exit(f"ERROR in the configuration: {error}")
STUDIES = RUN["studies"]
PANELS = RUN["panels"]
DOWNLOADS = RUN["downloads"]


wildcard_constraints:
    study=RUN["study_pattern"],
    contrast=RUN["contrast_pattern"],
    accession=r"G(SE|PL)\d+",
    file=r"[^/]+",
