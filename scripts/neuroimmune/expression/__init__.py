"""From GEO's numbers to log-expression profiles, one row a biological sample."""
