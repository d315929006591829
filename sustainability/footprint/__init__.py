"""What a whole deployment takes: each of its parts, counted for a month."""
