"""Documentation formats: each module turns files of one format into `ApiDoc`s, and knows nothing about indexes."""
