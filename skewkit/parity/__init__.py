"""The same inputs through two paths: offline and online, one language and another, a store's two sides."""
