"""The log: recorder and its side process, reader, labels, quality checks, recovery. Format: data/formats/log.md."""
