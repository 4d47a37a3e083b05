# The same question in R, as short as an analyst would write it: read a series matrix with
# GEOquery, one row a gene, limma, and fry for every gene set.
#
#   Rscript bulk.R MATRIX ANNOTATION SAMPLES SETS OUT
#
# SAMPLES: our samples.tsv; SETS: set_id and gene_symbol; OUT: folder for two tables.
suppressPackageStartupMessages({
  library(GEOquery)
  library(limma)
})
arguments <- commandArgs(TRUE)
eset <- suppressMessages(getGEO(filename = arguments[1], getGPL = FALSE))
platform <- Table(suppressMessages(getGEO(filename = arguments[2])))
samples <- read.delim(arguments[3], check.names = FALSE)
samples <- samples[samples$include == "yes" & samples$group != "", ]
sets <- read.delim(arguments[4])

values <- exprs(eset)[, samples$sample]
if (quantile(values, 0.99, na.rm = TRUE) > 100) values <- log2(values + 1)
symbol <- platform[["Gene symbol"]][match(rownames(values), platform$ID)]
keep <- !is.na(symbol) & symbol != "" & !grepl("///", symbol) & rowSums(is.na(values)) == 0
values <- values[keep, ]
symbol <- symbol[keep]
best <- order(rowMeans(values), decreasing = TRUE)
best <- best[!duplicated(symbol[best])]
genes <- values[best, ]
rownames(genes) <- symbol[best]

group <- factor(samples$group)
design <- model.matrix(~group)
fit <- eBayes(lmFit(genes, design), trend = TRUE, robust = TRUE)
index <- ids2indices(split(sets$gene_symbol, sets$set_id), rownames(genes))
dir.create(arguments[5], showWarnings = FALSE)
write.table(topTable(fit, coef = 2, number = Inf), file.path(arguments[5], "genes.tsv"), sep = "\t")
write.table(fry(genes, index, design, contrast = 2), file.path(arguments[5], "sets.tsv"), sep = "\t")
cat(nrow(genes), "genes,", length(index), "sets\n")
