"""What a text model is for, and which number of its outputs is explained: one file per head."""
