"""The core: relevance of tensors. It knows neither texts nor genes; its public names are those of `lrp_domains`."""
