"""The synthetic bookkeeping of one company: generated from a seed, changed by editing."""
