"""The last step: result.json and the page made from it, and past runs."""
