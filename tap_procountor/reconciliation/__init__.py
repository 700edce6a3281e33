"""The ledger that was read, compared with Procountor's own report: what counts, sums, verdicts."""
