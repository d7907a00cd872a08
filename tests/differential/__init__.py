"""Random programs, computed twice: by the compiler, and by a plain interpreter of the language. They must agree."""
