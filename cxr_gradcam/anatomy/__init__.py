"""Where the lungs lie in a chest radiograph, and in which part of the chest a place lies."""
