"""How cost grows."""


def grow(backend, lookup, options):
    return {}
