"""What clients of the REST API share: its problems as errors of our tree, and the picture that an event stream draws.

Law: pure; whoever calls opens the connections.
"""

from bwvisu.rest.answers import Json, NotAsRead, as_error, document
from bwvisu.rest.picture import Picture, Removed

__all__ = ["Json", "NotAsRead", "Picture", "Removed", "as_error", "document"]
