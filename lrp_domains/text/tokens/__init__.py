"""From a text to tokens and back to words: their places in the text, limits of length, rows for the model, padding."""
