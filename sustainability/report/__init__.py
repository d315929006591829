"""Estimates as people read them: text for a terminal, Markdown, and self-contained HTML pages."""
