"""The report: self-contained web pages made from the result tables, readable without a network."""
