"""The command line: one module per command, each parses, calls a public function and prints."""
