"""The portal's pages, one module per thing that a person does."""
