"""The six readers, a file each: its properties, its seeds, its tokens."""
