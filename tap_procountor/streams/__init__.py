"""The streams, one module per area of Procountor; what they are built from is in `base`."""
