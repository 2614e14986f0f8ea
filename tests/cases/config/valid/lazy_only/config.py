from .anything import Here

where = Here
