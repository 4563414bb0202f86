"""Auto-annotation functions for CVAT, which ``cvat-cli`` runs; they need no Nuclio.

Each module is one function: ``detector`` finds the objects of an annotated photo, ``interactor``
answers clicks and boxes, ``tracker`` follows shapes.
"""
