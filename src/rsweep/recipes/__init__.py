"""Recipes: published tables that one command makes again."""
