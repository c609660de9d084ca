"""Town life: many people, and whatever they ask for."""
