# Makes the reference numbers in tests/parity/reference/ that the Python statistics are tested
# against. All data are simulated here.
#
# Run from the repository root:  Rscript tests/parity/make_reference.R
# Needs R (>= 4.2) with limma, edgeR, GSVA, statmod (Bioconductor) and metafor (CRAN).
# The tests only read the tables that are kept in the repository: they do not need R.
#
# Inputs are rounded to 4 decimals, so that the text in a table is exactly the number R used.

packages <- c("limma", "edgeR", "metafor", "statmod", "GSVA")
missing <- packages[!vapply(packages, requireNamespace, logical(1), quietly = TRUE)]
if (length(missing)) stop("Install these R packages first: ", paste(missing, collapse = ", "))
if (!dir.exists("tests/parity")) stop("Run from the repository root, the folder with tests/parity.")
suppressPackageStartupMessages({
  library(limma)
  library(edgeR)
  library(metafor)
})
out_dir <- "tests/parity/reference"
dir.create(out_dir, showWarnings = FALSE)

# ---- helpers ----

# A seed for each section: changing one table leaves the others as they are.
seed <- function(n) {
  set.seed(n, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
}

# 17 significant digits give back the same double; shorter where 15 digits already do.
number_text <- function(x) {
  text <- rep("NA", length(x))
  known <- x[!is.na(x)]
  short <- sprintf("%.15g", known)
  text[!is.na(x)] <- ifelse(as.numeric(short) == known, short, sprintf("%.17g", known))
  text
}

write_tsv <- function(table, name) {
  is_double <- vapply(table, is.double, logical(1))
  table[is_double] <- lapply(table[is_double], number_text)
  path <- file.path(out_dir, name)
  part <- paste0(path, ".part")
  write.table(table, part, sep = "\t", quote = FALSE, row.names = FALSE, eol = "\n")
  if (!file.rename(part, path)) stop("Could not write ", path)
}

write_matrix <- function(m, name, id) {
  table <- data.frame(rownames(m), m, check.names = FALSE)
  names(table)[1] <- id
  write_tsv(table, name)
}

write_fit <- function(fit, coef, name, id) {
  top <- topTable(fit, coef = coef, number = Inf, sort.by = "none", confint = 0.95)
  table <- data.frame(
    id = rownames(fit),
    coef = top$logFC,
    se = fit$stdev.unscaled[, coef] * sqrt(fit$s2.post),
    t = top$t,
    p = top$P.Value,
    df_total = fit$df.total,
    ci_low = top$CI.L,
    ci_high = top$CI.R
  )
  names(table)[1] <- id
  write_tsv(table, name)
}

# 95 % limits of the noncentrality parameter of an observed t.
ncp_limits <- function(t, df) {
  root <- function(f) uniroot(f, t + c(-1, 1), extendInt = "downX", tol = 1e-13)$root
  c(
    low = root(function(ncp) 0.025 - pt(t, df, ncp, lower.tail = FALSE)),
    high = root(function(ncp) pt(t, df, ncp) - 0.025)
  )
}

samples <- paste0("s", 1:8)
group <- rep(c(0, 1), each = 4)
two_group <- cbind(intercept = 1, group = group)
rownames(two_group) <- samples

# ---- 1. set scores: lmFit + eBayes, three designs ----

seed(1)
subject <- rep(1:4, times = 2)
variance <- 0.05 * 4 / rchisq(40, 4)
scores <- rnorm(40, 6, 1.5) + sqrt(variance) * matrix(rnorm(40 * 8), 40)
scores <- scores + matrix(rnorm(40 * 4, sd = 0.3), 40)[, subject]
scores[1:4, group == 1] <- scores[1:4, group == 1] + c(0.6, -0.9, 1.2, 0.4)
scores <- round(scores, 4)
dimnames(scores) <- list(sprintf("set%02d", 1:40), samples)
write_matrix(scores, "scores.tsv", "set")

designs <- list(
  two_group = two_group,
  paired = cbind(two_group, subject2 = subject == 2, subject3 = subject == 3,
                 subject4 = subject == 4),
  covariate = cbind(two_group, age = c(34, 51, 47, 62, 58, 39, 71, 66))
)
for (name in names(designs)) {
  write_matrix(designs[[name]], paste0("design_", name, ".tsv"), "sample")
  fit <- eBayes(lmFit(scores, designs[[name]]))
  write_fit(fit, "group", paste0("limma_scores_", name, ".tsv"), "set")
}

# ---- 2. genes with a mean-variance trend: eBayes(trend, robust) ----

seed(2)
level <- runif(300, 2, 13)
variance <- (0.03 + exp(-0.5 * level)) * 5 / rchisq(300, 5)
variance[c(7, 90, 211)] <- 4 # outliers that the robust prior has to set apart
genes <- level + sqrt(variance) * matrix(rnorm(300 * 8), 300)
genes[1:30, group == 1] <- genes[1:30, group == 1] + rnorm(30, sd = 0.8)
genes <- round(genes, 4)
dimnames(genes) <- list(sprintf("gene%03d", 1:300), samples)
write_matrix(genes, "genes.tsv", "gene")

fit <- eBayes(lmFit(genes, two_group), trend = TRUE, robust = TRUE)
write_tsv(
  data.frame(
    gene = rownames(genes),
    logFC = fit$coefficients[, "group"],
    t = fit$t[, "group"],
    p = fit$p.value[, "group"],
    df_total = fit$df.total
  ),
  "limma_genes_trend_robust.tsv"
)

# ---- 3. counts: filterByExpr, TMM, log-CPM, voom ----

seed(3)
depth <- c(0.5, 1.3, 0.8, 2.1, 1, 0.6, 1.7, 1.1)
expected <- c(
  exp(runif(200, log(15), log(3000))), # expressed
  exp(runif(120, log(0.3), log(6))),   # low
  runif(79, 7, 16),                    # near the filter's cut-off
  2e5                                  # takes most of the library, as globin does in blood
)
fold <- rep(1, 400)
fold[1:40] <- 2^rnorm(40, sd = 1.2)
mu <- outer(expected, depth) * outer(fold, group, `^`)
mu[400, ] <- mu[400, ] * c(1, 0.4, 1.6, 0.7, 1.2, 0.5, 2, 0.9)
counts <- matrix(as.integer(rnbinom(length(mu), mu = mu, size = 6)), 400)
dimnames(counts) <- list(sprintf("gene%03d", 1:400), samples)
write_matrix(counts, "counts.tsv", "gene")

dge <- DGEList(counts, group = factor(group))
kept <- filterByExpr(dge, group = dge$samples$group)
write_tsv(data.frame(gene = rownames(counts), kept = as.integer(kept)), "counts_kept.tsv")

dge <- calcNormFactors(dge[kept, , keep.lib.sizes = FALSE], method = "TMM")
write_tsv(
  data.frame(
    sample = samples,
    lib_size = dge$samples$lib.size,
    norm_factor = dge$samples$norm.factors
  ),
  "counts_tmm.tsv"
)
write_matrix(cpm(dge, log = TRUE, prior.count = 2), "counts_logcpm.tsv", "gene")

v <- voom(dge, two_group, span = 0.5)
dimnames(v$weights) <- dimnames(v$E)
write_matrix(v$E, "voom_E.tsv", "gene")
write_matrix(v$weights, "voom_weights.tsv", "gene")
fit <- eBayes(lmFit(v, two_group), trend = FALSE, robust = FALSE)
write_tsv(
  data.frame(
    gene = rownames(v$E),
    logFC = fit$coefficients[, "group"],
    t = fit$t[, "group"],
    p = fit$p.value[, "group"]
  ),
  "limma_voom.tsv"
)

# ---- 4. standardised mean differences ----

seed(4)
n1 <- c(3, 3, 5, 4, 4, 6, 5, 6, 8, 12, 10, 12)
n2 <- c(3, 4, 3, 4, 6, 4, 5, 6, 5, 3, 10, 12)
shift <- c(0, 1.5, -2, 0.3, 4, -0.8, 1, -3, 0, 1.2, 0.5, -0.2)
spread1 <- c(1, 1, 0.5, 2, 1, 1, 3, 1, 0.2, 1, 1, 2)
values <- do.call(rbind, lapply(seq_along(n1), function(i) {
  data.frame(
    case = i,
    group = rep(1:2, c(n1[i], n2[i])),
    value = round(c(rnorm(n1[i], 6 + shift[i], spread1[i]), rnorm(n2[i], 6, 1)), 4)
  )
}))
write_tsv(values, "hedges_values.tsv")

summaries <- do.call(rbind, lapply(split(values, values$case), function(v) {
  x <- split(v$value, v$group)
  data.frame(
    case = v$case[1],
    n1 = length(x[[1]]), n2 = length(x[[2]]),
    mean1 = mean(x[[1]]), sd1 = sd(x[[1]]),
    mean2 = mean(x[[2]]), sd2 = sd(x[[2]])
  )
}))
smd <- function(vtype) {
  escalc("SMD", n1i = n1, n2i = n2, m1i = mean1, m2i = mean2, sd1i = sd1, sd2i = sd2,
         vtype = vtype, data = summaries, append = FALSE)
}
df <- with(summaries, n1 + n2 - 2)
scale <- with(summaries, sqrt(1 / n1 + 1 / n2))
d <- with(summaries, (mean1 - mean2) / sqrt(((n1 - 1) * sd1^2 + (n2 - 1) * sd2^2) / df))
limits <- mapply(ncp_limits, d / scale, df)
write_tsv(
  data.frame(
    summaries,
    d = d,
    yi = as.numeric(smd("UB")$yi),
    vi_ub = smd("UB")$vi,
    vi_ls = smd("LS")$vi,
    d_low = limits["low", ] * scale,
    d_high = limits["high", ] * scale
  ),
  "hedges.tsv"
)

pairs <- c(3, 4, 5, 6, 8, 10, 12)
shift <- c(1.5, 0, -2, 0.6, 3, -0.4, 0.9)
values <- do.call(rbind, lapply(seq_along(pairs), function(i) {
  subject_level <- rnorm(pairs[i], 6, 1)
  data.frame(
    case = i,
    pair = seq_len(pairs[i]),
    value1 = round(subject_level + shift[i] + rnorm(pairs[i], sd = 0.7), 4),
    value2 = round(subject_level + rnorm(pairs[i], sd = 0.7), 4)
  )
}))
write_tsv(values, "hedges_paired_values.tsv")

summaries <- do.call(rbind, lapply(split(values, values$case), function(v) {
  data.frame(
    case = v$case[1],
    n = nrow(v),
    mean1 = mean(v$value1), sd1 = sd(v$value1),
    mean2 = mean(v$value2), sd2 = sd(v$value2),
    r = cor(v$value1, v$value2),
    mean_diff = mean(v$value1 - v$value2), sd_diff = sd(v$value1 - v$value2)
  )
}))
smcc <- escalc("SMCC", ni = n, m1i = mean1, m2i = mean2, sd1i = sd1, sd2i = sd2, ri = r,
               vtype = "LS", data = summaries, append = FALSE)
d_z <- with(summaries, mean_diff / sd_diff)
limits <- mapply(ncp_limits, d_z * sqrt(summaries$n), summaries$n - 1)
write_tsv(
  data.frame(
    summaries,
    d_z = d_z,
    yi = as.numeric(smcc$yi),
    vi = smcc$vi,
    d_low = limits["low", ] / sqrt(summaries$n),
    d_high = limits["high", ] / sqrt(summaries$n)
  ),
  "hedges_paired.tsv"
)

# ---- 5. exact permutation ----

two_sample_statistics <- function(x, n1) {
  combn(length(x), n1, function(i) abs(mean(x[i]) - mean(x[-i]))) # first labeling: the observed
}
paired_statistics <- function(difference) {
  signs <- as.matrix(expand.grid(rep(list(c(1, -1)), length(difference)))) # first row: all +1
  abs(drop(signs %*% difference)) / length(difference)
}

seed(5)
cases <- data.frame(
  case = c("3v3", "4v4", "4v5", "5v5", "paired4", "paired6"),
  design = rep(c("two_group", "paired"), c(4, 2)),
  n1 = c(3L, 4L, 4L, 5L, 4L, 6L),
  n2 = c(3L, 4L, 5L, 5L, 4L, 6L)
)
shift <- c(4, 1, 4, 0.3, 3, 0.8)
values <- do.call(rbind, lapply(seq_len(nrow(cases)), function(i) {
  n <- c(cases$n1[i], cases$n2[i])
  is_paired <- cases$design[i] == "paired"
  data.frame(
    case = cases$case[i],
    subject = if (is_paired) rep(seq_len(n[1]), 2) else seq_len(sum(n)),
    group = rep(1:2, n),
    value = round(c(rnorm(n[1], 6 + shift[i]), rnorm(n[2], 6)), 4)
  )
}))
write_tsv(values, "permutation_values.tsv")

results <- do.call(rbind, lapply(seq_len(nrow(cases)), function(i) {
  v <- values[values$case == cases$case[i], ]
  if (cases$design[i] == "paired") {
    statistics <- paired_statistics(v$value[v$group == 1] - v$value[v$group == 2])
  } else {
    statistics <- two_sample_statistics(v$value, cases$n1[i])
  }
  mirrored <- cases$n1[i] == cases$n2[i] # each labeling has a twin with the same statistic
  data.frame(
    statistic = statistics[1],
    p = mean(statistics >= statistics[1] - 1e-12),
    labelings = length(statistics),
    smallest_p = (if (mirrored) 2 else 1) / length(statistics)
  )
}))
write_tsv(cbind(cases, results), "permutation.tsv")

# ---- 6. minimal detectable effect, in standard errors ----

power <- data.frame(df = c(2L, 3L, 4L, 6L, 8L, 10L, 14L, 22L), alpha = 0.05, power = 0.8)
power$ncp <- vapply(power$df, function(df) {
  critical <- qt(0.975, df)
  reject <- function(ncp) pt(critical, df, ncp, lower.tail = FALSE) + pt(-critical, df, ncp)
  uniroot(function(ncp) reject(ncp) - 0.8, c(1, 10), tol = 1e-13)$root
}, numeric(1))
write_tsv(power, "power.tsv")

# ---- 7. two one-sided tests of equivalence ----

tost <- data.frame(
  estimate = c(0, 0.1, -0.25, 0.5, -0.9, 0.3),
  se = c(0.2, 0.15, 0.3, 0.1, 0.4, 0.05),
  df = c(6, 9.75, 4, 22, 3, 14.2), # fractional: moderated degrees of freedom
  margin = c(log2(1.5), log2(1.5), log2(1.5), log2(1.5), 1, 0.3)
)
tost <- within(tost, {
  p <- pmax(pt((estimate + margin) / se, df, lower.tail = FALSE), pt((estimate - margin) / se, df))
  ci_high <- estimate + qt(0.95, df) * se
  ci_low <- estimate - qt(0.95, df) * se
})
write_tsv(tost[c("estimate", "se", "df", "margin", "ci_low", "ci_high", "p")], "tost.tsv")

# ---- 8. Benjamini-Hochberg ----

seed(8)
p <- c(round(rbeta(14, 0.4, 1), 4), 0.01, 0.01, 0.01, NA, 0.04, 0.04, 1, 3e-07)
write_tsv(data.frame(p = p, p_bh = p.adjust(p, "BH")), "bh.tsv")

# ---- 9. set tests and single-sample scores on genes.tsv ----

sets <- list(moved = 1:12, mixed = c(5, 80, 120, 200, 250), large = 40:99, pair = c(17, 222))
members <- data.frame(
  set = rep(names(sets), lengths(sets)),
  gene = rownames(genes)[unlist(sets)]
)
write_tsv(members, "sets.tsv")
rotation <- fry(genes, index = sets, design = two_group, contrast = 2, sort = "none")
competitive <- camera(genes, index = sets, design = two_group, contrast = 2,
                      inter.gene.cor = NA, sort = FALSE)
write_tsv(
  data.frame(
    set = names(sets),
    fry_direction = rotation[names(sets), "Direction"],
    fry_p = rotation[names(sets), "PValue"],
    camera_direction = competitive[names(sets), "Direction"],
    camera_correlation = competitive[names(sets), "Correlation"],
    camera_p = competitive[names(sets), "PValue"]
  ),
  "set_tests.tsv"
)
named <- lapply(sets, function(rows) rownames(genes)[rows])
for (method in c("gsva", "ssgsea")) {
  scores <- GSVA::gsva(genes, named, method = method, ssgsea.norm = FALSE, min.sz = 1,
                       verbose = FALSE)
  write_matrix(scores, paste0("scores_", method, ".tsv"), "set")
}
# singscore's simpleScore with its default centring, by its published formula (the package is not
# in Debian): mean rank between the smallest and largest possible, minus 1/2.
ranks <- apply(genes, 2, rank)
singscore <- t(vapply(sets, function(rows) {
  low <- (length(rows) + 1) / 2
  high <- (2 * nrow(genes) - length(rows) + 1) / 2
  (colMeans(ranks[rows, , drop = FALSE]) - low) / (high - low) - 0.5
}, numeric(8)))
write_matrix(singscore, "scores_singscore.tsv", "set")

# ---- meta-analysis (metafor): Paule-Mandel, Hartung-Knapp and its ad hoc form ----

# Effects and standard errors on the log2 scale of set scores. `agree`: closer together than their
# errors let expect (q below 1); `spread`: heterogeneous; the others are drawn.
seed(20)
meta_cases <- list(
  agree = list(yi = c(0.50, 0.55, 0.48, 0.52), sei = c(0.55, 0.52, 0.58, 0.50)),
  spread = list(yi = c(-0.40, 0.90, 1.60), sei = c(0.20, 0.25, 0.30)),
  one_outlier = list(yi = c(0.10, 0.15, 0.05, 1.40, 0.12), sei = c(0.08, 0.12, 0.10, 0.15, 0.30)),
  unequal = list(yi = c(0.31, -0.22, 0.74), sei = c(0.02, 0.40, 0.90)),
  two = list(yi = c(0.20, 0.60), sei = c(0.10, 0.20)),
  near_zero = list(yi = c(0.00, 0.01, -0.01, 0.00), sei = c(0.10, 0.10, 0.20, 0.20))
)
for (k in c(3, 4, 6, 12)) {
  meta_cases[[paste0("drawn_", k)]] <- list(
    yi = round(rnorm(k, 0.3, 0.4), 4), sei = round(runif(k, 0.1, 0.5), 4)
  )
}
meta_row <- function(yi, sei) {
  # A tight threshold: the default stops at the fourth digit of tau2.
  fit <- function(test) {
    rma(yi = yi, sei = sei, method = "PM", test = test, control = list(threshold = 1e-12, tol = 1e-12))
  }
  plain <- fit("knha")
  q <- plain$s2w
  fit <- fit("adhoc")
  df <- fit$k - 2
  half <- if (df > 0) qt(0.975, df) * sqrt(fit$se^2 + fit$tau2) else NA
  data.frame(
    k = fit$k, estimate = as.numeric(fit$b), se = fit$se, p = fit$pval,
    ci_low = fit$ci.lb, ci_high = fit$ci.ub, knha_low = plain$ci.lb, knha_high = plain$ci.ub, q = q,
    prediction_low = as.numeric(fit$b) - half, prediction_high = as.numeric(fit$b) + half,
    tau2 = fit$tau2, i2 = fit$I2 / 100, heterogeneity_q = fit$QE, heterogeneity_p = fit$QEp
  )
}
meta_values <- meta_fits <- meta_without <- NULL
for (case in names(meta_cases)) {
  yi <- meta_cases[[case]]$yi
  sei <- meta_cases[[case]]$sei
  meta_values <- rbind(meta_values, data.frame(case = case, effect = yi, standard_error = sei))
  meta_fits <- rbind(meta_fits, data.frame(case = case, meta_row(yi, sei)))
  if (length(yi) > 2) for (left in seq_along(yi)) {
    meta_without <- rbind(
      meta_without, data.frame(case = case, left_out = left, meta_row(yi[-left], sei[-left]))
    )
  }
}
write_tsv(meta_values, "meta_values.tsv")
write_tsv(meta_fits, "meta.tsv")
write_tsv(meta_without, "meta_leave_one_out.tsv")

# ---- partial rank correlation: rank correlation of residuals ----

seed(21)
ranked <- data.frame(
  x = round(rnorm(14), 1), y = round(rnorm(14), 1), z = round(rnorm(14), 4),
  group = rep(c("a", "b"), each = 7)
)
ranked$y <- round(ranked$y + 0.8 * ranked$x, 1)
partial_rank <- function(given) {
  left <- function(v) residuals(lm(as.formula(paste("v ~", given)), cbind(ranked, v = v)))
  # The first residuals are rounded, so that ties stay ties in any arithmetic.
  cor(left(rank(round(left(ranked$x), 9))), left(rank(round(left(ranked$y), 9))))
}
write_tsv(ranked, "partial_values.tsv")
write_tsv(
  data.frame(given = c("nothing", "group", "group and z"),
             rho = c(cor(ranked$x, ranked$y, method = "spearman"),
                     partial_rank("group"), partial_rank("group + z"))),
  "partial.tsv"
)

# ---- 10. subjects with one or two samples: duplicateCorrelation, lmFit with a block ----

seed(10)
block <- c(1:6, 1:4, 7:8) # four subjects in both groups, two in each group alone
blocked <- cbind(intercept = 1, group = rep(c(0, 1), each = 6))
rownames(blocked) <- paste0("s", 1:12)
write_tsv(data.frame(sample = rownames(blocked), blocked, subject = paste0("p", block)),
          "design_blocked.tsv")
spread <- sqrt(0.05 * 4 / rchisq(60, 4))
# The share of the variance between subjects differs from set to set, and is nothing in the last.
share <- c(rep(c(0.2, 0.5, 0.8), each = 15), rep(0, 15))
blocks <- spread * (sqrt(share) * matrix(rnorm(60 * 8), 60)[, block] +
                      sqrt(1 - share) * matrix(rnorm(60 * 12), 60))
blocks <- blocks + rnorm(60, 6, 1.5)
blocks[1:5, 7:12] <- blocks[1:5, 7:12] + c(0.6, -0.9, 1.2, 0.4, -0.3)
blocks <- round(blocks, 4)
dimnames(blocks) <- list(sprintf("set%02d", 1:60), rownames(blocked))
write_matrix(blocks, "scores_blocked.tsv", "set")
correlation <- duplicateCorrelation(blocks, blocked, block = block)
fit <- eBayes(lmFit(blocks, blocked, block = block, correlation = correlation$consensus))
write_fit(fit, "group", "limma_scores_blocked.tsv", "set")

# Counts with voom weights; two subjects of s1-s8 are in both groups.
count_block <- c(1:4, 1:2, 5:6)
of_counts <- duplicateCorrelation(v, two_group, block = count_block)
fit <- eBayes(lmFit(v, two_group, block = count_block, correlation = of_counts$consensus))
write_tsv(
  data.frame(
    gene = rownames(v$E),
    logFC = fit$coefficients[, "group"],
    t = fit$t[, "group"],
    p = fit$p.value[, "group"]
  ),
  "limma_voom_blocked.tsv"
)
write_tsv(
  data.frame(
    input = c("scores_blocked", "counts"),
    consensus = c(correlation$consensus, of_counts$consensus)
  ),
  "duplicate_correlation.tsv"
)

# ---- versions ----

write_tsv(
  data.frame(
    name = c("R", packages),
    version = c(as.character(getRversion()),
                vapply(packages, function(p) as.character(packageVersion(p)), character(1)))
  ),
  "versions.tsv"
)
