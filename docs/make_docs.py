"""Write config/README.md and docs/panels.md from the schemas, the settings and the panel tables.

python docs/make_docs.py          writes them
python docs/make_docs.py --check  says which are not in step, and exits 1
"""

import csv
import re
import sys
from collections import Counter
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "config"
SCHEMAS = CONFIG / "schemas"
PANELS = CONFIG / "panels"
GENERATED = "<!-- Made by docs/make_docs.py; edit its sources, then run it again. -->"
MOST_SOURCES = 12

SETTINGS_HEAD = """# Configuration

To change settings, put a file with those keys only into `config/config.yaml` of the folder you run
from, or pass it with `--configfile`. Nested keys given with `--config` reach the workflow as text,
so numbers belong in a file. A key that is not listed here is an error, and all errors are shown at
once with file and line. `results/run_config.yaml` holds the settings of the last run.

Beside `config.yaml`:

- `studies/<ID>/study.yaml` describes a study, `samples.tsv` its samples where GEO's record is not
  enough, `corrections.tsv` what to read where it is wrong. `docs/adding-a-study.md` walks through
  them; `snakemake inspect` drafts them.
- `panels/` holds the gene sets (`neuroimmune_panel_sets.tsv`), their members
  (`neuroimmune_panels.tsv`), the genes' identifiers (`panel_genes.tsv`), previous or alias symbols
  that other genes share and that are therefore never used (`ambiguous_synonyms.tsv`), and
  identifiers that stood for a panel gene in earlier annotations (`former_ids.tsv`).
  `docs/panels.md` lists the sets.
- `tissue_classes.tsv` says which tissues are pooled with each other: `tissue` as in study.yaml,
  case aside, and `tissue_class`. A tissue that is not listed is pooled with none.
- `claims.tsv` holds what is said of the neuroimmune axis in AIHA, a row a claim: `claim_id`,
  `axis`, `claim` (paraphrased), `source`, the sets that test it by the direction that the claim
  gives them (`sets_higher`, `sets_lower`, `sets_either`), the `questions` of contrasts that ask
  it, and the `tissue_classes` that can answer (blank: all). Lists are separated by semicolons.
  The claims are those of a review of 2025, worded after its axes; check them against its text
  before citing.
- `schemas/` holds the JSON schemas that all of these are checked against, and that the tables below
  are made from.
"""

PANELS_HEAD = """# Panels

{sets} gene sets of {genes} genes in {axes} axes ({rows} rows of set and gene). The tables are
`config/panels/neuroimmune_panel_sets.tsv` and `neuroimmune_panels.tsv`; this page is made from
them.

## How they were curated

By hand, one row a set and gene, each with its source. A source that begins a row's list speaks of
the gene itself (a gene group, a pathway, a target's entry); a publication at the end supports the
set, and does not claim to list each gene. {verified} of {rows} rows have such support of their own;
the others rest on a reference for the set or on a target's entry. Broad terms (cytokine activity,
T cell activation) are support, not proof of specificity.

| in `source` | is |
| --- | --- |
| HGNC:GG169 | gene group 169 of the HUGO Gene Nomenclature Committee |
| IUPHAR:22, IUPHAR:ligandId:484 | target or ligand of the IUPHAR/BPS Guide to Pharmacology |
| R-HSA-390696 | Reactome pathway |
| GO:0004935 | Gene Ontology term |
| HALLMARK_... | MSigDB Hallmark set |
| HPA: ... | blood atlas of the Human Protein Atlas (doi:10.1126/science.aax9198) |
| GEO:GSE159094 | moves with dexamethasone in PBMC of healthy donors |
| PMID, PMC, doi | publication |

**Direction.** +1 or -1: the sign with which the gene enters the set's score. Sets that are -1
throughout score higher when their genes fall. A gene can stand in several sets, also with opposite
signs (FKBP5 inhibits the receptor in `hpa_gr_machinery` and is its target in `gr_response_up`), so
such sets must not be added up.

**In blood.** Whether the gene is expected in resting blood, from the blood atlas: yes, low, no or
unknown. It describes the set; what is measurable is decided anew in every study
(docs/methods.md, Measurable genes).

**Families.** Multiple testing is corrected within a family of axes (`panels.families` of the
configuration). Sets of the families `confounder` and `negative_control` are shown as they are.

**Mouse** genes go by one-to-one orthologue; docs/methods.md, Genes, names the exceptions.

To add or change a set, see CONTRIBUTING.md.
"""


def main(arguments):
    pages = {CONFIG / "README.md": settings_page(), ROOT / "docs" / "panels.md": panels_page()}
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
        sys.exit(f"not in step: {names}; run python docs/make_docs.py" if stale else 0)
    for path in stale:
        path.write_text(pages[path], encoding="utf-8")


# config/README.md


def settings_page():
    """The text of config/README.md."""
    file = CONFIG / "config.yaml"
    schema = read_schema("config")
    defaults = yaml.safe_load(file.read_text())
    comments = comments_of(file)
    parts = [GENERATED, "", SETTINGS_HEAD, "## config.yaml", ""]
    top, blocks = [], []
    for key, rule in schema["properties"].items():
        inner = rule.get("properties")
        if not inner:
            top.append((key, rule, defaults[key], comments.get((key,), "")))
            continue
        about = comments.get((key,), "")
        rows = [(k, r, defaults[key][k], comments.get((key, k), "")) for k, r in inner.items()]
        blocks.append((key, about, rows))
    parts += table(top)
    for key, about, rows in blocks:
        parts += ["", f"### {key}", ""] + ([about, ""] if about else []) + table(rows)
    for name, title in (
        ("study", "studies/&lt;ID&gt;/study.yaml"),
        ("samples", "studies/&lt;ID&gt;/samples.tsv"),
        ("corrections", "studies/&lt;ID&gt;/corrections.tsv"),
    ):
        parts += ["", f"## {title}", "", "| key | needed | allowed |", "| --- | --- | --- |"]
        parts += [f"| {' | '.join(row)} |" for row in keys_of(read_schema(name))]
    return "\n".join(parts) + "\n"


def read_schema(name):
    return yaml.safe_load((SCHEMAS / f"{name}.schema.yaml").read_text())


def comments_of(file):
    """Key path -> the comment right above the key in a YAML file of nested blocks."""
    found, path, comment = {}, [], []
    for line in file.read_text().splitlines():
        if note := re.fullmatch(r"\s*# ?(.*)", line):
            comment.append(note[1])
        elif key := re.match(r"( *)([A-Za-z_]\w*):", line):
            path = [*path[: len(key[1]) // 2], key[2]]
            found[tuple(path)] = " ".join(comment)
            comment = []
        else:
            comment = []
    return found


def table(rows):
    lines = ["| key | default | allowed | meaning |", "| --- | --- | --- | --- |"]
    for key, rule, default, about in rows:
        lines.append(f"| `{key}` | {shown(default)} | {allowed(rule)} | {plain(about)} |")
    return lines


def shown(value):
    """A default in one cell; long ones are left to config.yaml."""
    if value == "" or value == []:
        return "blank" if value == "" else "none"
    text = yaml.safe_dump(value, default_flow_style=True, width=1000).strip()
    text = text.removesuffix("...").strip()
    return f"`{cell(text)}`" if len(text) <= 70 else "see the file"


def cell(text):
    return text.replace("|", "\\|")


def plain(text):
    """Text that is no code, as Markdown shows it unchanged."""
    return cell(text).replace("<", "&lt;").replace("*", "\\*")


BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
}
TYPES = {
    "string": "text",
    "array": "list",
    "object": "block",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
}


def allowed(rule):
    """What a schema lets a key be, in words."""
    if "enum" in rule:
        return ", ".join("blank" if value == "" else f"`{value}`" for value in rule["enum"])
    kinds = rule.get("type", "object")
    words = " or ".join(TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))
    bounds = [f"{BOUNDS[name]} {rule[name]}" for name in BOUNDS if name in rule]
    if "pattern" in rule:
        bounds.append(f"matching `{cell(rule['pattern'])}`")
    return ", ".join([words, *bounds])


def keys_of(schema, prefix="", top=None):
    """Rows (key, needed, allowed) of a schema, with nested keys as a.b."""
    top = top or schema
    for key, rule in schema.get("properties", {}).items():
        if "$ref" in rule:
            rule = top["$defs"][rule["$ref"].rsplit("/", 1)[-1]]
        name = f"{prefix}{key}"
        needed = "yes" if key in schema.get("required", []) else ""
        yield f"`{name}`", needed, allowed(rule)
        if name.count(".") < 1 and rule is not top.get("$defs", {}).get("field"):
            yield from keys_of(rule, f"{name}.", top)
        more = rule.get("additionalProperties")
        if isinstance(more, dict) and "properties" in more:
            yield from keys_of(more, f"{name}.<name>.", top)
        items = rule.get("items", {})
        if "properties" in items:
            yield from keys_of(items, f"{name}[].", top)
    field = top.get("$defs", {}).get("field")
    if schema is top and field:
        yield from keys_of(field, "samples.<field>.", {})


# docs/panels.md


def panels_page():
    """The text of docs/panels.md."""
    sets = read_tsv(PANELS / "neuroimmune_panel_sets.tsv")
    members = read_tsv(PANELS / "neuroimmune_panels.tsv")
    families = yaml.safe_load((CONFIG / "config.yaml").read_text())["panels"]["families"]
    family = {axis: name for name, axes in families.items() for axis in axes}
    sources, genes = {}, {}
    for row in members:
        sources.setdefault(row["set_id"], Counter()).update(
            filter(None, dict.fromkeys(row["source"].split(";")))
        )
        sign = "" if row["direction"] == "+1" else " (-)"
        genes.setdefault(row["set_id"], []).append(row["gene_symbol"] + sign)
    axes = dict.fromkeys(row["axis"] for row in sets)
    parts = [
        GENERATED,
        "",
        PANELS_HEAD.format(
            sets=len(sets),
            genes=len({row["hgnc_id"] for row in members}),
            axes=len(axes),
            rows=f"{len(members):,}",
            verified=f"{sum(int(row['n_gene_level_verified']) for row in sets):,}",
        ),
    ]
    for axis in axes:
        rows = [row for row in sets if row["axis"] == axis]
        parts += [f"## {axis.replace('_', ' ')}", "", f"Family: {family[axis]}.", ""]
        for row in rows:
            parts += [f"### {row['set_id']}", "", *set_entry(row, genes, sources), ""]
    return "\n".join(parts).rstrip() + "\n"


def set_entry(row, genes, sources):
    """Lines on one set."""
    name = row["set_id"]
    signs = f"{row['n_plus']} of +1, {row['n_minus']} of -1" if row["n_minus"] != "0" else "all +1"
    blood = ", ".join(
        f"{row[f'n_blood_{kind}']} {kind}"
        for kind in ("yes", "low", "no", "unknown")
        if row[f"n_blood_{kind}"] != "0"
    )
    counted = sources[name]
    ordered = sorted(counted, key=lambda source: (-counted[source], source))
    more = len(ordered) - MOST_SOURCES
    listed = "; ".join(f"{source} ({counted[source]})" for source in ordered[:MOST_SOURCES])
    yield f"**{row['set_name']}.** {row['n_genes']} genes ({signs}); in blood: {blood}; support of"
    yield f"their own: {row['n_gene_level_verified']}."
    yield ""
    yield f"- Caution: {row['caution'] or 'none recorded'}."
    yield f"- Genes: {', '.join(genes[name])}."
    yield f"- Sources (genes): {listed}" + (f"; and {more} more." if more > 0 else ".")


def read_tsv(path):
    with open(path, encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


if __name__ == "__main__":
    main(sys.argv[1:])
