# Reads every series matrix under a folder with GEOquery and writes what it found as small tables
# to tests/parity/geoquery/, which tests/parity/test_against_geoquery.py compares with our reader.
#
# Run from the repository root:  Rscript tests/parity/compare_geoquery.R <folder>
# Needs R (>= 4.2) with GEOquery (Bioconductor). The test itself does not need R.

if (!requireNamespace("GEOquery", quietly = TRUE)) stop("Install GEOquery (Bioconductor) first.")
if (!dir.exists("tests/parity")) stop("Run from the repository root, the folder with tests/parity.")
folder <- commandArgs(TRUE)[1]
if (is.na(folder) || !dir.exists(folder)) stop("Name the folder with the series matrix files.")
suppressPackageStartupMessages(library(GEOquery))
out_dir <- "tests/parity/geoquery"
dir.create(out_dir, showWarnings = FALSE)

paths <- list.files(folder, "series_matrix\\.txt\\.gz$", recursive = TRUE, full.names = TRUE)
paths <- paths[order(basename(paths), method = "radix")]

clean <- function(text) {
  text <- trimws(gsub("[[:space:]]+", " ", as.character(text)))
  ifelse(is.na(text), "", text)
}
md5 <- function(lines) {
  part <- tempfile()
  on.exit(unlink(part))
  writeBin(charToRaw(enc2utf8(paste(lines, collapse = "\n"))), part)
  unname(tools::md5sum(part))
}

tables <- list(files = list(), samples = list(), characteristics = list())
for (path in paths) {
  file <- basename(path)
  found <- suppressMessages(suppressWarnings(getGEO(filename = path, getGPL = FALSE)))
  values <- exprs(found)
  mode(values) <- "numeric"
  ids <- featureNames(found)
  tables$files[[file]] <- data.frame(
    file = file, rows = nrow(values), samples = ncol(values), missing = sum(is.na(values)),
    sum = sprintf("%.15g", sum(values, na.rm = TRUE)),
    first = c(ids, "")[1], last = c("", ids)[length(ids) + 1]
  )
  tables$samples[[file]] <- data.frame(
    file = file, sample = sampleNames(found),
    title = clean(pData(found)$title),
    sum = sprintf("%.15g", colSums(values, na.rm = TRUE))
  )
  # Columns named "key:ch1" hold the characteristics. The values of a key are kept as the MD5 sum
  # of one line a sample, which is small and still tells any difference.
  pheno <- pData(found)
  for (key in grep(":ch[12]$", names(pheno), value = TRUE)) {
    values <- clean(pheno[[key]])
    tables$characteristics[[paste(file, key)]] <- data.frame(
      file = file, key = tolower(clean(key)), given = sum(values != ""), md5 = md5(values)
    )
  }
}

write <- function(table, name) {
  connection <- file(file.path(out_dir, paste0(name, ".tsv")), "wb")
  on.exit(close(connection))
  write.table(
    table, connection, sep = "\t", quote = FALSE, row.names = FALSE, na = "", fileEncoding = "UTF-8"
  )
}
for (name in names(tables)) write(do.call(rbind, tables[[name]]), name)
write(
  data.frame(name = c("R", "GEOquery"), version = c(
    as.character(getRversion()), as.character(packageVersion("GEOquery"))
  )),
  "versions"
)
