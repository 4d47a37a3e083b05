# Recomputes one contrast of the demo (GSE9000001, simulated) from GEO's files, without the workflow:
# log2 values of the series matrix, one probe a gene, measurable genes, matched controls, scores,
# limma, permutation, multiple testing, equivalence, detectable effect, erythroid adjustment.
# Writes tests/parity/reference/demo_sets.tsv, which tests/workflow/test_demo.py compares with
# results/synthesis/verdicts.tsv of a run.
#
# Run from the repository root:  Rscript tests/parity/recompute_demo.R
# Needs R (>= 4.2) with limma.

if (!dir.exists("tests/parity")) stop("Run from the repository root, the folder with tests/parity.")
suppressPackageStartupMessages(library(limma))
shown <- c("adr_beta_camp_signalling", "np_neuromedin_bombesin", "gr_response_up",
           "gr_response_down", "hpa_gr_machinery", "conf_erythroid_reticulocyte")
# Settings of config/config.yaml.
background_sets <- c("neg_olfactory", "neg_testis", "neg_lens_retina")
not_neuroimmune <- c("immune_effector", "confounder", "negative_control")
erythroid <- c("ALAS2", "SLC4A1", "GYPA", "GYPB", "AHSP", "HBD", "EPB42")
margin <- log2(1.5)

# ---- expression: 8 patients, 8 healthy donors, one probe a gene ----

lines <- readLines("demo/geo/series/GSE9000nnn/GSE9000001/matrix/GSE9000001_series_matrix.txt.gz")
rows <- match(c("!series_matrix_table_begin", "!series_matrix_table_end"), lines)
probes <- as.matrix(read.delim(text = lines[(rows[1] + 1):(rows[2] - 1)], row.names = 1))
probes <- probes[, colnames(probes) != "GSM99000117"] # excluded in study.yaml
case <- rep(c(1, 0), each = 8)                         # as the diagnosis field has them

lines <- readLines("demo/geo/platforms/GPL9000nnn/GPL9000001/annot/GPL9000001.annot.gz")
rows <- match(c("!platform_table_begin", "!platform_table_end"), lines)
annotation <- read.delim(text = lines[(rows[1] + 1):(rows[2] - 1)], quote = "", comment.char = "")
symbol <- annotation$Gene.symbol[match(rownames(probes), annotation$ID)]
use <- !is.na(symbol) & symbol != "" & !grepl("///", symbol, fixed = TRUE)
probes <- probes[use, ]
symbol <- symbol[use]
best <- order(-round(rowMeans(probes), 9)) # ties: the first in the file
best <- best[!duplicated(symbol[best])]
best <- best[order(symbol[best], method = "radix")]
values <- probes[best, ]
rownames(values) <- symbol[best]

# ---- measurable genes, controls, scores ----

panel <- read.delim("config/panels/neuroimmune_panels.tsv", quote = "")
in_panel <- rownames(values) %in% panel$gene_symbol
background <- unique(panel$gene_symbol[panel$set_id %in% background_sets])
threshold <- apply(values[rownames(values) %in% background, ], 2, quantile, 0.95)
detected <- t(t(values) > threshold)
measurable <- rowMeans(detected[, case == 1]) >= 0.5 | rowMeans(detected[, case == 0]) >= 0.5
level <- round(rowMeans(values), 9)
pool <- which(measurable & !in_panel)
pool <- pool[order(level[pool])]
relative <- t(vapply(which(measurable & in_panel), function(gene) {
  # Distances that differ by rounding only are ties: the gene of lower level goes first.
  nearest <- pool[order(round(abs(level[pool] - level[gene]), 9))[1:50]]
  values[gene, ] - colMeans(values[nearest, ])
}, numeric(16)))

by_set <- split(panel, panel$set_id)
chosen <- lapply(by_set, function(p) p[p$gene_symbol %in% rownames(relative), ])
scored <- names(chosen)[vapply(chosen, nrow, integer(1)) > 0]
scores <- t(vapply(chosen[scored], function(p) {
  colMeans(relative[p$gene_symbol, , drop = FALSE] * p$direction)
}, numeric(16)))

# ---- the model, and everything that follows from it ----

design <- cbind(1, case)
fit <- eBayes(lmFit(scores, design))
effect <- fit$coefficients[, "case"]
se <- fit$stdev.unscaled[, "case"] * sqrt(fit$s2.post)
df <- fit$df.total
n_genes <- vapply(chosen[scored], nrow, integer(1))
share <- n_genes / vapply(by_set[scored], nrow, integer(1))
axis <- vapply(by_set[scored], function(p) p$axis[1], character(1))
family <- ifelse(axis %in% not_neuroimmune, axis, "neuroimmune")
q <- rep(NA_real_, length(effect))
for (name in unique(family)) {
  tested <- family == name & n_genes >= 2 & share >= 0.3
  q[tested] <- p.adjust(fit$p.value[tested, "case"], "BH")
}
relabelled <- combn(16, 8, function(i) rowMeans(scores[shown, i]) - rowMeans(scores[shown, -i]))
observed <- abs(effect[shown])
permutation_p <- rowMeans(abs(relabelled) >= observed - 1e-9)
power_of <- function(ncp, df) {
  limit <- qt(0.975, df)
  pt(limit, df, ncp, lower.tail = FALSE) + pt(-limit, df, ncp)
}
detectable <- mapply(function(se, df) {
  se * uniroot(function(ncp) power_of(ncp, df) - 0.8, c(1, 10), tol = 1e-13)$root
}, se, df)

# ---- adjusted for erythroid RNA, never by a gene of the set itself ----

adjusted <- t(vapply(scored, function(name) {
  markers <- setdiff(intersect(erythroid, rownames(relative)), by_set[[name]]$gene_symbol)
  if (length(markers) < 3) return(rep(NA_real_, 3))
  fit <- lm(scores[name, ] ~ colMeans(relative[markers, ]) + case)
  c(coef(fit)[["case"]], vcov(fit)["case", "case"] / sigma(fit)^2, sigma(fit)^2)
}, numeric(3)))
known <- !is.na(adjusted[, 1])
squeezed <- squeezeVar(adjusted[known, 3], df = 13)
adjusted_se <- adjusted_p <- rep(NA_real_, length(scored))
adjusted_se[known] <- sqrt(adjusted[known, 2] * squeezed$var.post)
adjusted_df <- pmin(13 + squeezed$df.prior, 13 * sum(known))
adjusted_p[known] <- 2 * pt(-abs(adjusted[known, 1] / adjusted_se[known]), adjusted_df)

table <- data.frame(
  set_id = scored,
  n_measurable = n_genes,
  log2_fold_change = effect,
  ci_low = effect - qt(0.975, df) * se,
  ci_high = effect + qt(0.975, df) * se,
  ci90_low = effect - qt(0.95, df) * se,
  ci90_high = effect + qt(0.95, df) * se,
  p = fit$p.value[, "case"],
  q = q,
  equivalence_p = pmax(pt((effect + margin) / se, df, lower.tail = FALSE),
                       pt((effect - margin) / se, df)),
  detectable_effect = detectable,
  erythroid_effect = adjusted[, 1],
  erythroid_p = adjusted_p
)[match(shown, scored), ]
table$permutation_p <- permutation_p
is_double <- vapply(table, is.double, logical(1))
table[is_double] <- lapply(table[is_double], function(x) sprintf("%.12g", x))
write.table(table, "tests/parity/reference/demo_sets.tsv", sep = "\t", quote = FALSE,
            row.names = FALSE, eol = "\n")
