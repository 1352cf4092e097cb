"""Images: the official SVHN files, rendered street-view-like digits, own pictures, and the splits made of them."""
