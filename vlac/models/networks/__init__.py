"""The sub-networks g_l and f_l for RGB images, in two forms: the paper says no more than that they convolve."""

from vlac.models.networks import strided, vlae

FORMS: dict[str, type[vlae.Networks | strided.Networks]] = {"vlae": vlae.Networks, "strided": strided.Networks}
"""Makers of a ladder's sub-networks, by `network.form`."""
