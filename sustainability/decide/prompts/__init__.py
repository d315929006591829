"""Which prompt is worth its tokens: prices of recipes, experiments that are kept, a search."""
