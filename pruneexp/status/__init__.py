"""Looking on: what the sweeps on disk have come to, as tables in a terminal, once or for as long as they run."""
