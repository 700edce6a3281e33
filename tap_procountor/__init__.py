"""Singer tap for the Finnish accounting system Procountor."""
