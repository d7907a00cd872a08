"""The same models in other libraries, and programs that run them; none is imported unless it is asked for."""
