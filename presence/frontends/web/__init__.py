"""The page for people and the browser client, served from the files of the package."""
