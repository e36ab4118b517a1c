"""The ten readers, a file each: its properties, its seeds, its tokens."""
