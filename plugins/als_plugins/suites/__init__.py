"""The bundled benchmark suites, read from `benchmarks/suites/`."""
