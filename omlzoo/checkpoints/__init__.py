"""Facts and files of weights: the manifest, its entries, the Hub, the cache, foreign layouts."""
