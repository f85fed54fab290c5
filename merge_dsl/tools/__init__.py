"""How it is shown: diagnostics as text, as one line each, as JSON, as annotations."""
