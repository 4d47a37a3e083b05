"""Neuroimmune gene sets in AIHA transcriptomes: the library behind the workflow."""
