"""Draws what `dashboards.info` says: figures for a browser and components of pages."""
