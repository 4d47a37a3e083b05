"""The report, built from small made-up tables: what stands on the pages, and that nothing leaks."""

import base64
import gzip
import posixpath
import re
from html import unescape
from html.parser import HTMLParser

import pytest

from neuroimmune.checks import SHARED_COLUMNS
from neuroimmune.report import formats
from neuroimmune.report.formats import MARKS, QUESTIONS
from neuroimmune.studies import QUESTION_FACTOR
from neuroimmune.verdict import VERDICTS
from report_tables import CONFOUNDED, CONTROLS, HOSTILE, NAN, STUDIES, verdicts, write_pages

PACKED = r'<script type="application/gzip">(.*?)</script>'


def gunzip(text):
    return gzip.decompress(base64.b64decode(text)).decode()


class Page(HTMLParser):
    """Text, links, ids, and whether every tag that is opened is closed in order."""

    VOID = {"meta", "link", "input", "br"}

    def __init__(self, text):
        super().__init__()
        text = re.sub(PACKED, lambda hit: gunzip(hit[1]), text)
        self.raw, self.open, self.ids, self.attributes, self.words = text, [], [], [], []
        self.feed(text)
        self.close()
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        self.attributes += [(tag, *item) for item in attrs]
        self.ids += [value for key, value in attrs if key == "id"]

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, *item) for item in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    def row(self, start):
        """Cells of the first table row whose first cell begins with the text."""
        for found in re.findall(r"<tr[^>]*>(.*?)</tr>", self.raw, re.DOTALL):
            cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", found, re.DOTALL)
            cells = [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in cells]
            if cells and cells[0].startswith(start):
                return cells
        raise AssertionError(f"no row {start}")


def write(*arguments, **options):
    """Page name -> Page of a report from made-up tables."""
    pages = write_pages(*arguments, **options)
    return {name: Page(path.read_text(encoding="utf-8")) for name, path in pages.items()}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    return write(tmp_path_factory.mktemp("report"))


def test_nothing_from_the_data_becomes_markup(pages):
    for name, page in pages.items():
        assert page.open == [], name
        assert page.raw.count("<script") == page.raw.count("</script>") == 1
        assert not any(key.startswith("on") for _, key, _ in page.attributes)
        assert (HOSTILE in page.text) == (
            name not in ("power", "sets/hpa", "sets/negative_control")
        )
        assert len(page.ids) == len(set(page.ids))
    cautions = [value for _, key, value in pages["index"].attributes if key == "data-caution"]
    assert cautions == [HOSTILE]


def test_pages_need_nothing_from_outside_and_their_links_lead_somewhere(pages):
    ids = {f"results/report/{name}.html": page.ids for name, page in pages.items()}
    for name, page in pages.items():
        assert "url(" not in page.raw and "@import" not in page.raw
        assert not [item for item in page.attributes if item[1] in ("src", "srcset", "data")]
        for tag, key, value in page.attributes:
            if key != "href" or (tag, value) == ("link", "data:,"):
                continue
            assert tag == "a"
            if value.startswith("https://"):
                assert re.match(r"https://((www|pubmed)\.ncbi\.nlm\.nih\.gov|doi\.org)/", value)
                continue
            target, _, fragment = value.partition("#")
            here = f"results/report/{name}.html"
            target = posixpath.normpath(posixpath.join(posixpath.dirname(here), target))
            target = here if value.startswith("#") else target
            if target in ids:
                assert not fragment or fragment in ids[target], value
            else:  # a table to download
                assert re.fullmatch(r"results/(report/tables\.xlsx|[\w/.-]+\.(tsv|json))", target)
    linked = [value for _, key, value in pages["index"].attributes if key == "href"]
    assert {"GSE1.html", "GSE2.html", "power.html", "methods.html"} <= set(linked)
    assert ("a", "href", "index.html") in pages["GSE1"].attributes
    assert ("a", "href", "../index.html") in pages["sets/hpa"].attributes


def test_missing_numbers_are_dashes(pages):
    for page in pages.values():
        assert not re.search(r"\b(nan|none,|null|undefined)\b", page.text, re.IGNORECASE)
        assert not re.search(r"nan[ \d]|\bnan\b", str(page.attributes), re.IGNORECASE)
    assert pages["GSE2"].row("Testis genes")[1:] == [
        *("= no difference", "0 of 1", "+0.01", "", "–", "1.01"),
        *["–"] * 10,
        "No difference: because",
    ]


def test_matrix_marks_colours_and_numbers(pages):
    raw = pages["index"].raw
    row = re.search(r'<tr data-find="Induced by steroids gr_response_up.*?</tr>', raw, re.DOTALL)[0]
    cell = r'<td id="([^"]*)".*?><a class="([^"]*)" href="([^"]*)" aria-label="([^"]*)".*?>(.)</a>'
    cells = re.findall(cell, row, re.DOTALL)
    assert cells == [
        ("m.GSE1.dex_vs_vehicle.all.gr_response_up", "higher u3")
        + ("sets/hpa.html#gr_response_up.GSE1.dex_vs_vehicle.all", "higher", "▲"),
        ("m.GSE2.aiha_vs_healthy.all.gr_response_up", "inconclusive d3")
        + ("sets/hpa.html#gr_response_up.GSE2.aiha_vs_healthy.all", "inconclusive", "?"),
    ]
    assert (
        "Higher: because\nlog2 fold change +0.60 (95 % CI +0.20 to +1.00)\n"
        "p 1.0e-06, q 2.4e-05; permutation p 0.125, smallest possible 0.125\n"
        "n 4 vs 4; 2 of 2 genes detected" in row
    )
    assert "FKBP5 TSC22D3" in row  # what the filter looks through
    assert re.search(r'class="not-measurable" .*? title="Not measurable \(confounded by sex\)', raw)
    assert re.findall(r"<h3>(.*?)</h3>", raw) == ["Neuroimmune", "Negative control"]
    assert re.findall(r'<details class="family"( open)?>', raw) == [" open", ""]
    assert set(MARKS) == set(VERDICTS)
    assert set(QUESTIONS) == set(QUESTION_FACTOR)


def test_simulated_studies_are_named_on_every_page(pages, tmp_path):
    for page in pages.values():
        assert "SIMULATED DATA GSE2 is made up, not measured." in page.text
    assert "Nothing on this page is about real subjects." in pages["GSE2"].text
    assert "The study on this page is not simulated." in pages["GSE1"].text
    head = re.search(
        r'<th scope="col" data-study="GSE2"><a href="GSE2.*?</th>', pages["index"].raw, re.DOTALL
    )[0]
    flags = re.findall(r'class="flag">(.*?)<', head)
    assert flags == ["simulated", "confounded by sex", "treatment unknown"]
    real = {name: {**record, "simulated": False} for name, record in STUDIES.items()}
    for page in write(tmp_path, studies=real).values():
        assert "SIMULATED" not in page.text


def test_confounded_contrasts_are_warned_of_first(pages):
    warnings = re.findall(r'<li class="(confounded|design|note)">(.*?)</li>', pages["index"].raw)
    assert [kind for kind, _ in warnings] == ["confounded", "note", "note"]
    assert warnings[0][1].endswith(CONFOUNDED)
    assert pages["index"].text.index("Confounded by sex") < pages["index"].text.index("A remark.")
    page = pages["GSE2"].text
    assert page.index("Confounded by sex") < page.index("Data: odd.") < page.index("Samples")


def test_controls_pass_and_fail(pages, tmp_path):
    text = pages["index"].text
    assert "Controls : 1 passed, 0 failed , 1 not run" in text
    assert "Passed glucocorticoid: gr_response_up must be higher and is higher ( GSE1 )" in text
    assert "Not run erythropoiesis: no contrast asks" in text
    assert '<li class="pass"><a href="#controls">' in pages["index"].raw
    failed = [{**CONTROLS[0], "outcome": "fail"}]
    page = write(tmp_path, controls=failed)["index"]
    assert "Controls : 0 passed, 1 failed" in page.text
    assert '<li class="fail"><a href="#controls">' in page.raw


def test_claims_stand_after_the_matrix_and_lead_to_their_sets(pages):
    page = pages["index"]
    order = ["Verdicts", "What the data say", "In part.", "Nobody asks.", "Controls"]
    places = [page.raw.index(f">{text}<" if text in order[:2] else text) for text in order[:4]]
    assert places == sorted(places)
    assert (
        f"{HOSTILE} Speaks for in part In part. What would settle it: n >= 9. 1 set "
        "Induced by steroids (expected lower): speaks for; 1 of 1"
    ) in page.text
    assert 'href="sets/hpa.html#gr_response_up">Induced by steroids</a> (expected' in page.raw


def test_pooled_effects_are_diamonds(pages):
    texts, numbers, raw = figure(pages["sets/hpa"], "gr_response_up.forest")
    assert "pooled, 3 studies: whole blood, I² 40 %, Homo sapiens, n 30 v 40" in texts
    pooled = [row for row in numbers if row[1].startswith("pooled")]
    assert len(pooled) == 1  # the lone study of PBMC is not pooled
    assert pooled[0][2:4] == ["30", "40"] and pooled[0][6:9] == ["0.5", "0.25", "0.75"]
    # 16 + 134 * (1 + x) on a scale from -1 to 1.
    assert 'class="pooled" d="M183.5 ' in raw and 'class="expected" d="M116.5 ' in raw


def test_coupling_shows_the_fullest_adjustment(pages):
    page = pages["GSE1"]
    assert "1 pair of 2 with q at most 0.05, given groups, treatment, composition" in page.text
    assert page.row("adr_beta") == ["adr_beta", "imm_th1", "8", "+0.80", "0.002", "0.001", "0.01"]


def test_numbers_of_a_set(pages):
    assert pages["GSE1"].row("Induced by steroids")[1:] == [
        "▲ higher",
        "2 of 2",
        "+0.60",
        "",
        "+0.20 to +1.00",
        "1.52",
        "2.4e-05",
        "1.0e-06",
        "0.125",
        "0.125",
        "16",
        "+2.00 (+1.00 to +3.00)",
        "1.41",
        "1.23",
        "99.5",
        "–",
        "Higher: because",
    ]
    assert "Percentile of random sets (reference, not a p-value)" in pages["GSE1"].text


def part(page, place):
    """The part of a set's page on one comparison."""
    found = re.search(
        rf'<details class="part" id="{re.escape(place)}">.*?</details>', page.raw, re.S
    )
    return Page(found[0])


def test_paired_genes_show_the_change_of_every_subject(pages):
    page = part(pages["sets/adrenergic"], "adr_beta.GSE1.dex_vs_vehicle.all")
    assert page.row("ADRB2") == [
        *("ADRB2", "+", "4 of 4", "3 of 4", "+0.80", "+0.60 to +0.98", "1.7e-04"),
        *("+0.87", "+0.98", "+0.63", "+0.70"),
    ]
    assert "ADRB1 is not in the data: no row under its symbol" in page.text
    assert page.row("PDE4B")[:5] == ["PDE4B", "−", "4 of 4", "3 of 4", "not tested: too low"]
    assert "higher where they fall and the others rise" in pages["sets/adrenergic"].text
    page = part(pages["sets/adrenergic"], "adr_beta.GSE2.aiha_vs_healthy.all")
    assert re.search(r'<tr class="low"><th scope="row">ADRB2.*?>not measurable</td></tr>', page.raw)


def test_unpaired_genes_show_group_means(tmp_path):
    rows = verdicts()
    rows[4] |= {"measurable_genes": "ADRB2"}
    page = write(tmp_path, rows)["sets/adrenergic"]
    page = part(page, "adr_beta.GSE2.aiha_vs_healthy.all")
    assert page.row("ADRB2")[-2:] == ["7.50", "5.50"]
    assert "mean in AIHA" in page.text


def test_study_page_tells_where_the_data_come_from_and_what_is_missing(pages):
    page = pages["GSE1"]
    assert page.row("GSE1_series_matrix")[1:4] == ["423 kB", "2025-01-02T03:04:05Z", "–"]
    assert "ab" * 32 in page.row("GSE1_series_matrix")[4]
    assert page.row("GSE1_counts")[1:] == ["–"] * 5
    assert page.row("GSM2")[1] == "left out : failed the array scan"
    assert "Left out : 1 (failed the array scan)" in page.text
    assert (
        "Nothing is recorded for: phase, dose, tissue, batch, sex, age, fraction, files."
        in page.text
    )
    assert page.row("genes of two rows")[1:] == ["12", "row", "summed", "–"]
    assert "5 of 6 panel genes are in the data" in page.text
    assert page.row("OTHER") == ["OTHER", "–", "–", "−1.00", "0.50", "–", "1.0e-07", "1.0e-05"]
    assert re.findall(r"gene/\?term=(\w+)", page.raw) == ["OTHER", "ADRB2"]


def test_same_input_gives_the_same_bytes(pages, tmp_path):
    again = write(tmp_path)
    assert {name: page.raw for name, page in again.items()} == {
        name: page.raw for name, page in pages.items()
    }


def test_formats():
    assert [formats.signed(x) for x in (0.875, -0.414, -0.001, 0, NAN, None)] == [
        *("+0.88", "−0.41", "0.00", "0.00", "–", "–")
    ]
    assert [formats.probability(x) for x in (2.4e-5, 0.0241, 0.95, 1, NAN)] == [
        *("2.4e-05", "0.024", "0.95", "1", "–")
    ]
    assert [formats.fold(x) for x in (0.6041, -0.6041, -5, 10, NAN)] == [
        *("1.52", "0.66", "0.031", "1,024", "–")
    ]
    sizes = [formats.size(x) for x in (12, 422652, 2.4e6, None)]
    assert sizes == ["12 bytes", "423 kB", "2.4 MB", "–"]
    assert formats.interval(0.2, NAN) == "–"
    assert [formats.level(x) for x in (0.1, 0.2, -0.4, 0.585, -1.0, NAN)] == [
        *("", "u1", "d2", "u3", "d4", "")
    ]
    assert formats.anchor("a", "CD4+ T", "s") != formats.anchor("a", "CD4- T", "s")
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", formats.anchor("a", "CD4+ T/<é>", "s"))


def test_interval_plot_is_cut_at_its_limits():
    at = formats.interval_plot(0, -1, 5, margin=1, limit=2, width=100)
    assert (at["zero"], at["point"], at["low"], at["high"]) == (50, 50, 25, 100)
    assert (at["band"], at["band_width"], at["cut"]) == (25, 50, "right")
    assert formats.interval_plot(NAN, -1, 5, 1, 2) is None


def test_the_agreement_of_methods_stands_with_the_set(pages):
    page = part(pages["sets/adrenergic"], "adr_beta.GSE1.dex_vs_vehicle.all")
    assert (
        "Other methods: 6 of 7 point the same way, 4 with p at most 0.05; <b>the conclusion "
        "depends on the scorer</b>."
    ) in page.raw
    assert "without ADRB2 less than half of the effect is left" in page.text
    assert pages["GSE1"].row(" ".join(HOSTILE.split()).replace("<", "&lt;")[:4])[-2] == (
        "6 of 7 depends on the scorer"
    )


def figure(page, name):
    """Texts, numbers (rows of cells) and drawing of one figure."""
    raw = re.search(rf'<figure class="plot" id="{re.escape(name)}".*?</figure>', page.raw, re.S)[0]
    texts = [unescape(text) for text in re.findall(r"<text[^>]*>(.*?)</text>", raw)]
    numbers = unescape(re.search(r'<pre class="numbers" hidden>(.*?)</pre>', raw, re.S)[1])
    return texts, [line.split("\t") for line in numbers.split("\n")], raw


def test_the_forest_shows_every_comparison(pages):
    texts, numbers, raw = figure(pages["sets/hpa"], "gr_response_up.forest")
    assert texts[0] == "Glucocorticoid against vehicle (control)"
    assert texts[1] == "GSE1: dex vs vehicle, n 4 v 4"
    assert {"▲ higher", "2/2", "GSE2 (simulated): aiha vs healthy, n 4 v 4"} <= set(texts)
    first = dict(zip(*numbers[:2], strict=True))
    assert (first["comparison"], first["log2_fold_change"]) == (
        "GSE1, dex vs vehicle, n 4 v 4",
        "0.6041",
    )
    assert (first["ci_low"], first["q"], first["verdict"]) == ("0.2", "2.4e-05", "higher")
    # From -1 to +1 over 268 units: 0.6041 lies at 16 + 134 * 1.6041.
    assert '<circle class="up" cx="230.9"' in raw
    assert "Filled points: judged." in raw


def test_the_ladder_joins_the_adjusted_effects(pages):
    texts, numbers, raw = figure(pages["sets/adrenergic"], "adr_beta.ladder")
    assert texts[:3] == ["GSE1: dex vs vehicle, n 4 v 4", "unadjusted", "red-cell RNA: takes 72 %"]
    assert numbers[2][:5] == [
        "GSE1, dex vs vehicle, n 4 v 4",
        "red-cell RNA",
        "0.25",
        "-0.1",
        "0.6",
    ]
    page = part(pages["sets/adrenergic"], "adr_beta.GSE1.dex_vs_vehicle.all")
    assert "Steroids: not adjusted: &lt;b&gt;untreated&lt;/b&gt;." in page.raw


def test_subjects_stand_beside_the_mean_of_the_reference(pages):
    texts, numbers, raw = figure(pages["sets/adrenergic"], "adr_beta.subjects")
    assert texts.count("n = 4") == 4
    assert ["GSE1, dex vs vehicle", "A", "dex", "1.5"] in numbers
    assert len(numbers) == 17
    assert "<title>A: +0.35</title>" in raw  # 1.5 less the mean of 1.0 to 1.3
    assert raw.count('class="join"') == 4  # the pairs of GSE1


def test_genes_and_the_set_without_each(pages):
    texts, numbers, _ = figure(pages["sets/adrenergic"], "adr_beta.genes")
    assert "ADRB2 +" in texts and "+0.8" in texts and "ADRB1 +" not in texts
    assert numbers == [
        ["gene", "direction_in_set", "GSE1 dex vs vehicle, n 4 v 4"]
        + ["GSE2 (simulated) aiha vs healthy, n 4 v 4"],
        ["ADRB2", "1", "0.795", "0.795"],
    ]
    texts, numbers, _ = figure(pages["sets/adrenergic"], "adr_beta.left_out")
    assert "+0.60; without ADRB2 +0.10" in texts
    assert numbers[1] == ["GSE1, dex vs vehicle, n 4 v 4", "ADRB2", "0.6041", "0.1"]


def test_a_verdict_is_explained_in_words(pages):
    page = part(pages["sets/hpa"], "gr_response_up.GSE1.dex_vs_vehicle.all")
    assert (
        "Higher: because. With 4 against 4 subjects no exchange of group labels can give a p below "
        "0.125; this one gives 0.125."
    ) in page.text
    assert "Of 2 comparisons: higher in 1, inconclusive in 1." in pages["sets/hpa"].text


def test_flagged_samples_are_warned_of(pages):
    page = pages["GSE1"]
    assert f"Sample check : A_dex is a man. {HOSTILE}" in page.text
    assert "Sample check : Two are one." in page.text
    assert page.text.index("Two are one.") < page.text.index("Sample checks")
    assert page.row("A_dex")[:3] == ["A_dex", "dex", "male (recorded: female)"]
    assert re.search(r'<b class="flag">male \(recorded: female\)</b>', page.raw)
    assert page.row("B_dex")[:3] == ["B_dex", "dex", "female"]
    assert "GSE1 : A_dex is a man." in pages["index"].text


def test_many_flags_of_one_kind_become_one_warning(pages):
    line = "4 flags on globin share; for example: A_AIHA is full of globin."
    assert f"Sample check : {line}" in pages["GSE2"].text
    assert f"GSE2 : {line}" in pages["index"].text
    assert pages["GSE2"].text.count("is full of globin") == 1
    assert pages["GSE2"].row("A_AIHA")[2:] == ["female", "61.5 %", "15,200,300"]
    assert pages["GSE2"].row("A_healthy")[2:] == ["female", "–", "15,200,300"]
    assert "No two profiles are identical." in pages["GSE2"].text


def test_the_picture_of_the_profiles(pages):
    texts, numbers, raw = figure(pages["GSE2"], "pca.all")
    points = re.findall(r'<circle class="(g\d)" cx="([\d.]+)" cy="([\d.]+)" r="4"><title>', raw)
    assert len(points) == 8
    # 7 units reach 138 of the 150 that lie either way of the centre at 196, 160.
    assert points[0] == ("g0", "58", "160") and points[7] == ("g1", "334", "140.3")
    assert texts[:2] == ["component 1 (60 % of the variance)", "component 2 (12 % of the variance)"]
    assert "healthy (n = 4)" in texts
    assert numbers[1] == ["A_AIHA (AIHA)", "AIHA", "-7", "0"]


def test_groups_are_tabled_by_what_is_recorded_and_by_sex(pages):
    raw = pages["GSE2"].raw
    table = re.search(r"<table[^>]*>\s*<caption>Profiles by what is recorded.*?</table>", raw, re.S)
    assert "Sex by expression" in table[0]
    assert re.findall(r"<td[^>]*>(.*?)</td>", table[0]) == ["female", "4", "4"]


def test_samples_in_two_studies_are_warned_of(pages, tmp_path):
    assert "share samples" not in pages["index"].text
    rows = [
        dict(zip(SHARED_COLUMNS, ("GSE1", f"GSM{i}", "GSE2", f"GSM{i}", *end), strict=True))
        for i, end in enumerate([("GSM", "", "One GSM."), ("expression", "0.97", "Alike.")])
    ]
    text = write(tmp_path, shared=rows)["index"].text
    assert "GSE1 and GSE2 share samples (1 by GSM, 1 by expression)" in text
    assert "For example: One GSM." in text


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Pages of a run in which GSE2 holds single cells."""
    studies = {**STUDIES, "GSE2": {**STUDIES["GSE2"], "assay": "scrnaseq"}}
    return write(tmp_path_factory.mktemp("cells"), studies=studies)


def test_cells_per_step_and_their_mix(cells):
    page = cells["GSE2"]
    assert page.row("GSM2") == ["GSM2", "0", "6", "130"]
    assert "empty : fewer than 500 counts (2 samples)" in page.text
    row = page.row("aiha vs healthy")
    assert row[1:6] == ["B cell", "160", "50.0", "25.0", "+1.58"] and row[-3:] == [
        "0.01",
        "0.03",
        "–",
    ]
    assert "Single cells" not in cells["GSE1"].text
    assert "Samples were brought together by Harmony" in cells["methods"].text


def test_the_embedding_is_drawn_by_type(cells):
    texts, numbers, raw = figure(cells["GSE2"], "umap")
    assert "B cell (n = 3)" in texts and f"{HOSTILE} (n = 5)" in texts
    assert numbers[1][1:3] == ["5", "5"] and numbers[2][:3] == ["B cell", "3", "1"]
    assert raw.count("h0") == 8 + 2


def test_the_receptor_map_says_who_expresses_what(cells):
    texts, numbers, raw = figure(cells["sets/adrenergic"], "adr_beta.map.GSE2")
    assert {"ADRB2", "B cell (n = 160)", "T cell (n = 100)"} <= set(texts)
    assert "all (n = 260)" not in texts
    assert numbers[1:] == [
        ["ADRB2", "B cell", "160", "1", "0.1", "4", "2"],
        ["ADRB2", "T cell", "100", "50", "0.1", "4", "2"],
    ]
    # Half of the T cells: the largest dot, and five times what its abundance would give.
    assert re.search(r'class="share up s6" d="M170 150h0"', raw)
    assert re.search(r'class="share down s1" d="M130 150h0"', raw)
    assert 'id="gr_response_up.map' not in cells["sets/hpa"].raw
