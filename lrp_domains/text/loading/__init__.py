"""What a user names or passes as a model, loaded: from a folder or the hub, inside pipelines, adapters and encoders."""
