"""Panels and the mapping of their genes into the data's identifiers."""

from pathlib import Path

import pandas as pd
import pytest

from neuroimmune.errors import UserError
from neuroimmune.files import read_rows, read_table
from neuroimmune.genes import (
    globin_ids,
    identifier_kind,
    map_panel,
    names_beside,
    read_name,
    spreadsheet_date,
    undo_spreadsheet,
)
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
    assert identifier_kind(["HGNC:286", "HGNC:5", "x"]) == "HGNC"


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
    assert found.loc["AOC1", ["data_id", "reason"]].to_list() == [
        "",
        "no row under its symbol or its synonyms; ABP1 may mean another gene and is not used",
    ]


def test_short_names_and_names_alike_but_for_case_are_not_used(genes, ambiguous):
    # GR is the glucocorticoid receptor here and glutathione reductase there; Gem is no geminin.
    found = mapped(genes, ambiguous, ["GR", "Gem", "AK", "ADRB2"])
    assert not set(found["data_id"]) & {"GR", "Gem", "AK", "GSR"}
    assert found.loc["NR3C1", "reason"] == (
        "no row under its symbol or its synonyms; GR may mean another gene and is not used"
    )
    # Glutathione reductase itself is no panel gene, so its row maps to nothing.
    assert (mapped(genes, ambiguous, ["GSR", "ADRB2"])["data_id"] != "").sum() == 1


@pytest.fixture(scope="module")
def former():
    rows = read_rows(PANELS / "former_ids.tsv")
    return {(row["former_id"], row["organism"], row["hgnc_id"]) for row in rows}


def test_former_ids_belong_to_one_panel_gene(genes, former):
    symbol_of = dict(zip(genes["hgnc_id"], genes["symbol"], strict=True))
    rows = read_rows(PANELS / "former_ids.tsv")
    assert len(rows) == len({(row["former_id"], row["organism"]) for row in rows})
    assert {row["symbol"] == symbol_of[row["hgnc_id"]] for row in rows} == {True}
    current = {*genes["ensembl_gene_id"], *genes["mouse_symbol"]}
    assert not current & {row["former_id"] for row in rows}


def test_former_ids_go_before_patches_of_the_old_assembly(genes, ambiguous, former):
    # TXNIP: in annotations of GRCh37 the present id is that of a patch, without reads.
    ids = ["ENSG00000117289", "ENSG00000265972", "ENSG00000222040", "ENSG00000120586"]
    var = pd.DataFrame(index=[*ids, "ENSG00000183748", "ENSG00000169252"])
    found = map_panel(genes, ambiguous, "Homo sapiens", var, former).set_index("symbol")
    assert found.loc["TXNIP", ["data_id", "matched_by"]].to_list() == [
        "ENSG00000117289",
        "former Ensembl id",
    ]
    assert found.loc["ADRA2B", "data_id"] == "ENSG00000222040"
    assert found.loc["ADRB2", "matched_by"] == "Ensembl id"
    assert found.loc["MRC1", "reason"] == (
        "several rows could be meant: ENSG00000120586, ENSG00000183748"
    )
    mouse = pd.DataFrame(index=["Adrbk1", "Arntl", "Bmal1"])
    found = map_panel(genes, ambiguous, "Mus musculus", mouse, former).set_index("symbol")
    assert found.loc["GRK2", ["data_id", "matched_by"]].to_list() == [
        "Adrbk1",
        "former mouse symbol",
    ]
    assert found.loc["BMAL1", "data_id"] == "Bmal1"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ENSG00000000003.15", ("ENSG00000000003", "")),
        ("ENSG00000002586.20_PAR_Y", ("ENSG00000002586_PAR_Y", "")),
        ("ENSG00000000003.15|TSPAN6", ("ENSG00000000003", "TSPAN6")),
        ("TSPAN6|ENSG00000000003", ("ENSG00000000003", "TSPAN6")),
        ("ENSG00000000003_TSPAN6", ("ENSG00000000003", "TSPAN6")),
        ("TSPAN6_ENSG00000000003.15", ("ENSG00000000003", "TSPAN6")),
        ("TSPAN6 (ENSG00000000003)", ("ENSG00000000003", "TSPAN6")),
        ("gene:ENSG00000000003", ("ENSG00000000003", "")),
        ("ENSG00000000003_at", ("ENSG00000000003", "")),
        ("ENSG00000000003|ENSG00000000005", ("ENSG00000000003|ENSG00000000005", "")),
        ("653635.0", ("653635", "")),
        ("7157_at", ("7157", "")),
        ("GeneID:7157", ("7157", "")),
        ("TP53|7157", ("7157", "TP53")),
        ("7157|TP53", ("7157", "TP53")),
        ("?|100130426", ("100130426", "")),
        ("HGNC:11998", ("HGNC:11998", "")),
        ("TP53|HGNC:11998", ("HGNC:11998", "TP53")),
        ("gene-TP53", ("TP53", "")),
        (' "TP53" ', ("TP53", "")),
        ("HLA-A.1", ("HLA-A.1", "")),
        ("7SK", ("7SK", "")),
        ("Y_RNA", ("Y_RNA", "")),
        ("204560_s_at", ("204560_s_at", "")),
        ("ENST00000305988", ("ENST00000305988", "")),
    ],
)
def test_names_are_read_as_data_sets_write_them(name, expected):
    assert read_name(name) == expected


def test_name_beside_the_id_is_compared_and_used(genes, ambiguous):
    rows = ["ENSG00000169252|ADRB2", "ENSG00000070748|FKBP5", "ENSG00000999999|NR3C1"]
    ids = [read_name(name)[0] for name in rows]
    labels = names_beside(rows)
    assert labels.to_dict() == dict(zip(ids, ["ADRB2", "FKBP5", "NR3C1"], strict=True))
    found = mapped(genes, ambiguous, ids, label=labels.reindex(ids).to_list())
    assert found.loc["ADRB2", ["data_id", "reason"]].to_list() == ["ENSG00000169252", ""]
    assert found.loc["CHAT", ["data_id", "reason"]].to_list() == [
        "ENSG00000070748",
        "the symbol beside the id disagrees: FKBP5 is FKBP5",
    ]
    assert found.loc["FKBP5", ["data_id", "reason"]].to_list() == [
        "",
        "its row ENSG00000070748 belongs to CHAT",
    ]
    # An id that is not the panel's (withdrawn, say) gives way to the name beside it.
    assert found.loc["NR3C1", ["data_id", "matched_by"]].to_list() == [
        "ENSG00000999999",
        "approved symbol beside the id",
    ]


def test_other_kinds_of_ids(genes, ambiguous):
    adrb2 = genes.set_index("symbol").loc["ADRB2"]
    assert mapped(genes, ambiguous, [adrb2["hgnc_id"]]).loc["ADRB2", "matched_by"] == "HGNC id"
    found = mapped(genes, ambiguous, [f"LOC{adrb2['entrez_id']}", "CHAT"])
    assert found.loc["ADRB2", "matched_by"] == "LOC symbol"
    # A number among symbols is no Entrez id.
    assert (
        mapped(genes, ambiguous, [adrb2["entrez_id"], "CHAT", "A1BG"]).loc["ADRB2", "data_id"] == ""
    )
    # A blank in the Entrez column is no id of a gene without one.
    found = mapped(genes, ambiguous, ["CHAT", "XYZ"], entrez=["1103", ""])
    assert (found["data_id"] == "XYZ").sum() == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("9-Sep", ("Sep", 9)),
        ("09-sep", ("Sep", 9)),
        ("1-Mar", ("Mar", 1)),
        ("Mar-01", ("Mar", 1)),
        ("1-Mar-21", ("Mar", 1)),
        ("2021-03-01", ("Mar", 1)),
        ("2021-03-01 00:00:00", ("Mar", 1)),
        ("44256", ("Mar", 1)),
        ("3/1/2021", ("", 0)),
        ("SEPT9", None),
        ("OCT-4", None),
        ("123", None),
        ("CD4", None),
    ],
)
def test_dates_among_symbols(name, expected):
    assert spreadsheet_date(name) == expected


def test_no_gene_name_is_taken_for_a_date(genes):
    names = {
        name
        for column in ("symbol", "previous_symbols", "alias_symbols", "mouse_symbol")
        for cell in genes[column]
        for name in cell.split("|")
    }
    assert [name for name in names if spreadsheet_date(name)] == []


def test_dates_are_repaired_only_where_one_gene_can_be_meant():
    names = [
        "ACTB",
        "TP53",
        "9-Sep",
        "1-Mar",
        "1-Dec",
        "3-Mar",
        "15-Sep",
        "44441",
        "2-Sep",
        "2-Sep",
    ]
    assert undo_spreadsheet(names) == (
        {"9-Sep": "SEPTIN9", "3-Mar": "MARCHF3", "15-Sep": "SELENOF"},
        # 44441 is 2 September 2021, so that this date stands three times.
        {"1-Mar", "1-Dec", "44441", "2-Sep"},
    )
    assert undo_spreadsheet(["ACTB", "SEPT9", "9-Sep"]) == ({}, {"9-Sep"})
    assert undo_spreadsheet(["Actb", "Trp53", "9-Sep"]) == ({"9-Sep": "Septin9"}, set())
    # Among Entrez ids a number is a number, and R's short form has lost its digits.
    assert undo_spreadsheet(["44256", "1", "2", "9", "1.00287e+08", "1.00287102E+08", "1e+05"]) == (
        {"1.00287102E+08": "100287102"},
        {"1.00287e+08", "1e+05"},
    )


def test_panel_genes_that_a_spreadsheet_changes_say_so(genes, ambiguous):
    found = mapped(genes, ambiguous, ["ADRB2", "CHAT"])
    assert found.loc["SEPTIN12", "reason"] == (
        "no row under its symbol or its synonyms; a spreadsheet turns its name SEPT12 into a date"
    )


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
        mapped(genes, ambiguous, ["gene_1", "gene_2"])
    assert str(error.value) == (
        "none of the 1262 panel genes is among the 2 gene identifiers of the data (taken for "
        "symbol; for example gene_1, gene_2); check organism (Homo sapiens) in study.yaml and "
        "which file source.file names"
    )
    with pytest.raises(UserError) as error:
        mapped(genes, ambiguous, ["ENST00000305988.6", "ENST00000305989"])
    assert "; these are transcripts, name a file with one row a gene; or check organism" in str(
        error.value
    )


def test_the_other_organism_is_recognised_and_case_never_ignored(genes, ambiguous):
    with pytest.raises(UserError) as error:
        # C3 is written alike in man and mouse, and must not let the rest pass.
        mapped(genes, ambiguous, ["Adrb2", "Fkbp5", "Chat", "C3"])
    assert str(error.value) == (
        "the gene identifiers look like Mus musculus, but organism in study.yaml is Homo sapiens: "
        "4 of 1262 panel genes stand under their Mus musculus names (for example Adrb2, C3, Chat), "
        "1 under those of Homo sapiens; correct organism, or name a file with the identifiers of "
        "this organism (names that differ in case only are never matched)"
    )
    with pytest.raises(UserError, match="look like Homo sapiens, but organism in study.yaml is"):
        mapped(genes, ambiguous, ["ADRB2", "FKBP5", "CHAT"], "Mus musculus")
    row = genes.set_index("symbol").loc["ADRB2"]
    with pytest.raises(UserError, match="look like Mus musculus"):
        mapped(genes, ambiguous, [row["mouse_ensembl_gene_id"]])
    with pytest.raises(UserError, match="look like Mus musculus"):
        mapped(genes, ambiguous, [row["mouse_entrez_id"]])
    found = mapped(genes, ambiguous, ["Adrb2", "FKBP5", "CHAT"])
    assert found.loc["ADRB2", ["data_id", "reason"]].to_list() == [
        "",
        "no row under its symbol or its synonyms; Adrb2 differs in case and is not used",
    ]


def test_globins_of_man_and_mouse(genes):
    members = read_table(FILES[1])
    assert globin_ids(members, genes, "Homo sapiens", ["HBB", "ACTB", "ENSG00000206172"]) == [
        "HBB",
        "ENSG00000206172",
    ]
    assert globin_ids(members, genes, "Homo sapiens", ["HGNC:4827", "HGNC:5"]) == ["HGNC:4827"]
    assert globin_ids(members, genes, "Mus musculus", ["Hba-a1", "Hbb-bs", "Actb"]) == [
        "Hba-a1",
        "Hbb-bs",
    ]
