"""The pages: each is an address, a layout made from what is stored now, and callbacks that keep it so."""
