"""Panels and the mapping of their genes into the data's identifiers."""

from pathlib import Path

import pandas as pd
import pytest

from neuroimmune.errors import UserError
from neuroimmune.files import read_rows, read_table
from neuroimmune.genes import globin_ids, identifier_kind, map_panel, plain_id
from neuroimmune.panels import read_panels
from neuroimmune.validation import read_yaml

ROOT = Path(__file__).parents[2]
PANELS = ROOT / "config" / "panels"
SCHEMAS = ROOT / "config" / "schemas"
FILES = [
    PANELS / f"{n}.tsv" for n in ("neuroimmune_panel_sets", "neuroimmune_panels", "panel_genes")
]
FAMILIES = read_yaml(ROOT / "config" / "config.yaml")["panels"]["families"]


@pytest.fixture(scope="module")
def genes():
    return read_table(FILES[2])


@pytest.fixture(scope="module")
def ambiguous():
    rows = read_rows(PANELS / "ambiguous_synonyms.tsv")
    return {(row["synonym"], row["hgnc_id"]) for row in rows}


def mapped(genes, ambiguous, ids, organism="Homo sapiens", **columns):
    var = pd.DataFrame(columns, index=list(ids))
    return map_panel(genes, ambiguous, organism, var).set_index("symbol")


def test_panels_are_valid_and_complete():
    sets, members, genes = read_panels(*FILES, FAMILIES, SCHEMAS)
    assert (len(sets), len(members), len(genes)) == (114, 1563, 1262)
    assert set(members["direction"]) == {1, -1}
    assert sets.set_index("set_id").at["conf_globins", "family"] == "confounder"
    assert set(sets["family"]) == {
        "neuroimmune",
        "immune_effector",
        "confounder",
        "negative_control",
    }


def test_panel_faults_name_file_and_line(tmp_path):
    texts = [path.read_text() for path in FILES]
    paths = [tmp_path / name for name in ("sets.tsv", "members.tsv", "genes.tsv")]

    def faults(*texts, families=FAMILIES):
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        with pytest.raises(UserError) as error:
            read_panels(*paths, families, SCHEMAS)
        return [text.replace(f"{tmp_path}/", "") for text in error.value.problems]

    rows = texts[1].splitlines(keepends=True)
    wrong = rows[1].replace("\t+1\t", "\tup\t", 1)
    assert faults(texts[0], "".join([rows[0], wrong, *rows[2:]]), texts[2]) == [
        "members.tsv:2: column direction: found 'up'; allowed: +1, -1"
    ]
    assert faults(texts[0], texts[1] + rows[1], texts[2]) == [
        "members.tsv:1565: adr_receptors_alpha1 HGNC:277 stands already in line 2; keep one",
        "sets.tsv:2: n_genes is 3, but members.tsv has 4 rows of adr_receptors_alpha1".replace(
            "members.tsv", str(paths[1]).replace(f"{tmp_path}/", "")
        ),
    ]
    renamed = rows[1].replace("ADRA1A", "ADRA1X")
    assert faults(texts[0], "".join([rows[0], renamed, *rows[2:]]), texts[2]) == [
        "members.tsv:2: ADRA1X (HGNC:277) is not in the gene table under that id and symbol"
    ]
    fewer = {name: axes for name, axes in FAMILIES.items() if name != "confounder"}
    found = faults(*texts, families=fewer)
    assert found == [
        "sets.tsv:87: axis 'confounder' is in no family; add it to panels.families in the config"
    ]


def test_kinds_of_identifiers():
    assert identifier_kind(["ENSG00000000003.15", "ENSMUSG00000000001", "x"]) == "Ensembl"
    assert identifier_kind(["100287102", "653635.0", "x"]) == "Entrez"
    assert identifier_kind(["TSPAN6", "1-Mar", "ENSG00000000003"]) == "symbol"
    assert [plain_id(n) for n in ("ENSG00000000003.15", "653635.0", "HLA-A.1", "7SK")] == [
        "ENSG00000000003",
        "653635",
        "HLA-A.1",
        "7SK",
    ]


def test_by_id_then_symbol_then_synonym(genes, ambiguous):
    adrb2 = genes.set_index("symbol").loc["ADRB2"]
    found = mapped(genes, ambiguous, [adrb2["ensembl_gene_id"], "ENSG00000999999"])
    assert found.loc["ADRB2", ["data_id", "matched_by"]].to_list() == [
        "ENSG00000169252",
        "Ensembl id",
    ]
    assert found.loc["CHAT", "reason"] == "no row under its Ensembl id or symbols"
    found = mapped(genes, ambiguous, [adrb2["entrez_id"], "1"])
    assert found.loc["ADRB2", "matched_by"] == "Entrez id"
    # DUSP1's row may be named by its alias CL100 only where no approved symbol is there.
    gene = genes[genes["previous_symbols"].str.len() > 0]
    gene = next(
        row
        for row in gene.to_dict("records")
        if (row["previous_symbols"].split("|")[0], row["hgnc_id"]) not in ambiguous
    )
    old = gene["previous_symbols"].split("|")[0]
    assert (
        mapped(genes, ambiguous, [old, "A1BG"]).loc[gene["symbol"], "matched_by"]
        == "previous symbol"
    )
    both = mapped(genes, ambiguous, [old, gene["symbol"]]).loc[gene["symbol"]]
    assert both["data_id"] == gene["symbol"]


def test_ambiguous_synonyms_are_never_used(genes, ambiguous):
    # ABP1 was AOC1's symbol and is a synonym of other genes too.
    assert ("ABP1", "HGNC:80") in ambiguous
    found = mapped(genes, ambiguous, ["ABP1", "ADRB2"])
    assert found.loc["AOC1", "data_id"] == ""


def test_arrays_use_entrez_beside_symbols(genes, ambiguous):
    entrez = genes.set_index("symbol").at["ADRB2", "entrez_id"]
    found = mapped(genes, ambiguous, ["OLDNAME", "CHAT"], entrez=[entrez, ""])
    assert found.loc["ADRB2", ["data_id", "matched_by"]].to_list() == ["OLDNAME", "Entrez id"]


def test_mouse_goes_by_one_to_one_orthologue(genes, ambiguous):
    ids = ["Adrb2", "Chrna7", "Hba-a1", "Fkbp5", "Ftl1"]
    found = mapped(genes, ambiguous, ids, organism="Mus musculus")
    assert found.loc["ADRB2", "data_id"] == "Adrb2"
    assert found.loc["CHRNA7", "data_id"] == "Chrna7"
    assert found.loc["CHRFAM7A", "reason"] == "no one-to-one mouse orthologue (Chrna7)"
    assert found.loc["FTL", "reason"] == "no one-to-one mouse orthologue (Ftl1)"
    assert found.loc["CXCL8", "reason"] == "no mouse orthologue"


def test_no_gene_at_all_is_an_error(genes, ambiguous):
    with pytest.raises(UserError) as error:
        mapped(genes, ambiguous, ["Adrb2", "Fkbp5"])
    assert str(error.value) == (
        "none of the 1262 panel genes is among the 2 gene identifiers of the data (taken for "
        "symbol; for example Adrb2, Fkbp5); check organism (Homo sapiens) in study.yaml and which "
        "file source.file names"
    )


def test_globins_of_man_and_mouse(genes):
    members = read_table(FILES[1])
    assert globin_ids(members, genes, "Homo sapiens", ["HBB", "ACTB", "ENSG00000206172"]) == [
        "HBB",
        "ENSG00000206172",
    ]
    assert globin_ids(members, genes, "Mus musculus", ["Hba-a1", "Hbb-bs", "Actb"]) == [
        "Hba-a1",
        "Hbb-bs",
    ]
