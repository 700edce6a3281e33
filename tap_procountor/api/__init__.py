"""HTTP: how the API is asked, and nothing of Singer."""
