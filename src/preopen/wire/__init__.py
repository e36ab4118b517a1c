"""Between server, zygote and cell: values as bytes, and the sockets that carry them."""
