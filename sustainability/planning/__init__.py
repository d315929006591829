"""How a serving plan comes about: what it is planned from, and a module for each kind of answer."""
