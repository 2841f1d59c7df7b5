"""Results that are computed once: their identity, and the content-addressed store that keeps them."""
