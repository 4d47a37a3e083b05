"""The run as a Workflow Run RO-Crate: what was run, on which files, with which results."""

import datetime
import hashlib
from pathlib import Path

from ..files import read_json
from .methods import citation, versions

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.6": ("Process Run Crate", "0.6"),
    "https://w3id.org/ro/wfrun/workflow/0.6": ("Workflow Run Crate", "0.6"),
}
TERMS = "https://w3id.org/ro/terms/workflow-run/context"  # of sha256
LICENCES = {"GPL-3.0-or-later": "https://spdx.org/licenses/GPL-3.0-or-later"}
FORMATS = {
    ".html": "text/html",
    ".json": "application/json",
    ".tsv": "text/tab-separated-values",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".yaml": "application/yaml",
}


def run_crate(studies, manifests, config, workflow, results, folder):
    """The crate's metadata (JSON-LD, a dict).

    studies: dict of study name -> record; manifests, config, workflow, results: paths of the
    downloads' manifests, the merged configuration, the copied workflow (the Snakefile first) and
    the results; all but the manifests lie below `folder`, the root of the crate.
    """
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

    software, found = citation(), versions()
    downloads = [read_json(path) for path in manifests]
    crate = ROCrate(gen_preview=False)
    crate.metadata.extra_contexts.append(TERMS)
    crate.name = f"aiha-neuroimmune run on {', '.join(studies)}"
    crate.description = software["abstract"]
    crate.license = LICENCES[software["license"]]
    # Of the run no date is known that a rerun would repeat; the newest download is one.
    days = [item["downloaded"] for item in downloads]
    crate.datePublished = datetime.datetime.fromisoformat(max(days))
    if any(record.get("simulated") for record in studies.values()):
        crate.description += " Some of the data of this run are SIMULATED, not measured."

    def inside(path):
        return Path(path).relative_to(folder).as_posix()

    def add(path, **properties):
        kind = {"encodingFormat": FORMATS.get(Path(path).suffix, "text/plain")}
        return crate.add_file(dest_path=inside(path), properties={**kind, **properties})

    def thing(identifier, kind, **properties):
        return crate.add(ContextEntity(crate, identifier, {"@type": kind, **properties}))

    steps = crate.add_workflow(
        dest_path=inside(workflow[0]),
        main=True,
        lang="snakemake",
        lang_version=found["snakemake"],
        properties={"name": software["title"], "version": software["version"]},
    )
    steps["hasPart"] = [add(path) for path in workflow[1:]]
    steps["softwareRequirements"] = [
        thing(f"#{name}", "SoftwareApplication", name=name, version=version)
        for name, version in found.items()
        if version
    ]
    inputs = [add(config, name="the merged configuration of the run")]
    for path, item in zip(manifests, downloads, strict=True):
        facts = {"name": item["file"], "contentSize": item["bytes"], "sha256": item["sha256"]}
        if item["url"].startswith(("http://", "https://")):
            inputs.append(crate.add_file(item["url"], properties=facts))
        else:
            # From a folder that nobody else has: named by accession.
            inputs.append(thing(f"#geo/{Path(path).parent.name}/{item['file']}", "File", **facts))
    outputs = [
        add(path, sha256=hashlib.sha256(Path(path).read_bytes()).hexdigest()) for path in results
    ]
    action = crate.add_action(
        steps,
        identifier="#run",
        object=inputs,
        result=outputs,
        properties={"name": f"Run of {software['title']}"},
    )
    crate.root_dataset["mentions"] = [action]
    crate.root_dataset["conformsTo"] = [
        *(
            thing(identifier, ["CreativeWork", "Profile"], name=name, version=version)
            for identifier, (name, version) in PROFILES.items()
        ),
        *crate.root_dataset["conformsTo"],
    ]
    return crate.metadata.generate()
