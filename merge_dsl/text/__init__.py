"""What is written: source and spans, parser, syntax messages, tree."""
