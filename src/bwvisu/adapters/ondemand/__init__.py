"""Reads an interactive application of Open OnDemand (batch connect) into a bundle of ours.

Law: nothing of the foreign folder is executed, and no Ruby is.  What is understood of it is translated; of everything
else it is said, file by file, that it was not, and the bundle does not load until somebody has filled the gap: a name
``not_translated_<N>`` stands there, which is no parameter.  Links are not followed, and files are written into one new
folder only.
"""

from bwvisu.adapters.ondemand.bundle import Imported, name_of, translate
from bwvisu.adapters.ondemand.files import NotReadable, read_folder, write_folder
from bwvisu.adapters.ondemand.notes import Note

__all__ = ["Imported", "NotReadable", "Note", "name_of", "read_folder", "translate", "write_folder"]
